// The socket of the event loop: the arguments of each call are checked here; what it does stands
// in ops.ts, how it waits in watcher.ts.
import { checkSignal } from './abort.ts';
import { type Address, type AddressInput, encodeAddress, NEEDS_LOOKUP, targetOf } from './address.ts';
import { bytesOf, type Data, type Memory, memoryOf, noBytes } from './bytes.ts';
import { batchMode, batchOf, MAX_DATAGRAM, recvmany, sendmany } from './datagrams.ts';
import { done } from './deferred.ts';
import * as engine from './engine.ts';
import { checkInteger, closedError, SocketError, typeError } from './errors.ts';
import type { Operation } from './ops.ts';
import * as ops from './ops.ts';
import { POLL_READ, POLL_WRITE, type Readiness } from './readiness.ts';
import type { SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM } from './spec/families.ts';
import { WatchedSocket } from './watcher.ts';

/** What a waiting call can be told. */
export interface WaitOptions {
  /** Ends the call early: it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** What a call that moves data can be told. */
export interface TransferOptions extends WaitOptions {
  /** `MSG_` constants. */
  flags?: number | undefined;
}

/** What a receive into the caller's memory can be told. */
export interface IntoOptions extends TransferOptions {
  /** Bytes to receive at most; 0 or nothing: as many as the memory takes. */
  nbytes?: number | undefined;
}

/** A datagram that came, and from where. */
export type Received<F extends number = number> = [data: Buffer, address: Address<F>];

/** A connection that was accepted, and where it comes from. */
export type Accepted<F extends number = number, T extends number = number> = [
  socket: Socket<F, T>,
  address: Address<F>,
];

/** What iterating a socket gives: bytes of a stream, or datagrams with their senders. */
export type Item<F extends number, T extends number> = T extends SOCK_STREAM | SOCK_SEQPACKET
  ? Buffer
  : T extends SOCK_DGRAM
    ? Received<F>
    : Buffer | Received<F>;

const INT_MAX = 0x7fffffff;
const CHUNK = 65536;

function checkSize(name: string, size: unknown): number {
  return checkInteger(name, size, 0, INT_MAX);
}

function checkOptions<O extends TransferOptions>(options: O | undefined): O | undefined {
  if (options === undefined) return undefined;
  if (typeof options !== 'object' || options === null) throw typeError('options', 'an object', options);
  checkSignal(options.signal);
  return options;
}

function flagsOf(options: TransferOptions | undefined): number {
  return options?.flags === undefined ? 0 : checkInteger('flags', options.flags, -INT_MAX - 1, INT_MAX);
}

function sizeInto(view: Uint8Array, nbytes: unknown): number {
  if (nbytes === undefined) return view.length;
  const n = checkSize('nbytes', nbytes);
  if (n > view.length)
    throw new RangeError(
      `Expected nbytes of at most ${view.length}, the size of the memory, but received ${n}`,
    );
  return n === 0 ? view.length : n;
}

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

  // --- receiving ----------------------------------------------------------------------------

