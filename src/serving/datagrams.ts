// serveDatagrams(): a handler for each datagram. They begin in the order in which the datagrams came;
// no more is taken from the kernel than there are places for handlers, so that its queue does its
// work. Knows sockets from outside.
import { checkSignal, onAbort } from '../abort.ts';
import type { Address, AddressInput, AnyAddress } from '../address.ts';
import { AF_INET, AF_INET6, AF_UNIX, SO_REUSEPORT, SOCK_DGRAM, SOL_SOCKET } from '../constants.gen.ts';
import { deferred, type Reject, type Resolve, rejectNext, resolveNext } from '../deferred.ts';
import { ClosedError, checkInteger, closedError, typeError } from '../errors.ts';
import { socket } from '../open.ts';
import { Socket } from '../socket.ts';
import { MOST_IN_A_ROW, receiveVerdict, SHORTAGE_PAUSE } from './acceptance.ts';
import { type CloseOptions, checkGrace, checkLimit, Handlers, type Running } from './handlers.ts';
import { report } from './onerror.ts';
import type { Listening, ListeningFamily } from './serve.ts';
import { bindFile, isFile, SocketFile } from './socketfile.ts';

/** What the handler of a datagram is told beside the data and its sender. */
export interface DatagramContext<F extends number = number> {
  /** The socket that it came by: `socket.sendto(answer, address)`. */
  readonly socket: Socket<F, SOCK_DGRAM>;
  /** Aborted when the server ends. */
  readonly signal: AbortSignal;
}

/** What `serveDatagrams` runs for a datagram. */
export type DatagramHandler<F extends number = number> = (
  data: Buffer,
  address: Address<F>,
  context: DatagramContext<F>,
) => Promise<void> | void;

/** Where a datagram server's error happened, for `onerror`. */
export interface DatagramErrorPlace {
  /** `'receive'`: between datagrams; what an earlier answer met is told there. `'handler'`: in the handler. */
  during: 'receive' | 'handler';
  /** The sender of the datagram, where there is one. */
  address?: AnyAddress | undefined;
}

/** What `serveDatagrams` can be told. */
export interface DatagramServeOptions {
  /** Handlers at once: 64 if it is not given; with 1, each datagram waits for the one before. */
  maxHandlers?: number | undefined;
  /** Bytes of each datagram at most, 65536 if it is not given: the rest is cut. */
  bufsize?: number | undefined;
  /** `AF_INET`, `AF_INET6` or `AF_UNIX`: what the address looks like if it is not given. */
  family?: number | undefined;
  /** Lets several sockets share the port (SO_REUSEPORT); the kernel spreads the senders. */
  reusePort?: boolean | undefined;
  /** Ends the server when it is aborted, as `close()` does. */
  signal?: AbortSignal | undefined;
  /** Is told of every error. Without it, the process is warned of those of handlers. */
  onerror?: ((error: unknown, place: DatagramErrorPlace) => void) | undefined;
}

const MOST_HANDLERS = 64;
// What one recvmmsg takes: enough for the system call to cost little.
const BATCH = 64;

/** A server of datagrams that runs: see `serveDatagrams`. */
export class DatagramServer<F extends number = number> {
  readonly #socket: Socket<F, SOCK_DGRAM>;
  readonly #file: SocketFile | undefined;
  readonly #handler: DatagramHandler<F>;
  readonly #onerror: DatagramServeOptions['onerror'];
  readonly #most: number;
  readonly #bufsize: number;
  readonly #address: Address<F>;
  readonly #stopped = new AbortController();
  readonly #ending = new AbortController();
  readonly #context: DatagramContext<F>;
  // Handlers share one signal and one socket: in the end they are one.
  readonly #handlers: Handlers;
  readonly #all: Running;
  #running = 0;
  #received = 0;
  #failures = 0;
  #bytes = 0;
  #wake: (() => void) | undefined = undefined;
  #forget: (() => void) | undefined = undefined;
  #fatal: unknown = undefined;
  readonly #resolve: Resolve;
  readonly #reject: Reject;

