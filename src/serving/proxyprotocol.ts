// The PROXY protocol, versions 1 and 2: the header in which a load balancer says where a connection
// really comes from (HAProxy's doc/proxy-protocol.txt, "the specification" below). Bytes to
// values (proxyencoder.ts: back), and how much of what has arrived is header; knows nothing of sockets.
import type { AnyAddress } from '../address.ts';
import { AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC, SOCK_DGRAM, SOCK_STREAM } from '../constants.gen.ts';
import { SocketError } from '../errors.ts';
import { formatInet4, formatInet6, parseInet4, parseInet6 } from '../iptext.ts';
import { crc32c } from './crc32c.ts';

/** What a header says beyond the addresses: a type (`PP2_TYPE_` constants) and its value. */
export type ProxyTlv = [type: number, value: Buffer];

/** A header that was received. */
export interface ProxyHeader {
  version: 1 | 2;
  /** The proxy's own connection, such as a health check: it has no other client. */
  local: boolean;
  /** Of the client's connection: `AF_INET`, `AF_INET6`, `AF_UNIX`, or `AF_UNSPEC` for one that is not told. */
  family: number;
  /** `SOCK_STREAM` or `SOCK_DGRAM`; 0 where it is not told. */
  type: number;
  /** The client's address; nothing if `local`, or not told. */
  source: AnyAddress | undefined;
  /** The address that the client connected to. */
  destination: AnyAddress | undefined;
  /** Version 2 only. */
  tlvs: ProxyTlv[];
}

/**
 * A header that is missing, malformed, or of a version that was not asked for; `code` is
 * `"EPROTO"`, or `"ECONNABORTED"` if the connection ended without a byte.
 */
export class ProxyProtocolError extends SocketError {
  static {
    Object.defineProperty(ProxyProtocolError.prototype, 'name', {
      value: 'ProxyProtocolError',
      configurable: true,
      writable: true,
    });
  }

  /** @internal */
  constructor(what: string, code = 'EPROTO') {
    super(`PROXY protocol: ${what}`, { code });
  }
}

// The specification's names and numbers.
export const PP2_TYPE_ALPN = 0x01;
export const PP2_TYPE_AUTHORITY = 0x02;
export const PP2_TYPE_CRC32C = 0x03;
export const PP2_TYPE_NOOP = 0x04;
export const PP2_TYPE_UNIQUE_ID = 0x05;
export const PP2_TYPE_SSL = 0x20;
export const PP2_SUBTYPE_SSL_VERSION = 0x21;
export const PP2_SUBTYPE_SSL_CN = 0x22;
export const PP2_SUBTYPE_SSL_CIPHER = 0x23;
export const PP2_SUBTYPE_SSL_SIG_ALG = 0x24;
export const PP2_SUBTYPE_SSL_KEY_ALG = 0x25;
export const PP2_TYPE_NETNS = 0x30;

export const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const NAME = Buffer.from('PROXY ');
/** The longest line of version 1, its CRLF included (section 2.1). */
export const LONGEST_LINE = 107;
/** What version 2 begins with: signature, version and command, family and type, length. */
export const FIXED_LENGTH = 16;
export const PATH_LENGTH = 108;

const quoted = (bytes: Uint8Array): string => {
  const text = Buffer.from(bytes.subarray(0, 40)).toString('latin1');
  return JSON.stringify(bytes.length > 40 ? `${text}…` : text);
};

const beginsWith = (bytes: Uint8Array, signature: Uint8Array): boolean => {
  const n = Math.min(bytes.length, signature.length);
  for (let i = 0; i < n; i++) if (bytes[i] !== signature[i]) return false;
  return true;
};

/**
 * The length of the header that `bytes` begin with; `undefined` while it cannot be told, and all of
 * `bytes` is header then. Throws a `ProxyProtocolError` as soon as no header can begin so.
 */
export function proxyHeaderLength(bytes: Uint8Array): number | undefined {
  if (beginsWith(bytes, SIGNATURE)) {
    if (bytes.length > 12 && bytes[12]! >> 4 !== 2)
      throw new ProxyProtocolError(`version ${bytes[12]! >> 4} of the binary form is not known`);
    return bytes.length < FIXED_LENGTH ? undefined : FIXED_LENGTH + bytes[14]! * 256 + bytes[15]!;
  }
  if (!beginsWith(bytes, NAME)) throw new ProxyProtocolError(`no header, but ${quoted(bytes)}`);
  const end = bytes.indexOf(0x0a);
  if (end < 0 ? bytes.length >= LONGEST_LINE : end >= LONGEST_LINE)
    throw new ProxyProtocolError(`a line of more than ${LONGEST_LINE} bytes`);
  return end < 0 ? undefined : end + 1;
}

