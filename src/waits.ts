// The calls of one socket's wait() on the event loop: they wait for readiness and take nothing.
import { native } from './binding.ts';
import { deferred, type Reject, type Resolve, rejectNext, resolveNext } from './deferred.ts';
import { WANT_PRI, WANT_READ, WANT_WRITE } from './engine.ts';
import { systemError, timeoutError } from './errors.ts';
import { Cancellation } from './pending.ts';
import { POLLIN, POLLOUT, POLLPRI, pollNow, type Readiness } from './readiness.ts';

const wishes = (asked: number): number =>
  ((asked & POLLIN) !== 0 ? WANT_READ : 0) |
  ((asked & POLLOUT) !== 0 ? WANT_WRITE : 0) |
  ((asked & POLLPRI) !== 0 ? WANT_PRI : 0);

interface Wait {
  asked: number;
  resolve: Resolve;
  reject: Reject;
  cancellation: Cancellation<Wait> | undefined;
}

/** Who waits for several sockets at once. */
export interface Observer {
  /** One of them has something that counts. */
  ready(): void;
  failed(error: unknown): void;
}

interface Observation {
  asked: number;
  counts: number;
  observer: Observer;
}

/** The waits of one socket. They take nothing, so that they need no order. */
export class Waits {
  #list = new Set<Wait>();
  #observations = new Set<Observation>();
  #changed: () => void;

  /** `changed` is called when one of them ends by itself. */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get empty(): boolean {
    return this.#list.size === 0 && this.#observations.size === 0;
  }

  /** The engine's wishes. */
  wanted(): number {
    let wanted = 0;
    for (const { asked } of this.#list) wanted |= wishes(asked);
    for (const { asked } of this.#observations) wanted |= wishes(asked);
    return wanted;
  }

  /**
   * Tells `observer` whenever an event comes and poll(2) then says one of those that count; the
   * result ends that.
   */
  observe(asked: number, counts: number, observer: Observer): () => void {
    const observation = { asked, counts, observer };
    this.#observations.add(observation);
    return () => {
      if (this.#observations.delete(observation)) this.#changed();
    };
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
        ready = pollNow(fd, wait.asked);
      } catch (error) {
        this.#drop(wait);
        wait.reject(error);
        continue;
      }
      if (ready === undefined) continue;
      this.#drop(wait);
      wait.resolve(ready);
    }
    // Who is told ends it as a rule, with all its other observations.
    for (const { asked, counts, observer } of this.#observations) {
      const r = native.poll(fd, asked, 0);
      if (r < 0) observer.failed(systemError(r, 'poll'));
      else if ((r & counts) !== 0) observer.ready();
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
    for (const { observer } of this.#observations) observer.failed(reason());
  }
}
