// The methods that receive, of both flavours: the arguments of each call are checked here.
import type { Address, AnyAddress } from './address.ts';
import { type Memory, memoryOf, noBytes } from './bytes.ts';
import { collection, collects, recvAll, recvAllInto, recvfromAll, recvfromAllInto } from './collect.ts';
import { SOCK_STREAM } from './constants.gen.ts';
import { batchMode, MAX_DATAGRAM, recvmany } from './datagrams.ts';
import * as engine from './engine.ts';
import { checkInteger, closedError } from './errors.ts';
import {
  type BatchOptions,
  checkOptions,
  checkSize,
  type Flavour,
  FlavouredSocket,
  flagsOf,
  type Given,
  INT_MAX,
  type IntoOptions,
  type Received,
  sizeInto,
  type Told,
  type TransferOptions,
} from './flavour.ts';
import * as ops from './ops.ts';
import { Reader, type ReaderSource } from './reader.ts';

const CHUNK = 65536;

/** A socket that receives. */
export abstract class ReceivingSocket<
  F extends number = number,
  M extends Flavour = Flavour,
> extends FlavouredSocket<F, M> {
  /**
   * Receives at most `bufsize` bytes: what one recv(2) gives. An empty `Buffer` is the end of
   * the stream (on datagram sockets, an empty datagram).
   *
   * With `MSG_WAITALL` a stream's receive, this one or another, waits for all `bufsize` bytes. What
   * ends it early (the end of the stream, an error, the timeout, the signal, `close()`) makes it give
   * what it has taken by then, and is told to the next call; it fails only if it has taken nothing.
   *
   * Errors: `ECONNRESET`, `ENOTCONN`, `TimeoutError`, `ClosedError`. **Cancel safety**: a call
   * that was aborted or timed out has taken nothing.
   */
  recv(bufsize: number, options?: Told<M, TransferOptions>): Given<M, Buffer> {
    try {
      const size = checkSize('bufsize', bufsize);
      if (options === undefined) {
        if (size === 0) return this.nothing('recv', noBytes);
        const operation = size <= CHUNK ? ops.recv : ops.recvFor(engine.flags[this.slot]!, size);
        return this.run(operation, undefined, size, 0);
      }
      const { signal } = checkOptions(options)!;
      const msgFlags = flagsOf(options);
      if (size === 0) return this.nothing('recv', noBytes);
      if (collects(this, msgFlags))
        return this.run(recvAll, collection(undefined, size, msgFlags), size, msgFlags, signal);
      const operation = msgFlags === 0 ? ops.recvFor(engine.flags[this.slot]!, size) : ops.recvOwn;
      return this.run(operation, undefined, size, msgFlags, signal);
    } catch (error) {
      return this.refused(error);
    }
  }

  /**
   * Receives into the caller's memory; the bytes received, 0 at the end of the stream. The
   * quickest way to receive much: nothing is allocated.
   *
   * **Cancel safety**: as `recv`; the memory is untouched then.
   */
  recvInto(view: Memory, options?: Told<M, IntoOptions>): Given<M, number> {
    try {
      const memory = memoryOf(view, 'view');
      const checked = checkOptions<IntoOptions>(options);
      const size = sizeInto(memory, checked?.nbytes);
      if (size === 0) return this.nothing('recv', 0);
      const msgFlags = flagsOf(checked);
      if (collects(this, msgFlags))
        return this.run(recvAllInto, collection(memory, size, msgFlags), size, msgFlags, checked?.signal);
      return this.run(ops.recvInto, memory, size, msgFlags, checked?.signal);
    } catch (error) {
      return this.refused(error);
    }
  }

  /**
   * Receives what is there now: the bytes, 0 at the end of the stream, `undefined` where the
   * call would wait (or others wait in front). Never a promise.
   */
  tryRecvInto(view: Memory, options?: { flags?: number | undefined }): number | undefined {
    const memory = memoryOf(view, 'view');
    const msgFlags = flagsOf(checkOptions(options));
    if (this.slot < 0) throw closedError('recv');
    if (this.reading) return undefined;
    if (memory.length === 0) return 0;
    const r = ops.recvInto.attempt(this, memory, memory.length, msgFlags);
    return typeof r === 'number' ? r : undefined;
  }

  /** Receives a datagram of at most `bufsize` bytes (the rest is cut) and its sender. recvfrom(2). */
  recvfrom(bufsize: number, options?: Told<M, TransferOptions>): Given<M, Received<F>> {
    try {
      const size = checkSize('bufsize', bufsize);
      const checked = checkOptions(options);
      const msgFlags = flagsOf(checked);
      const given: Given<M, [Buffer, AnyAddress]> = collects(this, msgFlags)
        ? this.run(recvfromAll, collection(undefined, size, msgFlags), size, msgFlags, checked?.signal)
        : this.run(ops.recvfrom, undefined, size, msgFlags, checked?.signal);
      return given as Given<M, Received<F>>;
    } catch (error) {
      return this.refused(error);
    }
  }

  /** As `recvfrom`, into the caller's memory: `[nbytes, address]`. */
  recvfromInto(
    view: Memory,
    options?: Told<M, IntoOptions>,
  ): Given<M, [nbytes: number, address: Address<F>]> {
    try {
      const memory = memoryOf(view, 'view');
      const checked = checkOptions<IntoOptions>(options);
      const size = sizeInto(memory, checked?.nbytes);
      const msgFlags = flagsOf(checked);
      const given: Given<M, [number, AnyAddress]> = collects(this, msgFlags)
        ? this.run(recvfromAllInto, collection(memory, size, msgFlags), size, msgFlags, checked?.signal)
        : this.run(ops.recvfromInto, memory, size, msgFlags, checked?.signal);
      return given as Given<M, [number, Address<F>]>;
    } catch (error) {
      return this.refused(error);
    }
  }

  /**
   * Receives the datagrams that are there, at least one and at most `n`, in one system call of
   * up to 1024; each of at most `bufsize` bytes (the rest is cut). recvmmsg(2).
   *
   * With `UDP_GRO` set, the segments that the kernel coalesced come as datagrams of their own;
   * those beyond `n` are the next call's (they are no longer in the kernel: `recvfrom` does not
   * see them).
   */
  recvmany(n: number, options?: Told<M, BatchOptions>): Given<M, Received<F>[]> {
    try {
      const count = checkInteger('n', n, 1, INT_MAX);
      const checked = checkOptions<BatchOptions>(options);
      const bufsize = checkInteger('bufsize', checked?.bufsize ?? 2048, 0, MAX_DATAGRAM);
      if (this.slot < 0) throw closedError('recvmmsg');
      const mode = batchMode(this.coalescing, bufsize);
      // Leftovers are there whatever the kernel says.
      if (mode.gro) engine.flags[this.slot]! |= engine.READABLE;
      return this.run(recvmany, mode, count, 0, checked?.signal) as Given<M, Received<F>[]>;
    } catch (error) {
      return this.refused(error);
    }
  }

  /**
   * Reads messages instead of what happens to arrive: lines, frames, so many bytes. `limit` is the
   * longest message in bytes, 64 KiB if it is not given. The reader receives ahead: from then on,
   * receive by way of it.
   *
   * For streams: on another socket a `TypeError`.
   */
  reader(options?: { limit?: number | undefined }): Reader<M> {
    if (this.type !== SOCK_STREAM)
      throw new TypeError('Expected a stream socket for reader: messages come whole here');
    return new Reader<M>(this as unknown as ReaderSource<M>, options?.limit);
  }
}
