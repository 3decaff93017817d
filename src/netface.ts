// What users of `net.Socket` rely on beside the two streams: addresses, counters, options, the idle
// timer. duplex.ts adds the streams. Knows only what a socket's public methods give.
import { Duplex, type DuplexOptions as StreamOptions } from 'node:stream';
import type { AnyAddress } from './address.ts';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  IPPROTO_TCP,
  MSG_PEEK,
  SO_KEEPALIVE,
  SOCK_STREAM,
  SOL_SOCKET,
  TCP_KEEPIDLE,
  TCP_NODELAY,
} from './constants.gen.ts';
import { SocketError, typeError } from './errors.ts';
import type { Socket } from './socket.ts';

/** The longest time of a timer: more would be taken for a millisecond. */
const LONGEST = 0x7fffffff;
/** MAX_TCP_KEEPIDLE of the kernel, in seconds. */
const LONGEST_IDLE = 32767;
const IPPROTO_MPTCP = 262;

const onePeeked = new Uint8Array(1);

function hostOf(address: AnyAddress | undefined): string | undefined {
  return Array.isArray(address) ? address[0] : undefined;
}

function portOf(address: AnyAddress | undefined): number | undefined {
  return Array.isArray(address) ? address[1] : undefined;
}

function familyOf(family: number): string | undefined {
  return family === AF_INET ? 'IPv4' : family === AF_INET6 ? 'IPv6' : undefined;
}

/** The part of a stream over a socket that is no stream. @internal */
export abstract class NetFace extends Duplex {
  /** The milliseconds of `setTimeout`. */
  timeout: number | undefined = undefined;

  /** @internal */
  protected readonly socket: Socket;
  /** Whether it has sendmsg(2): records of TLS have no use for it. @internal */
  protected readonly gathers: boolean;
  #timer: NodeJS.Timeout | undefined = undefined;
  #local: AnyAddress | undefined = undefined;
  #peer: AnyAddress | undefined = undefined;

  /** @internal */
  constructor(socket: Socket, options: StreamOptions) {
    super(options);
    this.socket = socket;
    this.gathers = typeof socket.sendmsg === 'function';
  }

  /** Keeps the addresses, which are asked for when the connection is gone, too. Whether there is a peer. @internal */
  protected noteAddresses(): boolean {
    const { socket } = this;
    try {
      this.#peer = socket.getpeername();
    } catch (error) {
      if (!(error instanceof SocketError && error.code === 'ENOTCONN')) throw error;
      // TLS has had its handshake.
      if (this.gathers && !this.#hasBeenConnected()) return false;
    }
    this.#local = socket.getsockname();
    return true;
  }

  // A connection that its peer has reset has no peer either, yet a queue that tells how it ended; a
  // socket that never had one says ENOTCONN again, or EINVAL in AF_UNIX (unix_stream_read_generic).
  #hasBeenConnected(): boolean {
    try {
      this.socket.tryRecvInto(onePeeked, { flags: MSG_PEEK });
      return true;
    } catch (error) {
      const { code } = error as SocketError;
      if (code === 'ENOTCONN' || code === 'EINVAL') return false;
      // The kernel tells an error once.
      process.nextTick(() => this.destroy(error as Error));
      return true;
    }
  }

  // --- options -----------------------------------------------------------------------------

  /** TCP_NODELAY; nothing on other sockets. */
  setNoDelay(on = true): this {
    if (this.#isTcp()) this.socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, Boolean(on));
    return this;
  }

  /** SO_KEEPALIVE, and the milliseconds of silence before the first probe; nothing on AF_UNIX. */
  setKeepAlive(on = false, initialDelay = 0): this {
    if (this.destroyed || this.socket.family === AF_UNIX) return this;
    this.socket.setsockopt(SOL_SOCKET, SO_KEEPALIVE, Boolean(on));
    const seconds = Math.min(Math.floor(Number(initialDelay) / 1000), LONGEST_IDLE);
    if (on && seconds > 0 && this.#isTcp()) this.socket.setsockopt(IPPROTO_TCP, TCP_KEEPIDLE, seconds);
    return this;
  }

  #isTcp(): boolean {
    if (this.destroyed) return false;
    const { family, type, proto } = this.socket;
    const inet = family === AF_INET || family === AF_INET6;
    return inet && type === SOCK_STREAM && (proto === 0 || proto === IPPROTO_TCP || proto === IPPROTO_MPTCP);
  }

  /** Lets the process end although the stream waits. */
  unref(): this {
    this.socket.unref();
    return this;
  }

  /** A stream that waits keeps the process alive: so from the start. */
  ref(): this {
    this.socket.ref();
    return this;
  }

  // --- idle time -----------------------------------------------------------------------------

  /**
   * Emits `timeout` after so many milliseconds without traffic, and leaves the stream open; 0 for
   * never.
   */
  setTimeout(milliseconds: number, listener?: () => void): this {
    if (typeof milliseconds !== 'number') throw typeError('milliseconds', 'a number', milliseconds);
    if (!(milliseconds >= 0))
      throw new RangeError(`Expected milliseconds of 0 or more but received ${milliseconds}`);
    if (listener !== undefined && typeof listener !== 'function')
      throw typeError('listener', 'a function', listener);
    if (this.destroyed) return this;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.timeout = milliseconds;
    const idle = milliseconds > 0 && milliseconds !== Number.POSITIVE_INFINITY;
    if (idle) this.#timer = setTimeout(() => this.emit('timeout'), Math.min(milliseconds, LONGEST)).unref();
    if (listener !== undefined) {
      if (idle) this.once('timeout', listener);
      else this.removeListener('timeout', listener);
    }
    return this;
  }

  /** There was traffic. @internal */
  protected active(): void {
    this.#timer?.refresh();
  }

  /** @internal */
  protected stopTimer(): void {
    clearTimeout(this.#timer);
  }

  // --- addresses -----------------------------------------------------------------------------

  /** The local address as `net.Socket` gives it; `{}` without one. */
  address(): { address?: string; family?: string; port?: number } {
    const { localAddress, localFamily, localPort } = this;
    if (localAddress === undefined || localFamily === undefined || localPort === undefined) return {};
    return { address: localAddress, family: localFamily, port: localPort };
  }

  /** The peer's IP address; `undefined` before the connection, and on other families. */
  get remoteAddress(): string | undefined {
    return hostOf(this.#peer);
  }

  /** The peer's port. */
  get remotePort(): number | undefined {
    return portOf(this.#peer);
  }

  /** `'IPv4'` or `'IPv6'`. */
  get remoteFamily(): string | undefined {
    return this.#peer === undefined ? undefined : familyOf(this.socket.family);
  }

  /** This end's IP address. */
  get localAddress(): string | undefined {
    return hostOf(this.#local);
  }

  /** This end's port. */
  get localPort(): number | undefined {
    return portOf(this.#local);
  }

  /** `'IPv4'` or `'IPv6'`. */
  get localFamily(): string | undefined {
    return this.#local === undefined ? undefined : familyOf(this.socket.family);
  }
}
