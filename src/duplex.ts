// A socket as one of Node's streams, which plays `net.Socket` for programs that expect one. It
// receives only while its consumer wants more, so that the kernel's window is the backpressure.
import type { AnyAddress } from './address.ts';
import { AF_UNIX, SHUT_WR, SO_LINGER, SOL_SOCKET } from './constants.gen.ts';
import { checkInteger, closedError, SocketError, typeError } from './errors.ts';
import { NetFace } from './netface.ts';
import type { Socket } from './socket.ts';

const CHUNK = 65536;
// Chunks that are written together are joined up to this size: one system call, and no promise, for
// the usual header and body. Larger ones are worth a sendmsg(2).
const JOINED = 65536;
const MOST_TOGETHER = 256;

/** How a stream is made of a socket. */
export interface DuplexOptions {
  /** Whether the writable side stays open when the peer has ended: false if it is not given, as in `net`. */
  allowHalfOpen?: boolean | undefined;
}

/** Where to connect to, as `net.Socket.connect` has it. */
export type ConnectTarget = { port: number | string; host?: string | undefined } | { path: string };

interface Written {
  chunk: Buffer;
}

type Callback = (error?: Error | null) => void;

function hasPort(target: ConnectTarget): target is { port: number | string; host?: string | undefined } {
  return typeof (target as { path?: unknown }).path !== 'string';
}

function addressOf(target: number | string | ConnectTarget, host: string | undefined): AnyAddress {
  // As `net` reads it: a string of digits is a port.
  if (typeof target === 'string' && !/^\d+$/.test(target)) return target;
  if (typeof target === 'string' || typeof target === 'number')
    return [host ?? 'localhost', checkInteger('port', Number(target), 0, 65535)];
  if (typeof target !== 'object' || target === null)
    throw typeError('target', 'a port, a path or an object with either', target);
  if (!hasPort(target)) return target.path;
  const { port, host: name = 'localhost' } = target;
  if (typeof name !== 'string') throw typeError('host', 'a string', name);
  if (typeof port !== 'number' && typeof port !== 'string') throw typeError('port', 'a number', port);
  return [name, checkInteger('port', Number(port), 0, 65535)];
}

/**
 * A Node stream over a stream socket. Made by a socket's `toDuplex()`; from then on the socket is
 * the stream's, and its own timeout no longer holds (`setTimeout` tells of an idle stream).
 *
 * It has what users of `net.Socket` rely on: its events, addresses, counters, timeouts and
 * half close. An error of a system call destroys it with a `SocketError`, whose fields are those
 * of Node's.
 */
export class SocketDuplex extends NetFace {
  /** Bytes received. */
  bytesRead = 0;
  /** Whether `connect` is under way. */
  connecting = false;

  #connected: boolean;
  #receiving = false;
  // Asked for more since the last chunk came.
  #more = false;
  #sent = 0;

