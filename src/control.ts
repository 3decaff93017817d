// Control messages by name: rows of [level, type, data], as recvmsg gives and sendmsg takes them,
// from and to an object. Pure functions: they take no descriptor and close none; how rows lie in
// a control buffer is ancillary.ts.
import { decodeAddress, type Inet6Address, type InetAddress } from './address.ts';
import type { Ancillary, AncillaryInput } from './ancillary.ts';
import { bytesOf, type Data, itemsOf } from './bytes.ts';
import * as c from './constants.gen.ts';
import { type ExtendedError, extendedErrorOf } from './errorqueue.ts';
import { checkInteger, describeValue, typeError } from './errors.ts';
import { formatInet4, formatInet6 } from './iptext.ts';
import { fieldsOf, intBytes, intOf, LONG, littleEndian, struct, unsignedOf } from './layout.ts';
import { interfaceIndex, packedAddress } from './membership.ts';
import {
  type Credentials,
  checkObject,
  decodeCredentials,
  decodeText,
  encodeCredentials,
} from './structures.ts';
import { type Timestamp, type Timestamps, timespecMoment, timestampsOf, timevalMoment } from './timeval.ts';

/** Where a datagram went: `IP_PKTINFO`, `IPV6_PKTINFO`. Given back to `encodeControl` it answers from there. */
export interface PacketInfo {
  /** Index of the interface that it came in by. */
  readonly interface: number;
  /** The destination in its header: an address of this machine, or of a group. */
  readonly address: string;
  /** The local address to answer from; `::` leaves it to the kernel, for an IPv6 group. */
  readonly source: string;
}

/** From where a datagram is to be sent. */
export interface PacketInfoInput {
  /** Index or name of the interface; default 0, the kernel's choice by its routes. */
  readonly interface?: number | string;
  /** The local address, which also tells the family: `0.0.0.0` and `::` leave it to the kernel. */
  readonly source: string;
}

/** An operation of an AF_ALG socket: `ALG_SET_OP` and what goes with it. */
export interface AlgOperation {
  /** `ALG_OP_ENCRYPT`, `ALG_OP_DECRYPT`. */
  readonly op?: number;
  /** Initialization vector. */
  readonly iv?: Data;
  /** Bytes at the beginning that are authenticated and not encrypted (AEAD). */
  readonly assoclen?: number;
}

/** The control messages that came, by name; those that did not come are `undefined`. */
export interface Control {
  /** Descriptors, in their order, which are the caller's to close: `SCM_RIGHTS`. */
  fds: number[];
  /** A pidfd of the sender, the caller's to close: `SCM_PIDFD`. */
  pidfd?: number;
  /** The sender, as the kernel knows it: `SCM_CREDENTIALS`. */
  credentials?: Credentials;
  /** The sender's security label: `SCM_SECURITY`. */
  security?: string;
  /** `IP_PKTINFO` or `IPV6_PKTINFO`. */
  packetInfo?: PacketInfo;
  /** Time to live: `IP_TTL`. */
  ttl?: number;
  /** Type of service, DSCP and ECN: `IP_TOS`. */
  tos?: number;
  /** `IPV6_HOPLIMIT`. */
  hopLimit?: number;
  /** Traffic class, DSCP and ECN: `IPV6_TCLASS`. */
  trafficClass?: number;
  /** Destination before a packet filter redirected it: `IP_ORIGDSTADDR`, `IPV6_ORIGDSTADDR`. */
  originalDestination?: InetAddress | Inet6Address;
  /** Size in bytes of the largest fragment: `IP_RECVFRAGSIZE`, `IPV6_RECVFRAGSIZE`. */
  fragmentSize?: number;
  /** When it arrived: `SO_TIMESTAMP` to a microsecond, `SO_TIMESTAMPNS` to a nanosecond. */
  timestamp?: Timestamp;
  /** When it arrived or was sent, by software and hardware: `SO_TIMESTAMPING`. */
  timestamps?: Timestamps;
  /** Bytes of each datagram, the last of which may be shorter, in what is several: `UDP_GRO`. */
  segmentSize?: number;
  /** Datagrams that this socket had no room for so far: `SO_RXQ_OVFL`. */
  dropped?: number;
  /** `SO_MARK`. */
  mark?: number;
  /** `SO_PRIORITY`. */
  priority?: number;
  /** Bytes left to receive: `TCP_INQ`, `SO_INQ`. */
  inq?: number;
  /** An entry of the error queue: `IP_RECVERR`, `IPV6_RECVERR`. */
  error?: ExtendedError;
  /** What has no name here, is of another length than it should be, or came a second time. */
  rest: Ancillary[];
}

