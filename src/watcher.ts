// Waiting on the event loop: a queue of calls a direction, first in first out, that the engine
// wakes when the socket is ready. A call is tried once and waits if it would block; it ends when
// it is done, at its deadline, by its signal, or when the socket is closed. Knows nothing of what
// the calls do: that is ops.ts.
import { type Data, noBytes } from './bytes.ts';
import { SocketCalls } from './calls.ts';
import { MSG_DONTWAIT } from './constants.gen.ts';
import { deferred, done, type Reject, type Resolve, rejectNext, resolveNext } from './deferred.ts';
import * as engine from './engine.ts';
import { closedError, systemError, wouldBlockError } from './errors.ts';
import { resolveAddress } from './names.ts';
import * as ops from './ops.ts';
import {
  BLOCKED,
  BUSY,
  cutShort,
  looksBeside,
  MORE,
  neverWaits,
  type Operation,
  type Outcome,
  READ,
} from './ops.ts';
import { append, behind, Cancellation, Pending, prepend, takeOut } from './pending.ts';
import { pollNow, type Readiness } from './readiness.ts';
import { type Observer, Waits } from './waits.ts';

// Bits of #state.
const UNREFERENCED = 1;
const IN_RING = 2;
// The first write is tried again by and by, and not when an event comes: each attempt raises one, of
// the memory that the kernel gives back.
const RETRYING = 4;

