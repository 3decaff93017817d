// serveThreads(): one port, several threads. The listening sockets stay in the main thread, and each thread
// works on a duplicate: so the kernel's queues outlive the threads, and a thread that crashes, or is
// replaced by a newer one, takes no connection with it but those that it has accepted.
import os from 'node:os';
import { checkSignal, onAbort } from '../abort.ts';
import type { Address, AddressInput, AnyAddress } from '../address.ts';
import { AF_INET, AF_INET6, SO_REUSEPORT, SOCK_DGRAM, SOCK_STREAM } from '../constants.gen.ts';
import { checkInteger, closedError, typeError } from '../errors.ts';
import { openServer, type ServerOptions } from '../listen.ts';
import { Socket } from '../socket.ts';
import { moduleAddress } from '../threading/modules.ts';
import { Crew, type CrewErrorPlace } from './crew.ts';
import { ACCEPTED, CONNECTIONS, FAILED, RECEIVED, SENT, TIMEOUTS } from './crewprotocol.ts';
import { checkDatagramOptions, type DatagramServeOptions, openDatagrams } from './datagrams.ts';
import { type CloseOptions, checkGrace, checkSeconds } from './handlers.ts';
import {
  checkListener,
  checkServeOptions,
  type Listening,
  type ListeningFamily,
  type ServeOptions,
} from './serve.ts';
import { bindFile, isFile, SocketFile } from './socketfile.ts';

/** What `serveThreads` can be told: what `serve` can, and `serveDatagrams` with `type: SOCK_DGRAM`. */
export interface ServeThreadsOptions
  extends Omit<ServeOptions, 'onerror' | 'reusePort'>,
    Omit<DatagramServeOptions, 'onerror' | 'reusePort' | keyof ServerOptions> {
  /** How many: as many as the process may use processors (`os.availableParallelism()`) if it is not given. */
  threads?: number | undefined;
  /** `SOCK_STREAM`; with `SOCK_DGRAM` the module's function is a handler of `serveDatagrams`. */
  type?: number | undefined;
  /** Connections at once in all threads together: each takes its share. */
  maxConnections?: number | undefined;
  /**
   * Is told of every error, in which thread it was, and of threads that crashed (`during: 'thread'`). Without it
   * the process is warned.
   */
  onerror?: ((error: unknown, place: CrewErrorPlace) => void) | undefined;
}

/** What `reload` can be told. */
export interface ReloadOptions {
  /** Seconds that the connections of the old threads may take to end: 30 if it is not given. */
  grace?: number | undefined;
}

const RELOAD_GRACE = 30;
const MOST_THREADS = 1024;

/** A server of several threads that runs: see `serveThreads`. */
export class ThreadServer<F extends number = number> {
  readonly #crew: Crew;
  readonly #address: Address<F>;
  readonly #file: SocketFile | undefined;
  #module: string;
  #forget: (() => void) | undefined = undefined;
  #reloading: Promise<void> = Promise.resolve();

  /** Resolves when the server has ended and its threads are gone. */
  readonly closed: Promise<void>;

  /** @internal */
  constructor(crew: Crew, module: string, address: Address<F>, file: SocketFile | undefined) {
    this.#crew = crew;
    this.#module = module;
    this.#address = address;
    this.#file = file;
    this.closed = crew.gone;
  }

  /** @internal */
  endsWith(signal: AbortSignal): void {
    this.#forget = onAbort(signal, () => void this.close());
  }

  /** Where it listens. */
  get address(): Address<F> {
    return this.#address;
  }

  /** Threads that run, those included that finish their connections after a `reload`. */
  get threads(): number {
    return this.#crew.size;
  }

  // The threads write these numbers down every 50 ms, and at their ends.

  /** Connections whose handlers run, or datagrams. As all numbers here: as it was at most 0.1 s ago. */
  get connections(): number {
    return this.#crew.sum(CONNECTIONS);
  }

  /** Connections accepted so far, or datagrams received. */
  get accepted(): number {
    return this.#crew.sum(ACCEPTED);
  }

  /** Connections, or datagrams, whose handlers ended with an error. */
  get failed(): number {
    return this.#crew.sum(FAILED);
  }

  /** Connections that were closed because their clients were silent. */
  get timeouts(): number {
    return this.#crew.sum(TIMEOUTS);
  }

  /** Bytes that handlers have received. */
  get bytesReceived(): number {
    return this.#crew.sum(RECEIVED);
  }

  /** Bytes that handlers have sent; 0 for datagrams, which they send by themselves. */
  get bytesSent(): number {
    return this.#crew.sum(SENT);
  }

  /** Threads that crashed so far, each of which was replaced. */
  get crashes(): number {
    return this.#crew.crashes;
  }