  /** Settles when the server has ended; rejects with the error that made it unable to receive. */
  readonly closed: Promise<void>;

  /** @internal */
  constructor(
    s: Socket<F, SOCK_DGRAM>,
    handler: DatagramHandler<F>,
    options: DatagramServeOptions,
    file: SocketFile | undefined,
  ) {
    const { signal } = options;
    this.#socket = s;
    this.#file = file;
    this.#handler = handler;
    this.#onerror = options.onerror;
    this.#most = options.maxHandlers ?? MOST_HANDLERS;
    this.#bufsize = options.bufsize ?? 65536;
    this.closed = deferred() as Promise<void>;
    this.#resolve = resolveNext;
    this.#reject = rejectNext;
    if (options.onerror !== undefined) this.closed.catch(() => {});
    this.#context = { socket: s, signal: this.#ending.signal };
    this.#handlers = new Handlers(() => this.#gone());
    this.#all = { abort: (reason) => this.#ending.abort(reason), force: () => this.#socket.close() };
    this.#address = s.getsockname();
    s.settimeout(null);
    if (signal !== undefined) this.#forget = onAbort(signal, () => this.#stop(0, signal.reason));
    this.#run().then(
      () => this.#over(undefined),
      (error) => this.#over(error),
    );
  }

  /** Where it receives. */
  get address(): Address<F> {
    return this.#address;
  }

  /** Handlers that run. */
  get handlers(): number {
    return this.#running;
  }

  /** Datagrams received so far. */
  get received(): number {
    return this.#received;
  }

  /** Bytes received so far. */
  get bytesReceived(): number {
    return this.#bytes;
  }

  /** Datagrams whose handlers ended with an error. */
  get failed(): number {
    return this.#failures;
  }

  // --- receiving --------------------------------------------------------------------------

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    const options = { signal, bufsize: this.#bufsize };
    let inARow = 0;
    while (!signal.aborted) {
      const room = this.#most - this.#running;
      if (room <= 0) {
        await this.#pause(undefined);
        continue;
      }
      try {
        const batch = await this.#socket.recvmany(Math.min(room, BATCH), options);
        inARow = 0;
        for (const [data, address] of batch) this.#begin(data, address);
      } catch (error) {
        if (signal.aborted || error instanceof ClosedError) return;
        const verdict = receiveVerdict(error);
        if (verdict === 'fatal') throw error;
        if (inARow++ === 0 || verdict === 'next') this.#tell(error, { during: 'receive' });
        if (verdict === 'wait' || inARow % MOST_IN_A_ROW === 0) await this.#pause(SHORTAGE_PAUSE);
      }
    }
  }

  #begin(data: Buffer, address: Address<F>): void {
    this.#received++;
    this.#bytes += data.length;
    let ending: unknown;
    try {
      ending = this.#handler(data, address, this.#context);
    } catch (error) {
      this.#failed(error, address);
    }
    // One that is done already has no place of its own.
    if (typeof (ending as PromiseLike<unknown> | undefined)?.then !== 'function') return;
    if (this.#running++ === 0) this.#handlers.add(this.#all);
    (ending as PromiseLike<unknown>).then(
      () => this.#end(),
      (error) => {
        this.#failed(error, address);
        this.#end();
      },
    );
  }

  #end(): void {
    if (--this.#running === 0) this.#handlers.delete(this.#all);
    this.#wake?.();
  }

  #failed(error: unknown, address: AnyAddress): void {
    const { signal } = this.#ending;
    // What the server did to it is no news.
    if (signal.aborted && (error === signal.reason || error instanceof ClosedError)) return;
    this.#failures++;
    this.#tell(error, { during: 'handler', address });
  }

  #tell(error: unknown, place: DatagramErrorPlace): void {
    if (this.#onerror === undefined && place.during === 'receive') return;
    report(this.#onerror, error, place);
  }

  #pause(seconds: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake?.(), seconds === undefined ? 0x7fffffff : seconds * 1000);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
    });
  }

  // --- ending -------------------------------------------------------------------------------

  #over(error: unknown): void {
    if (error !== undefined) {
      this.#fatal = error;
      this.#tell(error, { during: 'receive' });
    }
    this.#file?.remove();
    this.#handlers.stop(Number.POSITIVE_INFINITY, error);
    this.#handlers.release();
  }

  #gone(): void {
    this.#forget?.();
    this.#socket.close();
    if (this.#fatal === undefined) this.#resolve(undefined);
    else this.#reject(this.#fatal);
  }

  /**
   * Ends the server. Nothing more is received; handlers may end by themselves for `grace` seconds,
   * then their signal is aborted, and 0.1 s later the socket is closed. Resolves when that is done.
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
    this.#stopped.abort();
    this.#wake?.();
    this.#handlers.stop(grace, reason);
  }

  /** `await using`: as `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Lets the process end although the server waits for datagrams. */
  unref(): this {
    this.#socket.unref();
    return this;
  }

  /** Keeps the process alive for as long as the server runs: so from the start. */
  ref(): this {
    this.#socket.ref();
    return this;
  }
}

