// The socket of the event loop, and what only it has: iteration, streams, and the end of `await using`. The
// methods that may wait stand in calls.ts, how they wait in watcher.ts.
import type { ReadableStream, WritableStream } from 'node:stream/web';
import type { Address } from './address.ts';
import type { Data } from './bytes.ts';
import { SOCK_STREAM } from './constants.gen.ts';
import { done } from './deferred.ts';
import { type DuplexOptions, SocketDuplex } from './duplex.ts';
import { closedError, SocketError } from './errors.ts';
import type { Received, WaitOptions } from './flavour.ts';
import type { SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM as StreamType } from './spec/families.ts';
import { WatchedSocket } from './watcher.ts';
import { type WebStreams, webStreams } from './webstreams.ts';

/** A connection that was accepted, and where it comes from. */
export type Accepted<F extends number = number, T extends number = number> = [
  socket: Socket<F, T>,
  address: Address<F>,
];

/** What iterating a socket gives: bytes of a stream, or datagrams with their senders. */
export type Item<F extends number, T extends number> = T extends StreamType | SOCK_SEQPACKET
  ? Buffer
  : T extends SOCK_DGRAM
    ? Received<F>
    : Buffer | Received<F>;

const CHUNK = 65536;

// Of the few sockets that have any: no field of the many.
const webStreamsOf = new WeakMap<object, WebStreams>();

/**
 * A socket on the event loop. Made by `socket()`, `socketpair()`, `accept()`, `fromfd()` and
 * `fromHandle()`.
 *
 * Calls that may wait return promises. Those of one direction are served in the order in which
 * they were made; reading and writing do not wait for each other. A call that waits keeps the
 * process alive, an idle socket does not.
 */
export class Socket<F extends number = number, T extends number = number> extends WatchedSocket<F> {
  /** @internal */
  adopt(fd: number): Socket<F, T> {
    return new Socket<F, T>(fd, this.family, this.type, this.proto);
  }

  /**
   * The socket as a stream of Node's, which plays `net.Socket` for programs that expect one. From
   * then on the socket is the stream's. For streams: on another socket a `TypeError`.
   */
  toDuplex(options?: DuplexOptions): SocketDuplex {
    this.#checkStream('toDuplex');
    return new SocketDuplex(this as unknown as Socket, options);
  }

  /**
   * What arrives, as a Web stream of bytes: nothing is received before somebody reads. Cancelling it
   * is `shutdown(SHUT_RD)`. The socket is closed when this stream and `writable` have both ended.
   */
  get readable(): ReadableStream<Uint8Array> {
    return this.#webStreams('readable').readable;
  }

  /**
   * What is sent, as a Web stream: closing it is `shutdown(SHUT_WR)`, aborting it closes the socket.
   */
  get writable(): WritableStream<Data> {
    return this.#webStreams('writable').writable;
  }

  #webStreams(member: string): WebStreams {
    this.#checkStream(member);
    let streams = webStreamsOf.get(this);
    if (streams === undefined) {
      streams = webStreams(this as unknown as Socket);
      webStreamsOf.set(this, streams);
    }
    return streams;
  }

  #checkStream(member: string): void {
    if (this.type !== SOCK_STREAM)
      throw new TypeError(`Expected a stream socket for ${member}: messages come whole here`);
  }

  /** `await using`: closes the socket at the end of the block. */
  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return done as Promise<void>;
  }

  /**
   * What arrives, until the end of the stream: `Buffer`s of at most 64 KiB; on datagram sockets
   * `[data, address]`, without end. Leaving the loop leaves the socket open.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Item<F, T>, void, undefined> {
    if (this.isDatagram) {
      for (;;) yield (await this.recvfrom(CHUNK)) as Item<F, T>;
    }
    for (;;) {
      const chunk = await this.recv(CHUNK);
      if (chunk.length === 0) return;
      yield chunk as Item<F, T>;
    }
  }

  /**
   * The connections as they come, until the socket is closed: `[socket, address]`. An error of
   * accept(2) ends the loop with it. **Cancel safety**: an abort ends it with the signal's reason
   * and has taken no connection.
   */
  async *accepted(options?: WaitOptions): AsyncGenerator<Accepted<F, T>, void, undefined> {
    if (this.closed) throw closedError('accept');
    for (;;) {
      let connection: Accepted<F, T>;
      try {
        connection = await this.accept(options);
      } catch (error) {
        if (this.closed && error instanceof SocketError && error.code === 'EBADF') return;
        throw error;
      }
      yield connection;
    }
  }
}
