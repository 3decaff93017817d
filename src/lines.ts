// Lines as text, many at a time: to decode a whole piece and to split it costs a fifth of what line by
// line does. What was decoded stays in the queue of bytes until it was handed out, so that a reader
// that goes on otherwise has lost nothing. Knows no sockets.
import type { ByteQueue } from './bytequeue.ts';

/** How bytes become text: in these a byte that is 10 is a newline and nothing else. */
export type LineEncoding = 'utf8' | 'utf-8' | 'latin1' | 'ascii';

const ENCODINGS: readonly unknown[] = ['utf8', 'utf-8', 'latin1', 'ascii'] satisfies LineEncoding[];

export const isLineEncoding = (encoding: unknown): encoding is LineEncoding => ENCODINGS.includes(encoding);

const NEWLINE = 10;
const RETURN = 13;
// Of a byte that is no UTF-8, U+FFFD is made, which has three; of no byte come more.
const MOST_BYTES = 3;

/** A line without its end. */
export const withoutReturn = (line: string): string =>
  line.charCodeAt(line.length - 1) === RETURN ? line.slice(0, -1) : line;

/** A line as text, without `"\n"` or `"\r\n"`. */
export function lineText(line: Buffer, encoding: LineEncoding): string {
  const whole = line[line.length - 1] !== NEWLINE;
  return withoutReturn(line.toString(encoding, 0, whole ? line.length : line.length - 1));
}

/** The lines that lie in the queue's first piece as a whole. */
export class LinesAhead {
  readonly #queue: ByteQueue;
  readonly #lines: string[];
  readonly #size: number;
  #at = 0;

  private constructor(queue: ByteQueue, lines: string[], size: number) {
    this.#queue = queue;
    this.#lines = lines;
    this.#size = size;
  }

  /** `undefined` if there is none, or one that may be longer than `limit` bytes: to be read by itself. */
  static of(queue: ByteQueue, encoding: LineEncoding, limit: number): LinesAhead | undefined {
    const head = queue.head();
    const last = head.lastIndexOf(NEWLINE);
    if (last < 0) return undefined;
    const lines = head.toString(encoding, 0, last).split('\n');
    if (last >= limit) for (const line of lines) if (line.length * MOST_BYTES >= limit) return undefined;
    return new LinesAhead(queue, lines, last + 1);
  }

  /** The next line, which counts as taken; `undefined` behind the last one. */
  next(): string | undefined {
    const line = this.#lines[this.#at];
    if (line === undefined) return undefined;
    this.#at++;
    return withoutReturn(line);
  }

  /** All lines, which count as taken. */
  all(): string[] {
    this.#at = this.#lines.length;
    return this.#lines.map(withoutReturn);
  }

  /** Takes from the queue what was handed out. */
  settle(): void {
    this.#queue.skip(this.#at === this.#lines.length ? this.#size : this.#taken());
    this.#lines.length = this.#at = 0;
  }

  #taken(): number {
    const head = this.#queue.head();
    let end = 0;
    for (let i = 0; i < this.#at; i++) end = head.indexOf(NEWLINE, end) + 1;
    return end;
  }
}
