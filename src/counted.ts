// A socket that counts the bytes that move through it: what a server tells of its connections, and
// by which it knows an idle one. Ordinary sockets do not count. An attempt adds what it moved to
// `engine.moved`, so it is enough to look around everything that makes attempts: the call itself, the
// events of the engine, and the early end of a call, behind which the next one is tried.
import type { Data, Memory } from './bytes.ts';
import * as engine from './engine.ts';
import { type Operation, READ } from './ops.ts';
import type { Pending } from './pending.ts';
import { Socket } from './socket.ts';

/** Bytes that moved, in each direction. */
export class Traffic {
  received = 0;
  sent = 0;
}

/** A socket with its own traffic, which is also added to somebody's `total`. */
export class CountedSocket<F extends number = number, T extends number = number> extends Socket<F, T> {
  readonly traffic: Traffic = new Traffic();
  total: Traffic = this.traffic;

  /** @internal */
  override adopt(fd: number): this {
    const socket = new CountedSocket<F, T>(fd, this.family, this.type, this.proto);
    socket.total = this.total;
    return socket as this;
  }

  #received(bytes: number): void {
    this.traffic.received += bytes;
    if (this.total !== this.traffic) this.total.received += bytes;
  }

  #sent(bytes: number): void {
    this.traffic.sent += bytes;
    if (this.total !== this.traffic) this.total.sent += bytes;
  }

  /** @internal */
  protected override run<A, R>(
    operation: Operation<A, R>,
    argument: A,
    count: number,
    msgFlags: number,
    signal?: AbortSignal,
  ): Promise<R> {
    const before = engine.moved[0]!;
    try {
      return super.run(operation, argument, count, msgFlags, signal);
    } finally {
      const bytes = engine.moved[0]! - before;
      if (bytes > 0) {
        if (operation.direction === READ) this.#received(bytes);
        else this.#sent(bytes);
      }
    }
  }

  override tryRecvInto(view: Memory, options?: { flags?: number | undefined }): number | undefined {
    const before = engine.moved[0]!;
    const result = super.tryRecvInto(view, options);
    this.#received(engine.moved[0]! - before);
    return result;
  }

  override trySend(data: Data, options?: { flags?: number | undefined }): number | undefined {
    const before = engine.moved[0]!;
    const result = super.trySend(data, options);
    this.#sent(engine.moved[0]! - before);
    return result;
  }

  /** @internal */
  override received(result: number, offset: number, which: number, sequence: number): boolean {
    if (result > 0) this.#received(result);
    return super.received(result, offset, which, sequence);
  }

  /** @internal */
  override readyToRead(): void {
    const before = engine.moved[0]!;
    super.readyToRead();
    this.#received(engine.moved[0]! - before);
  }

  /** @internal */
  override readyToWrite(): void {
    const before = engine.moved[0]!;
    super.readyToWrite();
    this.#sent(engine.moved[0]! - before);
  }

  /** @internal */
  override retry(): boolean {
    const before = engine.moved[0]!;
    const advanced = super.retry();
    this.#sent(engine.moved[0]! - before);
    return advanced;
  }

  /** @internal */
  override flushed(...report: Parameters<Socket['flushed']>): void {
    const before = engine.moved[0]!;
    super.flushed(...report);
    // What the ring sent, and what went out behind it.
    this.#sent(Math.max(0, report[0]) + engine.moved[0]! - before);
  }

  /** @internal */
  override aborted(pending: Pending, reason: unknown): void {
    const before = engine.moved[0]!;
    super.aborted(pending, reason);
    this.#behind(pending, engine.moved[0]! - before);
  }

  /** @internal */
  override timedOut(pending: Pending): void {
    const before = engine.moved[0]!;
    super.timedOut(pending);
    this.#behind(pending, engine.moved[0]! - before);
  }

  #behind(pending: Pending, bytes: number): void {
    if (pending.operation.direction === READ) this.#received(bytes);
    else this.#sent(bytes);
  }
}
