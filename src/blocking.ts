// The socket that blocks its thread: each system call is tried, and where it would wait, poll(2)
// waits in its place. In slices, since a thread that stays in a system call can neither be
// terminated nor interrupted, nor see that the descriptor was closed elsewhere. What is ready is
// asked of the kernel every time: the engine's flags are kept by events, which nobody takes here.
import os from 'node:os';
import { nobodyAborts } from './abort.ts';
import type { BaseSocket } from './base.ts';
import { native } from './binding.ts';
import { SocketCalls } from './calls.ts';
import { MSG_PEEK } from './constants.gen.ts';
import * as engine from './engine.ts';
import { closedError, systemError, timeoutError, wouldBlockError } from './errors.ts';
import { now } from './lookup.ts';
import * as ops from './ops.ts';
import { BLOCKED, BUSY, MORE, neverWaits, type Operation, type Outcome, READ } from './ops.ts';
import { nativeAddress } from './queries.ts';
import { POLLIN, POLLOUT, pollNow, type Readiness, readinessOf } from './readiness.ts';
import { SLICE } from './timeout.ts';

const { EINTR } = os.constants.errno;

// Milliseconds between attempts at what poll(2) does not tell of: growing, since who reads at all
// makes room soon.
const SHORTEST_NAP = 0.02;
const LONGEST_NAP = 8;

/**
 * A socket that blocks. Made by `socket()`, `socketpair()`, `accept()`, `fromfd()` and `fromHandle()`
 * of `berkeley-sockets/sync`.
 *
 * Calls that may wait block the thread until they are done or the timeout has passed. They need no
 * event loop, and nothing else runs in the thread meanwhile.
 */
export class Socket<F extends number = number, T extends number = number> extends SocketCalls<F, 'blocking'> {
  /** @internal */
  adopt(fd: number): Socket<F, T> {
    return new Socket<F, T>(fd, this.family, this.type, this.proto);
  }

  // --- trying and waiting ---------------------------------------------------------------

  /** @internal */
  protected run<A, R>(
    operation: Operation<A, R>,
    argument: A,
    count: number,
    msgFlags: number,
    signal?: AbortSignal,
  ): R {
    if (signal !== undefined) throw nobodyAborts();
    if (this.slot < 0) throw closedError(operation.syscall);
    if ((operation as unknown) === ops.recv && this.timeout !== 0) return this.#recv(count) as R;
    const outcome = operation.attempt(this, argument, count, msgFlags);
    if (typeof outcome !== 'symbol') return outcome as R;
    return this.#wait(operation, argument, count, msgFlags, outcome, this.#deadline());
  }