  /**
   * Receives at most `bufsize` bytes: what one recv(2) gives. An empty `Buffer` is the end of
   * the stream (on datagram sockets, an empty datagram).
   *
   * Errors: `ECONNRESET`, `ENOTCONN`, `TimeoutError`, `ClosedError`. **Cancel safety**: a call
   * that was aborted or timed out has taken nothing.
   */
  recv(bufsize: number, options?: TransferOptions): Promise<Buffer> {
    try {
      const size = checkSize('bufsize', bufsize);
      if (options === undefined) {
        if (size === 0) return this.#nothing('recv', noBytes);
        const operation = size <= CHUNK ? ops.recv : ops.recvFor(engine.flags[this.slot]!, size);
        return this.run(operation, undefined, size, 0);
      }
      const { signal } = checkOptions(options)!;
      const msgFlags = flagsOf(options);
      if (size === 0) return this.#nothing('recv', noBytes);
      const operation = msgFlags === 0 ? ops.recvFor(engine.flags[this.slot]!, size) : ops.recvOwn;
      return this.run(operation, undefined, size, msgFlags, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #nothing<T>(syscall: string, nothing: T): Promise<T> {
    if (this.slot < 0) throw closedError(syscall);
    return Promise.resolve(nothing);
  }

  /**
   * Receives into the caller's memory; the bytes received, 0 at the end of the stream. The
   * quickest way to receive much: nothing is allocated.
   *
   * **Cancel safety**: as `recv`; the memory is untouched then.
   */
  recvInto(view: Memory, options?: IntoOptions): Promise<number> {
    try {
      const memory = memoryOf(view, 'view');
      const checked = checkOptions(options);
      const size = sizeInto(memory, checked?.nbytes);
      if (size === 0) return this.#nothing('recv', 0);
      return this.run(ops.recvInto, memory, size, flagsOf(checked), checked?.signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Receives what is there now: the bytes, 0 at the end of the stream, `undefined` where the
   * call would wait (or others wait in front). Never a promise.
   */
  tryRecvInto(view: Memory, options?: { flags?: number | undefined }): number | undefined {
    const memory = memoryOf(view, 'view');
    const msgFlags = flagsOf(checkOptions(options));
    if (this.slot < 0) throw closedError('recv');
    if (this.reading) return undefined;
    if (memory.length === 0) return 0;
    const r = ops.recvInto.attempt(this, memory, memory.length, msgFlags);
    return typeof r === 'number' ? r : undefined;
  }

  /** Receives a datagram of at most `bufsize` bytes (the rest is cut) and its sender. recvfrom(2). */
  recvfrom(bufsize: number, options?: TransferOptions): Promise<Received<F>> {
    try {
      const size = checkSize('bufsize', bufsize);
      const checked = checkOptions(options);
      return this.run(ops.recvfrom, undefined, size, flagsOf(checked), checked?.signal) as Promise<
        Received<F>
      >;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** As `recvfrom`, into the caller's memory: `[nbytes, address]`. */
  recvfromInto(view: Memory, options?: IntoOptions): Promise<[nbytes: number, address: Address<F>]> {
    try {
      const memory = memoryOf(view, 'view');
      const checked = checkOptions(options);
      const size = sizeInto(memory, checked?.nbytes);
      return this.run(ops.recvfromInto, memory, size, flagsOf(checked), checked?.signal) as Promise<
        [number, Address<F>]
      >;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Receives the datagrams that are there, at least one and at most `n`, in one system call of
   * up to 1024; each of at most `bufsize` bytes (the rest is cut). recvmmsg(2).
   *
   * With `UDP_GRO` set, the segments that the kernel coalesced come as datagrams of their own;
   * those beyond `n` are the next call's (they are no longer in the kernel: `recvfrom` does not
   * see them).
   */
  recvmany(n: number, options?: WaitOptions & { bufsize?: number | undefined }): Promise<Received<F>[]> {
    try {
      const count = checkInteger('n', n, 1, INT_MAX);
      const checked = checkOptions(options);
      const bufsize = checkInteger('bufsize', checked?.bufsize ?? 2048, 0, MAX_DATAGRAM);
      if (this.slot < 0) throw closedError('recvmmsg');
      const mode = batchMode(this.coalescing, bufsize);
      // Leftovers are there whatever the kernel says.
      if (mode.gro) engine.flags[this.slot]! |= engine.READABLE;
      return this.run(recvmany, mode, count, 0, checked?.signal) as Promise<Received<F>[]>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  // --- sending ------------------------------------------------------------------------------

  /**
   * Waits until the socket takes data, then makes one send(2): the bytes that the kernel took,
   * which may be fewer than given.
   *
   * Errors: `EPIPE`, `ECONNRESET`, `EMSGSIZE`, `ENOTCONN`. **Cancel safety**: a call that was
   * aborted or timed out has sent nothing.
   */
  send(data: Data, options?: TransferOptions): Promise<number> {
    try {
      if (options === undefined && this.gathers(data))
        return this.gather(data as string | Uint8Array, false) as Promise<number>;
      const checked = checkOptions(options);
      const bytes = bytesOf(data, 'data');
      return this.run(ops.send, bytes, bytes.length, flagsOf(checked), checked?.signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Sends all of `data`, in as many send(2) as it takes. Concurrent calls do not interleave.
   *
   * A failed call tells in `error.bytesSent` what the kernel took. **Cancel safety**: so does an
   * aborted one, in the reason; what is in the kernel is sent.
   */
  sendall(data: Data, options?: TransferOptions): Promise<void> {
    try {
      if (options === undefined && this.gathers(data))
        return this.gather(data as string | Uint8Array, true) as Promise<void>;
      const checked = checkOptions(options);
      const bytes = bytesOf(data, 'data');
      return this.run(ops.sendall, { view: bytes, sent: 0 }, bytes.length, flagsOf(checked), checked?.signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Sends what the kernel takes now: the bytes, or `undefined` where the call would wait (or
   * others wait in front). Never a promise.
   */
  trySend(data: Data, options?: { flags?: number | undefined }): number | undefined {
    const bytes = bytesOf(data, 'data');
    const msgFlags = flagsOf(checkOptions(options));
    if (this.slot < 0) throw closedError('send');
    engine.flush();
    if (this.writing) return undefined;
    const r = ops.send.attempt(this, bytes, bytes.length, msgFlags);
    return typeof r === 'number' ? r : undefined;
  }

  /**
   * Sends a datagram to `address`, whose host is looked up if it is a name. sendto(2).
   *
   * Errors: `EMSGSIZE`, `ECONNREFUSED` (told by an earlier datagram), `ENETUNREACH`;
   * `AddressInfoError`. **Cancel safety**: a call that was aborted or timed out has sent nothing.
   */
  sendto(data: Data, address: AddressInput<F>, options?: TransferOptions): Promise<number> {
    try {
      const checked = checkOptions(options);
      const view = bytesOf(data, 'data');
      const msgFlags = flagsOf(checked);
      const { slot, family } = this;
      const size = view.length;
      if (slot < 0) throw closedError('sendto');
      // Now, since what goes on then may use the place of addresses.
      engine.flush();
      const known = ops.isLastPeer(address, family);
      const namelen = known ? ops.KNOWN_PEER : encodeAddress(family, address, engine.name, 'address');
      if (namelen === NEEDS_LOOKUP && !known) {
        return this.afterLookup(ops.holdSendto, address, msgFlags, checked?.signal, (pending, name) => {
          pending.operation = ops.sendto as Operation<unknown, unknown>;
          pending.count = size;
          pending.argument = { view, address, namelen: 0, name, over: false } satisfies ops.Addressed;
        });
      }
      const addressed: ops.Addressed = { view, address, namelen, name: undefined, over: false };
      const promise = this.run(ops.sendto, addressed, size, msgFlags, checked?.signal);
      if (!addressed.over) ops.keepName(addressed);
      return promise;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Sends datagrams in as few system calls as possible: `[data, address]` pairs with numeric
   * addresses, or `[data]` on a connected socket. How many went out, at least one unless there
   * are none; fewer than given when the kernel's queue is full or the next one fails, which the
   * next call tells. sendmmsg(2).
   */
  sendmany(
    datagrams: readonly (readonly [Data, AddressInput<F>] | readonly [Data])[],
    options?: WaitOptions,
  ): Promise<number> {
    try {
      const checked = checkOptions(options);
      const batch = batchOf(datagrams, this.family);
      if (batch.datagrams.length === 0) return this.#nothing('sendmmsg', 0);
      return this.run(sendmany, batch, batch.datagrams.length, 0, checked?.signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  // --- connections --------------------------------------------------------------------------

  /**
   * Takes the next connection from the kernel's queue: `[socket, address]`. accept(2).
   *
   * Errors: `EMFILE`, `ECONNABORTED`. **Cancel safety**: a call that was aborted or timed out
   * has taken none.
   */
  accept(options?: WaitOptions): Promise<Accepted<F, T>> {
    try {
      const checked = checkOptions(options);
      return this.run(ops.accept, undefined, 0, 0, checked?.signal) as Promise<Accepted<F, T>>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Connects to `address`, whose host is looked up if it is a name: the first address of the
   * socket's family is tried (`createConnection` tries them all). connect(2).
   *
   * Errors: `ECONNREFUSED`, `ENETUNREACH`, `ETIMEDOUT`; `AddressInfoError`; `TimeoutError`.
   * **Cancel safety**: an aborted call closes the socket, whose state nobody knows any more. One
   * that timed out goes on in the kernel: close the socket.
   */
  connect(address: AddressInput<F>, options?: WaitOptions): Promise<void> {
    try {
      if (options?.signal instanceof AbortSignal && options.signal.aborted) this.close();
      const checked = checkOptions(options);
      const { family } = this;
      if (this.slot < 0) throw closedError('connect');
      engine.flush();
      const length = encodeAddress(family, address, engine.name, 'address');
      const target = targetOf(family, address);
      if (length === NEEDS_LOOKUP) {
        return this.afterLookup(ops.holdConnect, address, 0, checked?.signal, (pending, name) => {
          pending.operation = ops.connect as Operation<unknown, unknown>;
          pending.argument = { name, target, begun: false };
        });
      }
      const name = engine.name.slice(0, length);
      return this.run(ops.connect, { name, target, begun: false }, 0, 0, checked?.signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Waits until the socket is readable or writable, and takes nothing: which of the two that
   * were asked for it is. poll(2): an error or a hang-up counts as both.
   */
  wait(
    events: { read?: boolean | undefined; write?: boolean | undefined },
    options?: WaitOptions,
  ): Promise<Readiness> {
    try {
      if (typeof events !== 'object' || events === null)
        throw typeError('events', 'an object with read or write', events);
      const asked = (events.read ? POLL_READ : 0) | (events.write ? POLL_WRITE : 0);
      if (asked === 0) throw typeError('events', 'read or write to be true', events);
      const checked = checkOptions(options);
      return this.ready(asked, checked?.signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  // --- ending -------------------------------------------------------------------------------

  /** `using`: closes the socket at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
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
