// Names to addresses and back for a thread that waits: as names.ts, with plain values.
import { nobodyAborts } from '../abort.ts';
import type { Inet6Address, InetAddress } from '../address.ts';
import type { HostRow } from '../binding.ts';
import { typeError } from '../errors.ts';
import { now } from '../lookup.ts';
import type { AddressInfo, AddressInfoHints } from '../queries.ts';
import * as queries from '../queries.ts';

/**
 * Every address of a host and a service: getaddrinfo(3), in its order and with its repeats.
 *
 * `host`: a name (beyond ASCII as Punycode), a numeric address, or null for this machine:
 * the loopback, or the wildcard with AI_PASSIVE. `port`: a number, a service name, or null.
 *
 * Errors: `AddressInfoError` with the EAI name as `code`; `SocketError` where the resolver
 * itself met a system error.
 */
export function getaddrinfo(
  host: string | null,
  port: number | string | null,
  hints: AddressInfoHints = {},
): AddressInfo[] {
  if (typeof hints !== 'object' || hints === null) throw typeError('hints', 'an object', hints);
  if ('signal' in hints && hints.signal !== undefined) throw nobodyAborts();
  return now(queries.addressInfo(host, port, hints));
}

/**
 * The name and service of an address: getnameinfo(3). `flags` are NI_ constants; the host
 * of `sockaddr` has to be numeric.
 *
 * Errors: `AddressInfoError` (with NI_NAMEREQD, `EAI_NONAME` for an address without a name).
 */
export function getnameinfo(
  sockaddr: InetAddress | Inet6Address | readonly [host: string, port: number, flowinfo: number],
  flags: number,
): [host: string, service: string] {
  return now(queries.nameInfo(sockaddr, flags));
}

/**
 * The first IPv4 address of a host, as text. `""` gives `"0.0.0.0"` and `"<broadcast>"`
 * gives `"255.255.255.255"`, as everywhere an address is taken.
 *
 * Errors: `AddressInfoError`.
 */
export function gethostbyname(name: string): string {
  return now(queries.hostAddress(name));
}

/**
 * A host's canonical name, its aliases, and all its IPv4 addresses: gethostbyname(3).
 *
 * Errors: `AddressInfoError`, with the EAI name that answers to the h_errno.
 */
export function gethostbyname_ex(name: string): HostRow {
  return now(queries.hostByName(name));
}

/**
 * The name, the aliases and the addresses that the system knows for an IPv4 or IPv6
 * address: gethostbyaddr(3). A name in place of `ip` is looked up first.
 *
 * Errors: `AddressInfoError`, `EAI_NONAME` for an address without a name.
 */
export function gethostbyaddr(ip: string): HostRow {
  return now(queries.hostByAddress(ip));
}

/**
 * The qualified name of a host (this one, if none is given): the first with a dot among the
 * name and aliases of `gethostbyaddr`; what was given, if there is none.
 */
export function getfqdn(name = ''): string {
  return now(queries.qualifiedName(name));
}
