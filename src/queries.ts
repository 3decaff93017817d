// What is asked of the system's resolver: arguments checked, questions put together, answers
// read. Steps that yield a question and are given its answer; who asks, and how the thread or
// the event loop waits meanwhile, is lookup.ts.
import { domainToASCII } from 'node:url';
import type { Inet6Address, InetAddress } from './address.ts';
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
  SOCK_STREAM,
} from './constants.gen.ts';
import { addressInfoError, checkInteger, describeValue, SocketError, typeError } from './errors.ts';
import { gethostname } from './interfaces.ts';
import { formatInet4, formatInet6, parseInet4, parseInet6 } from './iptext.ts';
import type { Question, Steps } from './lookup.ts';
import { wellKnown } from './services.ts';

/** The hints of getaddrinfo(3); what is left out is 0, "any". */
export interface AddressInfoHints {
  family?: number | undefined;
  type?: number | undefined;
  proto?: number | undefined;
  flags?: number | undefined;
}

/** A row of `getaddrinfo`: what `socket()` takes, the canonical name if asked for, and the address. */
export type AddressInfo = [
  family: number,
  type: number,
  proto: number,
  canonname: string,
  sockaddr: InetAddress | Inet6Address,
];

/** A row of `getaddrinfo` with the kernel's form of the address beside it. */
export interface ResolvedAddress {
  readonly family: number;
  readonly type: number;
  readonly proto: number;
  readonly canonname: string;
  readonly address: InetAddress | Inet6Address;
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

/** `host:service`, as messages have it. */
function placeOf(host: string | null, service: string | number | null): string {
  if (service === null) return host ?? '';
  return `${host === null ? '*' : host.includes(':') ? `[${host}]` : host}:${service}`;
}

function addressQuestion(
  host: unknown,
  port: unknown,
  hints: AddressInfoHints,
): Question<AddressRows, ResolvedAddress[]> {
  const name = host === null ? null : checkHost('host', host);
  const service = checkService(port);
  const family = checkHint('family', hints.family);
  const type = checkHint('type', hints.type);
  const proto = checkHint('proto', hints.proto);
  const immediate =
    (name === null || numericFamily(name) !== 0) && (service === null || /^\d+$/.test(service));
  const flags = checkHint('flags', hints.flags) | (immediate ? AI_NUMERICHOST | AI_NUMERICSERV : 0);
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
        address: decodeAddress(sockaddr, sockaddr.length) as InetAddress | Inet6Address,
        sockaddr,
      })),
  };
}

/** One question, and its answer as the question reads it. */
function* asked<Rows, Result>(question: Question<Rows, Result>): Steps<Result> {
  return (yield question) as Result;
}

/** Every address of a host and a service, with the kernel's form of each beside its tuple. */
export function* allAddresses(
  host: string | null,
  port: number | string | null,
  hints: AddressInfoHints,
): Steps<ResolvedAddress[]> {
  try {
    return yield* asked(addressQuestion(host, port, hints));
  } catch (error) {
    const known = isUnknownService(error) ? wellKnown(String(port)) : undefined;
    if (known === undefined) throw error;
    // As the C library has it: what the service is not offered over is left out, and there is no
    // service table for raw sockets.
    const question = addressQuestion(host, known.port, hints);
    const rows = yield* asked({ ...question, place: placeOf(host, port) });
    const found = rows.filter(({ type }) => known.protocols.includes(PROTOCOL_OF.get(type) ?? ''));
    if (found.length === 0) throw error;
    return found;
  }
}

// The built-in table stands behind the system's, which knows nothing without /etc/services.
const isUnknownService = (error: unknown): boolean =>
  error instanceof SocketError && error.code === 'EAI_SERVICE' && error.syscall === 'getaddrinfo';
const PROTOCOL_OF = new Map<number, string>([
  [SOCK_STREAM, 'tcp'],
  [SOCK_DGRAM, 'udp'],
]);