/** What control messages are to be made of. */
export interface ControlInput {
  /** Descriptors to pass, which stay the caller's: `SCM_RIGHTS`. */
  fds?: readonly number[];
  /** Who sends; anything but the truth takes a capability: `SCM_CREDENTIALS`. */
  credentials?: Credentials;
  /** From where: `IP_PKTINFO` or `IPV6_PKTINFO`, by the family of `source`. */
  packetInfo?: PacketInfoInput;
  /** Time to live, 1 to 255: `IP_TTL`. */
  ttl?: number;
  /** Type of service: `IP_TOS`. */
  tos?: number;
  /** 0 to 255, -1 for the default: `IPV6_HOPLIMIT`. */
  hopLimit?: number;
  /** 0 to 255, -1 for the default: `IPV6_TCLASS`. */
  trafficClass?: number;
  /** Bytes of each datagram that the kernel cuts the data into: `UDP_SEGMENT`. */
  segmentSize?: number;
  /** `SO_MARK`; takes CAP_NET_ADMIN or CAP_NET_RAW. */
  mark?: number;
  /** `SO_PRIORITY` (since Linux 6.14). */
  priority?: number;
  /** When to send, in nanoseconds of the clock of `SO_TXTIME`: `SCM_TXTIME`. */
  transmitTime?: bigint;
  /** `SOF_TIMESTAMPING_TX_` flags for this message: `SO_TIMESTAMPING`. */
  timestamping?: number;
  /** An operation of an AF_ALG socket. */
  alg?: AlgOperation;
  /** Messages that are ready as they are. */
  rest?: readonly AncillaryInput[];
}

// --- received -------------------------------------------------------------------------

type Field = Exclude<keyof Control, 'rest'>;
type Decode<K extends Field> = (data: Buffer) => Control[K] | undefined;

const decoders = new Map<number, Map<number, { field: Field; decode: Decode<Field> }>>();

// A type that the platform lacks does not come.
function on<K extends Field>(
  field: K,
  level: number | undefined,
  type: number | undefined,
  decode: Decode<K>,
): void {
  if (level === undefined || type === undefined) return;
  const types = decoders.get(level) ?? new Map();
  decoders.set(level, types.set(type, { field, decode }));
}

/** The kernel gives IP_TOS as one byte, and takes a byte or an int. */
const byteOf = (data: Buffer): number | undefined => (data.length === 1 ? data[0] : intOf(data));

function addressOf(data: Buffer): InetAddress | Inet6Address | undefined {
  const address = decodeAddress(data, data.length);
  return Array.isArray(address) ? (address as InetAddress | Inet6Address) : undefined;
}

