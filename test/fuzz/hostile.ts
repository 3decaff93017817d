// Values that nobody in his right mind passes, and those that somebody does, drawn from a seeded
// Chance. Knows nothing of what they are for.
import type { Chance } from '../support/chance.ts';

/** One of them. */
export function pick<T>(chance: Chance, from: readonly T[]): T {
  return from[chance.integer(0, from.length - 1)]!;
}

/** True once in `times`. */
export const once = (chance: Chance, times: number): boolean => chance.integer(1, times) === 1;

const edges = [
  0,
  -0,
  1,
  -1,
  2,
  3,
  4,
  7,
  8,
  15,
  16,
  17,
  28,
  63,
  64,
  127,
  128,
  129,
  255,
  256,
  1023,
  1024,
  1025,
  4095,
  4096,
  16383,
  16384,
  16385,
  65535,
  65536,
  262144,
  1 << 20,
  0x7ffffffe,
  0x7fffffff,
  0x80000000,
  0xffffffff,
  0x100000000,
  -0x80000000,
  -0x80000001,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
  2 ** 63,
  -(2 ** 63),
  1e308,
  0.5,
  -0.5,
  1.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
];

/** A number: small, at an edge, or anything. */
export function anyNumber(chance: Chance): number {
  const kind = chance.integer(1, 4);
  if (kind === 1) return chance.integer(-4, 300);
  if (kind === 2) return chance.integer(0, 0xffffffff) - 0x80000000;
  return pick(chance, edges);
}

/** An integer that a C int holds, small ones as frequent as large ones. */
export function anyInt(chance: Chance): number {
  return once(chance, 2) ? chance.integer(-2, 64) : anyNumber(chance) | 0;
}

/** A size, mostly small. */
export function anySize(chance: Chance, most: number): number {
  const kind = chance.integer(1, 8);
  if (kind === 1) return 0;
  if (kind === 2) return most;
  return chance.integer(0, kind < 7 ? Math.min(most, 64) : most);
}

const texts = [
  '',
  ' ',
  '\0',
  'a\0b',
  '/',
  '//',
  '.',
  'localhost',
  '127.0.0.1',
  '::1',
  '::',
  'fe80::1%lo',
  '256.1.1.1',
  '1.2.3',
  '0x7f.1',
  '1:2:3:4:5:6:7:8:9',
  '\ud800',
  'ä',
  'xn--',
  '\u{1f600}',
  '<broadcast>',
  'lo',
  'http',
  '80',
  '-1',
  '65536',
  '[object Object]',
  '__proto__',
  'constructor',
  '%',
  '%%lo',
  'a'.repeat(107),
  'a'.repeat(108),
  'a'.repeat(300),
];

/** Text: known words, words with a change in the middle, letters that numbers and addresses are made of. */
export function anyText(chance: Chance): string {
  const kind = chance.integer(1, 3);
  if (kind === 1) return pick(chance, texts);
  if (kind === 2) {
    const text = pick(chance, texts);
    const at = chance.integer(0, text.length);
    return (
      text.slice(0, at) +
      pick(chance, [':', '.', '%', '0', 'f', '\0', '/', 'é']) +
      text.slice(at + chance.integer(0, 1))
    );
  }
  return Array.from(
    { length: chance.integer(0, 40) },
    () => '0123456789abcdef:.%/[]xX -'[chance.integer(0, 25)],
  ).join('');
}

/** Memory in each form that JavaScript has, an allocation of its own so that its ends are guarded. */
export function anyMemory(chance: Chance, most = 4096): ArrayBufferView | ArrayBuffer | SharedArrayBuffer {
  const size = anySize(chance, most);
  switch (chance.integer(1, 12)) {
    case 1:
      return new ArrayBuffer(size);
    case 2:
      return new SharedArrayBuffer(size);
    case 3:
      return new DataView(new ArrayBuffer(size));
    case 4:
      return new Int32Array(Math.ceil(size / 4));
    case 5:
      return new Float64Array(Math.ceil(size / 8));
    case 6:
      return new Uint8Array(new SharedArrayBuffer(size));
    case 7:
      return detached(size);
    case 8:
      return new Uint8Array(new ArrayBuffer(size, { maxByteLength: size + 64 } as object));
    default:
      return anyBytes(chance, size);
  }
}

/** Bytes of an allocation of their own. */
export function anyBytes(chance: Chance, size: number): Uint8Array {
  const bytes = new Uint8Array(new ArrayBuffer(size));
  if (once(chance, 4)) return bytes.fill(pick(chance, [0, 0xff, 0x80]));
  bytes.set(chance.bytes(size));
  return bytes;
}

/** A view whose memory has gone elsewhere. */
export function detached(size: number): Uint8Array {
  const view = new Uint8Array(size);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
}

/** An object that throws wherever it is touched. */
const trap = new Proxy(
  {},
  {
    get() {
      throw new Hostility();
    },
    has() {
      throw new Hostility();
    },
    ownKeys() {
      throw new Hostility();
    },
  },
);

/** What a hostile value throws, which is then the caller's own affair. */
export class Hostility extends Error {}

/** Anything at all. */
export function anything(chance: Chance, depth = 2): unknown {
  switch (chance.integer(1, depth > 0 ? 16 : 11)) {
    case 1:
      return undefined;
    case 2:
      return null;
    case 3:
      return once(chance, 2);
    case 4:
    case 5:
      return anyNumber(chance);
    case 6:
      return anyText(chance);
    case 7:
      return BigInt(anyInt(chance));
    case 8:
      return pick(chance, [
        Symbol('s'),
        () => 1,
        new Date(0),
        /x/,
        new Map(),
        Promise.resolve(),
        new Number(5),
      ]);
    case 9:
    case 10:
      return anyMemory(chance);
    case 11:
      return {};
    case 12:
    case 13:
      return Array.from({ length: chance.integer(0, 5) }, () => anything(chance, depth - 1));
    case 14:
      return new Array(chance.integer(0, 5));
    case 15:
      return trap;
    default:
      return {
        [pick(chance, [
          'flags',
          'signal',
          'address',
          'ancdata',
          'offset',
          'count',
          'family',
          'timeout',
          'length',
        ])]: anything(chance, depth - 1),
      };
  }
}
