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

/** A line without its end. */
export const withoutReturn = (line: string): string =>
  line.charCodeAt(line.length - 1) === RETURN ? line.slice(0, -1) : line;

/** A line as text, without `"\n"` or `"\r\n"`. */
export function lineText(line: Buffer, encoding: LineEncoding): string {
  const whole = line[line.length - 1] !== NEWLINE;
  return withoutReturn(line.toString(encoding, 0, whole ? line.length : line.length - 1));
}

/** The first lines of the queue, out of one piece. */
export class LinesAhead {
  readonly #queue: ByteQueue;
  readonly #lines: string[];
  readonly #size: number;
  #at = 0;
  // How far the bytes of the lines that were handed out have been counted.
  #counted = 0;
  #end = 0;

  private constructor(queue: ByteQueue, lines: string[], size: number) {
    this.#queue = queue;
    this.#lines = lines;
    this.#size = size;
  }

  /**
   * The whole lines within the first `window` bytes, up to one that is longer than `limit` bytes;
   * `undefined` if there is none: the next one is to be read by itself.
   */
  static of(queue: ByteQueue, encoding: LineEncoding, limit: number, window: number): LinesAhead | undefined {
    const head = queue.head();
    let end = head.lastIndexOf(NEWLINE, window - 1) + 1;
    if (end > limit) end = endWithin(head, end, limit);
    if (end === 0) return undefined;
    return new LinesAhead(queue, head.toString(encoding, 0, end - 1).split('\n'), end);
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

  /** The bytes of the lines that were handed out. They are still in the queue. */
  get taken(): number {
    if (this.#at === this.#lines.length) return this.#size;
    const head = this.#queue.head();
    for (; this.#counted < this.#at; this.#counted++) this.#end = head.indexOf(NEWLINE, this.#end) + 1;
    return this.#end;
  }

  /** Takes from the queue what was handed out. It is of no use after that. */
  settle(): void {
    this.#queue.skip(this.taken);
  }
}

// Where the lines end that come before one of more than `limit` bytes.
function endWithin(head: Buffer, most: number, limit: number): number {
  let end = 0;
  while (end < most) {
    const next = head.indexOf(NEWLINE, end) + 1;
    if (next - end > limit) break;
    end = next;
  }
  return end;
}