  /** @internal */
  constructor(socket: Socket, options: DuplexOptions = {}) {
    if (typeof options !== 'object' || options === null) throw typeError('options', 'an object', options);
    const allowHalfOpen = Boolean(options.allowHalfOpen);
    // `close` tells whether there was an error, as in `net`: not the stream's own event.
    super(socket, { allowHalfOpen, emitClose: false });
    this.#connected = this.noteAddresses();
    socket.settimeout(null);
    if (!allowHalfOpen) this.once('end', refuseWrites);
    // `net` waits for data that nobody asked for yet, too: it ends a connection whose peer did.
    if (this.#connected) this.read(0);
  }

  // --- connecting -----------------------------------------------------------------------------

  /**
   * Connects a socket that is not connected: to a port and a host, or to a path. The host is
   * looked up, and the first address of the socket's family is tried. A socket that is connected
   * says so at once, with the event `connect`: clients that always connect the stream that they are
   * given need that.
   */
  connect(port: number, host?: string | (() => void), listener?: () => void): this;
  connect(target: ConnectTarget | string, listener?: () => void): this;
  connect(target: number | string | ConnectTarget, ...rest: unknown[]): this {
    const listener = rest.find((each) => typeof each === 'function') as (() => void) | undefined;
    const address = addressOf(target, typeof rest[0] === 'string' ? rest[0] : undefined);
    if (this.destroyed) throw closedError('connect', 'the stream');
    if (listener !== undefined) this.once('connect', listener);
    if (this.connecting) return this;
    this.connecting = true;
    void this.#connect(address);
    return this;
  }

  async #connect(address: AnyAddress): Promise<void> {
    try {
      if (this.#connected) await undefined;
      else {
        await this.socket.connect(address);
        // Before somebody who waits for the writable side hears of it.
        if (!this.destroyed) this.noteAddresses();
      }
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.destroyed) return;
    this.connecting = false;
    this.#connected = true;
    this.active();
    this.emit('connect');
    this.emit('ready');
    // The stream asks once, and may have asked before.
    if (this.#more) this._read();
    else this.read(0);
  }

  /** Whether there is no connection: not yet, or no longer. */
  get pending(): boolean {
    return !this.#connected || this.destroyed;
  }

  /** What `net.Socket` calls its state; `'open'` before it connects, too. */
  get readyState(): 'opening' | 'open' | 'readOnly' | 'writeOnly' | 'closed' {
    if (this.connecting) return 'opening';
    if (this.readable) return this.writable ? 'open' : 'readOnly';
    return this.writable ? 'writeOnly' : 'closed';
  }

  // What is written or ended before goes out after.
  #afterConnect(then: () => void, failed: Callback): void {
    const clear = (): void => {
      this.removeListener('connect', connected);
      this.removeListener('close', closed);
    };
    const connected = (): void => {
      clear();
      then();
    };
    const closed = (): void => {
      clear();
      failed(this.errored ?? closedError('send', 'the stream'));
    };
    this.once('connect', connected);
    this.once('close', closed);
  }

  // --- the two directions ---------------------------------------------------------------------

  /** @internal */
  override _read(): void {
    this.#more = true;
    // Data comes after the connection does.
    if (!this.#receiving && this.#connected) void this.#receive();
  }

  async #receive(): Promise<void> {
    this.#receiving = true;
    try {
      while (this.#more) {
        const chunk = await this.socket.recv(CHUNK);
        if (this.destroyed) break;
        this.active();
        this.#more = false;
        if (chunk.length === 0) {
          this.push(null);
          // Without a reader the end would not be noticed.
          this.read(0);
          break;
        }
        this.bytesRead += chunk.length;
        // Without a turn through the stream's own way to ask again.
        if (this.push(chunk) && !this.destroyed) this.#more = true;
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#receiving = false;
  }

  /** @internal */
  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    this.#send(chunk, callback);
  }

  /** @internal */
  override _writev(written: Written[], callback: Callback): void {
    const chunks = written.map(({ chunk }) => chunk);
    const size = chunks.reduce((sum, { length }) => sum + length, 0);
    if (size <= JOINED) this.#send(Buffer.concat(chunks, size), callback);
    else this.#sendWhenConnected(chunks, callback);
  }

  // Most of what is written the kernel takes at once: without a promise.
  #send(bytes: Buffer, callback: Callback): void {
    this.active();
    let taken: number | undefined;
    try {
      if (this.#connected && bytes.length > 0) taken = this.socket.trySend(bytes);
    } catch (error) {
      callback(error as Error);
      return;
    }
    if (taken === bytes.length) {
      this.#sent += taken;
      callback();
    } else this.#sendWhenConnected([taken === undefined ? bytes : bytes.subarray(taken)], callback, taken);
  }

  #sendWhenConnected(chunks: Buffer[], callback: Callback, gone = 0): void {
    if (this.#connected) void this.#sendEach(chunks, callback, gone);
    else this.#afterConnect(() => void this.#sendEach(chunks, callback, gone), callback);
  }

  // One call's worth after the other: each is traffic, and counts.
  async #sendEach(chunks: Buffer[], callback: Callback, gone: number): Promise<void> {
    const left = chunks.filter(({ length }) => length > 0);
    let total = gone;
    try {
      let first = 0;
      while (first < left.length) {
        let sent =
          left.length - first === 1 || !this.gathers
            ? await this.socket.send(left[first]!)
            : await this.socket.sendmsg(left.slice(first, first + MOST_TOGETHER));
        total += sent;
        this.active();
        for (; first < left.length && sent >= left[first]!.length; first++) sent -= left[first]!.length;
        if (sent > 0) left[first] = left[first]!.subarray(sent);
      }
    } catch (error) {
      this.#sent += total;
      callback(error as Error);
      return;
    }
    this.#sent += total;
    callback();
  }

  /** @internal */
  override _final(callback: Callback): void {
    if (this.connecting && !this.#connected) {
      this.#afterConnect(() => this._final(callback), callback);
      return;
    }
    try {
      if (this.#connected) this.socket.shutdown(SHUT_WR);
    } catch (error) {
      // The peer has reset the connection: reading tells, if anybody reads.
      if (!(error instanceof SocketError && error.code === 'ENOTCONN')) {
        callback(error as Error);
        return;
      }
    }
    callback();
  }

  #fail(error: unknown): void {
    // Its own close is no error of the stream's.
    if (!this.destroyed) this.destroy(error as Error);
  }

  /** @internal */
  override _destroy(error: Error | null, callback: Callback): void {
    this.connecting = false;
    this.stopTimer();
    this.socket.close();
    callback(error);
    // Behind the event that tells the error, as in `net`.
    process.nextTick(() => this.emit('close', error !== null));
  }

  /** Ends the writable side, and destroys the stream when all is written. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', this.destroy);
  }

  /** Closes a TCP connection with a reset. */
  resetAndDestroy(): this {
    if (!this.destroyed && this.socket.family !== AF_UNIX) {
      // struct linger, socket(7): on, no seconds.
      this.socket.setsockopt(SOL_SOCKET, SO_LINGER, new Uint8Array(Int32Array.of(1, 0).buffer));
    }
    return this.destroy();
  }

  /** Bytes written, those that wait included. */
  get bytesWritten(): number {
    return this.#sent + this.writableLength;
  }
}

// After the peer's end, what is written goes nowhere: `net` says so with EPIPE.
function refuseWrites(this: SocketDuplex): void {
  const write = this.write as (...given: unknown[]) => boolean;
  this.write = function (this: SocketDuplex, ...given: unknown[]): boolean {
    if (!this.writableEnded) return write.apply(this, given);
    const error = new SocketError('This socket has been ended by the other party', { code: 'EPIPE' });
    const callback = given.find((each) => typeof each === 'function') as Callback | undefined;
    if (callback !== undefined) process.nextTick(callback, error);
    this.destroy(error);
    return false;
  } as typeof this.write;
}
