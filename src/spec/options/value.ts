// An option's value between what people write, what the API takes and what the kernel holds.
// Pure functions of a row: no system calls.
import { LONG, little } from './layout.ts';
import type { Option, OptionValue } from './row.ts';

const readInt = (b: Buffer, at: number) => (little ? b.readInt32LE(at) : b.readInt32BE(at));
const writeInt = (b: Buffer, value: number, at: number) =>
  little ? b.writeInt32LE(value, at) : b.writeInt32BE(value, at);

// struct timeval is two longs; where a 32-bit C library has 64-bit time, the length that the
// kernel gives tells.
function writeLong(b: Buffer, value: number, at: number, size: number): void {
  if (size === 4) writeInt(b, value, at);
  else if (little) b.writeBigInt64LE(BigInt(value), at);
  else b.writeBigInt64BE(BigInt(value), at);
}

function readLong(b: Buffer, at: number, size: number): number {
  if (size === 4) return readInt(b, at);
  return Number(little ? b.readBigInt64LE(at) : b.readBigInt64BE(at));
}

function wrong(option: Option, expected: string, value: unknown): TypeError {
  return new TypeError(
    `Expected ${expected} for ${option.name} but received ${JSON.stringify(value) ?? String(value)}`,
  );
}

/** What `setsockopt` takes for `value`. Throws a `TypeError` if the row's type does not fit. */
export function encodeValue(option: Option, value: OptionValue): number | boolean | Buffer {
  switch (option.type) {
    case 'bool':
      if (typeof value !== 'boolean') throw wrong(option, 'a boolean', value);
      return value;
    case 'int':
      if (typeof value !== 'number') throw wrong(option, 'a number', value);
      return value;
    case 'linger': {
      if (typeof value !== 'object') throw wrong(option, '{onoff, linger}', value);
      const b = Buffer.alloc(8);
      writeInt(b, Number(value.onoff), 0);
      writeInt(b, value.linger, 4);
      return b;
    }
    case 'timeval': {
      if (typeof value !== 'number' || !(value >= 0)) throw wrong(option, 'a number of seconds', value);
      const microseconds = Math.round(value * 1e6);
      const b = Buffer.alloc(2 * LONG);
      writeLong(b, Math.floor(microseconds / 1e6), 0, LONG);
      writeLong(b, microseconds % 1e6, LONG, LONG);
      return b;
    }
    case 'string':
      if (typeof value !== 'string') throw wrong(option, 'a string', value);
      return Buffer.from(value, 'utf8');
    case 'bytes':
      if (typeof value !== 'string' || !/^([0-9a-f]{2})*$/i.test(value))
        throw wrong(option, 'bytes in hex', value);
      return Buffer.from(value, 'hex');
  }
}

/** How many bytes to ask `getsockopt` for; `undefined` where a number is read. */
export function lengthToRead(option: Option): number | undefined {
  switch (option.type) {
    case 'bool':
    case 'int':
      return undefined;
    case 'linger':
      return 8;
    case 'timeval':
      return 16;
    case 'string':
    case 'bytes':
      return option.length ?? 256;
  }
}

/** What `getsockopt` gave, with `lengthToRead`, as a value. */
export function decodeValue(option: Option, raw: number | Buffer): OptionValue {
  switch (option.type) {
    case 'bool':
      return raw !== 0;
    case 'int':
      return raw as number;
    case 'linger': {
      const b = raw as Buffer;
      return { onoff: readInt(b, 0) !== 0, linger: readInt(b, 4) };
    }
    case 'timeval': {
      const b = raw as Buffer;
      const size = b.length / 2;
      return readLong(b, 0, size) + readLong(b, size, size) / 1e6;
    }
    case 'string': {
      const b = raw as Buffer;
      const end = b.indexOf(0);
      return b.toString('utf8', 0, end < 0 ? b.length : end);
    }
    case 'bytes':
      return (raw as Buffer).toString('hex');
  }
}

const truths = new Map([
  ...['1', 'on', 'true', 'yes', ''].map((word) => [word, true] as const),
  ...['0', 'off', 'false', 'no'].map((word) => [word, false] as const),
]);

/**
 * A value as a command line has it: `TCP_NODELAY` or `TCP_NODELAY=1`, `SO_RCVBUF=65536`,
 * `SO_MARK=0x10`, `SO_LINGER=5` or `SO_LINGER=off`, `SO_RCVTIMEO=1.5`, `SO_BINDTODEVICE=eth0`,
 * bytes in hex. Throws a `TypeError` that says what the option takes.
 */
export function parseValue(option: Option, text: string): OptionValue {
  switch (option.type) {
    case 'bool': {
      const value = truths.get(text.toLowerCase());
      if (value === undefined) throw wrong(option, '1 or 0, on or off', text);
      return value;
    }
    case 'int':
      if (!/^-?(\d+|0x[0-9a-f]+)$/i.test(text)) throw wrong(option, 'an integer', text);
      return text.startsWith('-') ? -Number(text.slice(1)) : Number(text);
    case 'linger':
      if (text.toLowerCase() === 'off') return { onoff: false, linger: 0 };
      if (!/^\d+$/.test(text)) throw wrong(option, 'a whole number of seconds, or off', text);
      return { onoff: true, linger: Number(text) };
    case 'timeval':
      if (!/^\d+(\.\d+)?$/.test(text)) throw wrong(option, 'a number of seconds', text);
      return Number(text);
    case 'string':
      return text;
    case 'bytes':
      if (!/^([0-9a-f]{2})*$/i.test(text)) throw wrong(option, 'bytes in hex', text);
      return text;
  }
}
