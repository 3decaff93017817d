// One direction of a tapped connection: what comes is told and passed on, with the faults that were
// asked for: late, slowly, in small pieces, no further, or with a reset. Knows two sockets.
import { SHUT_WR, type Socket } from '../../index.ts';

/** What goes wrong on purpose. */
export interface Faults {
  /** Seconds that each chunk comes later. */
  readonly delay: number;
  /** Bytes a second; Infinity: no limit. */
  readonly rate: number;
  /** Bytes that are passed on at a time at most; Infinity: as they came. */
  readonly chunk: number;
  /** Bytes of a connection, both ways together, after which nothing is passed on any more. */
  readonly dropAfter: number;
  /** Bytes of a connection after which both ends are reset. */
  readonly resetAfter: number;
}

export const harmless = ({ delay, rate, chunk, dropAfter, resetAfter }: Faults): boolean =>
  delay === 0 && [rate, chunk, dropAfter, resetAfter].every((limit) => limit === Number.POSITIVE_INFINITY);

/** What both directions of a connection share. */
export interface Wires {
  /** Bytes passed on so far, both ways together. */
  passed: number;
  /** Everything else is thrown away. */
  dropped: boolean;
  fault(what: string): void;
  /** Resets both ends. */
  reset(): void;
}

const PIECE = 65536;
// What is under way in a delayed direction: then nothing more is read, as in a full pipe.
const MOST_UNDER_WAY = 4 * 1024 * 1024;

const sleep = (seconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, seconds * 1000));

// Whoever has gone meanwhile needs no end.
function endOf(to: Socket): void {
  try {
    to.shutdown(SHUT_WR);
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOTCONN') throw error;
  }
}

/** Passes everything on at once. `told` is told after it has gone out, so that it costs no time. */
export async function pass(from: Socket, to: Socket, told: (data: Uint8Array) => void): Promise<void> {
  const memory = Buffer.allocUnsafeSlow(PIECE);
  for (;;) {
    const n = await from.recvInto(memory);
    if (n === 0) break;
    const piece = memory.subarray(0, n);
    const at = to.trySend(piece) ?? 0;
    if (at < n) await to.sendall(piece.subarray(at));
    told(piece);
  }
  endOf(to);
}

/** Passes on with faults. */
export async function passBadly(
  from: Socket,
  to: Socket,
  faults: Faults,
  wires: Wires,
  told: (data: Uint8Array) => void,
): Promise<void> {
  const line = new Line(to, faults, wires);
  const sending = line.run();
  // It fails when its end is gone, which reading tells as well, later.
  sending.catch(() => {});
  const memory = Buffer.allocUnsafeSlow(PIECE);
  for (;;) {
    const n = await Promise.race([from.recvInto(memory), sending.then(() => 0)]);
    if (n === 0) break;
    const piece = Uint8Array.from(memory.subarray(0, n));
    told(piece);
    await line.put(piece);
  }
  await line.put(undefined);
  await sending;
}

interface UnderWay {
  readonly data: Uint8Array | undefined;
  readonly due: number;
}

// A line on which things take their time.
class Line {
  readonly #to: Socket;
  readonly #faults: Faults;
  readonly #wires: Wires;
  #queue: UnderWay[] = [];
  #bytes = 0;
  #wake: (() => void) | undefined;
  #room: (() => void) | undefined;

  constructor(to: Socket, faults: Faults, wires: Wires) {
    this.#to = to;
    this.#faults = faults;
    this.#wires = wires;
  }

  async put(data: Uint8Array | undefined): Promise<void> {
    this.#queue.push({ data, due: performance.now() / 1000 + this.#faults.delay });
    this.#bytes += data?.length ?? 0;
    this.#wake?.();
    if (this.#bytes > MOST_UNDER_WAY) {
      await new Promise<void>((resolve) => {
        this.#room = resolve;
      });
    }
  }

  async run(): Promise<void> {
    for (;;) {
      const next = this.#queue.shift();
      if (next === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const wait = next.due - performance.now() / 1000;
      if (wait > 0) await sleep(wait);
      if (next.data === undefined) {
        if (!this.#wires.dropped) endOf(this.#to);
        return;
      }
      await this.#send(next.data);
      this.#bytes -= next.data.length;
      if (this.#bytes <= MOST_UNDER_WAY) this.#room?.();
    }
  }

  async #send(data: Uint8Array): Promise<void> {
    const { rate, chunk, dropAfter, resetAfter } = this.#faults;
    const wires = this.#wires;
    // A twentieth of a second's worth at a time, so that a slow line is slow and not jerky.
    const most = Math.min(chunk, Math.max(1, Math.floor(rate / 20)));
    for (let at = 0; at < data.length && !wires.dropped; ) {
      const left = Math.min(dropAfter, resetAfter) - wires.passed;
      const size = Math.min(most, data.length - at, left);
      if (size > 0) {
        const start = performance.now();
        await this.#to.sendall(data.subarray(at, at + size));
        wires.passed += size;
        at += size;
        // Each piece is to be a read of its own at the other end, if it reads that fast.
        const pause = rate === Number.POSITIVE_INFINITY ? 0.001 : size / rate;
        if (most < Number.POSITIVE_INFINITY)
          await sleep(Math.max(0, pause - (performance.now() - start) / 1000));
      }
      if (wires.passed >= resetAfter) {
        wires.fault(`reset after ${wires.passed} bytes`);
        wires.dropped = true;
        wires.reset();
      } else if (wires.passed >= dropAfter) {
        wires.fault(`dropped after ${wires.passed} bytes: nothing is passed on any more`);
        wires.dropped = true;
      }
    }
  }
}