on('fds', c.SOL_SOCKET, c.SCM_RIGHTS, (data) => {
  if (data.length === 0 || data.length % 4 !== 0) return undefined;
  const fields = fieldsOf(data);
  return Array.from({ length: data.length / 4 }, (_, i) => fields.getInt32(4 * i, littleEndian));
});
on('pidfd', c.SOL_SOCKET, c.SCM_PIDFD, intOf);
on('credentials', c.SOL_SOCKET, c.SCM_CREDENTIALS, (data) =>
  data.length === 12 ? decodeCredentials(data) : undefined,
);
on('security', c.SOL_SOCKET, c.SCM_SECURITY, decodeText);
on('security', c.IPPROTO_IP, c.SCM_SECURITY, decodeText);
on('packetInfo', c.IPPROTO_IP, c.IP_PKTINFO, (data) =>
  data.length !== 12
    ? undefined
    : {
        interface: fieldsOf(data).getInt32(0, littleEndian),
        address: formatInet4(data, 8),
        source: formatInet4(data, 4),
      },
);
for (const type of [c.IPV6_PKTINFO, c.IPV6_2292PKTINFO]) {
  on('packetInfo', c.IPPROTO_IPV6, type, (data) => {
    if (data.length !== 20) return undefined;
    const address = formatInet6(data, 0);
    // ff00::/8: nobody answers from a group.
    const source = data[0] === 0xff ? '::' : address;
    return { interface: fieldsOf(data).getUint32(16, littleEndian), address, source };
  });
}
on('ttl', c.IPPROTO_IP, c.IP_TTL, intOf);
on('tos', c.IPPROTO_IP, c.IP_TOS, byteOf);
on('hopLimit', c.IPPROTO_IPV6, c.IPV6_HOPLIMIT, intOf);
on('hopLimit', c.IPPROTO_IPV6, c.IPV6_2292HOPLIMIT, intOf);
on('trafficClass', c.IPPROTO_IPV6, c.IPV6_TCLASS, intOf);
on('originalDestination', c.IPPROTO_IP, c.IP_ORIGDSTADDR, (data) =>
  data.length === 16 ? addressOf(data) : undefined,
);
on('originalDestination', c.IPPROTO_IPV6, c.IPV6_ORIGDSTADDR, (data) =>
  data.length === 28 ? addressOf(data) : undefined,
);
on('fragmentSize', c.IPPROTO_IP, c.IP_RECVFRAGSIZE, intOf);
on('fragmentSize', c.IPPROTO_IPV6, c.IPV6_RECVFRAGSIZE, intOf);
// The _NEW types have 64 bits everywhere. They come second: a C library with 64-bit time on a
// 32-bit machine means them by the plain names.
on('timestamp', c.SOL_SOCKET, c.SCM_TIMESTAMP, (data) => timevalMoment(data, LONG));
on('timestamp', c.SOL_SOCKET, c.SO_TIMESTAMP_NEW, (data) => timevalMoment(data, 8));
on('timestamp', c.SOL_SOCKET, c.SCM_TIMESTAMPNS, (data) => timespecMoment(data, LONG));
on('timestamp', c.SOL_SOCKET, c.SO_TIMESTAMPNS_NEW, (data) => timespecMoment(data, 8));
on('timestamps', c.SOL_SOCKET, c.SCM_TIMESTAMPING, (data) => timestampsOf(data, LONG));
on('timestamps', c.SOL_SOCKET, c.SO_TIMESTAMPING_NEW, (data) => timestampsOf(data, 8));
on('segmentSize', c.IPPROTO_UDP, c.UDP_GRO, intOf);
on('dropped', c.SOL_SOCKET, c.SO_RXQ_OVFL, unsignedOf);
on('mark', c.SOL_SOCKET, c.SO_MARK, unsignedOf);
on('priority', c.SOL_SOCKET, c.SO_PRIORITY, unsignedOf);
on('inq', c.SOL_SOCKET, c.SCM_INQ, intOf);
on('inq', c.IPPROTO_TCP, c.TCP_CM_INQ, intOf);
on('error', c.IPPROTO_IP, c.IP_RECVERR, (data) => extendedErrorOf(data, 'sockaddr_in'));
on('error', c.IPPROTO_IPV6, c.IPV6_RECVERR, (data) => extendedErrorOf(data, 'sockaddr_in6'));
on('error', c.SOL_PACKET, c.PACKET_TX_TIMESTAMP, (data) => extendedErrorOf(data, 'nothing'));

/**
 * Control messages by name, of the `ancdata` that `recvmsg` gave:
 *
 * ```ts
 * const [data, ancdata] = await s.recvmsg(2048, 512);
 * const { packetInfo, ttl, timestamp } = decodeControl(ancdata);
 * ```
 *
 * Nothing is guessed: what has an unknown type or another length than it should have, and the
 * second of a kind, stays as it is in `rest`. cmsg(3), ip(7), ipv6(7), unix(7), socket(7).
 */
export function decodeControl(ancdata: Iterable<AncillaryInput>): Control {
  const control: Control = { fds: [], rest: [] };
  const found = control as unknown as Record<string, unknown>;
  for (const row of itemsOf(ancdata, 'ancdata', 'rows of [level, type, data]')) {
    if (!Array.isArray(row) || row.length !== 3)
      throw typeError('ancdata', 'rows of [level, type, data]', row);
    const [level, type, data] = row as unknown as AncillaryInput;
    const memory = bytesOf(data, 'the data of ancdata');
    const bytes = Buffer.from(memory.buffer, memory.byteOffset, memory.byteLength);
    const decoder = decoders.get(level)?.get(type);
    const value = decoder?.decode(bytes);
    if (decoder === undefined || value === undefined) control.rest.push([level, type, bytes]);
    else if (decoder.field === 'fds') control.fds.push(...(value as number[]));
    else if (found[decoder.field] === undefined) found[decoder.field] = value;
    else control.rest.push([level, type, bytes]);
  }
  return control;
}

// --- to send --------------------------------------------------------------------------

const INT_MAX = 0x7fffffff;
const UINT_MAX = 0xffffffff;
const ULONG_MAX = 2n ** 64n - 1n;

type Encoders = {
  [K in Exclude<keyof ControlInput, 'rest'>]-?: (value: NonNullable<ControlInput[K]>) => AncillaryInput[];
};

/** A message whose data is one C int. */
const integer =
  (name: string, level: number, type: number | undefined, min: number, max: number) =>
  (value: number): AncillaryInput[] => [
    [level, known(name, type), intBytes(checkInteger(name, value, min, max) | 0)],
  ];

/** The type of a message, which the platform may lack. */
function known(name: string, type: number | undefined): number {
  if (type === undefined) throw new TypeError(`Expected no ${name}: this platform lacks it`);
  return type;
}

