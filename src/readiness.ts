// Waiting for readiness without reading or writing: the calls of one socket's wait().
import { native } from './binding.ts';
import { deferred, type Reject, type Resolve, rejectNext, resolveNext } from './deferred.ts';
import { WANT_READ, WANT_WRITE } from './engine.ts';
import { systemError, timeoutError } from './errors.ts';
import { Cancellation } from './pending.ts';

/** Which of the events that were asked for are there. */
export interface Readiness {
  read: boolean;
  write: boolean;
}

// poll(2): the same numbers on every Linux.
const POLLIN = 1;
const POLLOUT = 4;
const POLLERR = 8;
const POLLHUP = 16;

export const POLL_READ = POLLIN;
export const POLL_WRITE = POLLOUT;

interface Wait {
  asked: number;
  resolve: Resolve;
  reject: Reject;
  cancellation: Cancellation<Wait> | undefined;
}

/** The waits of one socket. They take nothing, so that they need no order. */
export class Waits {
  #list = new Set<Wait>();
  #changed: () => void;

  /** `changed` is called when one of them ends by itself. */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** What poll(2) says now, or `undefined` for nothing. */
  static poll(fd: number, asked: number): Readiness | undefined {
    const r = native.poll(fd, asked, 0);
    if (r < 0) throw systemError(r, 'poll');
    if (r === 0) return undefined;
    const both = (r & (POLLERR | POLLHUP)) !== 0;
    return {
      read: (asked & POLLIN) !== 0 && (both || (r & POLLIN) !== 0),
      write: (asked & POLLOUT) !== 0 && (both || (r & POLLOUT) !== 0),
    };
  }

  get empty(): boolean {
    return this.#list.size === 0;
  }

  /** The engine's wishes. */
  wanted(): number {
    let wanted = 0;
    for (const { asked } of this.#list) {
      wanted |= ((asked & POLLIN) !== 0 ? WANT_READ : 0) | ((asked & POLLOUT) !== 0 ? WANT_WRITE : 0);
    }
    return wanted;
  }

  add(asked: number, seconds: number, signal: AbortSignal | undefined): Promise<Readiness> {
    const promise = deferred();
    const wait: Wait = { asked, resolve: resolveNext, reject: rejectNext, cancellation: undefined };
    if (seconds > 0 || signal !== undefined)
      wait.cancellation = new Cancellation(this, wait, seconds, signal);
    this.#list.add(wait);
    return promise as Promise<Readiness>;
  }

  /** Asks the kernel again for everyone: an event came. */
  check(fd: number): void {
    for (const wait of this.#list) {
      let ready: Readiness | undefined;
      try {
        ready = Waits.poll(fd, wait.asked);
      } catch (error) {
        this.#drop(wait);
        wait.reject(error);
        continue;
      }
      if (ready === undefined) continue;
      this.#drop(wait);
      wait.resolve(ready);
    }
    this.#changed();
  }

  #drop(wait: Wait): void {
    wait.cancellation?.stop();
    this.#list.delete(wait);
  }

  /** @internal */
  aborted(wait: Wait, reason: unknown): void {
    this.#drop(wait);
    wait.reject(reason);
    this.#changed();
  }

  /** @internal */
  timedOut(wait: Wait): void {
    this.aborted(wait, timeoutError('poll'));
  }

  rejectAll(reason: () => Error): void {
    for (const wait of this.#list) {
      this.#drop(wait);
      wait.reject(reason());
    }
  }
}
