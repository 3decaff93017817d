// Names to addresses and back, as the system's resolver has them. Knows what is asked and
// how the answer reads; lookup.ts knows how to wait for it.
import os from 'node:os';
import { domainToASCII } from 'node:url';
import { checkSignal } from './abort.ts';
import type { AnyAddress, Inet6Address, InetAddress } from './address.ts';
import { decodeAddress, encodeAddress, MAX_ADDRESS_LENGTH, NEEDS_LOOKUP } from './address.ts';
import { type AddressRows, type HostRow, native } from './binding.ts';
import {
  AF_INET,
  AF_INET6,
  AI_NUMERICHOST,
  AI_NUMERICSERV,
  NI_NUMERICHOST,
  NI_NUMERICSERV,
  SOCK_DGRAM,
} from './constants.gen.ts';
import { addressInfoError, checkInteger, describeValue, SocketError, typeError } from './errors.ts';
import { formatInet4, formatInet6, parseInet4, parseInet6 } from './iptext.ts';
import { ask, type Question } from './lookup.ts';

/** What a look-up can be told. */
export interface LookupOptions {
  signal?: AbortSignal | undefined;
}

/** The hints of getaddrinfo(3); what is left out is 0, "any". */
export interface AddressInfoOptions extends LookupOptions {
  family?: number;
  type?: number;
  proto?: number;
  flags?: number;
}

/** A row of `getaddrinfo`: what `socket()` takes, the canonical name if asked for, and the address. */
export type AddressInfo = [
  family: number,
  type: number,
  proto: number,
  canonname: string,
  sockaddr: AnyAddress,
];

/** A row of `getaddrinfo` with the kernel's form of the address beside it. */
export interface ResolvedAddress {
  readonly family: number;
  readonly type: number;
  readonly proto: number;
  readonly canonname: string;
  readonly address: AnyAddress;
  readonly sockaddr: Uint8Array;
}

const NUMERIC_ANSWER = NI_NUMERICHOST | NI_NUMERICSERV;

const scratch = new Uint8Array(16);

/** AF_INET or AF_INET6 of a numeric host, with or without `%zone`; 0 for a name. */
function numericFamily(host: string): number {
  if (parseInet4(host, 0, host.length, scratch, 0)) return AF_INET;
  const zone = host.indexOf('%');
  return parseInet6(host, zone < 0 ? host.length : zone, scratch, 0) ? AF_INET6 : 0;
}

// NI_MAXHOST, which is four times what DNS can hold: longer is no name, and would only
// keep a thread busy finding that out.
const MAX_NAME = 1024;

