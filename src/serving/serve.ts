// serve(): a listener, and a handler for each of its connections. How many there may be, how long a
// client may be silent, what is told of errors; acceptor.ts accepts, served.ts is one connection,
// handlers.ts ends them all. Knows sockets from outside.
import os from 'node:os';
import { checkSignal, onAbort } from '../abort.ts';
import type { Address, AddressInput, AnyAddress } from '../address.ts';
import {
  type AF_INET,
  type AF_INET6,
  type AF_UNIX,
  SO_ACCEPTCONN,
  type SOCK_STREAM,
  SOL_SOCKET,
} from '../constants.gen.ts';
import { CountedSocket, Traffic } from '../counted.ts';
import { deferred, type Reject, type Resolve, rejectNext, resolveNext } from '../deferred.ts';
import { closedError, SocketError, typeError } from '../errors.ts';
import { openServer, type ServerOptions } from '../listen.ts';
import { Socket } from '../socket.ts';
import { isClientGone } from './acceptance.ts';
import { Acceptor } from './acceptor.ts';
import { type CloseOptions, checkGrace, checkLimit, checkSeconds, Handlers } from './handlers.ts';
import { report } from './onerror.ts';
import { expectation, type ProxyProtocol } from './proxied.ts';
import { type ConnectionContext, type ErrorPlace, type Host, Served } from './served.ts';
import { bindFile, isFile, SocketFile } from './socketfile.ts';

/** Where `serve` listens: a port of every IPv4 address, a socket address, or a socket that listens. */
export type Listening = number | AddressInput | Socket;

type Dotted = `${number}.${number}.${number}.${number}`;
type FamilyOfHost<H> = string extends H
  ? AF_INET | AF_INET6
  : H extends Dotted
    ? AF_INET
    : H extends `${string}:${string}`
      ? AF_INET6
      : AF_INET | AF_INET6;

/** The family of the sockets that a listener of this form gives. */
export type ListeningFamily<L> =
  L extends Socket<infer F>
    ? F
    : L extends string | Uint8Array
      ? AF_UNIX
      : L extends readonly [infer H, ...unknown[]]
        ? FamilyOfHost<H>
        : AF_INET | AF_INET6;

/** What `serve` runs for a connection, which is closed when it has ended. */
export type Handler<F extends number = number> = (
  conn: Socket<F, SOCK_STREAM>,
  address: Address<F>,
  context: ConnectionContext,
) => Promise<void> | void;

/** What `serve` can be told. */
export interface ServeOptions extends ServerOptions {
  /** Connections at once: at so many, the rest is left to the kernel's backlog. No limit if it is not given. */
  maxConnections?: number | undefined;
  /** Seconds without a byte in either direction, after which a connection is closed. */
  idleTimeout?: number | undefined;
  /**
   * Seconds until the client must have said something: a byte, or the whole PROXY header, for which
   * it is 5 if it is not given.
   */
  handshakeTimeout?: number | undefined;
  /** Expects the PROXY protocol's header in front of each connection. */
  proxyProtocol?: ProxyProtocol | undefined;
  /** Ends the server when it is aborted, as `close()` does. */
  signal?: AbortSignal | undefined;
  /**
   * Is told of every error that ends a connection or keeps one out. Without it, the process is
   * warned of those that are not just a client that went away.
   */
  onerror?: ((error: unknown, place: ErrorPlace) => void) | undefined;
}

const { EINVAL } = os.constants.errno;
const HEADER_TIMEOUT = 5;
const FASTEST_SWEEP = 5;
const SLOWEST_SWEEP = 1000;

/** A server that runs: see `serve`. */
export class Server<F extends number = number> {
  readonly #listener: Socket;
  readonly #file: SocketFile | undefined;
  readonly #host: Host;
  readonly #onerror: ServeOptions['onerror'];
  readonly #most: number;
  readonly #idle: number;
  readonly #handshake: number;
  readonly #traffic = new Traffic();
  readonly #handlers: Handlers<Served>;
  readonly #acceptor: Acceptor;
  #sweeper: NodeJS.Timeout | undefined = undefined;
  #forget: (() => void) | undefined = undefined;
  #fatal: unknown = undefined;
  #accepted = 0;
  #failures = 0;
  #timeouts = 0;
  readonly #address: Address<F>;
  readonly #resolve: Resolve;
  readonly #reject: Reject;

  /**
   * Settles when the server has ended and its connections are gone; rejects with the error that
   * made it unable to accept.
   */
  readonly closed: Promise<void>;

