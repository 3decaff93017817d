// startThread(): the classic thread per connection. What a thread is to its user; how its worker is
// led stands in host.ts.
import { deferred, type Reject, type Resolve, rejectNext, resolveNext } from '../deferred.ts';
import { timeoutError } from '../errors.ts';
import { checkTimeout, SLICE } from '../timeout.ts';
import { Host } from './host.ts';
import { moduleAddress } from './modules.ts';
import { Package } from './packing.ts';

/** A function that runs in a thread of its own: see `startThread`. */
export class Thread<R = unknown> {
  readonly #host: Host;
  readonly #result: Promise<R>;
  readonly #resolve: Resolve;
  readonly #reject: Reject;
  #outcome: [failed: boolean, result: unknown] | undefined = undefined;
  readonly #job = { ended: (failed: boolean, result: unknown) => this.#ended(failed, result) };

  /** @internal */
  constructor(module: string, args: unknown[]) {
    this.#result = deferred() as Promise<R>;
    this.#resolve = resolveNext;
    this.#reject = rejectNext;
    // A failure that nobody waits for is warned of by the thread itself.
    this.#result.catch(() => {});
    this.#host = Host.run(module, new Package(args), this.#job);
  }

  #ended(failed: boolean, result: unknown): void {
    this.#outcome = [failed, result];
    if (failed) this.#reject(result);
    else this.#resolve(result);
  }

  /** The thread's number, as `worker_threads` has it. */
  get threadId(): number {
    return this.#host.threadId;
  }

  /**
   * Resolves with what the function returned when the thread has ended; rejects with the error that
   * ended it. Sockets in the result are handed over.
   */
  join(): Promise<R> {
    this.#host.join(this.#job);
    return this.#result;
  }

  /**
   * As `join`, but blocks this thread meanwhile: for `timeout` seconds at most, without a limit
   * if there is none. Errors: `TimeoutError`, and those that ended the thread.
   */
  joinSync(timeout: number | null = null): R {
    const limit = checkTimeout(timeout, 'timeout');
    const deadline = limit < 0 ? Number.POSITIVE_INFINITY : performance.now() + limit * 1000;
    this.#host.join(this.#job);
    for (let left = limit; ; left = deadline - performance.now()) {
      this.#host.block(this.#job, 0);
      if (this.#outcome !== undefined) break;
      if (limit >= 0 && left <= 0) throw timeoutError('join');
      this.#host.block(this.#job, Math.min(SLICE, deadline - performance.now()));
    }
    const [failed, result] = this.#outcome;
    if (failed) throw result;
    return result as R;
  }

  /**
   * Ends the thread, also one that is blocked in a call of `berkeley-sockets/sync` (within some 0.1 s).
   * Its sockets are closed, and `join` rejects. Resolves when it is gone.
   */
  terminate(): Promise<void> {
    return this.#host.terminate(this.#job, new Error('the thread was terminated'));
  }

  /** `await using`: as `terminate()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.terminate();
  }
}

/**
 * Runs the function that a module exports by default in a worker thread, with these arguments:
 * `startThread(new URL('./client.ts', import.meta.url), conn)`.
 *
 * Arguments are copied as `postMessage` copies them. Sockets among them, also inside of arrays and
 * plain objects, are moved: they are closed here and open there, of the flavour and with the timeout
 * that they had; the thread closes them at its end. A socket that the function returns is moved
 * back. A `MessagePort` is moved likewise.
 *
 * The thread ends with its function, whatever else is still going on in it. An error that nobody joins for
 * is warned of. Where the event loop does not run since this thread blocks, a thread that has ended is used
 * again for the next function: then what the modules have in their variables is still there.
 *
 * Errors: `TypeError` for a module that is named relatively, or arguments that cannot be copied
 * (`DataCloneError`); `ClosedError` for a closed socket. That the module cannot be loaded, or does not
 * export a function, ends the thread with an error that names it. Sockets that were moved by then are closed.
 */
export function startThread<R = unknown>(moduleUrl: string | URL, ...args: unknown[]): Thread<R> {
  return new Thread<R>(moduleAddress(moduleUrl), args);
}
