// A socket as one of Node's streams, which plays `net.Socket` for programs that expect one. It
// receives only while its consumer wants more, so that the kernel's window is the backpressure.
import { Duplex } from 'node:stream';
import type { AnyAddress } from './address.ts';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  IPPROTO_TCP,
  SHUT_WR,
  SO_KEEPALIVE,
  SO_LINGER,
  SOL_SOCKET,
  TCP_KEEPIDLE,
  TCP_NODELAY,
} from './constants.gen.ts';
import { checkInteger, SocketError, typeError } from './errors.ts';
import type { Socket } from './socket.ts';

const CHUNK = 65536;
// Chunks that are written together are joined up to this size: one system call for the usual
// header and body. Larger ones are worth a call each.
const JOINED = 65536;

/** How a stream is made of a socket. */
export interface DuplexOptions {
  /** Whether the writable side stays open when the peer has ended: false if it is not given, as in `net`. */
  allowHalfOpen?: boolean | undefined;
}

/** Where to connect to, as `net.Socket.connect` has it. */
export type ConnectTarget = { port: number; host?: string | undefined } | { path: string };

interface Written {
  chunk: Buffer | string;
  encoding: BufferEncoding;
}

type Callback = (error?: Error | null) => void;

const bytesOf = (chunk: Buffer | string, encoding: BufferEncoding): Buffer =>
  typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;

function familyOf(family: number): string | undefined {
  return family === AF_INET ? 'IPv4' : family === AF_INET6 ? 'IPv6' : undefined;
}

/**
 * A Node stream over a stream socket. Made by a socket's `toDuplex()`; from then on the socket is
 * the stream's.
 *
 * It has what users of `net.Socket` rely on: its events, addresses, counters, timeouts and
 * half close. An error of a system call destroys it with a `SocketError`, whose fields are those
 * of Node's.
 */
export class SocketDuplex extends Duplex {
  /** Bytes received. */
  bytesRead = 0;
  /** Whether `connect` is under way. */
  connecting = false;
  /** The milliseconds of `setTimeout`. */
  timeout: number | undefined = undefined;

  readonly #socket: Socket;
  #connected: boolean;
  #receiving = false;
  // Asked for more while a chunk was handed over.
  #more = false;
  #sent = 0;
  #timer: NodeJS.Timeout | undefined = undefined;
  #local: AnyAddress | undefined = undefined;
  #peer: AnyAddress | undefined = undefined;

  /** @internal */
  constructor(socket: Socket, options: DuplexOptions = {}) {
    super({ allowHalfOpen: options.allowHalfOpen ?? false, decodeStrings: false, emitClose: false });
    this.#socket = socket;
    this.#connected = this.#noteAddresses();
    // `net` waits for data that nobody asked for yet, too: it ends a connection whose peer did.
    if (this.#connected) this.read(0);
  }

  // Kept, since they are asked for when the connection is gone, too.
  #noteAddresses(): boolean {
    try {
      this.#peer = this.#socket.getpeername();
      this.#local = this.#socket.getsockname();
      return true;
    } catch (error) {
      if (error instanceof SocketError && error.code === 'ENOTCONN') return false;
      throw error;
    }
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
    const host = typeof rest[0] === 'string' ? rest[0] : undefined;
    const address = this.#addressOf(target, host);
    if (listener !== undefined) this.once('connect', listener);
    if (this.connecting) return this;
    this.connecting = true;
    void this.#connect(address);
    return this;
  }

