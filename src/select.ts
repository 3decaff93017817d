// Waiting for the first of many sockets on the event loop. Each is asked after by its own
// readiness events; when one comes that counts, a single poll(2) tells of all.
import { checkSignal } from './abort.ts';
import { native } from './binding.ts';
import { deferred, type Reject, type Resolve, rejectNext, resolveNext } from './deferred.ts';
import * as engine from './engine.ts';
import { systemError } from './errors.ts';
import { checkOptions, type WaitOptions } from './flavour.ts';
import { Cancellation } from './pending.ts';
import {
  AnyOf,
  type Member,
  type Question,
  type Ready,
  type Selectable,
  Selection,
  type Unpacked,
  type Wanted,
} from './selection.ts';
import { checkTimeout } from './timeout.ts';
import { type Observer, Waits } from './waits.ts';
import { WatchedSocket } from './watcher.ts';

/** What `waitAny` can be told. */
export interface AnyOptions extends WaitOptions {
  /** Seconds to wait at most; for ever if it is not given. */
  timeout?: number | null | undefined;
}

/**
 * Waits until some of many sockets can be read, written, or are in an exceptional state (urgent
 * data): three lists with those that are, the very objects that were given. All empty when `timeout`
 * seconds have passed; 0 asks and does not wait, nothing waits for ever.
 *
 * Sockets, anything with a `fileno()`, and descriptors of any kind (pipes, terminals) go, in any
 * number. The state is asked for, not a change of it: what was ready before is told. An error counts as
 * readable and writable, a hang-up as readable. select(2), Python's `select.select`.
 *
 * Errors: `ClosedError` if one is closed, now or while the call waits; `EBADF`. **Cancel safety**:
 * nothing is taken from any socket.
 */
export function select<R extends Selectable, W extends Selectable, X extends Selectable>(
  rlist: Iterable<R>,
  wlist: Iterable<W>,
  xlist: Iterable<X>,
  timeout?: number | null,
  options?: WaitOptions,
): Promise<[readable: R[], writable: W[], exceptional: X[]]> {
  try {
    const seconds = checkTimeout(timeout ?? null, 'timeout');
    const { signal } = checkOptions<WaitOptions>(options) ?? {};
    return ask(new Selection(rlist, wlist, xlist), seconds, signal);
  } catch (error) {
    return Promise.reject(error);
  }
}

/**
 * Waits until at least one of many sockets is ready, and tells all that are, with what they are
 * ready for: `[{ socket, read, write }, …]`; an empty list when the time is over. A socket alone
 * is waited for to be readable, `[socket, { read, write }]` for what it says. As in `wait`, an error
 * or a hang-up counts as both. poll(2); otherwise as `select`.
 */
export function waitAny<E extends Wanted>(
  sockets: Iterable<E>,
  options?: AnyOptions,
): Promise<Ready<Unpacked<E>>[]> {
  try {
    const { timeout, signal } = checkOptions<AnyOptions>(options) ?? {};
    return ask(new AnyOf(sockets), checkTimeout(timeout ?? null, 'timeout'), signal);
  } catch (error) {
    return Promise.reject(error);
  }
}

function ask<R>(question: Question<R>, seconds: number, signal: AbortSignal | undefined): Promise<R> {
  checkSignal(signal);
  engine.flush();
  const answer = question.poll(0);
  // What is ready at once counts in the turn's budget, as everywhere.
  const known = answer !== undefined || seconds === 0;
  if (known && engine.spend()) return Promise.resolve(answer ?? question.nothing());
  const promise = deferred();
  const waiting = new Waiting(question, resolveNext, rejectNext);
  waiting.begin(seconds, signal);
  if (known) setImmediate(() => waiting.look(seconds === 0));
  return promise as Promise<R>;
}

// One question that waits for its answer.
class Waiting<R> implements Observer {
  readonly #question: Question<R>;
  readonly #resolve: Resolve;
  readonly #reject: Reject;
  #cancellation: Cancellation<undefined> | undefined = undefined;
  #leave: (() => void)[] = [];
  #over = false;

  constructor(question: Question<R>, resolve: Resolve, reject: Reject) {
    this.#question = question;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  begin(seconds: number, signal: AbortSignal | undefined): void {
    const { members } = this.#question;
    try {
      members.forEach((member, place) => void this.#leave.push(this.#attend(member, place)));
    } catch (error) {
      this.failed(error);
      return;
    }
    if (seconds > 0 || signal !== undefined)
      this.#cancellation = new Cancellation(this, undefined, seconds, signal);
    if (members.length > 0) return;
    // Nobody's events hold the process, and a call that waits does.
    const hold = setInterval(() => {}, 0x7fffffff);
    this.#leave.push(() => clearInterval(hold));
  }

  #attend(member: Member, place: number): () => void {
    if (member.item instanceof WatchedSocket) return member.item.observe(member.asked, member.counts, this);
    const foreign = new Foreign(member, this);
    this.#question.replace(place, foreign.fd);
    return () => foreign.end();
  }

  #end(): void {
    this.#over = true;
    this.#cancellation?.stop();
    for (const leave of this.#leave.splice(0)) leave();
  }

  /** Asks again; `last`: the time is over. */
  look(last: boolean): void {
    if (this.#over) return;
    let answer: R | undefined;
    try {
      answer = this.#question.poll(0) ?? (last ? this.#question.nothing() : undefined);
    } catch (error) {
      this.failed(error);
      return;
    }
    if (answer === undefined) return;
    this.#end();
    this.#resolve(answer);
  }

  ready(): void {
    this.look(false);
  }

  failed(error: unknown): void {
    if (this.#over) return;
    this.#end();
    this.#reject(error);
  }

  aborted(_: undefined, reason: unknown): void {
    this.failed(reason);
  }

  timedOut(): void {
    this.look(true);
  }
}

// A descriptor that is no socket of the event loop's, under the engine's eyes by a duplicate: what
// its owner does with the number does not reach the call.
class Foreign implements engine.Waiter {
  readonly fd: number;
  readonly #slot: number;
  readonly #waits: Waits;
  #ended = false;

  constructor(member: Member, observer: Observer) {
    this.fd = native.dup(member.fd);
    if (this.fd < 0) throw systemError(this.fd, 'dup');
    this.#slot = engine.openSlot(this.fd, 0);
    this.#waits = new Waits(() => this.#arm());
    try {
      engine.watch(this.#slot);
    } catch (error) {
      engine.closeSlot(this.#slot, true);
      throw error;
    }
    this.#waits.observe(member.asked, member.counts, observer);
    this.#arm();
  }

  #arm(): void {
    if (this.#ended) return;
    engine.want[this.#slot] = this.#waits.wanted();
    engine.setWaiter(this.#slot, this, true);
  }

  #check(): void {
    if (!this.#ended) this.#waits.check(engine.fds[this.#slot]!);
  }

  end(): void {
    this.#ended = true;
    engine.setWaiter(this.#slot, undefined, true);
    engine.closeSlot(this.#slot, true);
  }

  readyToRead(): void {
    this.#check();
  }

  readyToWrite(): void {
    this.#check();
  }

  // Nothing is received or sent for it.
  received(): boolean {
    return false;
  }

  retry(): boolean {
    return false;
  }

  flushed(): void {}
}
