// Node's own servers on our listeners: each connection is handed over as a stream. Accepting, limits
// and the end are serve()'s.
import type { Duplex } from 'node:stream';
import type { Address } from '../address.ts';
import { typeError } from '../errors.ts';
import type { CloseOptions } from '../serving/handlers.ts';
import {
  type Handler,
  type Listening,
  type ListeningFamily,
  type ServeOptions,
  type Server,
  serve,
} from '../serving/serve.ts';

/**
 * A server of Node's that takes a connection from elsewhere with its event `connection`: of `http`,
 * `https`, `http2`, `tls` or `net`, and what is built on them.
 */
export interface NodeServer {
  emit(event: 'connection', stream: Duplex): boolean;
  emit(event: 'listening'): boolean;
  listenerCount(event: 'connection'): number;
}

// What net.Server does to the connections that it accepts, from the options that it was made with;
// and what http.Server has for its end.
interface Known extends NodeServer {
  allowHalfOpen?: boolean;
  keepAlive?: boolean;
  keepAliveInitialDelay?: number;
  closeIdleConnections?(): void;
  close?(): unknown;
}

// How many listeners a server has: the first tells it that it listens, the last that it does not.
const listeners = new WeakMap<object, number>();

function count(server: Known, change: 1 | -1): number {
  const now = (listeners.get(server) ?? 0) + change;
  listeners.set(server, now);
  return now;
}

const handlerOf =
  (server: Known): Handler =>
  (conn, _address, { signal }) =>
    new Promise<void>((resolve) => {
      const stream = conn.toDuplex({ allowHalfOpen: server.allowHalfOpen === true });
      const stop = (): void => {
        stream.destroy();
      };
      signal.addEventListener('abort', stop);
      stream.once('close', () => {
        signal.removeEventListener('abort', stop);
        resolve();
      });
      // As Node's HTTP does. HTTP/2 asks for it, too, but at a wrapper around the stream, in vain.
      stream.setNoDelay();
      if (server.keepAlive) stream.setKeepAlive(true, server.keepAliveInitialDelay);
      if (signal.aborted) stop();
      else server.emit('connection', stream);
    });

/** A server of Node's that is served at an address: see `listen`. */
export class NodeListener<F extends number = number> {
  readonly #server: Known;
  readonly #listener: Server<F>;

  /** Settles when it has ended and its connections are gone, as that of `serve`. */
  readonly closed: Promise<void>;

  /** @internal */
  constructor(server: Known, listener: Server<F>, options: ServeOptions | undefined) {
    this.#server = server;
    this.#listener = listener;
    this.closed = listener.closed.finally(() => {
      // An HTTP server stops the timer of its limits.
      if (count(server, -1) === 0) server.close?.();
    });
    if (options?.onerror !== undefined) this.closed.catch(() => {});
    // With this event an HTTP server begins to watch over its connections: `headersTimeout`,
    // `requestTimeout`, `closeIdleConnections` (setupConnectionsTracking of Node's lib/_http_server.js).
    if (count(server, 1) === 1) server.emit('listening');
  }

  /** Where it listens. */
  get address(): Address<F> {
    return this.#listener.address;
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#listener.connections;
  }

  /**
   * Ends it: nothing new is accepted, idle HTTP connections are closed, the others after `grace`
   * seconds. Resolves when all are gone.
   */
  close(options?: CloseOptions): Promise<void> {
    const closed = this.#listener.close(options);
    // Of all its addresses: their clients connect again.
    this.#server.closeIdleConnections?.();
    return closed;
  }

  /** `await using`: as `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Lets the process end although it waits for connections. */
  unref(): this {
    this.#listener.unref();
    return this;
  }

  /** Keeps the process alive for as long as it runs: so from the start. */
  ref(): this {
    this.#listener.ref();
    return this;
  }
}

/**
 * Serves `address` with a server of Node's, which does not listen itself: `listen(createServer(app),
 * ['', 8080])`. `address` and `options` are those of `serve`, with its limits (`maxConnections`,
 * `idleTimeout`, `proxyProtocol` and so on). One server may serve several addresses.
 *
 * The server emits `listening`, and it is closed with its last address; its own `address()` knows
 * nothing of ours. `TCP_NODELAY` is set.
 */
export function listen<const L extends Listening>(
  server: NodeServer,
  address: L,
  options?: ServeOptions,
): NodeListener<ListeningFamily<L>> {
  if (typeof server?.emit !== 'function' || typeof server.listenerCount !== 'function')
    throw typeError('server', 'a server of Node’s', server);
  if (server.listenerCount('connection') === 0)
    throw new TypeError(
      'Expected a server that listens to its event "connection": nobody would take what is accepted',
    );
  const listener = serve(address, handlerOf(server), options);
  return new NodeListener(server, listener, options);
}
