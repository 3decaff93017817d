// What a TLS connection leaves to the socket below it: addresses, options, the time limit.
import type { Address } from '../address.ts';
import type { Data } from '../bytes.ts';
import type { Socket } from '../socket.ts';

/** The calls of a TLS connection that are those of the socket below it. */
export abstract class OverSocket<F extends number = number> {
  readonly #socket: Socket<F>;

  /** @internal */
  constructor(socket: Socket<F>) {
    this.#socket = socket;
  }

  /** The address family of the socket below. */
  get family(): number {
    return this.#socket.family;
  }

  /** `SOCK_STREAM`. */
  get type(): number {
    return this.#socket.type;
  }

  /** The protocol of the socket below. */
  get proto(): number {
    return this.#socket.proto;
  }

  /** The descriptor of the socket below; -1 once closed. */
  fileno(): number {
    return this.#socket.fileno();
  }

  /** The local address. */
  getsockname(): Address<F> {
    return this.#socket.getsockname();
  }

  /** The peer's address. */
  getpeername(): Address<F> {
    return this.#socket.getpeername();
  }

  /** Sets the time limit of every call that waits, as `Socket.settimeout`. */
  settimeout(seconds: number | null): void {
    this.#socket.settimeout(seconds);
  }

  /** The time limit in seconds, or `null`. */
  gettimeout(): number | null {
    return this.#socket.gettimeout();
  }

  /** `settimeout(null)` or `settimeout(0)`. */
  setblocking(flag: boolean): void {
    this.#socket.setblocking(flag);
  }

  /** Whether the time limit is not 0. */
  getblocking(): boolean {
    return this.#socket.getblocking();
  }

  /** Reads an option of the socket below. */
  getsockopt(level: number, name: number): number;
  getsockopt(level: number, name: number, buflen: number): Buffer;
  getsockopt(level: number, name: number, buflen?: number): number | Buffer {
    return buflen === undefined
      ? this.#socket.getsockopt(level, name)
      : this.#socket.getsockopt(level, name, buflen);
  }

  /** Sets an option of the socket below. */
  setsockopt(level: number, name: number, value: number | boolean | Data): void {
    this.#socket.setsockopt(level, name, value as number);
  }

  /** Lets the process end although calls wait. */
  unref(): this {
    this.#socket.unref();
    return this;
  }

  /** Calls that wait keep the process alive: so from the start. */
  ref(): this {
    this.#socket.ref();
    return this;
  }
}
