// Text of a command line with the escapes of C, and line ends for the network. Pure.
import { UsageError } from './spec.ts';

const NAMED: Record<string, number> = { n: 10, r: 13, t: 9, 0: 0, a: 7, b: 8, e: 27, f: 12, v: 11, '\\': 92 };

/** The bytes of a text in which `\n`, `\r`, `\t`, `\0`, `\e`, `\xHH` and `\\` stand for characters. */
export function unescaped(text: string, option: string, command: string): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  for (const match of text.matchAll(/\\(x[0-9a-fA-F]{2}|[\s\S]|$)/g)) {
    const code = match[1]!;
    const byte = /^x../.test(code) ? Number.parseInt(code.slice(1), 16) : NAMED[code];
    if (byte === undefined)
      throw new UsageError(`${option}: \\${code} is no escape: use \\n \\r \\t \\0 \\e \\xHH \\\\`, command);
    parts.push(Buffer.from(text.slice(at, match.index)), Buffer.of(byte));
    at = match.index + match[0].length;
  }
  parts.push(Buffer.from(text.slice(at)));
  return Buffer.concat(parts);
}

const CR = 13;
const LF = 10;

/** Makes each line feed that has no carriage return in front of it two: CR LF. Piece by piece. */
export class LineEnds {
  #last = 0;

  encode(bytes: Uint8Array): Uint8Array {
    let added = 0;
    let last = this.#last;
    for (const byte of bytes) {
      if (byte === LF && last !== CR) added++;
      last = byte;
    }
    if (added === 0) {
      this.#last = last;
      return bytes;
    }
    const out = new Uint8Array(bytes.length + added);
    let to = 0;
    for (const byte of bytes) {
      if (byte === LF && this.#last !== CR) out[to++] = CR;
      out[to++] = byte;
      this.#last = byte;
    }
    return out;
  }
}