/**
 * Receives datagrams, in batches, and runs `handler` for each: `serveDatagrams(['', 5353], async
 * (data, address, { socket }) => { await socket.sendto(data, address); })`.
 *
 * Handlers begin in the order in which the datagrams came, up to `maxHandlers` at once; at so many,
 * the rest waits in the kernel's queue, which drops what it has no room for. An error of a handler
 * costs its own datagram only. `where` is a port (of every IPv4 address), an address, or a bound
 * datagram socket, which the server closes at its end; an AF_UNIX path as in `serve`.
 *
 * Errors: those of `bind`, at once. Later ones are told to `onerror`, and in `closed`.
 */
export function serveDatagrams<const L extends Listening>(
  where: L,
  handler: DatagramHandler<ListeningFamily<L>>,
  options: DatagramServeOptions = {},
): DatagramServer<ListeningFamily<L>> {
  type F = ListeningFamily<L>;
  if (typeof handler !== 'function') throw typeError('handler', 'a function', handler);
  checkDatagramOptions(options);
  const address = typeof where === 'number' ? ['', where] : where;
  if (address instanceof Socket) {
    if (address.closed) throw closedError('recvmmsg');
    if (address.type !== SOCK_DGRAM) throw typeError('where', 'an address or a datagram socket', address);
    return new DatagramServer<F>(address as Socket<F, SOCK_DGRAM>, handler, options, undefined);
  }
  const file = isFile(address);
  const open = () => openDatagrams(address as AddressInput, options) as Socket<F, SOCK_DGRAM>;
  const s = file ? bindFile(address, open) : open();
  return new DatagramServer<F>(s, handler, options, file ? new SocketFile(address) : undefined);
}

/** A bound socket for datagrams. */
export function openDatagrams(
  address: AddressInput,
  options: DatagramServeOptions,
): Socket<number, SOCK_DGRAM> {
  const guessed = !Array.isArray(address) ? AF_UNIX : String(address[0]).includes(':') ? AF_INET6 : AF_INET;
  const s = socket<number, SOCK_DGRAM>(options.family ?? guessed, SOCK_DGRAM);
  try {
    if (options.reusePort) s.setsockopt(SOL_SOCKET, SO_REUSEPORT as number, 1);
    s.bind(address);
    return s;
  } catch (error) {
    s.close();
    throw error;
  }
}

/** Checks what does not need the kernel. */
export function checkDatagramOptions(options: unknown): asserts options is DatagramServeOptions {
  if (typeof options !== 'object' || options === null) throw typeError('options', 'an object', options);
  const { maxHandlers, bufsize, onerror, signal } = options as DatagramServeOptions;
  if (maxHandlers !== undefined) checkLimit(maxHandlers, 'maxHandlers');
  if (bufsize !== undefined) checkInteger('bufsize', bufsize, 0, 65536);
  if (onerror !== undefined && typeof onerror !== 'function')
    throw typeError('onerror', 'a function', onerror);
  checkSignal(signal);
}