/** A host name as DNS has it: names beyond ASCII in Punycode (UTS 46, as URLs have them). */
function checkHost(name: string, host: unknown): string {
  if (typeof host !== 'string') throw typeError(name, 'a string', host);
  if (host.includes('\0'))
    throw new RangeError(`Expected a host without NUL for ${name} but received ${describeValue(host)}`);
  if (host.length > MAX_NAME) {
    throw new RangeError(
      `Expected a host of at most ${MAX_NAME} characters for ${name} but received ${host.length}`,
    );
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant
  if (/^[\x00-\x7f]*$/.test(host) || numericFamily(host) !== 0) return host;
  const ascii = domainToASCII(host);
  if (ascii === '')
    throw new RangeError(`Expected a host name for ${name} but received ${describeValue(host)}`);
  return ascii;
}

function checkService(port: unknown): string | null {
  if (port === null) return null;
  if (typeof port === 'number') return String(checkInteger('port', port, 0, 0xffff));
  if (typeof port !== 'string') throw typeError('port', 'a number, a service name or null', port);
  if (port.includes('\0'))
    throw new RangeError(`Expected a service without NUL for port but received ${describeValue(port)}`);
  if (port.length > MAX_NAME) {
    throw new RangeError(
      `Expected a service of at most ${MAX_NAME} characters for port but received ${port.length}`,
    );
  }
  // The C library takes 65616 for 80.
  if (/^\s*\+?\d+$/.test(port)) return String(checkInteger('port', Number(port), 0, 0xffff));
  return port;
}

function checkHint(name: string, value: unknown): number {
  return value === undefined ? 0 : checkInteger(name, value, -0x80000000, 0x7fffffff);
}

function checkOptions<Options extends LookupOptions>(options: Options): Options {
  if (typeof options !== 'object' || options === null) throw typeError('options', 'an object', options);
  checkSignal(options.signal);
  return options;
}

/** `host:service`, as messages have it. */
function placeOf(host: string | null, service: string | number | null): string {
  if (service === null) return host ?? '';
  return `${host === null ? '*' : host.includes(':') ? `[${host}]` : host}:${service}`;
}

function addressQuestion(
  host: unknown,
  port: unknown,
  options: AddressInfoOptions,
): Question<AddressRows, ResolvedAddress[]> {
  const name = host === null ? null : checkHost('host', host);
  const service = checkService(port);
  const family = checkHint('family', options.family);
  const type = checkHint('type', options.type);
  const proto = checkHint('proto', options.proto);
  const immediate =
    (name === null || numericFamily(name) !== 0) && (service === null || /^\d+$/.test(service));
  const flags = checkHint('flags', options.flags) | (immediate ? AI_NUMERICHOST | AI_NUMERICSERV : 0);
  return {
    syscall: 'getaddrinfo',
    target: { ...(name !== null && { address: name }), ...(typeof port === 'number' && { port }) },
    place: placeOf(name, service),
    immediate,
    later: (id) => native.getaddrinfo(id, name, service, family, type, proto, flags),
    now: () => native.getaddrinfoSync(name, service, family, type, proto, flags),
    read: (rows) =>
      rows.map(([family, type, proto, canonname, sockaddr]) => ({
        family,
        type,
        proto,
        canonname,
        address: decodeAddress(sockaddr, sockaddr.length),
        sockaddr,
      })),
  };
}

/** `getaddrinfo` with the kernel's form of each address kept beside its tuple. */
export async function lookupAll(
  host: string | null,
  port: number | string | null,
  options: AddressInfoOptions = {},
): Promise<ResolvedAddress[]> {
  return ask(addressQuestion(host, port, checkOptions(options)), options.signal);
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
  const rows = await lookupAll(host, port, options);
  return rows.map(({ family, type, proto, canonname, address }) => [family, type, proto, canonname, address]);
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
  const { signal } = checkOptions(options);
  const out = new Uint8Array(MAX_ADDRESS_LENGTH);
  let length = encodeAddress(family, address, out, 'address');
  if (length === NEEDS_LOOKUP) {
    const [host, port, flowinfo, scope] = address as Inet6Address;
    // A type, so that each address comes once; which one does not matter, and one that
    // getaddrinfo(3) has no service table for (MPTCP) it would refuse.
    const question = addressQuestion(host, null, { family, type: SOCK_DGRAM });
    const [first] = await ask(
      { ...question, target: { address: host, port }, place: placeOf(host, port) },
      signal,
    );
    const found = first!.address as Inet6Address;
    const resolved = family === AF_INET6 ? [found[0], port, flowinfo, scope || found[3]] : [found[0], port];
    length = encodeAddress(family, resolved, out, 'address');
  }
  return out.slice(0, length);
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
  const { signal } = checkOptions(options);
  if (!Array.isArray(sockaddr)) throw typeError('sockaddr', 'an address tuple', sockaddr);
  const host = checkHost('the host of sockaddr', sockaddr[0]);
  const bits = checkInteger('flags', flags, -0x80000000, 0x7fffffff);
  const family = numericFamily(host);
  if (family === 0) {
    const message = `getnameinfo EAI_NONAME ${host}:${String(sockaddr[1])}: Expected a numeric host`;
    throw Object.assign(addressInfoError('EAI_NONAME', 'getnameinfo', message), { address: host });
  }
  const bytes = new Uint8Array(MAX_ADDRESS_LENGTH);
  const from = bytes.subarray(0, encodeAddress(family, sockaddr, bytes, 'sockaddr'));
  return ask<[string, string], [string, string]>(
    {
      syscall: 'getnameinfo',
      target: { address: host, port: sockaddr[1] as number },
      place: placeOf(host, sockaddr[1] as number),
      immediate: (bits & NUMERIC_ANSWER) === NUMERIC_ANSWER,
      later: (id) => native.getnameinfo(id, from, bits),
      now: () => native.getnameinfoSync(from, bits),
      read: (names) => names,
    },
    signal,
  );
}

/**
 * The first IPv4 address of a host, as text. `""` gives `"0.0.0.0"` and `"<broadcast>"`
 * gives `"255.255.255.255"`, as everywhere an address is taken.
 *
 * Errors: `AddressInfoError`. **Cancel safety**: an abort rejects at once and leaves nothing.
 */
export async function gethostbyname(name: string, options: LookupOptions = {}): Promise<string> {
  const { signal } = checkOptions(options);
  const out = new Uint8Array(MAX_ADDRESS_LENGTH);
  if (encodeAddress(AF_INET, [checkHost('name', name), 0], out, 'name') !== NEEDS_LOOKUP)
    return formatInet4(out, 4);
  const [first] = await ask(addressQuestion(name, null, { family: AF_INET, type: SOCK_DGRAM }), signal);
  return formatInet4(first!.sockaddr, 4);
}

/**
 * A host's canonical name, its aliases, and all its IPv4 addresses: gethostbyname(3).
 *
 * Errors: `AddressInfoError`, with the EAI name that answers to the h_errno.
 * **Cancel safety**: an abort rejects at once and leaves nothing.
 */
export async function gethostbyname_ex(name: string, options: LookupOptions = {}): Promise<HostRow> {
  const host = checkHost('name', name);
  return ask<HostRow, HostRow>(
    {
      syscall: 'gethostbyname',
      target: { address: host },
      place: host,
      immediate: numericFamily(host) === AF_INET,
      later: (id) => native.gethostbyname(id, host),
      now: () => native.gethostbynameSync(host),
      read: (row) => row,
    },
    checkOptions(options).signal,
  );
}

/**
 * The name, the aliases and the addresses that the system knows for an IPv4 or IPv6
 * address: gethostbyaddr(3). A name in place of `ip` is looked up first.
 *
 * Errors: `AddressInfoError`, `EAI_NONAME` for an address without a name.
 * **Cancel safety**: an abort rejects at once and leaves nothing.
 */
export async function gethostbyaddr(ip: string, options: LookupOptions = {}): Promise<HostRow> {
  const { signal } = checkOptions(options);
  const [first] = await ask(addressQuestion(checkHost('ip', ip), null, { type: SOCK_DGRAM }), signal);
  const { sockaddr, family } = first!;
  const address = family === AF_INET6 ? formatInet6(sockaddr, 8) : formatInet4(sockaddr, 4);
  return ask<HostRow, HostRow>(
    {
      syscall: 'gethostbyaddr',
      target: { address },
      place: address,
      immediate: false,
      later: (id) => native.gethostbyaddr(id, sockaddr),
      now: () => native.gethostbyaddrSync(sockaddr),
      read: (row) => row,
    },
    signal,
  );
}

/** This machine's name, as gethostname(2) has it: not always a qualified one (see `getfqdn`). */
export function gethostname(): string {
  return os.hostname();
}

/**
 * The qualified name of a host (this one, if none is given): the first with a dot among the
 * name and aliases of `gethostbyaddr`; what was given, if there is none.
 */
export async function getfqdn(name = '', options: LookupOptions = {}): Promise<string> {
  if (typeof name !== 'string') throw typeError('name', 'a string', name);
  const trimmed = name.trim();
  const host = trimmed === '' || trimmed === '0.0.0.0' || trimmed === '::' ? gethostname() : trimmed;
  try {
    const [first, aliases] = await gethostbyaddr(host, options);
    return [first, ...aliases].find((candidate) => candidate.includes('.')) ?? first;
  } catch (error) {
    // A signal's reason may be a SocketError too, and is not for us to keep.
    if (error instanceof SocketError && !options.signal?.aborted) return host;
    throw error;
  }
}