  // The call that a program which asks and is answered waits in: its first slice is part of it.
  #recv(count: number): Buffer {
    const deadline = this.#deadline();
    engine.flush();
    const slice = Math.min(leftUntil(deadline), SLICE);
    const outcome = ops.recvWithin(this, count, Math.ceil(slice));
    if (typeof outcome !== 'symbol') return outcome;
    return this.#wait(ops.recv, undefined, count, 0, outcome, deadline);
  }

  /** When a call that begins now is to be over, as performance.now() has it. */
  #deadline(): number {
    return this.timeout > 0 ? performance.now() + this.timeout * 1000 : Number.POSITIVE_INFINITY;
  }

  #wait<A, R>(
    operation: Operation<A, R>,
    argument: A,
    count: number,
    msgFlags: number,
    first: symbol,
    deadline: number,
  ): R {
    const once = this.timeout === 0 || neverWaits(msgFlags, operation.direction);
    const events = operation.direction === READ ? POLLIN : POLLOUT;
    // Small sends of the other flavour leave now: who is to answer may be waiting for them.
    engine.flush();
    let outcome: Outcome<R> | symbol = first;
    let unseen = false;
    for (let nap = SHORTEST_NAP; ; ) {
      if (this.slot < 0) return cut(operation, argument, closedError(operation.syscall), this);
      if (once && outcome !== MORE) {
        return cut(operation, argument, ops.wouldBlock(operation, outcome === BUSY), this);
      }
      const left = leftUntil(deadline);
      if (left <= 0) return cut(operation, argument, ops.late(operation, argument), this);
      if (outcome === BUSY || unseen) nap = doze(nap, left);
      else if (outcome === BLOCKED && this.#poll(events, left) === 0) continue;
      outcome = operation.attempt(this, argument, count, msgFlags);
      if (typeof outcome !== 'symbol') return outcome as R;
      // poll(2) tells that something is there, also where all of it was peeked at (SO_PEEK_OFF).
      unseen = outcome === BLOCKED && (msgFlags & MSG_PEEK) !== 0;
    }
  }

  // A slice of waiting: what poll(2) says, 0 where it says nothing yet. Of a descriptor that was
  // closed elsewhere it says POLLNVAL, and the next attempt fails.
  #poll(events: number, left: number): number {
    const r = native.poll(engine.fds[this.slot]!, events, Math.min(left, SLICE));
    // A signal: the time goes on.
    if (r === -EINTR) return 0;
    if (r < 0) throw systemError(r, 'poll');
    if (r > 0) engine.flags[this.slot]! |= engine.READABLE | engine.WRITABLE;
    return r;
  }

  /** @internal */
  protected afterLookup<A extends { name: Uint8Array | undefined }, R>(
    hold: Operation<AbortController, never>,
    operation: Operation<A, R>,
    address: unknown,
    argument: A,
    count: number,
    msgFlags: number,
    signal: AbortSignal | undefined,
  ): R {
    if (signal !== undefined) throw nobodyAborts();
    const deadline = this.#deadline();
    argument.name = now(nativeAddress(this.family, address), deadline, () => timeoutError(hold.syscall));
    return this.#wait(operation, argument, count, msgFlags, MORE, deadline);
  }

  /** @internal */
  protected override lookUpLocal(address: unknown): number {
    const name = now(nativeAddress(this.family, address), this.#deadline(), () => timeoutError('bind'));
    engine.name.set(name);
    return name.length;
  }

  /** @internal */
  protected ready(asked: number, signal: AbortSignal | undefined): Readiness {
    if (signal !== undefined) throw nobodyAborts();
    const ready = pollNow(this.descriptor('poll'), asked);
    if (ready !== undefined) return ready;
    if (this.timeout === 0) throw wouldBlockError('poll', 'EAGAIN');
    for (const deadline = this.#deadline(); ; ) {
      const left = leftUntil(deadline);
      if (left <= 0) throw timeoutError('poll');
      const revents = this.#poll(asked, left);
      if (revents !== 0) return readinessOf(revents, asked);
    }
  }

  /** @internal */
  protected given<R>(value: R): R {
    return value;
  }

  /** @internal */
  protected refused(error: unknown): never {
    throw error;
  }

  /** @internal */
  protected get awaited(): boolean {
    return false;
  }

  // Nothing is gathered, and nothing ever waits beside what is being done.

  /** @internal */
  protected gathers(): boolean {
    return false;
  }

  /** @internal */
  protected gather(): never {
    throw new Error('a blocking socket gathers nothing');
  }

  /** @internal */
  protected get reading(): boolean {
    return false;
  }

  /** @internal */
  protected get writing(): boolean {
    return false;
  }

  /** @internal */
  protected abandon(): void {}
}

function leftUntil(deadline: number): number {
  return deadline === Number.POSITIVE_INFINITY ? deadline : deadline - performance.now();
}

/** Sleeps, and tells for how long the next time. */
function doze(nap: number, left: number): number {
  // A negative descriptor is none, and only the time passes (poll(2)).
  native.poll(-1, 0, Math.min(nap, left));
  return Math.min(nap * 1.5, LONGEST_NAP);
}

/** The call ends before it is done: with what it has all the same, or with the error. */
function cut<A, R>(operation: Operation<A, R>, argument: A, error: Error, socket: BaseSocket): R {
  const part = ops.cutShort(operation, argument, error, socket);
  if (part === undefined) throw error;
  return part;
}
