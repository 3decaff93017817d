// Random numbers that repeat: every run of a test sees the same sizes and bytes, and
// TEST_SEED=… in the environment tries others. Knows nothing of sockets.

/** A small generator of 32-bit numbers (mulberry32), seeded by a name. */
export class Chance {
  #state = 0;

  constructor(name: string) {
    for (const character of `${name}${process.env.TEST_SEED ?? ''}`) {
      this.#state = (Math.imul(this.#state, 31) + character.charCodeAt(0)) | 0;
    }
  }

  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** An integer from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + (this.#next() % (high - low + 1));
  }

  /** `size` bytes that repeat nowhere soon, so that one lost or moved byte shows. */
  bytes(size: number): Buffer {
    const words = new Uint32Array(Math.ceil(size / 4));
    for (let i = 0; i < words.length; i++) words[i] = this.#next();
    return Buffer.from(words.buffer, 0, size);
  }

  /** Cuts `data` into pieces of 1 to `most` bytes; small ones are as frequent as large ones. */
  *pieces(data: Buffer, most: number): Generator<Buffer> {
    for (let at = 0; at < data.length; ) {
      const size = this.integer(1, this.integer(1, 2) === 1 ? Math.min(most, 100) : most);
      yield data.subarray(at, at + size);
      at += size;
    }
  }
}
