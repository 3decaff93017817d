// Address tuples and the kernel's struct sockaddr: one codec a family. Knows layouts
// (Linux: family in host byte order, then the family's own fields), nothing of sockets and
// nothing of name servers: a host that is a name comes back as NEEDS_LOOKUP.
import { native } from './binding.ts';
import { AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC } from './constants.gen.ts';
import type { ErrorTarget } from './errors.ts';
import { addressInfoError, checkInteger, describeValue, systemError, typeError } from './errors.ts';
import { formatInet4, formatInet6, parseInet4, parseInet6 } from './iptext.ts';
import type {
  AF_INET6 as Inet6Family,
  AF_INET as InetFamily,
  AF_UNIX as UnixFamily,
} from './spec/families.ts';

/** `[host, port]` */
export type InetAddress = readonly [host: string, port: number];

/** `[host, port, flowinfo, scopeId]`: the scope is a number beside the host, never `%zone` in it. */
export type Inet6Address = readonly [host: string, port: number, flowinfo: number, scopeId: number];

/**
 * A path; a `Buffer` with a leading NUL for a name in the abstract namespace; a `Buffer`
 * without one for a path that is not UTF-8; `""` for a socket without a name.
 */
export type UnixAddress = string | Buffer;

/** Any family's address. A family that has no tuple here gives its raw sockaddr as a `Buffer`. */
export type AnyAddress = InetAddress | Inet6Address | UnixAddress;

/** The address that a socket of family `F` gives. */
export type Address<F extends number = number> = F extends InetFamily
  ? InetAddress
  : F extends Inet6Family
    ? Inet6Address
    : F extends UnixFamily
      ? UnixAddress
      : AnyAddress;

/** The tuples that AF_INET6 takes: flow information and scope may be left out. */
export type Inet6AddressInput =
  | readonly [host: string, port: number]
  | readonly [host: string, port: number, flowinfo: number]
  | Inet6Address;

/** The address that a socket of family `F` takes. */
export type AddressInput<F extends number = number> = F extends InetFamily
  ? InetAddress
  : F extends Inet6Family
    ? Inet6AddressInput
    : F extends UnixFamily
      ? string | Uint8Array
      : InetAddress | Inet6AddressInput | string | Uint8Array;

/** What `encodeAddress` returns for a host that is a name. */
export const NEEDS_LOOKUP = -1;

/** sizeof(struct sockaddr_storage): room for every family's address. */
export const MAX_ADDRESS_LENGTH = 128;

const PATH_OFFSET = 2;
/** sizeof(sun_path), unix(7). */
const MAX_PATH = 108;

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

interface Codec {
  encode(address: unknown, out: Uint8Array, what: string): number;
  decode(bytes: Uint8Array, length: number): AnyAddress;
  target(address: unknown): ErrorTarget;
}

function writeFamily(family: number, out: Uint8Array): void {
  out[0] = littleEndian ? family & 0xff : family >> 8;
  out[1] = littleEndian ? family >> 8 : family & 0xff;
}

function readFamily(bytes: Uint8Array): number {
  return littleEndian ? bytes[0]! | (bytes[1]! << 8) : (bytes[0]! << 8) | bytes[1]!;
}

function writeUint32(value: number, out: Uint8Array, at: number, little: boolean): void {
  for (let i = 0; i < 4; i++) out[at + i] = value >>> (little ? 8 * i : 24 - 8 * i);
}

function readUint32(bytes: Uint8Array, at: number, little: boolean): number {
  let value = 0;
  for (let i = 0; i < 4; i++) value = value * 256 + bytes[at + (little ? 3 - i : i)]!;
  return value;
}

function checkHost(host: unknown, what: string): string {
  if (typeof host !== 'string') throw typeError(`the host of ${what}`, 'a string', host);
  if (host.includes('\0'))
    throw new RangeError(`Expected a host without NUL in ${what} but received ${describeValue(host)}`);
  return host;
}

/** A numeric address of the wrong family: no look-up can help, and getaddrinfo(3) says so too. */
function wrongFamily(host: string): Error {
  const message = `getaddrinfo EAI_ADDRFAMILY ${host}: Address family for hostname not supported`;
  return Object.assign(addressInfoError('EAI_ADDRFAMILY', 'getaddrinfo', message), { address: host });
}

// RFC 6761 section 6.3: always the loopback address, never asked of a name server.
const isLocalhost = (host: string) => host.length === 9 && host.toLowerCase() === 'localhost';

const scratch = new Uint8Array(16);

