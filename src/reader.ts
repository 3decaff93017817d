// Messages out of a stream (framing.ts says which there are). Each read is one operation of the socket,
// which holds the reading direction until the message is there; so the socket's timeout, its
// queue and its flavour are the reader's. Knows nothing of how a read waits.
import type { BaseSocket } from './base.ts';
import { ByteQueue } from './bytequeue.ts';
import { bytesOf, type Data } from './bytes.ts';
import * as engine from './engine.ts';
import { checkInteger, typeError } from './errors.ts';
import { checkOptions, checkSize, type Flavour, type Given, type Told, type WaitOptions } from './flavour.ts';
import { All, Exactly, Frame, type Incoming, type Request, Some, Until } from './framing.ts';
import { isLineEncoding, type LineEncoding, LinesAhead, lineText } from './lines.ts';
import { BLOCKED, MORE, type Operation, type Outcome, READ, recv } from './ops.ts';

/** The longest message that is read without a limit of its own: 64 KiB. */
const LIMIT = 65536;
const CHUNK = 65536;
// Bytes that are made lines ahead at first, and twice as many each time that all were taken: a program
// that takes a line and then something else must not have the same bytes decoded for every line.
const FIRST_WINDOW = 1024;
const newline = Buffer.from('\n');
// As Python and as Node name them.
const LITTLE = new Map([
  ['big', false],
  ['BE', false],
  ['little', true],
  ['LE', true],
]);

/** What a read with a bound can be told. */
export interface LimitOptions extends WaitOptions {
  /** The longest message in bytes, its delimiter included; `Infinity` for no bound. */
  limit?: number | undefined;
}

/** What the lines of a stream can be told. */
export interface LineOptions extends LimitOptions {
  /** How bytes become text: UTF-8 if it is not given. */
  encoding?: LineEncoding | undefined;
}

/** How the length in front of a frame is written. */
export interface FrameOptions extends LimitOptions {
  lengthBytes: 2 | 4 | 8;
  /** The order of its bytes: that of the network, `"big"`, if it is not given. */
  endian?: 'big' | 'little' | 'BE' | 'LE' | undefined;
}

/** What `for await` (or `for`, in the blocking flavour) goes over. */
export type Iterated<M extends Flavour, T> = M extends 'awaited'
  ? AsyncIterableIterator<T, undefined>
  : IterableIterator<T, undefined>;

/** What a reader needs of a socket. @internal */
export interface ReaderSource<M extends Flavour> {
  run<A, R>(
    operation: Operation<A, R>,
    argument: A,
    count: number,
    flags: number,
    signal?: AbortSignal,
  ): Given<M, R>;
  given<R>(value: R): Given<M, R>;
  refused(error: unknown): Given<M, never>;
  readonly reading: boolean;
  /** How bytes are received, where it is not recv(2). It leaves the socket readable while it has more. */
  readonly receiving?: Operation<undefined, Buffer>;
}

function receiveFor(
  receiving: Operation<undefined, Buffer>,
  socket: BaseSocket,
  request: Request<unknown>,
): Outcome<unknown> {
  const message = request.next();
  if (message !== undefined) return message;
  const { incoming } = request;
  const piece: Outcome<Buffer> = receiving.attempt(socket, undefined, CHUNK, 0);
  if (typeof piece === 'symbol') return piece;
  if (piece.length === 0) incoming.ended = true;
  else incoming.queue.push(piece);
  const now = request.next();
  if (now !== undefined) return now;
  // A short read emptied the kernel's queue: another one would only say so.
  return (engine.flags[socket.slot]! & engine.READABLE) === 0 ? BLOCKED : MORE;
}

// What is left is for those who wait behind, whatever the kernel has.
function leave(incoming: Incoming, { slot }: BaseSocket): undefined {
  if (slot >= 0 && (incoming.queue.size > 0 || incoming.ended)) engine.flags[slot]! |= engine.READABLE;
}

const readingBy = (receiving: Operation<undefined, Buffer>): Operation<Request<unknown>, unknown> => ({
  syscall: 'recv',
  direction: READ,
  attempt(socket, request): Outcome<unknown> {
    const { incoming } = request;
    if (!incoming.queued) return receiveFor(receiving, socket, request);
    try {
      return receiveFor(receiving, socket, request);
    } finally {
      leave(incoming, socket);
    }
  },
  cut: ({ incoming }, _, socket) => leave(incoming, socket),
});
const reading = readingBy(recv);

function checkLimit(limit: unknown): number {
  return limit === Number.POSITIVE_INFINITY
    ? limit
    : checkInteger('limit', limit, 1, Number.MAX_SAFE_INTEGER);
}

function encodingOf(options: unknown): LineEncoding {
  const { encoding } = checkOptions<LineOptions>(options) ?? {};
  if (encoding === undefined) return 'utf8';
  if (!isLineEncoding(encoding)) throw typeError('encoding', '"utf8", "latin1" or "ascii"', encoding);
  return encoding;
}

