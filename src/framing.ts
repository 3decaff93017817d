// What a message is: so many bytes, all up to a delimiter, a frame behind its length. Looks at what
// was received, and says the message or that there must be more. Knows no sockets.
import type { ByteQueue } from './bytequeue.ts';
import { IncompleteReadError, LimitError } from './errors.ts';

/** One read: the message if the bytes so far hold it, `undefined` if more are needed. */
export interface Request<R> {
  readonly incoming: Incoming;
  next(): R | undefined;
}

/** What was received and not yet read. */
export interface Incoming {
  readonly queue: ByteQueue;
  ended: boolean;
  /** Reads wait behind one another. */
  queued: boolean;
}

/** The end of the stream, or a message that it cuts. */
function end(incoming: Incoming, expected: number | undefined): never {
  throw new IncompleteReadError(incoming.queue.take(incoming.queue.size), expected);
}

export class Exactly implements Request<Buffer> {
  readonly incoming: Incoming;
  readonly #size: number;

  constructor(incoming: Incoming, size: number) {
    this.incoming = incoming;
    this.#size = size;
  }

  next(): Buffer | undefined {
    const { queue, ended } = this.incoming;
    if (queue.size >= this.#size) return queue.take(this.#size);
    return ended ? end(this.incoming, this.#size) : undefined;
  }
}

export class Until implements Request<Buffer> {
  readonly incoming: Incoming;
  readonly #delimiter: Uint8Array;
  readonly #limit: number;
  // A line may end with the stream, other messages may not.
  readonly #line: boolean;
  #scanned = 0;

  constructor(incoming: Incoming, delimiter: Uint8Array, limit: number, line: boolean) {
    this.incoming = incoming;
    this.#delimiter = delimiter;
    this.#limit = limit;
    this.#line = line;
  }

  next(): Buffer | undefined {
    const { queue, ended } = this.incoming;
    const size = queue.find(this.#delimiter, this.#scanned);
    if ((size < 0 ? queue.size : size) > this.#limit) {
      throw new LimitError(this.#line ? 'the line' : 'the message', this.#limit);
    }
    if (size > 0) return queue.take(size);
    this.#scanned = queue.size;
    if (!ended) return undefined;
    return this.#line ? queue.take(queue.size) : end(this.incoming, undefined);
  }
}

export class All implements Request<Buffer> {
  readonly incoming: Incoming;
  readonly #limit: number;

  constructor(incoming: Incoming, limit: number) {
    this.incoming = incoming;
    this.#limit = limit;
  }

  next(): Buffer | undefined {
    const { queue, ended } = this.incoming;
    if (queue.size > this.#limit) throw new LimitError('the stream', this.#limit);
    return ended ? queue.take(queue.size) : undefined;
  }
}

export class Some implements Request<Buffer> {
  readonly incoming: Incoming;
  readonly #least: number;
  readonly #most: number;
  readonly #take: boolean;

  constructor(incoming: Incoming, least: number, most: number, take: boolean) {
    this.incoming = incoming;
    this.#least = least;
    this.#most = most;
    this.#take = take;
  }

  next(): Buffer | undefined {
    const { queue, ended } = this.incoming;
    if (queue.size < this.#least && !ended) return undefined;
    return this.#take ? queue.take(this.#most) : queue.peek(this.#most);
  }
}

/** The end of the stream between two frames, where no `Buffer` can stand for it. */
const END = null;

export class Frame implements Request<Buffer | typeof END> {
  readonly incoming: Incoming;
  readonly #lengthBytes: number;
  readonly #little: boolean;
  readonly #limit: number;

  constructor(incoming: Incoming, lengthBytes: number, little: boolean, limit: number) {
    this.incoming = incoming;
    this.#lengthBytes = lengthBytes;
    this.#little = little;
    this.#limit = limit;
  }

  next(): Buffer | typeof END | undefined {
    const { queue, ended } = this.incoming;
    const header = this.#lengthBytes;
    if (queue.size < header) {
      if (!ended) return undefined;
      return queue.size === 0 ? END : end(this.incoming, header);
    }
    const size = queue.integer(header, this.#little);
    if (size > this.#limit) throw new LimitError(`the frame of ${size} bytes`, this.#limit);
    if (queue.size < header + size) return ended ? end(this.incoming, header + size) : undefined;
    queue.skip(header);
    return queue.take(size);
  }
}