const inetCodec: Codec = {
  // struct sockaddr_in, ip(7): family, port, address, eight bytes of zero.
  encode(address, out, what) {
    if (!Array.isArray(address) || address.length !== 2) throw typeError(what, '[host, port]', address);
    const host: unknown = address[0];
    const port = checkInteger(`the port of ${what}`, address[1], 0, 0xffff);
    writeFamily(AF_INET, out);
    out[2] = port >> 8;
    out[3] = port & 0xff;
    out.fill(0, 8, 16);
    if (typeof host === 'string' && parseInet4(host, 0, host.length, out, 4)) return 16;
    const name = checkHost(host, what);
    if (name === '') out.fill(0, 4, 8);
    else if (name === '<broadcast>') out.fill(255, 4, 8);
    else if (isLocalhost(name)) out.set([127, 0, 0, 1], 4);
    else if (parseInet6(name, zoneStart(name), scratch, 0)) throw wrongFamily(name);
    else return NEEDS_LOOKUP;
    return 16;
  },

  decode(bytes, length) {
    if (length < 8) return raw(bytes, length);
    return Object.freeze([formatInet4(bytes, 4), (bytes[2]! << 8) | bytes[3]!] as const);
  },

  target: inetTarget,
};

const inet6Codec: Codec = {
  // struct sockaddr_in6, ipv6(7): family, port, flow information, address, scope.
  encode(address, out, what) {
    if (!Array.isArray(address) || address.length < 2 || address.length > 4) {
      throw typeError(
        what,
        '[host, port], [host, port, flowinfo] or [host, port, flowinfo, scopeId]',
        address,
      );
    }
    const host = checkHost(address[0], what);
    const port = checkInteger(`the port of ${what}`, address[1], 0, 0xffff);
    const flowinfo = checkInteger(`the flowinfo of ${what}`, address[2] ?? 0, 0, 0xfffff);
    let scope = checkInteger(`the scopeId of ${what}`, address[3] ?? 0, 0, 0xffffffff);
    writeFamily(AF_INET6, out);
    out[2] = port >> 8;
    out[3] = port & 0xff;
    writeUint32(flowinfo, out, 4, false);
    const zone = zoneStart(host);
    if (parseInet6(host, zone, out, 8)) {
      if (zone < host.length) scope = zoneScope(host.slice(zone + 1), scope, what);
    } else if (host === '') {
      out.fill(0, 8, 24);
    } else if (isLocalhost(host)) {
      out.fill(0, 8, 24);
      out[23] = 1;
    } else if (host === '<broadcast>' || parseInet4(host, 0, host.length, scratch, 0)) {
      throw wrongFamily(host);
    } else {
      return NEEDS_LOOKUP;
    }
    writeUint32(scope, out, 24, littleEndian);
    return 28;
  },

  decode(bytes, length) {
    // RFC 2133's sockaddr_in6 ends before the scope; Linux still takes it (SIN6_LEN_RFC2133).
    if (length < 24) return raw(bytes, length);
    return Object.freeze([
      formatInet6(bytes, 8),
      (bytes[2]! << 8) | bytes[3]!,
      readUint32(bytes, 4, false),
      length < 28 ? 0 : readUint32(bytes, 24, littleEndian),
    ] as const);
  },

  target: inetTarget,
};

/** Where the `%zone` of a host begins: its end, if it has none. */
function zoneStart(host: string): number {
  const at = host.indexOf('%');
  return at < 0 ? host.length : at;
}

/** The scope that `%zone` names, an interface or its number (RFC 4007 section 11). */
function zoneScope(zone: string, scope: number, what: string): number {
  const named = /^[0-9]+$/.test(zone)
    ? checkInteger(`the scope in the host of ${what}`, Number(zone), 0, 0xffffffff)
    : native.if_nametoindex(zone);
  if (named < 0) throw systemError(named, 'if_nametoindex', { address: zone });
  if (scope !== 0 && scope !== named) {
    throw new RangeError(
      `Expected one scope in ${what} but received %${zone}, which is ${named}, and scopeId ${scope}`,
    );
  }
  return named;
}

