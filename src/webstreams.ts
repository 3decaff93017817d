// The two directions of a connection as Web streams. Nothing is received before somebody reads, and
// then, if the reader brings memory of its own, into that. Knows only a few methods of a socket.
import {
  type ReadableByteStreamController,
  ReadableStream,
  WritableStream,
  type WritableStreamDefaultController,
} from 'node:stream/web';
import type { Data } from './bytes.ts';
import { SHUT_RD, SHUT_WR } from './constants.gen.ts';
import { closedError, SocketError } from './errors.ts';

const CHUNK = 65536;

/** What the streams need of a socket. */
export interface StreamSource {
  readonly closed: boolean;
  recv(bufsize: number, options?: { signal?: AbortSignal | undefined }): Promise<Buffer>;
  recvInto(view: Uint8Array, options?: { signal?: AbortSignal | undefined }): Promise<number>;
  sendall(data: Data): Promise<void>;
  shutdown(how: number): void;
  close(): void;
}

/** Both directions of one socket. */
export interface WebStreams {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Data>;
}

// shutdown(2) of a direction that the peer's reset, or a close, has ended already.
function end(socket: StreamSource, how: number): void {
  try {
    if (!socket.closed) socket.shutdown(how);
  } catch (error) {
    if (!(error instanceof SocketError && error.code === 'ENOTCONN')) throw error;
  }
}

const nothing = (): void => {};

/** The streams of a socket that there is, or will be. */
export class SocketStreams implements WebStreams {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Data>;
  /** Resolves when both have ended, or one has failed. The socket is closed then, unless it was released. */
  readonly over: Promise<void>;

  readonly #halfOpen: boolean;
  readonly #stopReading = new AbortController();
  #socket: StreamSource | undefined = undefined;
  #reading: ReadableByteStreamController | undefined = undefined;
  #writing: WritableStreamDefaultController | undefined = undefined;
  // The write that is in the socket's hands.
  #inFlight: Promise<void> = Promise.resolve();
  // Directions that have not ended.
  #left = 2;
  #isOver = false;
  #tellOver: () => void = nothing;

  constructor(source: StreamSource | Promise<StreamSource>, allowHalfOpen = true) {
    this.#halfOpen = allowHalfOpen;
    this.over = new Promise((resolve) => {
      this.#tellOver = resolve;
    });
    // Until then nothing is asked of either stream; if it fails, so do both.
    const opening = source instanceof Promise ? source.then((socket) => this.#opened(socket)) : undefined;
    opening?.catch((error) => this.fail(error));
    if (!(source instanceof Promise)) this.#socket = source;
    this.readable = new ReadableStream(
      {
        type: 'bytes',
        start: (controller) => {
          this.#reading = controller;
          return opening;
        },
        pull: (controller) => this.#pull(controller),
        cancel: (reason) => {
          this.#stopReading.abort(reason);
          if (this.#socket !== undefined) end(this.#socket, SHUT_RD);
          this.#ended();
        },
      },
      { highWaterMark: 0 },
    );
    this.writable = new WritableStream<Data>({
      start: (controller) => {
        this.#writing = controller;
        const { signal } = controller as WritableStreamDefaultController & { signal: AbortSignal };
        // A write that waits for the peer would hold up the abort. This stream fails by itself.
        signal.addEventListener('abort', () => this.#stop(signal.reason));
        return opening;
      },
      write: (chunk) => {
        this.#inFlight = this.#send(chunk);
        return this.#inFlight;
      },
      close: () => {
        end(this.#socket!, SHUT_WR);
        this.#ended();
      },
    });
  }

  #opened(socket: StreamSource): void {
    if (this.#isOver) socket.close();
    this.#socket = socket;
    if (this.#stopReading.signal.aborted) end(socket, SHUT_RD);
  }

  async #pull(controller: ReadableByteStreamController): Promise<void> {
    const socket = this.#socket!;
    const request = controller.byobRequest;
    const { signal } = this.#stopReading;
    try {
      if (request !== null) {
        const received = await socket.recvInto(request.view as Uint8Array, { signal });
        if (received > 0) {
          request.respond(received);
          return;
        }
      } else {
        const chunk = await socket.recv(CHUNK, { signal });
        if (chunk.length > 0) {
          // Of its own size: the memory of a small `Buffer` is shared with others.
          controller.enqueue(new Uint8Array(chunk));
          return;
        }
      }
    } catch (error) {
      if (!signal.aborted) this.fail(error);
      return;
    }
    this.#endReading();
    if (this.#halfOpen) this.#ended();
    else this.#endBoth();
  }

  // The reader hears of the end.
  #endReading(): void {
    this.#stopReading.abort();
    try {
      this.#reading?.close();
      this.#reading?.byobRequest?.respond(0);
    } catch {
      // The stream was cancelled, or has failed.
    }
  }

  // The peer's end is the end: what is in the socket's hands goes out first.
  #endBoth(): void {
    this.#inFlight.catch(nothing).then(() => {
      if (this.#isOver) return;
      end(this.#socket!, SHUT_WR);
      this.#writing?.error(closedError('send'));
      this.#finish();
    });
  }

  async #send(chunk: Data): Promise<void> {
    try {
      await this.#socket!.sendall(chunk);
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  #ended(): void {
    this.#left--;
    if (this.#left === 0) this.#finish();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#socket?.close();
    this.#tellOver();
  }

  /** Closes the socket; both streams fail with `error`. */
  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#stop(error);
    this.#writing?.error(error);
  }

  #stop(error: unknown): void {
    this.#finish();
    this.#stopReading.abort(error);
    this.#reading?.error(error);
  }

  /** Closes the socket: who reads hears of an end, who writes of `reason`. */
  close(reason: unknown): void {
    if (this.#isOver) return;
    this.#finish();
    this.#endReading();
    this.#writing?.error(reason);
  }

  /** Takes the socket out of both streams, which are over, when the last write is done. */
  async release(): Promise<void> {
    this.#isOver = true;
    this.#endReading();
    await this.#inFlight;
    this.#writing?.error(closedError('send'));
    this.#tellOver();
  }
}

/**
 * The streams of `socket`, which is closed when both have ended.
 *
 * `readable` is a byte stream (a BYOB reader's memory is received into); cancelling it shuts the
 * receiving direction. Closing `writable` sends the end of the stream, aborting it closes the socket.
 * A call that fails errors both, and closes the socket.
 */
export function webStreams(socket: StreamSource): WebStreams {
  return new SocketStreams(socket);
}
