// The handlers of a server that run, and how they come to an end: left to themselves for a while,
// then told by their signals, then without what they work on. Knows neither sockets nor what a
// handler does.
import { checkInteger, typeError } from '../errors.ts';

/** How long handlers have between one step of the end and the next, in seconds: "a moment". */
const MOMENT = 0.1;

/** One handler that runs. */
export interface Running {
  /** Tells it to end: its signal is aborted. */
  abort(reason: unknown): void;
  /** Takes its socket away. */
  force(): void;
}

const RUNNING = 0;
const ENDING = 1;
const ABORTED = 2;
// 3: their sockets are taken away.
const OVER = 4;

/** The handlers of one server. */
export class Handlers<R extends Running = Running> {
  readonly #running = new Set<R>();
  #phase = RUNNING;
  #timer: NodeJS.Timeout | undefined;
  #deadline = Number.POSITIVE_INFINITY;
  #reason: unknown;
  #held = true;
  readonly #gone: () => void;

  /**
   * `gone` is called once: after `stop` and `release`, when no handler is left, or none that could be
   * waited for.
   */
  constructor(gone: () => void) {
    this.#gone = gone;
  }

  get size(): number {
    return this.#running.size;
  }

  /** Whether new ones may still begin. */
  get open(): boolean {
    return this.#phase < ABORTED;
  }

  [Symbol.iterator](): IterableIterator<R> {
    return this.#running.values();
  }

  add(handler: R): void {
    this.#running.add(handler);
  }

  /** A handler has ended. */
  delete(handler: R): void {
    this.#running.delete(handler);
    this.#check();
  }

  /** No more will be added. */
  release(): void {
    this.#held = false;
    this.#check();
  }

  /** Ends them all, after `grace` seconds. Again with less grace: sooner. */
  stop(grace: number, reason: unknown): void {
    if (this.#phase >= ABORTED) return;
    const deadline = performance.now() + grace * 1000;
    if (deadline < this.#deadline || this.#phase === RUNNING) {
      this.#deadline = deadline;
      this.#reason = reason;
    }
    this.#phase = ENDING;
    this.#check();
    if (this.#phase !== ENDING) return;
    if (grace <= 0) this.#advance();
    else this.#sleep();
  }

  // A timer of Node's holds 24 days at most, and none is needed for ever.
  #sleep(): void {
    clearTimeout(this.#timer);
    const left = Math.max(0, this.#deadline - performance.now());
    if (left === Number.POSITIVE_INFINITY) return;
    const next = left > 0x7fffffff ? () => this.#sleep() : () => this.#advance();
    this.#timer = setTimeout(next, Math.min(Math.ceil(left), 0x7fffffff));
  }

  #advance(): void {
    clearTimeout(this.#timer);
    this.#phase++;
    if (this.#phase === OVER) {
      this.#gone();
      return;
    }
    for (const each of [...this.#running]) {
      if (this.#phase === ABORTED) each.abort(this.#reason);
      else each.force();
    }
    this.#timer = setTimeout(() => this.#advance(), MOMENT * 1000);
  }

  #check(): void {
    if (this.#held || this.#running.size > 0 || this.#phase === RUNNING || this.#phase === OVER) return;
    clearTimeout(this.#timer);
    this.#phase = OVER;
    this.#gone();
  }
}

/** What `close` of a server can be told. */
export interface CloseOptions {
  /** Seconds that running handlers may take to end by themselves: 0 if it is not given. */
  grace?: number | undefined;
}

/** The seconds of `close`: 0 to `Infinity`. */
export function checkGrace(options: unknown): number {
  if (options === undefined) return 0;
  if (typeof options !== 'object' || options === null) throw typeError('options', 'an object', options);
  const { grace = 0 } = options as CloseOptions;
  return checkSeconds(grace, 'grace', true)!;
}

/** Seconds: more than 0, or with `zero` 0 too; `Infinity` means no limit. */
export function checkSeconds(value: unknown, name: string, zero = false): number {
  if (typeof value !== 'number') throw typeError(name, 'a number of seconds', value);
  if (!(value > 0 || (zero && value === 0)))
    throw new RangeError(
      `Expected seconds ${zero ? 'of 0 or more' : 'above 0'} for ${name} but received ${value}`,
    );
  return value;
}

/** How many there may be at once: 1 or more; `Infinity` means no limit. */
export function checkLimit(value: unknown, name: string): number {
  return value === Number.POSITIVE_INFINITY ? (value as number) : checkInteger(name, value, 1, 2 ** 31 - 1);
}
