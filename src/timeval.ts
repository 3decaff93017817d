// C's times in bytes: struct timeval, in which options have a duration, and the timestamps that
// come with a message. Pure functions: no clock is read.
import { type Memory, memoryOf } from './bytes.ts';
import { typeError } from './errors.ts';
import { fieldsOf, LONG, readLong, struct, writeLong } from './layout.ts';

/** A moment, twice: as a number to reckon with, and exactly. */
export interface Timestamp {
  /** Seconds since 1970 (or of the device's clock): to some 0.2 microseconds, as a number has it. */
  readonly seconds: number;
  /** The same in nanoseconds, exactly. */
  readonly nanoseconds: bigint;
}

export interface TimevalOptions {
  /** 64 for the `_NEW` options on machines of 32 bits; default: the machine's own `long`. */
  bits?: 32 | 64;
}

const INT_MAX = 0x7fffffff;

/**
 * The `struct timeval` of a duration in seconds, as `SO_RCVTIMEO`, `SO_SNDTIMEO` and
 * `SO_VM_SOCKETS_CONNECT_TIMEOUT` take it: rounded to a microsecond, but never to 0, which means
 * no limit. socket(7).
 *
 * `RangeError` for a negative one, or one that does not fit.
 */
export function encodeTimeval(seconds: number, options: TimevalOptions = {}): Buffer {
  if (typeof options !== 'object' || options === null) throw typeError('options', 'an object', options);
  const { bits = LONG === 8 ? 64 : 32 } = options;
  if (typeof seconds !== 'number') throw typeError('seconds', 'a number', seconds);
  if (bits !== 32 && bits !== 64) throw typeError('bits', '32 or 64', bits);
  const most = bits === 64 ? Number.MAX_SAFE_INTEGER : INT_MAX;
  if (!(seconds >= 0 && seconds <= most)) {
    throw new RangeError(`Expected a number from 0 to ${most} for seconds but received ${seconds}`);
  }
  let whole = Math.floor(seconds);
  let micros = Math.round((seconds - whole) * 1e6);
  if (micros === 1e6) {
    whole++;
    micros = 0;
  }
  if (seconds > 0 && whole === 0 && micros === 0) micros = 1;
  const size = bits === 64 ? 8 : 4;
  return struct(2 * size, (fields) => {
    writeLong(fields, 0, size, whole);
    writeLong(fields, size, size, micros);
  });
}

/** The seconds of a `struct timeval`, of 16 bytes, or of 8 with longs of 32 bits. */
export function decodeTimeval(bytes: Memory): number {
  const memory = memoryOf(bytes, 'bytes');
  const size = memory.length === 16 ? 8 : memory.length === 8 ? 4 : undefined;
  if (size === undefined)
    throw new RangeError(`Expected a timeval of 8 or 16 bytes for bytes but received ${memory.length} bytes`);
  return toSeconds(countOf(memory, 0, size, 1_000_000n), 1_000_000n);
}

// Whole and part apart: as one number of nanoseconds a moment would not fit.
function toSeconds(units: bigint, perSecond: bigint): number {
  return Number(units / perSecond) + Number(units % perSecond) / Number(perSecond);
}

/** The two longs of a timeval or a timespec as one count of the smaller unit. */
function countOf(bytes: Uint8Array, at: number, size: 4 | 8, perSecond: bigint): bigint {
  const fields = fieldsOf(bytes);
  return readLong(fields, at, size) * perSecond + readLong(fields, at + size, size);
}

const timestamp = (nanoseconds: bigint): Timestamp => ({
  seconds: toSeconds(nanoseconds, 1_000_000_000n),
  nanoseconds,
});

// What comes with a message may be cut, and a cut time of 64 bits looks like one of 32: the size of
// the longs is the caller's to know, and never found out by the length.

/** The moment that a struct timeval with longs of `size` bytes holds; `undefined` for another length. */
export function timevalMoment(bytes: Uint8Array, size: 4 | 8): Timestamp | undefined {
  return bytes.length === 2 * size ? timestamp(countOf(bytes, 0, size, 1_000_000n) * 1000n) : undefined;
}

/** The moment that a struct timespec holds. */
export function timespecMoment(bytes: Uint8Array, size: 4 | 8): Timestamp | undefined {
  return bytes.length === 2 * size ? timestamp(countOf(bytes, 0, size, 1_000_000_000n)) : undefined;
}

/** What `SO_TIMESTAMPING` tells of a packet: each only where it was asked for and is known. */
export interface Timestamps {
  /** By the kernel's clock, CLOCK_REALTIME. */
  readonly software?: Timestamp;
  /** By the clock of the network device. */
  readonly hardware?: Timestamp;
}

/**
 * struct scm_timestamping: three timespecs, the second of which is no longer in use. Those that
 * are not known are 0. Linux, Documentation/networking/timestamping.rst section 2.1.
 */
export function timestampsOf(bytes: Uint8Array, size: 4 | 8): Timestamps | undefined {
  if (bytes.length !== 6 * size) return undefined;
  const at = (which: number): bigint => countOf(bytes, which * 2 * size, size, 1_000_000_000n);
  const [software, hardware] = [at(0), at(2)];
  return {
    ...(software !== 0n && { software: timestamp(software) }),
    ...(hardware !== 0n && { hardware: timestamp(hardware) }),
  };
}
