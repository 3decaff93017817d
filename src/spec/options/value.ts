// An option's value between what people write, what the API takes and what the kernel holds.
// Pure functions of a row: no system calls.
import { decodeLinger, decodeText, encodeLinger } from '../../structures.ts';
import { decodeTimeval, encodeTimeval } from '../../timeval.ts';
import type { Option, OptionValue } from './row.ts';

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
      return encodeLinger(value);
    }
    case 'timeval': {
      if (typeof value !== 'number' || !(value >= 0)) throw wrong(option, 'a number of seconds', value);
      return encodeTimeval(value);
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
    case 'linger':
      return decodeLinger(raw as Buffer);
    case 'timeval':
      return decodeTimeval(raw as Buffer);
    case 'string':
      return decodeText(raw as Buffer);
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
