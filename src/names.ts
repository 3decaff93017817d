// Names to addresses and back, as the system's resolver has them, for the event loop: what is
// asked stands in queries.ts, how it is waited for in lookup.ts.
import { checkSignal } from './abort.ts';
import type { Inet6Address, InetAddress } from './address.ts';
import type { HostRow } from './binding.ts';
import { typeError } from './errors.ts';
import { later } from './lookup.ts';
import type { AddressInfo, AddressInfoHints, ResolvedAddress } from './queries.ts';
import * as queries from './queries.ts';

/** What a look-up can be told. */
export interface LookupOptions {
  signal?: AbortSignal | undefined;
}

/** The hints of getaddrinfo(3), and a signal. */
export interface AddressInfoOptions extends LookupOptions, AddressInfoHints {}

function checkOptions<Options extends LookupOptions>(options: Options): Options {
  if (typeof options !== 'object' || options === null) throw typeError('options', 'an object', options);
  checkSignal(options.signal);
  return options;
}

/** `getaddrinfo` with the kernel's form of each address kept beside its tuple. */
export async function lookupAll(
  host: string | null,
  port: number | string | null,
  options: AddressInfoOptions = {},
): Promise<ResolvedAddress[]> {
  return later(queries.allAddresses(host, port, checkOptions(options)), options.signal);
}

/**
 * Every address of a host and a service: getaddrinfo(3), in its order and with its repeats.
 *
 * `host`: a name (beyond ASCII as Punycode), a numeric address, or null for this machine:
 * the loopback, or the wildcard with AI_PASSIVE. `port`: a number, a service name, or null.
 * Numeric addresses are answered in place, names in a thread.
 *
 * Errors: `AddressInfoError` with the EAI name as `code`; `SocketError` where the resolver
 * itself met a system error. **Cancel safety**: an abort rejects at once and leaves nothing.
 */
export async function getaddrinfo(
  host: string | null,
  port: number | string | null,
  options: AddressInfoOptions = {},
): Promise<AddressInfo[]> {
  return later(queries.addressInfo(host, port, checkOptions(options)), options.signal);
}

/**
 * The sockaddr of an address tuple, its host looked up if it is a name: the first address
 * of that family that getaddrinfo(3) gives, with the tuple's port, flow and scope.
 */
export async function resolveAddress(
  family: number,
  address: unknown,
  options: LookupOptions = {},
): Promise<Uint8Array> {
  return later(queries.nativeAddress(family, address), checkOptions(options).signal);
}

/**
 * The name and service of an address: getnameinfo(3). `flags` are NI_ constants; the host
 * of `sockaddr` has to be numeric.
 *
 * Errors: `AddressInfoError` (with NI_NAMEREQD, `EAI_NONAME` for an address without a name).
 * **Cancel safety**: an abort rejects at once and leaves nothing.
 */
export async function getnameinfo(
  sockaddr: InetAddress | Inet6Address | readonly [host: string, port: number, flowinfo: number],
  flags: number,
  options: LookupOptions = {},
): Promise<[host: string, service: string]> {
  return later(queries.nameInfo(sockaddr, flags), checkOptions(options).signal);
}

/**
 * The first IPv4 address of a host, as text. `""` gives `"0.0.0.0"` and `"<broadcast>"`
 * gives `"255.255.255.255"`, as everywhere an address is taken.
 *
 * Errors: `AddressInfoError`. **Cancel safety**: an abort rejects at once and leaves nothing.
 */
export async function gethostbyname(name: string, options: LookupOptions = {}): Promise<string> {
  return later(queries.hostAddress(name), checkOptions(options).signal);
}

/**
 * A host's canonical name, its aliases, and all its IPv4 addresses: gethostbyname(3).
 *
 * Errors: `AddressInfoError`, with the EAI name that answers to the h_errno.
 * **Cancel safety**: an abort rejects at once and leaves nothing.
 */
export async function gethostbyname_ex(name: string, options: LookupOptions = {}): Promise<HostRow> {
  return later(queries.hostByName(name), checkOptions(options).signal);
}

/**
 * The name, the aliases and the addresses that the system knows for an IPv4 or IPv6
 * address: gethostbyaddr(3). A name in place of `ip` is looked up first.
 *
 * Errors: `AddressInfoError`, `EAI_NONAME` for an address without a name.
 * **Cancel safety**: an abort rejects at once and leaves nothing.
 */
export async function gethostbyaddr(ip: string, options: LookupOptions = {}): Promise<HostRow> {
  return later(queries.hostByAddress(ip), checkOptions(options).signal);
}

/**
 * The qualified name of a host (this one, if none is given): the first with a dot among the
 * name and aliases of `gethostbyaddr`; what was given, if there is none.
 */
export async function getfqdn(name = '', options: LookupOptions = {}): Promise<string> {
  return later(queries.qualifiedName(name), checkOptions(options).signal);
}