const encoders: Encoders = {
  fds(fds) {
    if (!Array.isArray(fds)) throw typeError('fds', 'an array of descriptors', fds);
    for (const fd of fds) checkInteger('a descriptor', fd, 0, INT_MAX);
    return fds.length === 0 ? [] : [[c.SOL_SOCKET, c.SCM_RIGHTS, Int32Array.from(fds)]];
  },
  credentials: (value) => [[c.SOL_SOCKET, known('credentials', c.SCM_CREDENTIALS), encodeCredentials(value)]],
  packetInfo(value) {
    checkObject('packetInfo', '{interface?, source}', value);
    const source = packedAddress(value.source, 'packetInfo.source');
    const index = interfaceIndex(value.interface ?? 0);
    if (source.length === 16) {
      const data = Buffer.concat([source, intBytes(index)]);
      return [[c.IPPROTO_IPV6, known('packetInfo', c.IPV6_PKTINFO), data]];
    }
    // The destination, behind it, is the message's own address.
    const data = Buffer.concat([intBytes(index), source, Buffer.alloc(4)]);
    return [[c.IPPROTO_IP, known('packetInfo', c.IP_PKTINFO), data]];
  },
  ttl: integer('ttl', c.IPPROTO_IP, c.IP_TTL, 1, 255),
  tos: integer('tos', c.IPPROTO_IP, c.IP_TOS, 0, 255),
  hopLimit: integer('hopLimit', c.IPPROTO_IPV6, c.IPV6_HOPLIMIT, -1, 255),
  trafficClass: integer('trafficClass', c.IPPROTO_IPV6, c.IPV6_TCLASS, -1, 255),
  segmentSize(size) {
    checkInteger('segmentSize', size, 1, 0xffff);
    const data = struct(2, (fields) => fields.setUint16(0, size, littleEndian));
    return [[c.IPPROTO_UDP, known('segmentSize', c.UDP_SEGMENT), data]];
  },
  mark: integer('mark', c.SOL_SOCKET, c.SO_MARK, 0, UINT_MAX),
  priority: integer('priority', c.SOL_SOCKET, c.SO_PRIORITY, 0, UINT_MAX),
  transmitTime(time) {
    if (typeof time !== 'bigint') throw typeError('transmitTime', 'a bigint of nanoseconds', time);
    if (time < 0n || time > ULONG_MAX)
      throw new RangeError(`Expected 64 bits for transmitTime but received ${describeValue(time)}`);
    const data = struct(8, (fields) => fields.setBigUint64(0, time, littleEndian));
    return [[c.SOL_SOCKET, known('transmitTime', c.SCM_TXTIME), data]];
  },
  timestamping: integer('timestamping', c.SOL_SOCKET, c.SO_TIMESTAMPING, 0, UINT_MAX),
  alg(value) {
    checkObject('alg', '{op?, iv?, assoclen?}', value);
    const { op, iv, assoclen } = value;
    const level = known('alg', c.SOL_ALG);
    const rows: AncillaryInput[] = [];
    if (op !== undefined) rows.push(...integer('op', level, c.ALG_SET_OP, 0, UINT_MAX)(op));
    if (iv !== undefined) {
      const bytes = bytesOf(iv, 'iv');
      // struct af_alg_iv: the length, then the vector.
      rows.push([level, known('iv', c.ALG_SET_IV), Buffer.concat([intBytes(bytes.length), bytes])]);
    }
    if (assoclen !== undefined)
      rows.push(...integer('assoclen', level, c.ALG_SET_AEAD_ASSOCLEN, 0, UINT_MAX)(assoclen));
    return rows;
  },
};

/**
 * Control messages for `sendmsg`, of an object with the names that `decodeControl` gives:
 *
 * ```ts
 * const ancdata = encodeControl({ packetInfo: { source: '10.0.0.1' }, ttl: 3 });
 * await s.sendmsg([data], { ancdata, address });
 * ```
 *
 * `TypeError` for a name that there is not. The kernel says `EINVAL` to a message that the
 * socket's family or protocol has no use for.
 */
export function encodeControl(control: ControlInput): AncillaryInput[] {
  checkObject('control', 'an object of control messages', control);
  const rows: AncillaryInput[] = [];
  for (const [name, value] of Object.entries(control)) {
    if (value === undefined || name === 'rest') continue;
    if (!Object.hasOwn(encoders, name))
      throw new TypeError(`Expected one of ${Object.keys(encoders).join(', ')} or rest but received ${name}`);
    rows.push(...(encoders as Record<string, (value: unknown) => AncillaryInput[]>)[name]!(value));
  }
  rows.push(...(control.rest ?? []));
  return rows;
}