  /**
   * Loads the handler's module again, or another one, in new threads, which take the place of the old ones
   * when all of them are ready: no connection is refused, reset or lost. Resolves when the new threads accept; the old
   * ones end when their connections have, and after `grace` seconds those are aborted.
   *
   * Errors: that of the module, if it cannot be loaded; then everything stays as it was.
   */
  reload(moduleUrl?: string | URL, options: ReloadOptions = {}): Promise<void> {
    let module: string;
    let grace: number;
    try {
      module = moduleUrl === undefined ? this.#module : moduleAddress(moduleUrl);
      grace = checkSeconds(options.grace ?? RELOAD_GRACE, 'grace', true);
    } catch (error) {
      return Promise.reject(error);
    }
    const next = this.#reloading.then(async () => {
      await this.#crew.replace(module, grace);
      this.#module = module;
    });
    this.#reloading = next.catch(() => {});
    return next;
  }

  /**
   * Ends the server, as `close` of one thread's server: nothing new is accepted, handlers have `grace` seconds
   * to end by themselves, then they are aborted. Resolves when the threads are gone; one that does not
   * listen is terminated a second later.
   */
  close(options?: CloseOptions): Promise<void> {
    let grace: number;
    try {
      grace = checkGrace(options);
    } catch (error) {
      return Promise.reject(error);
    }
    this.#forget?.();
    this.#file?.remove();
    return this.#crew.end(grace);
  }

  /** `await using`: as `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Lets the process end although the server runs. */
  unref(): this {
    this.#crew.ref(false);
    return this;
  }

  /** Keeps the process alive for as long as the server runs: so from the start. */
  ref(): this {
    this.#crew.ref(true);
    return this;
  }
}

/**
 * Serves one port with several threads, each of which has its own event loop and runs the default
 * export of a module as `serve` runs its handler: `const server = await serveThreads(['', 8080],
 * new URL('./handler.ts', import.meta.url))`. Resolves when all threads accept.
 *
 * TCP and UDP ports are shared with SO_REUSEPORT, a socket for each thread, among which the kernel spreads the
 * clients. The threads of an AF_UNIX address, or of a socket that is given, accept from one queue.
 *
 * A thread that crashes costs its own connections. It is replaced: at once the first time, then after 0.1 s, 0.2 s
 * and so on up to 10 s, until one has lasted for 10 s; meanwhile another thread accepts in its place.
 * `reload` replaces the handler while the server runs.
 *
 * Errors: those of `serve`; those of the module, which is named, before anything was accepted.
 */
export async function serveThreads<const L extends Listening>(
  listening: L,
  moduleUrl: string | URL,
  options: ServeThreadsOptions = {},
): Promise<ThreadServer<ListeningFamily<L>>> {
  const module = moduleAddress(moduleUrl);
  const threads = checkOptions(options);
  const { signal } = options;
  const address: AddressInput | Socket =
    typeof listening === 'number' ? ['', listening] : (listening as AddressInput | Socket);
  const datagrams = options.type === SOCK_DGRAM;
  const file = !(address instanceof Socket) && isFile(address) ? address : undefined;
  const open = () => openListeners(address, options, threads);
  const listeners = file === undefined ? open() : bindFile(file, open);
  const socketFile = file === undefined ? undefined : new SocketFile(file);
  const where = listeners[0]!.getsockname() as AnyAddress as Address<ListeningFamily<L>>;
  const crew = new Crew(listeners, threads, datagrams, options);
  const server = new ThreadServer<ListeningFamily<L>>(crew, module, where, socketFile);
  try {
    await crew.replace(module, 0);
    checkSignal(signal);
  } catch (error) {
    await server.close();
    throw error;
  }
  if (signal !== undefined) server.endsWith(signal);
  return server;
}

/** How many threads it is to be. */
function checkOptions(options: unknown): number {
  if (typeof options !== 'object' || options === null) throw typeError('options', 'an object', options);
  const { type, maxConnections, proxyProtocol, ...rest } = options as ServeThreadsOptions;
  const threads = checkInteger('threads', rest.threads ?? os.availableParallelism(), 1, MOST_THREADS);
  if (type !== undefined && type !== SOCK_STREAM && type !== SOCK_DGRAM)
    throw typeError('type', 'SOCK_STREAM or SOCK_DGRAM', type);
  if (type === SOCK_DGRAM) checkDatagramOptions(options);
  else checkServeOptions(options);
  if (typeof proxyProtocol === 'object' && typeof proxyProtocol.trusted === 'function')
    throw new TypeError(
      'Expected addresses and networks for trusted: a function cannot be sent to other threads',
    );
  if (maxConnections !== undefined && maxConnections < threads)
    throw new RangeError(`Expected maxConnections of at least ${threads}, one for each thread`);
  return threads;
}

/** A listener for each thread where the kernel spreads the clients, else one for all. */
function openListeners(
  address: AddressInput | Socket,
  options: ServeThreadsOptions,
  threads: number,
): Socket[] {
  const datagrams = options.type === SOCK_DGRAM;
  if (address instanceof Socket) {
    if (address.closed) throw closedError(datagrams ? 'recvmmsg' : 'accept');
    if (!datagrams) checkListener(address);
    return [address];
  }
  const spread = Array.isArray(address) && SO_REUSEPORT !== undefined && threads > 1;
  const own = { ...options, reusePort: spread } as ServerOptions;
  const listeners: Socket[] = [];
  try {
    for (let i = 0, where = address; i < (spread ? threads : 1); i++) {
      const listener: Socket = datagrams ? openDatagrams(where, own) : openServer(Socket, where, own);
      listeners.push(listener);
      // The port that the first was given is the others'.
      if (listener.family === AF_INET || listener.family === AF_INET6)
        where = listener.getsockname() as AnyAddress as AddressInput;
    }
    return listeners;
  } catch (error) {
    for (const listener of listeners) listener.close();
    throw error;
  }
}
