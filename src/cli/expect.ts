// Looks for a text in what comes piece by piece. Pure.

/** A text that is waited for. */
export class Expectation {
  readonly #text: Buffer;
  // As much of the end of what came as the text may have begun in.
  #tail: Buffer = Buffer.alloc(0);
  #met = false;

  constructor(text: Uint8Array) {
    this.#text = Buffer.from(text);
    this.#met = text.length === 0;
  }

  get met(): boolean {
    return this.#met;
  }

  /** Whether the text has come, with these bytes or before. */
  see(bytes: Uint8Array): boolean {
    if (this.#met) return true;
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const overlap = this.#text.length - 1;
    const seam = Buffer.concat([this.#tail, view.subarray(0, overlap)]);
    this.#met = seam.includes(this.#text) || view.includes(this.#text);
    const end = view.length >= overlap ? view : Buffer.concat([this.#tail, view]);
    this.#tail = Buffer.from(end.subarray(Math.max(0, end.length - overlap)));
    return this.#met;
  }
}