/** A socket whose calls wait on the event loop. */
export abstract class WatchedSocket<F extends number = number>
  extends SocketCalls<F, 'awaited'>
  implements engine.Waiter
{
  // The queues of waiting calls. A small send that is in the engine's ring comes before the writes
  // that are queued.
  #reads: Pending | undefined = undefined;
  #writes: Pending | undefined = undefined;
  #waits: Waits | undefined = undefined;
  #state = 0;

  // --- trying and waiting ---------------------------------------------------------------

  // Tries at once where the socket may be ready and nobody waits in front; waits otherwise.
  /** @internal */
  protected run<A, T>(
    operation: Operation<A, T>,
    argument: A,
    count: number,
    msgFlags: number,
    signal?: AbortSignal,
  ): Promise<T> {
    const { slot } = this;
    if (slot < 0) throw closedError(operation.syscall);
    const reading = operation.direction === READ;
    const once = this.timeout === 0 || neverWaits(msgFlags, operation.direction);
    // A call that never waits must not fail for what only stands in the ring.
    if (once && (this.#state & IN_RING) !== 0) engine.flush();
    let outcome: Outcome<T> = BLOCKED;
    const first = reading
      ? this.#reads === undefined || looksBeside(msgFlags)
      : this.#writes === undefined && (this.#state & IN_RING) === 0;
    if (first) {
      // Who waits for readiness came before, and would not be told of what this takes.
      if (this.#waits !== undefined) this.#checkWaits();
      // A call that never waits asks the kernel whatever the engine knew last.
      const ready = (engine.flags[slot]! & (reading ? engine.READABLE : engine.WRITABLE)) !== 0;
      if (once || (ready && engine.spend())) {
        do outcome = operation.attempt(this, argument, count, msgFlags);
        while (outcome === MORE && engine.spend());
        if (typeof outcome !== 'symbol')
          return outcome === undefined ? (done as Promise<T>) : Promise.resolve(outcome);
      }
    }
    try {
      if (once) throw ops.wouldBlock(operation, outcome === BUSY);
      return this.#park(operation, argument, count, msgFlags, signal, outcome === BUSY);
    } catch (error) {
      const result = cutShort(operation, argument, error, this);
      if (result !== undefined) return Promise.resolve(result);
      throw error;
    }
  }

  #park<A, T>(
    operation: Operation<A, T>,
    argument: A,
    count: number,
    msgFlags: number,
    signal: AbortSignal | undefined,
    busy: boolean,
  ): Promise<T> {
    const { slot, timeout } = this;
    engine.watch(slot);
    const promise = deferred();
    const pending = new Pending(operation, argument, count, msgFlags, resolveNext, rejectNext);
    if (timeout > 0 || signal !== undefined) {
      pending.cancellation = new Cancellation(this, pending, timeout === 0 ? -1 : timeout, signal);
    }
    let first: boolean;
    let ready: number;
    if (operation.direction === READ) {
      first = this.#reads === undefined;
      this.#reads = append(this.#reads, pending);
      ready = engine.READABLE;
    } else {
      first = this.#writes === undefined;
      this.#writes = append(this.#writes, pending);
      ready = engine.WRITABLE;
    }
    if (first) {
      if (busy) this.#retryLater();
      // Ready, yet not served: this turn's budget is spent.
      else if ((engine.flags[slot]! & ready) !== 0 && !ops.isHold(operation)) engine.postpone(this);
      this.#arm();
    }
    return promise as Promise<T>;
  }

  // While it is being connected there is nothing to read but the error, which is connect's.
  get #connecting(): boolean {
    return this.#writes !== undefined && this.#writes.operation === ops.connect;
  }

  // Tells the engine what the calls at the heads of the queues wait for.
  #arm(): void {
    const { slot } = this;
    const read = this.#reads;
    let wanted = this.#waits === undefined ? 0 : this.#waits.wanted();
    if (read !== undefined && !this.#connecting) {
      // Who waits for what there is to read is told of it before the engine takes it.
      if (read.operation.native && (wanted & engine.WANT_READ) === 0) {
        engine.asks[slot] = read.count;
        wanted |= engine.WANT_RECV;
      } else wanted |= engine.WANT_READ;
    }
    const retrying = (this.#state & RETRYING) !== 0;
    if (this.#writes !== undefined && !retrying) wanted |= engine.WANT_WRITE;
    engine.want[slot] = wanted;
    const waits = wanted !== 0 || retrying;
    engine.setWaiter(slot, waits ? this : undefined, (this.#state & UNREFERENCED) === 0);
  }

  #shift(reading: boolean): Pending {
    let pending: Pending;
    if (reading) {
      pending = this.#reads!;
      this.#reads = behind(pending);
    } else {
      pending = this.#writes!;
      this.#writes = behind(pending);
      this.#state &= ~RETRYING;
      if (pending.operation === ops.connect && this.#reads !== undefined) engine.postpone(this);
    }
    pending.cancellation?.stop();
    return pending;
  }

  // Serves a queue from its head for as long as the kernel goes along.
  #drive(reading: boolean): void {
    const ready = reading ? engine.READABLE : engine.WRITABLE;
    for (;;) {
      const { slot } = this;
      const pending = reading ? this.#reads : this.#writes;
      if (slot < 0 || pending === undefined) break;
      if (!reading && (this.#state & (IN_RING | RETRYING)) !== 0) break;
      if ((engine.flags[slot]! & ready) === 0 || (reading && this.#connecting)) break;
      if (!engine.spend()) {
        engine.postpone(this);
        break;
      }
      const { operation, argument, count, msgFlags } = pending;
      let outcome: Outcome<unknown>;
      try {
        outcome = operation.attempt(this, argument, count, msgFlags);
      } catch (error) {
        this.#shift(reading).reject(error);
        continue;
      }
      if (outcome === MORE) continue;
      if (outcome === BLOCKED || outcome === BUSY) {
        if (neverWaits(msgFlags, operation.direction) && !ops.isHold(operation)) {
          cutOff(this.#shift(reading), ops.wouldBlock(operation, outcome === BUSY), this);
          continue;
        }
        if (outcome === BUSY) this.#retryLater();
        break;
      }
      this.#shift(reading).resolve(outcome);
    }
    if (this.slot >= 0) this.#arm();
  }

  /** @internal */
  received(result: number, offset: number, which: number, sequence: number): boolean {
    const pending = this.#shift(true);
    if (result > 0) pending.resolve(engine.piece(result, offset, which, sequence));
    else if (result === 0) pending.resolve(noBytes);
    else pending.reject(systemError(result, 'recv'));
    if (this.#reads !== undefined) return true;
    this.#arm();
    return false;
  }

  /** @internal */
  readyToRead(): void {
    this.#checkWaits();
    this.#drive(true);
  }

  /** @internal */
  readyToWrite(): void {
    this.#checkWaits();
    this.#drive(false);
  }

  #retryLater(): void {
    this.#state |= RETRYING;
    engine.retryLater(this);
  }

  /** @internal */
  retry(): boolean {
    const first = this.#writes;
    this.#state &= ~RETRYING;
    this.#drive(false);
    return this.#writes !== first;
  }

  /** @internal */
  flushed(
    result: number,
    offset: number,
    length: number,
    resolve: Resolve,
    reject: Reject,
    all: boolean,
  ): void {
    this.#state &= ~IN_RING;
    if (result === length || (result >= 0 && !all)) resolve(all ? undefined : result);
    else if (result >= 0 || ops.isBlocked(result))
      this.#unsent(Math.max(0, result), offset, length, resolve, reject, all);
    else
      reject(
        all ? Object.assign(systemError(result, 'send'), { bytesSent: 0 }) : systemError(result, 'send'),
      );
    if (this.#writes !== undefined) this.#drive(false);
  }

  // What the kernel did not take of a small send waits like any other, in front of the others.
  #unsent(
    sent: number,
    offset: number,
    length: number,
    resolve: Resolve,
    reject: Reject,
    all: boolean,
  ): void {
    engine.flags[this.slot]! &= ~engine.WRITABLE;
    const operation = all ? ops.sendall : ops.send;
    const view = Buffer.from(engine.ring.subarray(offset, offset + length));
    const argument = all ? { view, sent } : view;
    const pending = new Pending(operation, argument, length, 0, resolve, reject);
    if (this.timeout === 0) {
      cutOff(pending, ops.wouldBlock(operation, false), this);
      return;
    }
    if (this.timeout > 0) pending.cancellation = new Cancellation(this, pending, this.timeout, undefined);
    this.#writes = prepend(this.#writes, pending);
    try {
      engine.watch(this.slot);
      this.#arm();
    } catch (error) {
      this.#fail(pending, error);
    }
  }

  // --- ending a wait early ----------------------------------------------------------------

  // Takes a call out of its queue, wherever it stands; false if it is over.
  #remove(pending: Pending): boolean {
    const reading = pending.operation.direction === READ;
    const queue = reading ? this.#reads : this.#writes;
    if (queue === pending) this.#shift(reading);
    else {
      if (!takeOut(queue, pending)) return false;
      pending.cancellation?.stop();
    }
    return true;
  }

  #fail(pending: Pending, reason: unknown, close = false): void {
    if (!this.#remove(pending)) return;
    cutOff(pending, reason, this);
    if (ops.isHold(pending.operation)) (pending.argument as AbortController).abort();
    // After a connect that was aborted nobody can know whether the connection comes about: what
    // waits behind must not be sent on it.
    if (close) this.close();
    else if (this.slot >= 0) this.#drive(pending.operation.direction === READ);
  }

  /** @internal */
  aborted(pending: Pending, reason: unknown): void {
    this.#fail(pending, reason, pending.operation.syscall === 'connect');
  }

  /** @internal */
  timedOut(pending: Pending): void {
    this.#fail(pending, ops.late(pending.operation, pending.argument));
  }

  #rejectAll(): void {
    const reads = this.#reads;
    const writes = this.#writes;
    this.#reads = this.#writes = undefined;
    rejectClosed(reads, this);
    rejectClosed(writes, this);
    this.#waits?.rejectAll(() => closedError('poll'));
    this.#waits = undefined;
  }

  // Holds the writing direction while a name is looked up, then goes on with the real call.
  /** @internal */
  protected afterLookup<A extends { name: Uint8Array | undefined }, R>(
    hold: Operation<AbortController, never>,
    operation: Operation<A, R>,
    address: unknown,
    argument: A,
    count: number,
    msgFlags: number,
    signal: AbortSignal | undefined,
  ): Promise<R> {
    const lookup = new AbortController();
    const once = this.timeout === 0 ? msgFlags | MSG_DONTWAIT : msgFlags;
    const promise = this.#park(hold, lookup, 0, once, signal, false);
    const pending = (this.#writes!.last ?? this.#writes)!;
    resolveAddress(this.family, address, { signal: lookup.signal }).then(
      (name) => {
        if (lookup.signal.aborted) return;
        pending.operation = operation as Operation<unknown, unknown>;
        argument.name = name;
        pending.argument = argument;
        pending.count = count;
        engine.flags[this.slot]! |= engine.WRITABLE;
        this.#drive(false);
      },
      (error) => this.#fail(pending, error),
    );
    return promise;
  }

  /** @internal */
  protected given<R>(value: R): Promise<R> {
    return Promise.resolve(value);
  }

  /** @internal */
  protected refused(error: unknown): Promise<never> {
    return Promise.reject(error);
  }

  /** @internal */
  protected get awaited(): boolean {
    return true;
  }

  /** @internal */
  protected get reading(): boolean {
    return this.#reads !== undefined;
  }

  /** @internal */
  protected get writing(): boolean {
    return this.#writes !== undefined;
  }

  // --- small sends ----------------------------------------------------------------------------

  /** @internal */
  protected gathers(data: Data): boolean {
    const { slot } = this;
    return (
      engine.crowded &&
      slot >= 0 &&
      this.#writes === undefined &&
      (this.#state & IN_RING) === 0 &&
      (engine.flags[slot]! & engine.WRITABLE) !== 0 &&
      (data instanceof Uint8Array
        ? data.length <= engine.GATHER_SIZE && data.length > 0
        : typeof data === 'string' && data.length * 3 <= engine.GATHER_SIZE) &&
      engine.spend()
    );
  }

  /** @internal */
  protected gather(data: Data, all: boolean): Promise<unknown> {
    // `gathers` took nothing else.
    const bytes = data as Uint8Array | string;
    this.#state |= IN_RING;
    const size = typeof bytes === 'string' ? bytes.length * 3 : bytes.length;
    return engine.gather(this, this.slot, bytes, size, all);
  }

  // --- readiness without a transfer -----------------------------------------------------------

  /** @internal */
  protected ready(asked: number, signal: AbortSignal | undefined): Promise<Readiness> {
    const ready = pollNow(this.descriptor('poll'), asked);
    if (ready !== undefined && (this.timeout === 0 || engine.spend())) return Promise.resolve(ready);
    if (this.timeout === 0) throw wouldBlockError('poll', 'EAGAIN');
    engine.watch(this.slot);
    this.#waits ??= new Waits(() => this.#afterWaits());
    const promise = this.#waits.add(asked, this.timeout, signal);
    if (ready !== undefined) engine.postpone(this);
    this.#arm();
    return promise;
  }

  /** Tells `observer` of what counts, until the result is called or the socket closed. @internal */
  observe(asked: number, counts: number, observer: Observer): () => void {
    if (this.slot < 0) throw closedError('poll');
    engine.watch(this.slot);
    this.#waits ??= new Waits(() => this.#afterWaits());
    const leave = this.#waits.observe(asked, counts, observer);
    this.#arm();
    return leave;
  }

  #checkWaits(): void {
    if (this.#waits !== undefined && this.slot >= 0) this.#waits.check(engine.fds[this.slot]!);
  }

  #afterWaits(): void {
    if (this.#waits?.empty) this.#waits = undefined;
    if (this.slot >= 0) this.#arm();
  }

  // --- ending -------------------------------------------------------------------------------

  /** @internal */
  protected abandon(): void {
    engine.flush();
    this.#rejectAll();
    engine.setWaiter(this.slot, undefined, (this.#state & UNREFERENCED) === 0);
  }

  /** Lets the process end although calls on this socket wait. */
  unref(): this {
    return this.#reference(false);
  }

  /** Calls on this socket that wait keep the process alive: so from the start. */
  ref(): this {
    return this.#reference(true);
  }

  #reference(on: boolean): this {
    const was = (this.#state & UNREFERENCED) === 0;
    if (was === on || this.slot < 0) return this;
    this.#state ^= UNREFERENCED;
    if (this.#reads !== undefined || this.#writes !== undefined || this.#waits !== undefined)
      engine.countPending(on ? 1 : -1);
    return this;
  }
}

function rejectClosed(pending: Pending | undefined, socket: WatchedSocket): void {
  for (let each = pending; each !== undefined; each = each.next) {
    each.cancellation?.stop();
    cutOff(each, closedError(each.operation.syscall), socket);
    if (ops.isHold(each.operation)) (each.argument as AbortController).abort();
  }
}

// Ends a call before it is done.
function cutOff(pending: Pending, reason: unknown, socket: WatchedSocket): void {
  const result = cutShort(pending.operation, pending.argument, reason, socket);
  if (result === undefined) pending.reject(reason);
  else pending.resolve(result);
}