function inetTarget(address: unknown): ErrorTarget {
  const target: ErrorTarget = {};
  if (!Array.isArray(address)) return target;
  if (typeof address[0] === 'string') target.address = address[0];
  if (typeof address[1] === 'number') target.port = address[1];
  return target;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const unixCodec: Codec = {
  // struct sockaddr_un, unix(7): family, then the path with its NUL, or a NUL and a name
  // in the abstract namespace that counts every byte to its end, or nothing.
  encode(address, out, what) {
    if (typeof address !== 'string' && !(address instanceof Uint8Array)) {
      throw typeError(what, 'a path (a string or a Buffer)', address);
    }
    const bytes = typeof address === 'string' ? Buffer.from(address) : address;
    writeFamily(AF_UNIX, out);
    if (bytes.length === 0) return PATH_OFFSET;
    const abstract = bytes[0] === 0;
    // The kernel would take a path of 108 bytes without a NUL, but every other program
    // that asks for the name then reads past its end.
    const limit = abstract ? MAX_PATH : MAX_PATH - 1;
    if (bytes.length > limit) {
      const kind = abstract ? 'an abstract name' : 'a path';
      throw new RangeError(
        `Expected ${kind} of at most ${limit} bytes for ${what} but received ${bytes.length} bytes`,
      );
    }
    if (!abstract && bytes.includes(0)) {
      throw new RangeError(`Expected a path without NUL for ${what} but received ${describeValue(address)}`);
    }
    out.set(bytes, PATH_OFFSET);
    if (abstract) return PATH_OFFSET + bytes.length;
    out[PATH_OFFSET + bytes.length] = 0;
    return PATH_OFFSET + bytes.length + 1;
  },

  decode(bytes, length) {
    if (length <= PATH_OFFSET) return '';
    const name = bytes.subarray(PATH_OFFSET, length);
    if (name[0] === 0) return Buffer.from(name);
    const nul = name.indexOf(0);
    const path = nul < 0 ? name : name.subarray(0, nul);
    try {
      return utf8.decode(path);
    } catch {
      return Buffer.from(path);
    }
  },

  target(address) {
    if (typeof address !== 'string' && !(address instanceof Uint8Array)) return {};
    const path = typeof address === 'string' ? address : Buffer.from(address).toString();
    if (path === '') return {};
    // As ss(8) and /proc/net/unix print the abstract namespace.
    return { path: path.replaceAll('\0', '@') };
  },
};

function raw(bytes: Uint8Array, length: number): Buffer {
  return Buffer.from(bytes.subarray(0, length));
}

const codecs: (Codec | undefined)[] = [];
codecs[AF_INET] = inetCodec;
codecs[AF_INET6] = inet6Codec;
codecs[AF_UNIX] = unixCodec;

/**
 * Writes the sockaddr of `address` into `out` (at least `MAX_ADDRESS_LENGTH` bytes) and
 * returns its length, or `NEEDS_LOOKUP` when the host is a name that has to be resolved.
 *
 * Nothing is looked up for numeric hosts, `""` (the wildcard), `"<broadcast>"` and
 * `"localhost"` (the loopback, RFC 6761). A family without a tuple takes its raw sockaddr
 * as a `Uint8Array`. `what` names the argument in messages. Throws `TypeError` for a wrong
 * shape, `RangeError` for a port, flow, scope or path out of range, `AddressInfoError`
 * (`EAI_ADDRFAMILY`) for the other IP version's address, and `SocketError` for a zone that
 * is no interface.
 */
export function encodeAddress(family: number, address: unknown, out: Uint8Array, what: string): number {
  const codec = codecs[family];
  if (codec !== undefined) return codec.encode(address, out, what);
  if (!(address instanceof Uint8Array)) {
    throw typeError(what, `a Buffer with the raw sockaddr (family ${family} has no tuple)`, address);
  }
  if (address.length < 2 || address.length > MAX_ADDRESS_LENGTH) {
    throw new RangeError(
      `Expected a sockaddr of 2 to ${MAX_ADDRESS_LENGTH} bytes for ${what} but received ${address.length} bytes`,
    );
  }
  const given = readFamily(address);
  if (given !== family) {
    throw new RangeError(
      `Expected a sockaddr of family ${family} for ${what} but received one of family ${given}`,
    );
  }
  out.set(address);
  return address.length;
}

/**
 * The address that the first `length` of `bytes` hold. Tuples are frozen, so that they can
 * be handed out again while a peer stays the same.
 *
 * No address at all (`length` 0, as recvfrom(2) gives for a connected stream and for an
 * AF_UNIX sender without a name; or family AF_UNSPEC) is `""`. A family without a tuple,
 * and a sockaddr too short for its family, come back as a `Buffer` of the raw bytes. A
 * length beyond `bytes`, which the kernel reports when it had to cut, is cut. Never throws.
 */
export function decodeAddress(bytes: Uint8Array, length: number): AnyAddress {
  const size = Math.min(length, bytes.length);
  if (size < 2) return '';
  const family = readFamily(bytes);
  if (family === AF_UNSPEC) return '';
  const codec = codecs[family];
  return codec === undefined ? raw(bytes, size) : codec.decode(bytes, size);
}

/** The part of an error that tells where a call on `address` was directed. Never throws. */
export function targetOf(family: number, address: unknown): ErrorTarget {
  return codecs[family]?.target(address) ?? {};
}
