// What the two flavours of a socket have in common, and the few things in which they differ: how
// a call waits, and how it tells what it has at once. Every method that may wait is written once, on
// top of this (receiving.ts, sending.ts, calls.ts), with the checks of its arguments; what it does
// stands in ops.ts.
import { checkSignal } from './abort.ts';
import type { Address } from './address.ts';
import { BaseSocket, type SocketHandle } from './base.ts';
import type { Data } from './bytes.ts';
import { checkInteger, closedError, typeError } from './errors.ts';
import type { Operation } from './ops.ts';
import type { Readiness } from './readiness.ts';

/** Calls that return promises, or that block the thread. */
export type Flavour = 'awaited' | 'blocking';

/** What a call that may wait returns. */
export type Given<M extends Flavour, R> = M extends 'awaited' ? Promise<R> : R;

/** What a call that may wait can be told: nothing can abort one that blocks. */
export type Told<M extends Flavour, O> = M extends 'awaited' ? O : Omit<O, 'signal'>;

/** What a waiting call can be told. */
export interface WaitOptions {
  /** Ends the call early: it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** What a call that moves data can be told. */
export interface TransferOptions extends WaitOptions {
  /** `MSG_` constants. */
  flags?: number | undefined;
}

/** What a receive into the caller's memory can be told. */
export interface IntoOptions extends TransferOptions {
  /** Bytes to receive at most; 0 or nothing: as many as the memory takes. */
  nbytes?: number | undefined;
}

/** What a receive of many datagrams can be told. */
export interface BatchOptions extends WaitOptions {
  /** Bytes of each datagram at most: 2048 if it is not given. */
  bufsize?: number | undefined;
}

/** What `sendfile` can be told. */
export interface FileOptions extends WaitOptions {
  /** Where in the file to begin: 0 if it is not given. */
  offset?: number | undefined;
  /** Bytes to send at most; up to the end of the file if it is not given. */
  count?: number | undefined;
  /**
   * Called now and then with the bytes sent so far and those that there are to send (`undefined`
   * where nothing tells, as with a pipe), and when all are sent. If it throws, the call fails with that.
   */
  onprogress?: ((sent: number, total: number | undefined) => void) | undefined;
}

/** A datagram that came, and from where. */
export type Received<F extends number = number> = [data: Buffer, address: Address<F>];

export const INT_MAX = 0x7fffffff;

/** A number of bytes. */
export function checkSize(name: string, size: unknown): number {
  return checkInteger(name, size, 0, INT_MAX);
}

/** The options of a call, whose signal is not aborted yet. What else is in them is still to be checked. */
export function checkOptions<O extends WaitOptions = TransferOptions>(options: unknown): O | undefined {
  if (options === undefined) return undefined;
  if (typeof options !== 'object' || options === null) throw typeError('options', 'an object', options);
  checkSignal((options as O).signal);
  return options as O;
}

/** The `MSG_` flags among the options. */
export function flagsOf(options: TransferOptions | undefined): number {
  return options?.flags === undefined ? 0 : checkInteger('flags', options.flags, -INT_MAX - 1, INT_MAX);
}

/** How many bytes of `view` a receive may fill. */
export function sizeInto(view: Uint8Array, nbytes: unknown): number {
  if (nbytes === undefined) return view.length;
  const n = checkSize('nbytes', nbytes);
  if (n > view.length)
    throw new RangeError(
      `Expected nbytes of at most ${view.length}, the size of the memory, but received ${n}`,
    );
  return n === 0 ? view.length : n;
}

/** A socket whose calls wait in one way or the other: what the methods that may wait stand on. */
export abstract class FlavouredSocket<
  F extends number = number,
  M extends Flavour = Flavour,
> extends BaseSocket<F> {
  /**
   * Does an operation: at once where it can be done now, otherwise when the socket is ready. Throws
   * what is known at once; the caller tells it with `refused`. @internal
   */
  protected abstract run<A, R>(
    operation: Operation<A, R>,
    argument: A,
    count: number,
    msgFlags: number,
    signal?: AbortSignal | undefined,
  ): Given<M, R>;

  /**
   * Looks up the host of `address`, puts its native form into the argument, and does the operation;
   * the time of the look-up is part of the call's. `hold`: see ops.ts. @internal
   */
  protected abstract afterLookup<A extends { name: Uint8Array | undefined }, R>(
    hold: Operation<AbortController, never>,
    operation: Operation<A, R>,
    address: unknown,
    argument: A,
    count: number,
    msgFlags: number,
    signal: AbortSignal | undefined,
  ): Given<M, R>;

  /** What poll(2) says of the `asked` events, when it says something. @internal */
  protected abstract ready(asked: number, signal: AbortSignal | undefined): Given<M, Readiness>;

  /** The result of a call that has nothing to wait for. @internal */
  protected abstract given<R>(value: R): Given<M, R>;

  /** The result of a call that fails. @internal */
  protected abstract refused(error: unknown): Given<M, never>;

  /** Whether a send goes through the engine's ring: small, and nothing in front of it. @internal */
  protected abstract gathers(data: Data): boolean;

  /** Sends by way of the ring; `all`: gives nothing instead of the count. @internal */
  protected abstract gather(data: Data, all: boolean): Given<M, unknown>;

  /** Whether calls wait to read. @internal */
  protected abstract get reading(): boolean;

  /** Whether calls wait to write. @internal */
  protected abstract get writing(): boolean;

  /** Ends what waits, before the descriptor goes. @internal */
  protected abstract abandon(): void;

  /** Whether calls give promises, so that other code of the thread runs while they wait. @internal */
  protected abstract get awaited(): boolean;

  /** The result of a call that has nothing to do on an open socket. @internal */
  protected nothing<R>(syscall: string, value: R): Given<M, R> {
    if (this.slot < 0) throw closedError(syscall);
    return this.given(value);
  }

  // --- ending -------------------------------------------------------------------------------

  /**
   * Closes the descriptor. What was given to `send` before is handed to the kernel first; calls
   * that wait reject with `ClosedError`. Closing twice does nothing.
   */
  close(): void {
    if (this.slot < 0) return;
    this.abandon();
    this.release(true);
  }

  /**
   * Gives up the descriptor without closing it: the handle can be sent to another thread, and
   * `fromHandle` makes a socket of it. The descriptor stays non-blocking (O_NONBLOCK) and
   * close-on-exec. Calls that wait reject with `ClosedError`.
   */
  detach(): SocketHandle {
    if (this.slot < 0) throw closedError('detach');
    this.abandon();
    return this.release(false);
  }

  /** As `detach`, with a handle that can be claimed once: see transit.ts. @internal */
  move(): Required<SocketHandle> {
    if (this.slot < 0) throw closedError('moveSocket');
    this.abandon();
    return this.offer();
  }

  /** `using`: closes the socket at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
  }
}