/** Reads a whole header; throws a `ProxyProtocolError` for anything else. */
export function parseProxyHeader(bytes: Uint8Array): ProxyHeader {
  const length = proxyHeaderLength(bytes);
  if (length === undefined || bytes.length < length) throw new ProxyProtocolError('an incomplete header');
  if (bytes.length > length) throw new ProxyProtocolError('more bytes than the header has');
  return bytes[0] === SIGNATURE[0] ? parseBinary(bytes) : parseLine(bytes);
}

const unknown = (version: 1 | 2, local: boolean, tlvs: ProxyTlv[] = []): ProxyHeader => ({
  version,
  local,
  family: AF_UNSPEC as number,
  type: 0,
  source: undefined,
  destination: undefined,
  tlvs,
});

// Section 2.1. Anything that does not match to the letter is refused, as the specification asks.
function parseLine(bytes: Uint8Array): ProxyHeader {
  const text = Buffer.from(bytes).toString('latin1');
  const bad = () => new ProxyProtocolError(`a malformed line ${quoted(bytes)}`);
  if (!text.endsWith('\r\n') || text.indexOf('\r') !== text.length - 2) throw bad();
  const [, protocol, source, destination, sourcePort, destinationPort, ...rest] = text
    .slice(0, -2)
    .split(' ');
  // What stands behind UNKNOWN is to be ignored.
  if (protocol === 'UNKNOWN') return unknown(1, false);
  const six = protocol === 'TCP6';
  if ((!six && protocol !== 'TCP4') || destinationPort === undefined || rest.length > 0) throw bad();
  const host = (part: string): string => {
    const out = new Uint8Array(16);
    const good = six ? parseInet6(part, part.length, out, 0) : parseInet4(part, 0, part.length, out, 0);
    if (!good) throw bad();
    return six ? formatInet6(out, 0) : formatInet4(out, 0);
  };
  const address = (hostPart: string, portPart: string): AnyAddress => {
    if (!/^(0|[1-9]\d{0,4})$/.test(portPart) || Number(portPart) > 0xffff) throw bad();
    return six ? [host(hostPart), Number(portPart), 0, 0] : [host(hostPart), Number(portPart)];
  };
  return {
    version: 1,
    local: false,
    family: six ? AF_INET6 : AF_INET,
    type: SOCK_STREAM,
    source: address(source!, sourcePort!),
    destination: address(destination!, destinationPort),
    tlvs: [],
  };
}

export const ADDRESS_LENGTHS = [0, 12, 36, 2 * PATH_LENGTH];
const FAMILIES = [AF_UNSPEC as number, AF_INET, AF_INET6, AF_UNIX];
export const TYPES = [0, SOCK_STREAM, SOCK_DGRAM];

// Section 2.2.
function parseBinary(bytes: Uint8Array): ProxyHeader {
  const command = bytes[12]! & 0xf;
  const kind = bytes[13]! >> 4;
  const type = TYPES[bytes[13]! & 0xf];
  if (command > 1) throw new ProxyProtocolError(`command ${command} is not known`);
  // "must use the real connection endpoints and discard the protocol block including the family"
  if (command === 0) return unknown(2, true, tlvsOf(bytes, localTlvs(bytes), true));
  if (kind > 3 || type === undefined)
    throw new ProxyProtocolError(`family and protocol 0x${bytes[13]!.toString(16)} are not known`);
  const end = FIXED_LENGTH + ADDRESS_LENGTHS[kind]!;
  if (bytes.length < end) throw new ProxyProtocolError('a header too short for its addresses');
  const tlvs = tlvsOf(bytes, end, kind === 0);
  if (kind === 0 || type === 0) return unknown(2, false, tlvs);
  const [source, destination] = [0, 1].map((which) => addressAt(bytes, kind, which));
  return { version: 2, local: false, family: FAMILIES[kind]!, type, source, destination, tlvs };
}

