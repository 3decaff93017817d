// Requests of multicast groups in bytes: the structs of ip(7), ipv6(7) and RFC 3678, which name a
// group, an interface and perhaps a source; and the key of one peer (RFC 2385), which names an
// address as well. Knows nothing of sockets.
import { bytesOf, type Data } from './bytes.ts';
import {
  AF_INET,
  AF_INET6,
  TCP_MD5SIG_FLAG_IFINDEX,
  TCP_MD5SIG_FLAG_PREFIX,
  TCP_MD5SIG_MAXKEYLEN,
} from './constants.gen.ts';
import { checkInteger, describeValue, typeError } from './errors.ts';
import { if_nametoindex } from './interfaces.ts';
import { parseInet4, parseInet6 } from './iptext.ts';
import { LONG, littleEndian, struct } from './layout.ts';
import { checkObject } from './structures.ts';

/** A membership of a multicast group. */
export interface Membership {
  /** The group's address: `239.1.2.3`, `ff15::1`. */
  readonly group: string;
  /**
   * The network interface: its index or its name; for an IPv4 group also the local address that
   * it has. Default 0: the kernel chooses by its routes.
   */
  readonly interface?: number | string;
  /** Only what this address sends to the group (RFC 4607). */
  readonly source?: string;
}

const SHAPE = '{group, interface?, source?}';
const INT_MAX = 0x7fffffff;

/** The 4 or 16 bytes of a numeric address; a `RangeError` for other text. */
export function packedAddress(text: unknown, name: string): Buffer {
  if (typeof text !== 'string') throw typeError(name, 'a string', text);
  const bytes = Buffer.alloc(16);
  if (parseInet4(text, 0, text.length, bytes, 0)) return bytes.subarray(0, 4);
  if (parseInet6(text, text.length, bytes, 0)) return bytes;
  throw new RangeError(`Expected an IPv4 or IPv6 address for ${name} but received ${describeValue(text)}`);
}

/** The dotted quad that an interface was given by, or `undefined`. */
function localAddress(given: number | string): Buffer | undefined {
  const bytes = Buffer.alloc(4);
  return typeof given === 'string' && parseInet4(given, 0, given.length, bytes, 0) ? bytes : undefined;
}

/** The index of an interface that is given by index or name; 0 is the kernel's choice. */
export function interfaceIndex(given: unknown): number {
  if (typeof given === 'string') return if_nametoindex(given);
  if (typeof given !== 'number') throw typeError('interface', 'an index or a name', given);
  return checkInteger('interface', given, 0, INT_MAX);
}

function ofFamily(text: string, name: string, size: number): Buffer {
  const bytes = packedAddress(text, name);
  if (bytes.length === size) return bytes;
  throw new RangeError(
    `Expected ${name} of the group's family, IPv${size === 4 ? 4 : 6}, but received ${describeValue(text)}`,
  );
}

/**
 * The value of `IP_ADD_MEMBERSHIP`, `IP_DROP_MEMBERSHIP` and `IP_MULTICAST_IF` (`struct
 * ip_mreqn`), with a source that of `IP_ADD_SOURCE_MEMBERSHIP` and its kin (`struct
 * ip_mreq_source`, whose interface is 0 or a local address); of an IPv6 group the value of
 * `IPV6_JOIN_GROUP` and `IPV6_LEAVE_GROUP` (`struct ipv6_mreq`, which has no source). ip(7),
 * ipv6(7).
 */
export function encodeMembership(membership: Membership): Buffer {
  checkObject('membership', SHAPE, membership);
  const { group, interface: given = 0, source } = membership;
  const address = packedAddress(group, 'group');
  if (address.length === 16) {
    if (source !== undefined)
      throw new TypeError('Expected no source for an IPv6 group: MCAST_JOIN_SOURCE_GROUP takes one');
    const index = interfaceIndex(given);
    return struct(20, (fields, bytes) => {
      bytes.set(address);
      fields.setUint32(16, index, littleEndian);
    });
  }
  const local = localAddress(given);
  if (source === undefined) {
    const index = local ? 0 : interfaceIndex(given);
    return struct(12, (fields, bytes) => {
      bytes.set(address);
      if (local) bytes.set(local, 4);
      fields.setInt32(8, index, littleEndian);
    });
  }
  if (!local && given !== 0) {
    throw new TypeError(
      `Expected 0 or a local address for interface but received ${describeValue(given)}: MCAST_JOIN_SOURCE_GROUP takes an index`,
    );
  }
  return Buffer.concat([address, local ?? Buffer.alloc(4), ofFamily(source, 'source', 4)]);
}

