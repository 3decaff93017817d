// One connection of a server: its handler, the signal that the handler is given, and the two ways in
// which a silent client loses it. Knows neither the listener nor the server's limits.
import type { AnyAddress } from '../address.ts';
import { MSG_PEEK } from '../constants.gen.ts';
import type { CountedSocket } from '../counted.ts';
import { ClosedError, TimeoutError } from '../errors.ts';
import type { Running } from './handlers.ts';
import { type Expectation, readProxyHeader } from './proxied.ts';
import type { ProxyHeader } from './proxyprotocol.ts';

/** What the handler of a connection is told beside its socket and the client's address. */
export interface ConnectionContext {
  /** Aborted when the server closes the connection: at its end, or because the client is idle. */
  readonly signal: AbortSignal;
  /** The PROXY header that came in front, if one was expected. */
  readonly proxy: ProxyHeader | undefined;
}

/** Where an error happened, for `onerror`. */
export interface ErrorPlace {
  /**
   * `'accept'`: between connections. `'proxy'`: before the handler, in the PROXY header.
   * `'handler'`: in the handler.
   */
  during: 'accept' | 'proxy' | 'handler';
  /** The client's address, where there is one. */
  address?: AnyAddress | undefined;
}

/** What a connection needs of its server. */
export interface Host {
  readonly proxy: Expectation | undefined;
  handle(socket: CountedSocket, address: AnyAddress, context: ConnectionContext): unknown;
  failed(error: unknown, place: ErrorPlace): void;
  timedOut(): void;
  over(connection: Served): void;
}

const timeout = (what: string): TimeoutError => new TimeoutError(`timed out: ${what}`, { code: 'ETIMEDOUT' });

/** A connection and its handler. */
export class Served implements Running, ConnectionContext {
  readonly #host: Host;
  readonly #socket: CountedSocket;
  proxy: ProxyHeader | undefined = undefined;
  // Made when the handler asks for its signal, or when the header is waited for.
  #controller: AbortController | undefined = undefined;
  #aborted = false;
  #reason: unknown = undefined;
  readonly #born = performance.now();
  // Said a byte; or the whole header, where one is waited for.
  #spoke = false;
  #waitsForHeader = false;
  #over = false;
  #seen = 0;
  #since = this.#born;

  constructor(host: Host, socket: CountedSocket) {
    this.#host = host;
    this.#socket = socket;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#aborted && !this.#controller.signal.aborted) this.#controller.abort(this.#reason);
    return this.#controller.signal;
  }

  /** Runs the handler to its end. Does not reject. */
  async run(peer: AnyAddress): Promise<void> {
    let address = peer;
    let during: ErrorPlace['during'] = 'handler';
    const { proxy } = this.#host;
    try {
      if (proxy !== undefined) {
        during = 'proxy';
        if (proxy.from(peer)) {
          const { version } = proxy;
          this.#waitsForHeader = true;
          this.proxy = await readProxyHeader(this.#socket, { version, signal: this.signal });
          this.#waitsForHeader = false;
          this.#spoke = true;
          address = this.proxy.source ?? peer;
        }
        during = 'handler';
      }
      await this.#host.handle(this.#socket, address, this);
    } catch (error) {
      // What the server did to it is no news; a header that never came is, as nobody else can tell.
      const own = this.#aborted && (error === this.#reason || error instanceof ClosedError);
      const late = during === 'proxy' && error instanceof TimeoutError;
      if (!own || late) this.#host.failed(error, { during, address });
    }
    this.#end();
  }

  // A handler that goes on without its socket holds no place of the server's.
  #end(): void {
    this.force();
    if (this.#over) return;
    this.#over = true;
    this.#host.over(this);
  }

  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }

  force(): void {
    try {
      if (!this.#socket.closed) this.#socket.close();
    } catch (error) {
      this.#host.failed(error, { during: 'handler' });
    }
  }

  #timeOut(what: string): void {
    this.#host.timedOut();
    this.abort(timeout(what));
    this.#end();
  }

  /** Looks whether the client has been silent for too long. Times in milliseconds. */
  check(now: number, idle: number, handshake: number): void {
    if (this.#socket.closed || this.#aborted) return;
    const { received, sent } = this.#socket.traffic;
    if (received + sent !== this.#seen) {
      this.#seen = received + sent;
      this.#since = now;
      if (received > 0 && !this.#waitsForHeader) this.#spoke = true;
    } else if (now - this.#since >= idle) {
      this.#timeOut(`the connection was idle for ${idle / 1000} s`);
      return;
    }
    if (!this.#spoke && now - this.#born >= handshake) {
      if (this.#hasSpoken()) this.#spoke = true;
      else this.#timeOut(`the client said nothing for ${handshake / 1000} s`);
    }
  }

  // The handler may not have read yet what the client has said. While it waits in a read there is nothing.
  #hasSpoken(): boolean {
    if (this.#waitsForHeader) return false;
    try {
      return this.#socket.tryRecvInto(peeked, { flags: MSG_PEEK }) !== undefined;
    } catch {
      // An error is the handler's to meet.
      return true;
    }
  }
}

const peeked = new Uint8Array(1);