  /** @internal */
  constructor(listener: Socket, handler: Handler, options: ServeOptions, file: SocketFile | undefined) {
    const { signal } = options;
    this.#listener = listener;
    this.#file = file;
    const proxy = expectation(options.proxyProtocol);
    this.#host = {
      proxy,
      handle: (socket, address, context) => handler(socket as Socket<number, SOCK_STREAM>, address, context),
      failed: (error, place) => {
        this.#failures++;
        this.#tell(error, place);
      },
      timedOut: () => {
        this.#timeouts++;
      },
      over: (connection) => this.#over(connection),
    };
    this.#onerror = options.onerror;
    this.#most = options.maxConnections ?? Number.POSITIVE_INFINITY;
    this.#idle = 1000 * (options.idleTimeout ?? Number.POSITIVE_INFINITY);
    const patience = proxy === undefined ? Number.POSITIVE_INFINITY : HEADER_TIMEOUT;
    this.#handshake = 1000 * (options.handshakeTimeout ?? patience);
    this.closed = deferred() as Promise<void>;
    this.#resolve = resolveNext;
    this.#reject = rejectNext;
    // Who has said where errors go is told of this one, too: it need not be an unhandled rejection.
    if (options.onerror !== undefined) this.closed.catch(() => {});
    this.#handlers = new Handlers(() => this.#gone());
    this.#address = listener.getsockname() as AnyAddress as Address<F>;
    listener.settimeout(null);
    if (listener instanceof CountedSocket) listener.total = this.#traffic;
    if (signal !== undefined) this.#forget = onAbort(signal, () => this.#stop(0, signal.reason));
    this.#acceptor = new Acceptor(listener, {
      room: () => this.#handlers.size < this.#most && this.#handlers.open,
      begin: (socket, address) => this.#begin(socket, address),
      tell: (error) => this.#tell(error, { during: 'accept' }),
      over: (error) => this.#ended(error),
    });
  }

  /** Where it listens. */
  get address(): Address<F> {
    return this.#address;
  }

  /** Connections whose handlers run. */
  get connections(): number {
    return this.#handlers.size;
  }

  /** Connections accepted so far. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Connections that ended with an error: of the handler, or in the PROXY header. */
  get failed(): number {
    return this.#failures;
  }

  /** Connections that were closed because their clients were silent. */
  get timeouts(): number {
    return this.#timeouts;
  }

  /** Bytes that handlers have received. */
  get bytesReceived(): number {
    return this.#traffic.received;
  }

  /** Bytes that handlers have sent. */
  get bytesSent(): number {
    return this.#traffic.sent;
  }

  // --- connections ------------------------------------------------------------------------

  // Nothing is accepted any more. Handlers have all the time they need, unless somebody says how much.
  #ended(error: unknown): void {
    if (error !== undefined) {
      this.#fatal = error;
      this.#tell(error, { during: 'accept' });
    }
    this.#file?.remove();
    this.#handlers.stop(Number.POSITIVE_INFINITY, error);
    this.#handlers.release();
  }

  #gone(): void {
    this.#forget?.();
    this.#stopSweeping();
    if (this.#fatal === undefined) this.#resolve(undefined);
    else this.#reject(this.#fatal);
  }

  #begin(accepted: Socket, address: AnyAddress): void {
    let socket = accepted as CountedSocket;
    if (!(accepted instanceof CountedSocket)) {
      const { fd, family, type, proto } = accepted.detach();
      socket = new CountedSocket(fd, family, type, proto);
      socket.total = this.#traffic;
    }
    this.#accepted++;
    if (!this.#handlers.open) {
      socket.close();
      return;
    }
    const served = new Served(this.#host, socket);
    this.#handlers.add(served);
    if (this.#sweeper === undefined) this.#startSweeping();
    served.run(address);
  }

  // --- what its connections tell ------------------------------------------------------------

  #tell(error: unknown, place: ErrorPlace): void {
    const silent = isClientGone(error) || (place.during === 'accept' && error === this.#fatal);
    if (this.#onerror === undefined && silent) return;
    report(this.#onerror, error, place);
  }

  #over(connection: Served): void {
    this.#handlers.delete(connection);
    if (this.#handlers.size === 0) this.#stopSweeping();
    this.#acceptor.wake();
  }

  // One timer for all connections: what it looks at is two numbers each.
  #startSweeping(): void {
    const shortest = Math.min(this.#idle, this.#handshake);
    if (shortest === Number.POSITIVE_INFINITY) return;
    const period = Math.min(SLOWEST_SWEEP, Math.max(FASTEST_SWEEP, shortest / 8));
    this.#sweeper = setInterval(() => {
      const now = performance.now();
      for (const connection of this.#handlers) connection.check(now, this.#idle, this.#handshake);
    }, period);
    this.#sweeper.unref();
  }

  #stopSweeping(): void {
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  // --- ending -------------------------------------------------------------------------------

  /**
   * Ends the server. Nothing new is accepted; what the kernel has accepted already is still served
   * if there is a `grace`, so many seconds in which handlers may end by themselves. Then their
   * signals are aborted, and 0.1 s later their connections are closed. Resolves when all are gone.
   */
  close(options?: CloseOptions): Promise<void> {
    let grace: number;
    try {
      grace = checkGrace(options);
    } catch (error) {
      return Promise.reject(error);
    }
    this.#stop(grace, new DOMException('The server is closing', 'AbortError'));
    return this.closed.catch(() => {});
  }

  #stop(grace: number, reason: unknown): void {
    this.#file?.remove();
    this.#acceptor.stop(grace > 0);
    this.#handlers.stop(grace, reason);
  }

  /** `await using`: as `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Lets the process end although the server waits for connections. */
  unref(): this {
    this.#listener.unref();
    return this;
  }

  /** Keeps the process alive for as long as the server runs: so from the start. */
  ref(): this {
    this.#listener.ref();
    return this;
  }
}