/** Goes on with a value that is there, or that will be. */
function then<M extends Flavour, A, B>(given: Given<M, A>, next: (value: A) => B): Given<M, B> {
  return (given instanceof Promise ? given.then(next) : next(given as A)) as Given<M, B>;
}

const ended = { done: true, value: undefined } as const;
const result = <T>(value: T | undefined): IteratorResult<T, undefined> =>
  value === undefined ? ended : { done: false, value };

// The length in front of a frame: a mistake in it is told before the first one is awaited.
function headerOf(options: unknown): { lengthBytes: number; little: boolean } {
  if (typeof options !== 'object' || options === null)
    throw typeError('options', 'an object with lengthBytes', options);
  const { lengthBytes, endian = 'big' } = options as FrameOptions;
  if (typeof lengthBytes !== 'number') throw typeError('lengthBytes', '2, 4 or 8', lengthBytes);
  if (lengthBytes !== 2 && lengthBytes !== 4 && lengthBytes !== 8)
    throw new RangeError(`Expected 2, 4 or 8 for lengthBytes but received ${lengthBytes}`);
  const little = LITTLE.get(endian);
  if (little === undefined) throw typeError('endian', '"big" or "little"', endian);
  return { lengthBytes, little };
}

// Over messages until there is none. Leaving the loop early takes nothing from the stream.
class Messages<M extends Flavour, T> {
  readonly next: () => Given<M, IteratorResult<T, undefined>>;

  constructor(next: () => Given<M, IteratorResult<T, undefined>>) {
    this.next = next;
  }

  static over<M extends Flavour, T>(next: () => Given<M, IteratorResult<T, undefined>>): Iterated<M, T> {
    return new Messages<M, T>(next) as unknown as Iterated<M, T>;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  [Symbol.iterator](): this {
    return this;
  }
}

/**
 * Reads messages out of a stream socket: `recv` gives what arrived, a reader what was meant.
 * Made by a socket's `reader()`.
 *
 * It may receive more than the message that was asked for, and keeps the rest for the next read:
 * use one reader a socket, and no `recv` beside it (`rest()` gives the bytes back). Reads are
 * served in the order in which they were made; the socket's timeout holds for each as a whole.
 *
 * **Cancel safety**: a read that was aborted or timed out, and one that failed with
 * `LimitError` or with an error of the socket, has lost nothing: make it again.
 */
export class Reader<M extends Flavour = 'awaited'> {
  readonly #source: ReaderSource<M>;
  readonly #incoming: Incoming = { queue: new ByteQueue(), ended: false, queued: false };
  readonly #limit: number;
  #ahead: LinesAhead | undefined = undefined;
  readonly #reading: Operation<Request<unknown>, unknown>;

  /** @internal */
  constructor(source: ReaderSource<M>, limit: number | undefined) {
    this.#source = source;
    this.#reading = source.receiving === undefined ? reading : readingBy(source.receiving);
    this.#limit = limit === undefined ? LIMIT : checkLimit(limit);
  }

  /** What it receives from. @internal */
  get source(): ReaderSource<M> {
    return this.#source;
  }

  /** Bytes that were received and not yet read. */
  get buffered(): number {
    return this.#incoming.queue.size - (this.#ahead?.taken ?? 0);
  }

  /** Takes the bytes that were received and not yet read: what comes next is the socket's. */
  rest(): Buffer {
    this.#settle();
    return this.#incoming.queue.take(this.buffered);
  }

  /**
   * Reads `n` bytes.
   *
   * Errors: `IncompleteReadError` if the stream ends in front of the last one; those of `recv`.
   */
  readexactly(n: number, options?: Told<M, WaitOptions>): Given<M, Buffer> {
    try {
      const told = checkOptions(options);
      return this.#serve(new Exactly(this.#incoming, checkSize('n', n)), told);
    } catch (error) {
      return this.#source.refused(error);
    }
  }

  /**
   * Reads up to and with the next `delimiter`, a text or bytes.
   *
   * Errors: `LimitError` if it is not within the limit; `IncompleteReadError` if the stream ends
   * without it; those of `recv`.
   */
  readuntil(delimiter: Data, options?: Told<M, LimitOptions>): Given<M, Buffer> {
    try {
      const told = checkOptions<LimitOptions>(options);
      const bytes = bytesOf(delimiter, 'delimiter');
      if (bytes.length === 0) throw new RangeError('Expected a delimiter of at least one byte');
      return this.#serve(new Until(this.#incoming, bytes, this.#limitOf(told), false), told);
    } catch (error) {
      return this.#source.refused(error);
    }
  }

  /**
   * Reads a line with its `"\n"`: only the last one of a stream may lack it. An empty `Buffer` is
   * the end of the stream.
   *
   * Errors: `LimitError`; those of `recv`.
   */
  readline(options?: Told<M, LimitOptions>): Given<M, Buffer> {
    try {
      const told = checkOptions<LimitOptions>(options);
      return this.#serve(new Until(this.#incoming, newline, this.#limitOf(told), true), told);
    } catch (error) {
      return this.#source.refused(error);
    }
  }