/** The rows of `getaddrinfo`. */
export function* addressInfo(
  host: string | null,
  port: number | string | null,
  hints: AddressInfoHints,
): Steps<AddressInfo[]> {
  const rows = yield* allAddresses(host, port, hints);
  return rows.map(({ family, type, proto, canonname, address }) => [family, type, proto, canonname, address]);
}

/** The native form of an address whose host may be a name. */
export function* nativeAddress(family: number, address: unknown): Steps<Uint8Array> {
  const out = new Uint8Array(MAX_ADDRESS_LENGTH);
  let length = encodeAddress(family, address, out, 'address');
  if (length === NEEDS_LOOKUP) {
    const [host, port, flowinfo, scope] = address as Inet6Address;
    // A type, so that each address comes once; which one does not matter, and one that
    // getaddrinfo(3) has no service table for (MPTCP) it would refuse.
    const question = addressQuestion(host, null, { family, type: SOCK_DGRAM });
    const [first] = yield* asked({
      ...question,
      target: { address: host, port },
      place: placeOf(host, port),
    });
    const found = first!.address as Inet6Address;
    const resolved = family === AF_INET6 ? [found[0], port, flowinfo, scope || found[3]] : [found[0], port];
    length = encodeAddress(family, resolved, out, 'address');
  }
  return out.slice(0, length);
}

/** The name and service of `getnameinfo`. */
export function* nameInfo(sockaddr: unknown, flags: number): Steps<[host: string, service: string]> {
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
  return yield* asked<[string, string], [string, string]>({
    syscall: 'getnameinfo',
    target: { address: host, port: sockaddr[1] as number },
    place: placeOf(host, sockaddr[1] as number),
    immediate: (bits & NUMERIC_ANSWER) === NUMERIC_ANSWER,
    later: (id) => native.getnameinfo(id, from, bits),
    now: () => native.getnameinfoSync(from, bits),
    read: (names) => names,
  });
}

/** The address of `gethostbyname`. */
export function* hostAddress(name: string): Steps<string> {
  const out = new Uint8Array(MAX_ADDRESS_LENGTH);
  if (encodeAddress(AF_INET, [checkHost('name', name), 0], out, 'name') !== NEEDS_LOOKUP)
    return formatInet4(out, 4);
  const [first] = yield* asked(addressQuestion(name, null, { family: AF_INET, type: SOCK_DGRAM }));
  return formatInet4(first!.sockaddr, 4);
}

/** The row of `gethostbyname_ex`. */
export function* hostByName(name: string): Steps<HostRow> {
  const host = checkHost('name', name);
  return yield* asked<HostRow, HostRow>({
    syscall: 'gethostbyname',
    target: { address: host },
    place: host,
    immediate: numericFamily(host) === AF_INET,
    later: (id) => native.gethostbyname(id, host),
    now: () => native.gethostbynameSync(host),
    read: (row) => row,
  });
}

/** The row of `gethostbyaddr`. */
export function* hostByAddress(ip: string): Steps<HostRow> {
  const [first] = yield* asked(addressQuestion(checkHost('ip', ip), null, { type: SOCK_DGRAM }));
  const { sockaddr, family } = first!;
  const address = family === AF_INET6 ? formatInet6(sockaddr, 8) : formatInet4(sockaddr, 4);
  return yield* asked<HostRow, HostRow>({
    syscall: 'gethostbyaddr',
    target: { address },
    place: address,
    immediate: false,
    later: (id) => native.gethostbyaddr(id, sockaddr),
    now: () => native.gethostbyaddrSync(sockaddr),
    read: (row) => row,
  });
}

/** The name of `getfqdn`. */
export function* qualifiedName(name: string): Steps<string> {
  if (typeof name !== 'string') throw typeError('name', 'a string', name);
  const trimmed = name.trim();
  const host = trimmed === '' || trimmed === '0.0.0.0' || trimmed === '::' ? gethostname() : trimmed;
  try {
    const [first, aliases] = yield* hostByAddress(host);
    return [first, ...aliases].find((candidate) => candidate.includes('.')) ?? first;
  } catch (error) {
    if (error instanceof SocketError) return host;
    throw error;
  }
}