  #addressOf(target: unknown, host: string | undefined): AnyAddress {
    if (typeof target === 'number') return [host ?? 'localhost', checkInteger('port', target, 0, 65535)];
    if (typeof target === 'string') return target;
    if (typeof target !== 'object' || target === null)
      throw typeError('target', 'a port, a path or an object with either', target);
    const given = target as { port?: unknown; host?: unknown; path?: unknown };
    if (typeof given.path === 'string') return given.path;
    const to = given.host ?? 'localhost';
    if (typeof to !== 'string') throw typeError('host', 'a string', to);
    return [to, checkInteger('port', Number(given.port), 0, 65535)];
  }

  async #connect(address: AnyAddress): Promise<void> {
    try {
      if (!this.#connected) await this.#socket.connect(address);
      else await undefined;
      this.#noteAddresses();
    } catch (error) {
      this.destroy(error as Error);
      return;
    }
    if (this.destroyed) return;
    this.connecting = false;
    this.#connected = true;
    this.#active();
    this.emit('connect');
    this.emit('ready');
    this.read(0);
  }

  /** Whether there is no connection yet. */
  get pending(): boolean {
    return !this.#connected;
  }

  /** What `net.Socket` calls its state. */
  get readyState(): 'opening' | 'open' | 'readOnly' | 'writeOnly' | 'closed' {
    if (this.connecting) return 'opening';
    if (this.destroyed || !this.#connected) return 'closed';
    if (this.readable) return this.writable ? 'open' : 'readOnly';
    return this.writable ? 'writeOnly' : 'closed';
  }

  // --- the two directions ---------------------------------------------------------------------

  /** @internal */
  override _read(): void {
    if (this.#receiving) {
      this.#more = true;
      return;
    }
    // Data comes after the connection does.
    if (!this.#connected) return;
    this.#receiving = true;
    void this.#receive();
  }

  async #receive(): Promise<void> {
    try {
      do {
        this.#more = false;
        const chunk = await this.#socket.recv(CHUNK);
        if (this.destroyed) break;
        this.#active();
        if (chunk.length === 0) {
          this.push(null);
          // Without a reader the end would not be noticed.
          if (this.readableLength === 0) this.read(0);
          break;
        }
        this.bytesRead += chunk.length;
        if (this.push(chunk)) this.#more = true;
      } while (this.#more && !this.destroyed);
    } catch (error) {
      this.#fail(error);
    }
    this.#receiving = false;
  }

  /** @internal */
  override _write(chunk: Buffer | string, encoding: BufferEncoding, callback: Callback): void {
    this.#send(bytesOf(chunk, encoding), callback);
  }

  /** @internal */
  override _writev(written: Written[], callback: Callback): void {
    const chunks = written.map(({ chunk, encoding }) => bytesOf(chunk, encoding));
    const size = chunks.reduce((sum, { length }) => sum + length, 0);
    if (size <= JOINED) this.#send(Buffer.concat(chunks, size), callback);
    else void this.#sendEach(chunks, callback);
  }

  // Most of what is written the kernel takes at once: without a promise.
  #send(bytes: Buffer, callback: Callback): void {
    this.#active();
    let taken: number | undefined;
    try {
      if (this.#connected) taken = this.#socket.trySend(bytes);
    } catch (error) {
      callback(error as Error);
      return;
    }
    this.#sent += taken ?? 0;
    if (taken === bytes.length) callback();
    else void this.#sendEach([taken === undefined ? bytes : bytes.subarray(taken)], callback);
  }

  async #sendEach(chunks: Buffer[], callback: Callback): Promise<void> {
    try {
      if (!this.#connected) await this.#untilConnected();
      for (const chunk of chunks) {
        await this.#socket.sendall(chunk);
        this.#sent += chunk.length;
        this.#active();
      }
    } catch (error) {
      callback(error as Error);
      return;
    }
    callback();
  }

  // What is written before goes out after.
  #untilConnected(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.once('connect', resolve);
      this.once('close', () => reject(this.errored ?? new Error('closed before it was connected')));
    });
  }

  /** @internal */
  override _final(callback: Callback): void {
    if (!this.#connected) {
      this.#untilConnected().then(() => this._final(callback), callback);
      return;
    }
    try {
      this.#socket.shutdown(SHUT_WR);
    } catch (error) {
      // The peer has reset the connection: reading tells, if anybody reads.
      if ((error as SocketError).code !== 'ENOTCONN') {
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
    clearTimeout(this.#timer);
    this.#socket.close();
    callback(error);
    // As `net` does: with the word whether it was an error, behind the event that tells it.
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
    if (!this.destroyed && this.#socket.family !== AF_UNIX) {
      // struct linger, socket(7): on, no seconds.
      this.#socket.setsockopt(SOL_SOCKET, SO_LINGER, new Uint8Array(Int32Array.of(1, 0).buffer));
    }
    return this.destroy();
  }

  // --- what users of net.Socket rely on ---------------------------------------------------------

  /** Bytes written, those that wait included. */
  get bytesWritten(): number {
    return this.#sent + this.writableLength;
  }

  /** TCP_NODELAY; nothing on other sockets. */
  setNoDelay(on = true): this {
    this.#option(IPPROTO_TCP, TCP_NODELAY, on);
    return this;
  }

  /** SO_KEEPALIVE, and the idle time in milliseconds before the first probe; nothing on AF_UNIX. */
  setKeepAlive(on = false, initialDelay = 0): this {
    if (this.#socket.family === AF_UNIX || this.destroyed) return this;
    this.#socket.setsockopt(SOL_SOCKET, SO_KEEPALIVE, on);
    const seconds = Math.floor(initialDelay / 1000);
    if (on && seconds > 0) this.#option(IPPROTO_TCP, TCP_KEEPIDLE, seconds);
    return this;
  }

  #option(level: number, name: number, value: number | boolean): void {
    const { family } = this.#socket;
    if (this.destroyed || (family !== AF_INET && family !== AF_INET6)) return;
    this.#socket.setsockopt(level, name, value);
  }

  /** Emits `timeout` after so many milliseconds without traffic; 0 for never. */
  setTimeout(milliseconds: number, listener?: () => void): this {
    if (typeof milliseconds !== 'number') throw typeError('milliseconds', 'a number', milliseconds);
    if (!(milliseconds >= 0))
      throw new RangeError(`Expected milliseconds of 0 or more but received ${milliseconds}`);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.timeout = milliseconds;
    if (milliseconds > 0 && Number.isFinite(milliseconds) && !this.destroyed) {
      this.#timer = setTimeout(() => this.emit('timeout'), milliseconds).unref();
      if (listener !== undefined) this.once('timeout', listener);
    } else if (listener !== undefined) this.removeListener('timeout', listener);
    return this;
  }

  #active(): void {
    this.#timer?.refresh();
  }

  /** Lets the process end although the stream waits. */
  unref(): this {
    this.#socket.unref();
    return this;
  }

  /** A stream that waits keeps the process alive: so from the start. */
  ref(): this {
    this.#socket.ref();
    return this;
  }

  /** The local address as `net.Socket` gives it; `{}` without one. */
  address(): { address?: string; family?: string; port?: number } {
    const { localAddress, localFamily, localPort } = this;
    if (localAddress === undefined || localFamily === undefined || localPort === undefined) return {};
    return { address: localAddress, family: localFamily, port: localPort };
  }

  get remoteAddress(): string | undefined {
    return hostOf(this.#peer);
  }

  get remotePort(): number | undefined {
    return portOf(this.#peer);
  }

  get remoteFamily(): string | undefined {
    return this.#peer === undefined ? undefined : familyOf(this.#socket.family);
  }

  get localAddress(): string | undefined {
    return hostOf(this.#local);
  }

  get localPort(): number | undefined {
    return portOf(this.#local);
  }

  get localFamily(): string | undefined {
    return this.#local === undefined ? undefined : familyOf(this.#socket.family);
  }
}

function hostOf(address: AnyAddress | undefined): string | undefined {
  return Array.isArray(address) ? address[0] : undefined;
}

function portOf(address: AnyAddress | undefined): number | undefined {
  return Array.isArray(address) ? address[1] : undefined;
}
