// The values of socket options that are small C structs, in bytes and as objects: for
// setsockopt, and for what getsockopt gives with a buflen. Pure functions: no system calls.
import { bytesOf, type Data, type Memory, memoryOf } from './bytes.ts';
import { checkInteger, typeError } from './errors.ts';
import { fieldsOf, littleEndian, struct } from './layout.ts';

const INT_MIN = -0x80000000;
const INT_MAX = 0x7fffffff;
const UINT_MAX = 0xffffffff;

/** The memory of a struct of exactly `size` bytes; a `RangeError` for another length. */
function exactly(bytes: unknown, size: number, what: string): Uint8Array {
  const memory = memoryOf(bytes, 'bytes');
  if (memory.length !== size) {
    throw new RangeError(`Expected ${what} of ${size} bytes for bytes but received ${memory.length} bytes`);
  }
  return memory;
}

/** Whether `value` is an object to take fields of; a `TypeError` that shows their names if not. */
export function checkObject(name: string, shape: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) throw typeError(name, shape, value);
}

/** `SO_LINGER`: what close does with data not yet sent. */
export interface Linger {
  /** Whether it waits at all, or with 0 seconds throws the data away and resets the connection. */
  readonly onoff: boolean;
  /** Whole seconds. */
  readonly linger: number;
}

/** The `struct linger` of `SO_LINGER`, socket(7). */
export function encodeLinger(value: Linger): Buffer {
  checkObject('value', '{onoff, linger}', value);
  const { onoff, linger } = value;
  if (typeof onoff !== 'boolean') throw typeError('onoff', 'a boolean', onoff);
  checkInteger('linger', linger, 0, INT_MAX);
  return struct(8, (fields) => {
    fields.setInt32(0, Number(onoff), littleEndian);
    fields.setInt32(4, linger, littleEndian);
  });
}

/** The value of `SO_LINGER`: `decodeLinger(s.getsockopt(SOL_SOCKET, SO_LINGER, 8))`. */
export function decodeLinger(bytes: Memory): Linger {
  const fields = fieldsOf(exactly(bytes, 8, 'a struct linger'));
  return { onoff: fields.getInt32(0, littleEndian) !== 0, linger: fields.getInt32(4, littleEndian) };
}

/** Who a process is: `SO_PEERCRED`, SCM_CREDENTIALS. */
export interface Credentials {
  /** 0 for a process that this one cannot see, being in another namespace. */
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** The `struct ucred` of credentials, unix(7). */
export function encodeCredentials(value: Credentials): Buffer {
  checkObject('credentials', '{pid, uid, gid}', value);
  const { pid, uid, gid } = value;
  checkInteger('pid', pid, 0, INT_MAX);
  checkInteger('uid', uid, 0, UINT_MAX);
  checkInteger('gid', gid, 0, UINT_MAX);
  return struct(12, (fields) => {
    fields.setInt32(0, pid, littleEndian);
    fields.setUint32(4, uid, littleEndian);
    fields.setUint32(8, gid, littleEndian);
  });
}

/** The credentials in a `struct ucred`. */
export function decodeCredentials(bytes: Memory): Credentials {
  const fields = fieldsOf(exactly(bytes, 12, 'a struct ucred'));
  return {
    pid: fields.getInt32(0, littleEndian),
    uid: fields.getUint32(4, littleEndian),
    gid: fields.getUint32(8, littleEndian),
  };
}

/** The supplementary groups in the value of `SO_PEERGROUPS`, unix(7). */
export function decodeGroups(bytes: Memory): number[] {
  const memory = memoryOf(bytes, 'bytes');
  if (memory.length % 4 !== 0) {
    throw new RangeError(`Expected a multiple of 4 bytes for bytes but received ${memory.length} bytes`);
  }
  const fields = fieldsOf(memory);
  return Array.from({ length: memory.length / 4 }, (_, i) => fields.getUint32(4 * i, littleEndian));
}

/**
 * The text of an option that is a name, up to its NUL: `TCP_CONGESTION`, `SO_BINDTODEVICE`,
 * `SO_PEERSEC`. To set one, give `setsockopt` the string itself.
 */
export function decodeText(bytes: Memory): string {
  const memory = memoryOf(bytes, 'bytes');
  const end = memory.indexOf(0);
  return Buffer.from(memory.subarray(0, end < 0 ? memory.length : end)).toString();
}

/** `PACKET_ADD_MEMBERSHIP`, `PACKET_DROP_MEMBERSHIP`: what an AF_PACKET socket's device also receives. */
export interface PacketMembership {
  /** Index of the device. */
  readonly interface: number;
  /** `PACKET_MR_MULTICAST`, `PACKET_MR_PROMISC`, `PACKET_MR_ALLMULTI`, `PACKET_MR_UNICAST`. */
  readonly type: number;
  /** The hardware address of the group, at most 8 bytes. */
  readonly address?: Data;
}

/** The `struct packet_mreq` of a membership, packet(7). */
export function encodePacketMembership(value: PacketMembership): Buffer {
  checkObject('value', '{interface, type, address?}', value);
  const { interface: index, type, address = '' } = value;
  checkInteger('interface', index, 0, INT_MAX);
  checkInteger('type', type, 0, 0xffff);
  const hardware = bytesOf(address, 'address');
  if (hardware.length > 8)
    throw new RangeError(`Expected at most 8 bytes for address but received ${hardware.length} bytes`);
  return struct(16, (fields, bytes) => {
    fields.setInt32(0, index, littleEndian);
    fields.setUint16(4, type, littleEndian);
    fields.setUint16(6, hardware.length, littleEndian);
    bytes.set(hardware, 8);
  });
}

/** `SO_TXTIME`: by which clock messages tell when they are to be sent. */
export interface TransmitClock {
  /** As in clock_gettime(2): 1 is CLOCK_MONOTONIC, 11 CLOCK_TAI. */
  readonly clockid: number;
  /** 1: times are deadlines; 2: report what could not be sent in time in the error queue. */
  readonly flags?: number;
}

/** The `struct sock_txtime` of `SO_TXTIME`, linux/net_tstamp.h. */
export function encodeTransmitClock(value: TransmitClock): Buffer {
  checkObject('value', '{clockid, flags?}', value);
  const { clockid, flags = 0 } = value;
  checkInteger('clockid', clockid, INT_MIN, INT_MAX);
  checkInteger('flags', flags, 0, UINT_MAX);
  return struct(8, (fields) => {
    fields.setInt32(0, clockid, littleEndian);
    fields.setUint32(4, flags, littleEndian);
  });
}