/**
 * Listens, and runs `handler` for every connection, all of them side by side: `await using server =
 * serve(['', 8080], async (conn, address, { signal }) => { … })`.
 *
 * `listening` is a port (of every IPv4 address), an address as `createServer` takes it, or a socket
 * that listens already, which the server closes at its end. An AF_UNIX path whose server is gone
 * is taken over, and the file is removed at the end.
 *
 * A connection is closed when its handler has ended, however it ends; an error of a handler costs
 * its own connection only. At `maxConnections` nothing is accepted, so that the kernel's backlog
 * does its work. Out of descriptors or memory, the server waits and goes on.
 *
 * Errors: those of `createServer`, at once; `EINVAL` for a socket that does not listen. Later ones
 * are told to `onerror`, and in `closed`.
 */
export function serve<const L extends Listening>(
  listening: L,
  handler: Handler<ListeningFamily<L>>,
  options: ServeOptions = {},
): Server<ListeningFamily<L>> {
  if (typeof handler !== 'function') throw typeError('handler', 'a function', handler);
  checkServeOptions(options);
  const address = typeof listening === 'number' ? ['', listening] : listening;
  if (address instanceof Socket) {
    checkListener(address);
    return new Server(address, handler as Handler, options, undefined);
  }
  const open = () => openServer(CountedSocket, address as AddressInput, options);
  const file = isFile(address);
  const listener = file ? bindFile(address, open) : open();
  return new Server(listener, handler as Handler, options, file ? new SocketFile(address) : undefined);
}

/** Checks what does not need the kernel. */
export function checkServeOptions(options: unknown): asserts options is ServeOptions {
  if (typeof options !== 'object' || options === null) throw typeError('options', 'an object', options);
  const { maxConnections, idleTimeout, handshakeTimeout, onerror, signal, proxyProtocol } =
    options as ServeOptions;
  if (maxConnections !== undefined) checkLimit(maxConnections, 'maxConnections');
  if (idleTimeout !== undefined) checkSeconds(idleTimeout, 'idleTimeout');
  if (handshakeTimeout !== undefined) checkSeconds(handshakeTimeout, 'handshakeTimeout');
  if (onerror !== undefined && typeof onerror !== 'function')
    throw typeError('onerror', 'a function', onerror);
  expectation(proxyProtocol);
  checkSignal(signal);
}

// accept(2) gives EOPNOTSUPP or EINVAL for a socket that does not listen; the first of them may also
// be a connection's own error.
export function checkListener(socket: Socket): void {
  if (socket.closed) throw closedError('accept');
  let listens = 0;
  try {
    listens = socket.getsockopt(SOL_SOCKET, SO_ACCEPTCONN);
  } catch {
    // Of a family that does not know the option.
  }
  if (listens === 0)
    throw new SocketError('accept EINVAL: the socket does not listen: call listen() first', {
      code: 'EINVAL',
      errno: -EINVAL,
      syscall: 'accept',
    });
}
