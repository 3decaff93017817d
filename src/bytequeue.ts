// Bytes that were received and not yet taken: pieces in a row, joined once, when they are taken.
// Knows no sockets.
import { noBytes } from './bytes.ts';

// A piece up to this size is copied behind the one before: a peer that sends byte by byte must not
// cost an object, and the receive memory that it pins, a byte.
const SMALL = 512;
const COPY_SIZE = 4096;

/** A queue of bytes. What is taken is not copied unless it lies in several pieces. */
export class ByteQueue {
  // Pieces from #first on; of the first one the bytes from #start on.
  #pieces: (Buffer | undefined)[] = [];
  #first = 0;
  #start = 0;
  #size = 0;
  // The memory of the last piece, if it is of this queue's own, and how much of it is used.
  #tail: Buffer | undefined = undefined;
  #used = 0;

  /** Bytes in the queue. */
  get size(): number {
    return this.#size;
  }

  /** Puts a piece behind the others. The queue may keep it. */
  push(piece: Buffer): void {
    const { length } = piece;
    if (length === 0) return;
    this.#size += length;
    if (length > SMALL || this.#size === length) {
      this.#pieces.push(piece);
      this.#tail = undefined;
      return;
    }
    if (this.#tail === undefined || this.#tail.length - this.#used < length) {
      this.#tail = Buffer.allocUnsafeSlow(COPY_SIZE);
      this.#used = 0;
      this.#pieces.push(noBytes);
    }
    const from = this.#tailStart();
    this.#tail.set(piece, this.#used);
    this.#used += length;
    this.#pieces[this.#pieces.length - 1] = this.#tail.subarray(from, this.#used) as Buffer;
  }

  // Where the last piece begins in #tail.
  #tailStart(): number {
    return this.#used - this.#pieces[this.#pieces.length - 1]!.length;
  }

  /**
   * The index behind the first `delimiter` that ends behind `from`, or -1. `from`: bytes that are
   * known not to hold the end of one.
   */
  find(delimiter: Uint8Array, from: number): number {
    const { length } = delimiter;
    let base = -this.#start;
    // The bytes in front of a piece that can be the beginning of a delimiter that ends in it.
    let before: Buffer = noBytes;
    for (let i = this.#first; i < this.#pieces.length; i++) {
      const piece = this.#pieces[i]!;
      const low = i === this.#first ? this.#start : 0;
      const end = base + piece.length;
      if (end > from) {
        if (before.length > 0) {
          const seam = Buffer.concat([before, piece.subarray(low, low + length - 1)]);
          const at = seam.indexOf(delimiter, Math.max(0, from - (base + low) + before.length - length + 1));
          if (at >= 0) return base + low - before.length + at + length;
        }
        const at = piece.indexOf(delimiter, Math.max(low, from - base - length + 1));
        if (at >= 0) return base + at + length;
      }
      if (length > 1) {
        const own = piece.subarray(Math.max(low, piece.length - length + 1));
        before =
          own.length >= length - 1 || before.length === 0
            ? (own as Buffer)
            : Buffer.concat([before, own]).subarray(-(length - 1));
      }
      base = end;
    }
    return -1;
  }

  /** The first `n` bytes, at most all, which stay in the queue. */
  peek(n: number): Buffer {
    const size = Math.min(n, this.#size);
    if (size === 0) return noBytes;
    const first = this.#pieces[this.#first]!;
    const start = this.#start;
    if (first.length - start >= size) return first.subarray(start, start + size) as Buffer;
    const joined = Buffer.allocUnsafe(size);
    let at = first.copy(joined, 0, start);
    for (let i = this.#first + 1; at < size; i++) at += this.#pieces[i]!.copy(joined, at);
    return joined;
  }

  /** The first bytes, as many as lie in one piece, which stay in the queue. */
  head(): Buffer {
    if (this.#size === 0) return noBytes;
    const first = this.#pieces[this.#first]!;
    return this.#start === 0 ? first : (first.subarray(this.#start) as Buffer);
  }

  /** The unsigned integer in the first `n` bytes, which are there and stay. Beyond 2^53 it is not exact. */
  integer(n: number, little: boolean): number {
    const first = this.#pieces[this.#first]!;
    const inside = first.length - this.#start >= n;
    const bytes = inside ? first : this.peek(n);
    const from = inside ? this.#start : 0;
    let value = 0;
    for (let i = 0; i < n; i++) value = value * 256 + bytes[little ? from + n - 1 - i : from + i]!;
    return value;
  }

  /** Takes the first `n` bytes, at most all. */
  take(n: number): Buffer {
    const taken = this.peek(n);
    this.skip(taken.length);
    return taken;
  }

  /** Drops the first `n` bytes, which are there. */
  skip(n: number): void {
    if (n === 0) return;
    this.#size -= n;
    if (this.#size === 0) {
      this.#pieces.length = this.#first = this.#start = 0;
      this.#tail = undefined;
      return;
    }
    let start = this.#start + n;
    for (;;) {
      const { length } = this.#pieces[this.#first]!;
      if (start < length) break;
      start -= length;
      this.#pieces[this.#first++] = undefined;
    }
    this.#start = start;
    // Half of the places are empty: moving the others costs less than was taken since.
    if (this.#first > 32 && this.#first * 2 > this.#pieces.length) {
      this.#pieces = this.#pieces.slice(this.#first);
      this.#first = 0;
    }
  }
}