/** sizeof(struct sockaddr_storage). */
const STORAGE = 128;

/** The sockaddr of a host at port 0, into zeroed memory. */
function writeSockaddr(packed: Buffer, fields: DataView, bytes: Buffer, at: number): void {
  const inet = packed.length === 4;
  fields.setUint16(at, inet ? AF_INET : AF_INET6, littleEndian);
  // Behind family and port, and in IPv6 the flow information.
  bytes.set(packed, at + (inet ? 4 : 8));
}

/** Where the addresses of RFC 3678's structs begin: behind an index, as sockaddr_storage is aligned. */
const ADDRESSES = LONG;

/**
 * The value of `MCAST_JOIN_GROUP` and `MCAST_LEAVE_GROUP` (`struct group_req`), with a source
 * that of `MCAST_JOIN_SOURCE_GROUP`, `MCAST_LEAVE_SOURCE_GROUP`, `MCAST_BLOCK_SOURCE` and
 * `MCAST_UNBLOCK_SOURCE` (`struct group_source_req`); of either family, at its level. The
 * interface is an index or a name. RFC 3678 section 5.
 */
export function encodeGroupRequest(membership: Membership): Buffer {
  checkObject('membership', SHAPE, membership);
  const { group, interface: given = 0, source } = membership;
  const address = packedAddress(group, 'group');
  const from = source === undefined ? undefined : ofFamily(source, 'source', address.length);
  const index = interfaceIndex(given);
  return struct(ADDRESSES + (from ? 2 : 1) * STORAGE, (fields, bytes) => {
    fields.setUint32(0, index, littleEndian);
    writeSockaddr(address, fields, bytes, ADDRESSES);
    if (from) writeSockaddr(from, fields, bytes, ADDRESSES + STORAGE);
  });
}

/** The key of one peer, or of a prefix of them: `TCP_MD5SIG`, `TCP_MD5SIG_EXT`. */
export interface TcpKey {
  /** The peer's address. */
  readonly address: string;
  /** At most 80 bytes; empty takes the key away. */
  readonly key: Data;
  /** How many bits of the address count; only with `TCP_MD5SIG_EXT`. */
  readonly prefixLength?: number;
  /** Index or name of the interface that the peer is behind; only with `TCP_MD5SIG_EXT`. */
  readonly interface?: number | string;
}

const maxKey = TCP_MD5SIG_MAXKEYLEN ?? 80;
const flagPrefix = TCP_MD5SIG_FLAG_PREFIX ?? 1;
const flagIfindex = TCP_MD5SIG_FLAG_IFINDEX ?? 2;

/**
 * The `struct tcp_md5sig` of a key: segments to and from the peer are signed with it (RFC 2385).
 * An IPv4 peer of an AF_INET6 socket is `::ffff:` and its address.
 */
export function encodeTcpMd5Key(value: TcpKey): Buffer {
  checkObject('value', '{address, key, prefixLength?, interface?}', value);
  const { address, prefixLength, interface: given } = value;
  const packed = packedAddress(address, 'address');
  const key = bytesOf(value.key, 'key');
  if (key.length > maxKey)
    throw new RangeError(`Expected a key of at most ${maxKey} bytes but received ${key.length} bytes`);
  const prefix =
    prefixLength === undefined ? undefined : checkInteger('prefixLength', prefixLength, 0, 8 * packed.length);
  const index = given === undefined ? undefined : interfaceIndex(given);
  return struct(STORAGE + 8 + maxKey, (fields, bytes) => {
    writeSockaddr(packed, fields, bytes, 0);
    const flags = (prefix === undefined ? 0 : flagPrefix) | (index === undefined ? 0 : flagIfindex);
    fields.setUint8(STORAGE, flags);
    fields.setUint8(STORAGE + 1, prefix ?? 0);
    fields.setUint16(STORAGE + 2, key.length, littleEndian);
    fields.setInt32(STORAGE + 4, index ?? 0, littleEndian);
    bytes.set(key, STORAGE + 8);
  });
}
