// AF_INET and AF_INET6: hosts as text, ports as numbers. Knows no name servers: a host that is a
// name comes back as NEEDS_LOOKUP.

import { native } from '../binding.ts';
import { littleEndian } from '../byteorder.ts';
import { AF_INET, AF_INET6 } from '../constants.gen.ts';
import type { ErrorTarget } from '../errors.ts';
import { addressInfoError, checkInteger, describeValue, systemError, typeError } from '../errors.ts';
import { formatInet4, formatInet6, parseInet4, parseInet6 } from '../iptext.ts';
import {
  type Codec,
  NEEDS_LOOKUP,
  raw,
  readUint32,
  UINT16,
  UINT32,
  writeFamily,
  writeUint32,
} from './codec.ts';

/** `[host, port]` */
export type InetAddress = readonly [host: string, port: number];

/** `[host, port, flowinfo, scopeId]`: the scope is a number beside the host, never `%zone` in it. */
export type Inet6Address = readonly [host: string, port: number, flowinfo: number, scopeId: number];

/** The tuples that AF_INET6 takes: flow information and scope may be left out. */
export type Inet6AddressInput =
  | readonly [host: string, port: number]
  | readonly [host: string, port: number, flowinfo: number]
  | Inet6Address;

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

export const inetCodec: Codec<InetAddress> = {
  // struct sockaddr_in, ip(7): family, port, address, eight bytes of zero.
  encode(address, out, what) {
    if (!Array.isArray(address) || address.length !== 2) throw typeError(what, '[host, port]', address);
    const host: unknown = address[0];
    const port = checkInteger(`the port of ${what}`, address[1], 0, UINT16);
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

export const inet6Codec: Codec<Inet6Address> = {
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
    const port = checkInteger(`the port of ${what}`, address[1], 0, UINT16);
    const flowinfo = checkInteger(`the flowinfo of ${what}`, address[2] ?? 0, 0, 0xfffff);
    let scope = checkInteger(`the scopeId of ${what}`, address[3] ?? 0, 0, UINT32);
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
    ? checkInteger(`the scope in the host of ${what}`, Number(zone), 0, UINT32)
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