// A LOCAL header need not have the addresses of its family.
function localTlvs(bytes: Uint8Array): number {
  const end = FIXED_LENGTH + (ADDRESS_LENGTHS[bytes[13]! >> 4] ?? 0);
  return Math.min(end, bytes.length);
}

function addressAt(bytes: Uint8Array, kind: number, which: number): AnyAddress {
  const at = FIXED_LENGTH;
  if (kind === 3) return pathOf(bytes.subarray(at + which * PATH_LENGTH, at + (which + 1) * PATH_LENGTH));
  const size = kind === 1 ? 4 : 16;
  const portAt = at + 2 * size + 2 * which;
  const port = bytes[portAt]! * 256 + bytes[portAt + 1]!;
  if (kind === 1) return [formatInet4(bytes, at + which * size), port];
  return [formatInet6(bytes, at + which * size), port, 0, 0];
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

// As sockets give it. How long an abstract name is does not come over: zeros at its end are dropped.
function pathOf(field: Uint8Array): string | Buffer {
  if (field[0] === 0) {
    let end = field.length;
    while (end > 0 && field[end - 1] === 0) end--;
    return end === 0 ? '' : Buffer.from(field.subarray(0, end));
  }
  const end = field.indexOf(0);
  const path = end < 0 ? field : field.subarray(0, end);
  try {
    return utf8.decode(path);
  } catch {
    return Buffer.from(path);
  }
}

// `lenient`: of a header whose content may be ignored, what is no TLV is ignored too.
function tlvsOf(bytes: Uint8Array, from: number, lenient: boolean): ProxyTlv[] {
  const found: ProxyTlv[] = [];
  for (let at = from; at < bytes.length; ) {
    const end = at + 3 > bytes.length ? Infinity : at + 3 + bytes[at + 1]! * 256 + bytes[at + 2]!;
    if (end > bytes.length) {
      if (lenient) return found;
      throw new ProxyProtocolError('a TLV that goes beyond the header');
    }
    const value = Buffer.from(bytes.subarray(at + 3, end));
    if (bytes[at] === PP2_TYPE_CRC32C) checkCrc(bytes, at + 3, value);
    if (bytes[at] !== PP2_TYPE_NOOP) found.push([bytes[at]!, value]);
    at = end;
  }
  return found;
}

function checkCrc(bytes: Uint8Array, at: number, value: Buffer): void {
  const zeroed = Buffer.from(bytes);
  if (value.length === 4) zeroed.fill(0, at, at + 4);
  if (value.length !== 4 || crc32c(zeroed) !== value.readUInt32BE())
    throw new ProxyProtocolError('a header that does not match its checksum');
}

/** What the client's TLS was, as the proxy says in `PP2_TYPE_SSL`. */
export interface ProxyTls {
  /** The client spoke TLS to the proxy. */
  tls: boolean;
  /** It showed a certificate on this connection, or in its TLS session. */
  certificate: boolean;
  /** The certificate was shown and is good. */
  verified: boolean;
  version: string | undefined;
  /** The certificate's common name. */
  commonName: string | undefined;
  cipher: string | undefined;
  signatureAlgorithm: string | undefined;
  keyAlgorithm: string | undefined;
}

/** What a header says of the client's TLS (section 2.2.6); `undefined` if it says nothing. */
export function proxyTls(header: ProxyHeader): ProxyTls | undefined {
  const value = header.tlvs.find(([type]) => type === PP2_TYPE_SSL)?.[1];
  if (value === undefined) return undefined;
  if (value.length < 5) throw new ProxyProtocolError('a TLV of the type SSL that is too short');
  const parts = new Map(tlvsOf(value, 5, false));
  const text = (type: number) => parts.get(type)?.toString('utf8');
  return {
    tls: (value[0]! & 1) !== 0,
    certificate: (value[0]! & 6) !== 0,
    verified: (value[0]! & 6) !== 0 && value.readUInt32BE(1) === 0,
    version: text(PP2_SUBTYPE_SSL_VERSION),
    commonName: text(PP2_SUBTYPE_SSL_CN),
    cipher: text(PP2_SUBTYPE_SSL_CIPHER),
    signatureAlgorithm: text(PP2_SUBTYPE_SSL_SIG_ALG),
    keyAlgorithm: text(PP2_SUBTYPE_SSL_KEY_ALG),
  };
}
