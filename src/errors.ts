// Errors of the library: SocketError and its few subclasses. Knows nothing of sockets.
import os from 'node:os';
import { getSystemErrorName } from 'node:util';

/** Where a failed call was directed: part of the error's message and fields. */
export interface ErrorTarget {
  address?: string;
  port?: number;
  path?: string;
}

/** What a `SocketError` is made of. */
export interface SocketErrorInit extends ErrorTarget {
  code: string;
  errno?: number;
  syscall?: string;
}

/**
 * A failed system call, with the fields of Node's own system errors.
 *
 * `code` is the errno's name (`"ECONNREFUSED"`), `errno` its negative number, `syscall` the
 * call that failed; `address` and `port`, or `path`, tell where it was directed.
 */
export class SocketError extends Error {
  code: string;
  // Declared, not defined: a field that an error does not have is not there at all.
  declare errno?: number;
  declare syscall?: string;
  declare address?: string;
  declare port?: number;
  declare path?: string;
  /** Bytes that the kernel took before a `sendall` failed. */
  declare bytesSent?: number;

  constructor(message: string, init: SocketErrorInit) {
    super(message);
    this.code = init.code;
    if (init.errno !== undefined) this.errno = init.errno;
    if (init.syscall !== undefined) this.syscall = init.syscall;
    if (init.address !== undefined) this.address = init.address;
    if (init.port !== undefined) this.port = init.port;
    if (init.path !== undefined) this.path = init.path;
  }

  static {
    // On the prototype, as Node's own errors have it: one string, not one an instance.
    Object.defineProperty(SocketError.prototype, 'name', {
      value: 'SocketError',
      configurable: true,
      writable: true,
    });
  }
}

/** The time set by `settimeout` (or a `timeout` option) passed before the call was done. */
export class TimeoutError extends SocketError {
  static {
    Object.defineProperty(TimeoutError.prototype, 'name', {
      value: 'TimeoutError',
      configurable: true,
      writable: true,
    });
  }
}

/** Name resolution failed; `code` is the EAI name, such as `"EAI_NONAME"`. */
export class AddressInfoError extends SocketError {
  static {
    Object.defineProperty(AddressInfoError.prototype, 'name', {
      value: 'AddressInfoError',
      configurable: true,
      writable: true,
    });
  }
}

/** The socket is closed or detached, or was closed while the call waited; `code` is `"EBADF"`. */
export class ClosedError extends SocketError {
  static {
    Object.defineProperty(ClosedError.prototype, 'name', {
      value: 'ClosedError',
      configurable: true,
      writable: true,
    });
  }
}

/** The stream ended inside a message. What came of it is in `partial` and was taken. */
export class IncompleteReadError extends Error {
  /** The bytes in front of the end. */
  readonly partial: Buffer;
  /** How many there should have been; `undefined` where a delimiter was to end them. */
  readonly expected: number | undefined;

  constructor(partial: Buffer, expected: number | undefined) {
    super(
      `the stream ended after ${partial.length} ${expected === undefined ? 'bytes, without the delimiter' : `of ${expected} bytes`}`,
    );
    this.partial = partial;
    this.expected = expected;
  }

  static {
    Object.defineProperty(IncompleteReadError.prototype, 'name', {
      value: 'IncompleteReadError',
      configurable: true,
      writable: true,
    });
  }
}

/** A message is longer than the reader allows. What came of it was not taken. */
export class LimitError extends Error {
  /** The limit, in bytes. */
  readonly limit: number;

  constructor(what: string, limit: number) {
    super(`${what} is longer than the limit of ${limit} bytes`);
    this.limit = limit;
  }

  static {
    Object.defineProperty(LimitError.prototype, 'name', {
      value: 'LimitError',
      configurable: true,
      writable: true,
    });
  }
}

const EBADF = os.constants.errno.EBADF;

// libuv's table first (what Node's users see elsewhere), then Node's full list: libuv does
// not know every errno that a socket can give (ENOKEY, EBADMSG, …).
const namesByNumber = new Map<number, string>(
  Object.entries(os.constants.errno).map(([name, value]) => [value as number, name]),
);

/** The name of a positive errno: `"ECONNREFUSED"`. */
export function errnoName(errno: number): string {
  const name = getSystemErrorName(-errno);
  return name.startsWith('Unknown') ? (namesByNumber.get(errno) ?? `E${errno}`) : name;
}

function place(target: ErrorTarget | undefined): string {
  if (target?.path !== undefined) return ` ${target.path}`;
  if (target?.address === undefined) return '';
  const host =
    target.address.includes(':') && target.port !== undefined ? `[${target.address}]` : target.address;
  return target.port === undefined ? ` ${host}` : ` ${host}:${target.port}`;
}

/** The error of a system call that returned `result` = -errno. */
export function systemError(result: number, syscall: string, target?: ErrorTarget): SocketError {
  const code = errnoName(-result);
  return new SocketError(`${syscall} ${code}${place(target)}`, { ...target, code, errno: result, syscall });
}

/** The error of a call whose time ran out. */
export function timeoutError(syscall: string, target?: ErrorTarget): TimeoutError {
  return new TimeoutError(`timed out: ${syscall}${place(target)}`, { ...target, code: 'ETIMEDOUT', syscall });
}

/** The error of a call that would wait, on a non-blocking socket: `EAGAIN` or `EINPROGRESS`. */
export function wouldBlockError(syscall: string, code: 'EAGAIN' | 'EINPROGRESS'): SocketError {
  return new SocketError(`${syscall} ${code}: the call would block`, {
    code,
    errno: -os.constants.errno[code],
    syscall,
  });
}

/** The error of a call on a closed socket, or of one that waited while the socket was closed. */
export function closedError(syscall: string, what = 'the socket'): ClosedError {
  return new ClosedError(`${syscall} EBADF: ${what} is closed`, { code: 'EBADF', errno: -EBADF, syscall });
}

/** The error of a failed name resolution; `code` is the EAI name. */
export function addressInfoError(code: string, syscall: string, message: string): AddressInfoError {
  return new AddressInfoError(message, { code, syscall });
}

/** A value's type as an error message names it: `null`, `an array`, `a string`. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'string')
    return `the string ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)}`;
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return `${typeof value} ${value}`;
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return `an instance of ${value.constructor?.name ?? 'Object'}`;
  return `a ${typeof value}`;
}

/** An argument of the wrong type: "Expected `what` for `name` but received …". */
export function typeError(name: string, what: string, value: unknown): TypeError {
  return new TypeError(`Expected ${what} for ${name} but received ${describeValue(value)}`);
}

/** A flag: a boolean, or a number as in C and in Python. */
export function checkFlag(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean' && typeof value !== 'number') throw typeError(name, 'a boolean', value);
  return Boolean(value);
}

/** An integer argument within bounds: a `TypeError` or `RangeError` otherwise. */
export function checkInteger(name: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number') throw typeError(name, 'a number', value);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`Expected an integer from ${min} to ${max} for ${name} but received ${value}`);
  }
  return value;
}
