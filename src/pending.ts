// A call that waits: what it is, who waits for it, and what ends it early (a deadline, a
// signal). Knows nothing of descriptors.
import { onAbort } from './abort.ts';
import type { Reject, Resolve } from './deferred.ts';
import type { Operation } from './ops.ts';

/** One waiting call, a link of its direction's queue. */
export class Pending {
  next: Pending | undefined = undefined;
  /** Of the first in a queue of several: the last one. */
  last: Pending | undefined = undefined;
  operation: Operation<unknown, unknown>;
  argument: unknown;
  count: number;
  msgFlags: number;
  resolve: Resolve;
  reject: Reject;
  cancellation: Cancellation | undefined = undefined;

  constructor(
    operation: Operation<never, unknown>,
    argument: unknown,
    count: number,
    msgFlags: number,
    resolve: Resolve,
    reject: Reject,
  ) {
    this.operation = operation as Operation<unknown, unknown>;
    this.argument = argument;
    this.count = count;
    this.msgFlags = msgFlags;
    this.resolve = resolve;
    this.reject = reject;
  }
}

// A queue is its first call. The last one is kept in the first, and only where there are
// several: most queues have one call, and a field less in the socket.

/** Puts a call behind a queue; the queue. */
export function append(queue: Pending | undefined, pending: Pending): Pending {
  if (queue === undefined) return pending;
  (queue.last ?? queue).next = pending;
  queue.last = pending;
  return queue;
}

/** Puts a call in front of a queue; the queue. */
export function prepend(queue: Pending | undefined, pending: Pending): Pending {
  pending.next = queue;
  pending.last = queue?.last ?? queue;
  return pending;
}

/** A queue without its first call. */
export function behind(queue: Pending): Pending | undefined {
  const { next, last } = queue;
  // Also when it is nothing: a call that something was put in front of has an old one.
  if (next !== undefined) next.last = next === last ? undefined : last;
  return next;
}

/** Takes a call out of a queue in which it stands, but not as the first; false if it does not. */
export function takeOut(queue: Pending | undefined, pending: Pending): boolean {
  for (let before = queue; before !== undefined; before = before.next) {
    if (before.next !== pending) continue;
    before.next = pending.next;
    if (pending.next === undefined) queue!.last = before === queue ? undefined : before;
    return true;
  }
  return false;
}

/** Whose waiting calls can be ended early. */
export interface Cancellable<P> {
  aborted(pending: P, reason: unknown): void;
  timedOut(pending: P): void;
}

/** The early ends of one waiting call. It is its own node in the list of its duration. */
export class Cancellation<P = unknown> {
  #owner: Cancellable<P>;
  #pending: P;
  #forget: (() => void) | undefined = undefined;
  /** In the list of its duration, as long as `list` is set. */
  list: Deadlines | undefined = undefined;
  previous: Cancellation | undefined = undefined;
  next: Cancellation | undefined = undefined;
  at = 0;

  /** `seconds`: how long the call may take from now; negative for no limit. */
  constructor(owner: Cancellable<P>, pending: P, seconds: number, signal: AbortSignal | undefined) {
    this.#owner = owner;
    this.#pending = pending;
    if (seconds >= 0) addDeadline(this as Cancellation, Math.ceil(seconds * 1000));
    if (signal !== undefined) this.#forget = onAbort(signal, () => owner.aborted(pending, signal.reason));
  }

  /** The call is over. */
  stop(): void {
    this.list?.remove(this as Cancellation);
    this.#forget?.();
  }

  expire(): void {
    this.#owner.timedOut(this.#pending);
  }
}

// The deadlines of one duration, in whole milliseconds, which end in the order in which they
// began: one timer serves them all, and a call that is over in time touches no timer. (A timer a
// call costs more than the call. Whole ones, since a program that sets what is left of its time
// before each call would have a list and a timer a call.)
class Deadlines {
  readonly ms: number;
  #first: Cancellation | undefined = undefined;
  #last: Cancellation | undefined = undefined;
  #timer: NodeJS.Timeout | undefined = undefined;

  constructor(ms: number) {
    this.ms = ms;
  }

  add(deadline: Cancellation): void {
    deadline.list = this;
    deadline.at = performance.now() + this.ms;
    deadline.previous = this.#last;
    if (this.#last === undefined) this.#first = deadline;
    else this.#last.next = deadline;
    this.#last = deadline;
  }

  remove(deadline: Cancellation): void {
    const { previous, next } = deadline;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    deadline.list = deadline.previous = deadline.next = undefined;
    if (this.#first === undefined && lists.size > MOST_LISTS) this.#end();
  }

  /**
   * Sleeps for the largest power of two that fits, and for what is left after that: timers of many
   * durations are slow in Node (milliseconds each, measured), those of a few are not. The timer
   * holds nothing alive, which is the pending call's business.
   */
  sleep(ms: number): void {
    const whole = Math.max(1, Math.min(Math.ceil(ms), 0x7fffffff));
    this.#timer = setTimeout(() => this.#fire(), 1 << (31 - Math.clz32(whole)));
    this.#timer.unref();
  }

  #end(): void {
    clearTimeout(this.#timer);
    if (lists.get(this.ms) === this) lists.delete(this.ms);
  }

  #fire(): void {
    const now = performance.now();
    for (let first = this.#first; first !== undefined && first.at <= now; first = this.#first) {
      this.remove(first);
      first.expire();
    }
    if (this.#first !== undefined) this.sleep(this.#first.at - performance.now());
    else this.#end();
  }
}

// An empty list keeps its timer until it fires, for the next call of that duration. A program whose
// every call has a duration of its own (what is left of a request's time) must not pile them up.
const MOST_LISTS = 16;
const lists = new Map<number, Deadlines>();

function addDeadline(deadline: Cancellation, ms: number): void {
  let list = lists.get(ms);
  if (list === undefined) {
    list = new Deadlines(ms);
    lists.set(ms, list);
    list.sleep(ms);
  }
  list.add(deadline);
}