  /**
   * Reads everything up to the end of the stream.
   *
   * Errors: `LimitError`; those of `recv`.
   */
  readall(options?: Told<M, LimitOptions>): Given<M, Buffer> {
    try {
      const told = checkOptions<LimitOptions>(options);
      return this.#serve(new All(this.#incoming, this.#limitOf(told)), told);
    } catch (error) {
      return this.#source.refused(error);
    }
  }

  /** Reads at most `n` bytes, at least one: what is there. An empty `Buffer` is the end of the stream. */
  read(n: number, options?: Told<M, WaitOptions>): Given<M, Buffer> {
    try {
      const told = checkOptions(options);
      return this.#serve(new Some(this.#incoming, Math.min(checkSize('n', n), 1), n, true), told);
    } catch (error) {
      return this.#source.refused(error);
    }
  }

  /** The next `n` bytes, which stay to be read; fewer only if the stream ends in front of them. */
  peek(n: number, options?: Told<M, WaitOptions>): Given<M, Buffer> {
    try {
      const told = checkOptions(options);
      return this.#serve(new Some(this.#incoming, checkSize('n', n), n, false), told);
    } catch (error) {
      return this.#source.refused(error);
    }
  }

  /**
   * Reads a frame: a length of 2, 4 or 8 bytes, then as many bytes, which are given. `null` is the
   * end of the stream.
   *
   * Errors: `LimitError` if the length is over the limit, which is known before any of the frame
   * is received; `IncompleteReadError` if the stream ends inside; those of `recv`.
   */
  readframe(options: Told<M, FrameOptions>): Given<M, Buffer | null> {
    try {
      const told = checkOptions<FrameOptions>(options);
      const { lengthBytes, little } = headerOf(told);
      return this.#serve(new Frame(this.#incoming, lengthBytes, little, this.#limitOf(told)), told);
    } catch (error) {
      return this.#source.refused(error);
    }
  }

  /** The lines of the stream as text, without `"\n"` or `"\r\n"`. Errors: those of `readline`. */
  lines(options?: Told<M, LineOptions>): Iterated<M, string> {
    const encoding = encodingOf(options);
    const text = (line: Buffer) => result(line.length === 0 ? undefined : lineText(line, encoding));
    let mine: LinesAhead | undefined;
    let window = FIRST_WINDOW;
    return Messages.over(() => {
      const undisturbed = mine !== undefined && mine === this.#ahead;
      let line = undisturbed ? mine?.next() : undefined;
      if (line === undefined) {
        window = undisturbed ? Math.min(window * 2, CHUNK) : FIRST_WINDOW;
        mine = this.#linesAhead(encoding, options, window);
        line = mine?.next();
      }
      if (line !== undefined) return this.#source.given({ done: false, value: line });
      return then(this.readline(options), text);
    });
  }

  /**
   * The lines of the stream as text, as many at a time as have arrived, at least one: where a program
   * reads millions of them, an array costs less than a promise a line. Errors: those of `readline`.
   */
  lineBatches(options?: Told<M, LineOptions>): Iterated<M, string[]> {
    const encoding = encodingOf(options);
    const text = (line: Buffer) => result(line.length === 0 ? undefined : [lineText(line, encoding)]);
    return Messages.over(() => {
      const lines = this.#linesAhead(encoding, options, CHUNK)?.all();
      return lines === undefined ? then(this.readline(options), text) : this.#source.given(result(lines));
    });
  }

  /** The frames of the stream. Errors: those of `readframe`. */
  frames(options: Told<M, FrameOptions>): Iterated<M, Buffer> {
    headerOf(options);
    return Messages.over(() => then(this.readframe(options), (frame) => result(frame ?? undefined)));
  }

  // Nothing where a call waits in front, or will fail: readline knows.
  #linesAhead(encoding: LineEncoding, options: unknown, window: number): LinesAhead | undefined {
    this.#settle();
    const told = options as LimitOptions | undefined;
    if (this.#source.reading || told?.signal?.aborted) return undefined;
    this.#ahead = LinesAhead.of(this.#incoming.queue, encoding, this.#limitOf(told), window);
    return this.#ahead;
  }

  // Every other read goes on behind the line that was handed out last.
  #settle(): void {
    this.#ahead?.settle();
    this.#ahead = undefined;
  }

  #limitOf(told: LimitOptions | undefined): number {
    return told?.limit === undefined ? this.#limit : checkLimit(told.limit);
  }

  // At once if nobody waits in front and the message is there already.
  #serve<R>(request: Request<R>, told: WaitOptions | undefined): Given<M, R> {
    const source = this.#source;
    if (this.#ahead !== undefined) this.#settle();
    this.#incoming.queued = source.reading;
    if (!this.#incoming.queued) {
      const message = request.next();
      if (message !== undefined) return source.given(message);
    }
    return source.run(this.#reading as Operation<Request<R>, R>, request, 0, 0, told?.signal);
  }
}
