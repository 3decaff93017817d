// getsockopt and setsockopt on a bare descriptor: checks the arguments, moves the bytes. Knows
// neither sockets nor what any option means: that is spec/options.ts.
import { native } from './binding.ts';
import { bytesOf, type Data } from './bytes.ts';
import { AF_VSOCK } from './constants.gen.ts';
import { checkInteger, systemError, typeError } from './errors.ts';

/** What `setsockopt` takes: a C int, a boolean as 0 or 1, bytes, or no value but a length. */
export type OptionInput = number | boolean | Data | null;

const INT_MIN = -0x80000000;
const INT_MAX = 0x7fffffff;

/** The longest value that `getsockopt` reads: Python's bound. */
const BUFLEN_MAX = 1024;

// Most options are a C int: its memory is re-used by every call, and none of them waits.
const int = new Int32Array(1);
const intBytes = new Uint8Array(int.buffer);

// Those of AF_VSOCK are 64 bits (linux/vm_sockets.h), and refuse to be read as less.
const long = new BigUint64Array(1);
const longBytes = new Uint8Array(long.buffer);

function checkOption(level: unknown, name: unknown): void {
  // A constant that the platform lacks is `undefined`: a message of its own, since this is how
  // a portable program meets it.
  if (name === undefined)
    throw new TypeError('Expected a number for name but received undefined: this platform lacks the option');
  checkInteger('level', level, INT_MIN, INT_MAX);
  checkInteger('name', name, INT_MIN, INT_MAX);
}

/**
 * The value of an option: getsockopt(2).
 *
 * Without `buflen` the value is read as a C int, signed, of four bytes; a shorter one is padded
 * with zero bytes. At level `AF_VSOCK` it has 64 bits, unsigned, as in Python. With `buflen` (1 to 1024) it is the bytes that the kernel gave, at most so
 * many: a longer value is cut short by most options and refused by some (`ERANGE`, `EINVAL`).
 *
 * Fails with a `SocketError`: `ENOPROTOOPT` where the protocol or this kernel has no such
 * option, `ENOTSUP` where the family or the level has none at all.
 */
export function getOption(fd: number, level: number, name: number): number;
export function getOption(fd: number, level: number, name: number, buflen: number): Buffer;
export function getOption(fd: number, level: number, name: number, buflen?: number): number | Buffer;
export function getOption(fd: number, level: number, name: number, buflen?: number): number | Buffer {
  checkOption(level, name);
  if (buflen === undefined && level === AF_VSOCK) {
    long[0] = 0n;
    const got = native.getsockopt(fd, level, name, longBytes);
    if (got < 0) throw systemError(got, 'getsockopt');
    return Number(long[0]);
  }
  if (buflen === undefined) {
    int[0] = 0;
    const got = native.getsockopt(fd, level, name, intBytes);
    if (got < 0) throw systemError(got, 'getsockopt');
    return int[0];
  }
  const value = Buffer.alloc(checkInteger('buflen', buflen, 1, BUFLEN_MAX));
  const got = native.getsockopt(fd, level, name, value);
  if (got < 0) throw systemError(got, 'getsockopt');
  return value.subarray(0, got);
}

/**
 * Sets an option: setsockopt(2).
 *
 * A number is a C int (so 0xffffffff is out of range, as in Python: write -1), a boolean 0 or 1;
 * at level `AF_VSOCK` an unsigned one of 64 bits.
 * Anything else that counts as bytes is the value itself, a string as its UTF-8. With `null` the
 * kernel is given no value but the length `optlen`, which only `null` takes.
 *
 * Fails with a `SocketError`: `ENOPROTOOPT` and `ENOTSUP` as `getOption`, `EPERM` where a
 * capability is missing, `EINVAL` for a value out of the option's range or too short for it.
 */
export function setOption(
  fd: number,
  level: number,
  name: number,
  value: OptionInput,
  optlen?: number,
): void {
  checkOption(level, name);
  let bytes: Uint8Array | null;
  let length: number;
  if (value === null) {
    if (optlen === undefined)
      throw new TypeError('Expected a number for optlen, the length to pass with a null value');
    bytes = null;
    length = checkInteger('optlen', optlen, 0, INT_MAX);
  } else {
    if (optlen !== undefined) throw new TypeError('Expected no optlen: only a null value takes one');
    if (typeof value === 'number' && level === AF_VSOCK) {
      long[0] = BigInt(checkInteger('value', value, 0, Number.MAX_SAFE_INTEGER));
      bytes = longBytes;
    } else if (typeof value === 'number' || typeof value === 'boolean') {
      int[0] = typeof value === 'boolean' ? Number(value) : checkInteger('value', value, INT_MIN, INT_MAX);
      bytes = intBytes;
    } else {
      if (typeof value !== 'string' && typeof value !== 'object')
        throw typeError('value', 'a number, a boolean, bytes or null', value);
      bytes = bytesOf(value, 'value');
    }
    length = bytes.byteLength;
  }
  const result = native.setsockopt(fd, level, name, bytes, length);
  if (result < 0) throw systemError(result, 'setsockopt');
}
