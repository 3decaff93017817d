// One thread of a server as the main thread sees it: whether it is ready, on which listeners it
// serves, and how it ends. Knows nothing of the others.
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { SocketHandle } from '../base.ts';
import { deferred, type Reject, type Resolve, rejectNext, resolveNext } from '../deferred.ts';
import type { Socket } from '../socket.ts';
import { unpackFailure } from '../threading/failures.ts';
import { workerOptions } from '../threading/modules.ts';
import { closeUnclaimed } from '../threading/packing.ts';
import { type Beginning, NUMBERS, type Order, type Report } from './crewprotocol.ts';

/** What is told of a thread. */
export interface Overseer {
  told(error: unknown, place: Extract<Report, { error: unknown }>['place']): void;
  /** It has ended: of itself if there is an error. */
  ended(member: Member, error: unknown): void;
}

const entry = new URL('./crewentry.js', import.meta.url);
// How long a thread may take to end after its grace, in seconds, before it is terminated.
const PATIENCE = 1;

/** A thread that serves. */
export class Member {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #overseer: Overseer;
  #stopped: () => void = () => {};
  readonly #resolve: Resolve;
  readonly #reject: Reject;
  readonly #listening = new Map<number, () => void>();
  /** The listeners that it serves, or has been told to. */
  readonly listeners = new Set<number>();
  readonly numbers = new Float64Array(new SharedArrayBuffer(8 * NUMBERS));
  readonly begun = performance.now();
  /** Resolves when its handler is loaded; rejects when it cannot be. */
  readonly ready: Promise<void>;
  /** Resolves when it accepts nothing any more. */
  readonly stopped: Promise<void>;
  /** Resolves when it is gone. */
  readonly gone: Promise<void>;
  over = false;
  /** Another one is in its place: it finishes what it has. */
  retired = false;
  #failure: unknown = undefined;
  #ending = false;
  #deadline: NodeJS.Timeout | undefined = undefined;
  readonly #handles = new Map<number, SocketHandle>();

  constructor(beginning: Omit<Beginning, 'port' | 'numbers'>, overseer: Overseer) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#overseer = overseer;
    const execArgv = workerOptions();
    const workerData: Beginning = { ...beginning, port: port2, numbers: this.numbers };
    try {
      this.#worker = new Worker(entry, {
        workerData,
        transferList: [port2],
        ...(execArgv === undefined ? {} : { execArgv }),
      });
    } catch (error) {
      port1.close();
      throw error;
    }
    this.ready = deferred() as Promise<void>;
    this.#resolve = resolveNext;
    this.#reject = rejectNext;
    this.ready.catch(() => {});
    port1.on('message', (report: Report) => this.#hear(report));
    // The worker itself keeps the process alive.
    port1.unref();
    this.#worker.on('error', (error) => {
      this.#failure ??= error;
    });
    this.stopped = new Promise((resolve) => {
      this.#stopped = resolve;
    });
    this.gone = new Promise((resolve) => {
      this.#worker.on('exit', (code) => {
        this.#exited(code);
        resolve();
      });
    });
  }

  #hear(report: Report): void {
    if ('ready' in report) this.#resolve(undefined);
    else if ('listening' in report) this.#heard(report.listening);
    else if ('stopped' in report) this.#stopped();
    else if ('failure' in report) {
      this.#failure ??= unpackFailure(report.failure);
      this.#limit(PATIENCE);
    } else this.#overseer.told(unpackFailure(report.error), report.place);
  }

  #exited(code: number): void {
    // Its last words may still be there.
    for (;;) {
      const received = receiveMessageOnPort(this.#port) as { message: Report } | undefined;
      if (received === undefined) break;
      this.#hear(received.message);
    }
    this.over = true;
    clearTimeout(this.#deadline);
    this.#port.close();
    closeUnclaimed(this.#handles.values());
    this.#failure ??= this.#ending
      ? undefined
      : new Error(`a thread of the server has ended with code ${code}`);
    this.#reject(this.#failure);
    this.#stopped();
    for (const resolve of this.#listening.values()) resolve();
    this.#overseer.ended(this, this.#failure);
  }

  #heard(id: number): void {
    this.#listening.get(id)?.();
    this.#listening.delete(id);
    this.#handles.delete(id);
  }

  /** Serves a listener, too: with a descriptor of its own. Resolves when it does, or has ended. */
  listen(id: number, listener: Socket): Promise<void> {
    if (this.over) return Promise.resolve();
    this.listeners.add(id);
    const handle = listener.dup().move();
    this.#handles.set(id, handle);
    this.#port.postMessage({ listen: id, handle } satisfies Order);
    return new Promise((resolve) => {
      this.#listening.set(id, resolve);
    });
  }

  /** Accepts nothing more from a listener; its connections go on. */
  leave(id: number): void {
    if (this.listeners.delete(id)) this.#port.postMessage({ leave: id } satisfies Order);
  }

  /** Ends, `grace` seconds after which what still runs is aborted. Again with less grace: sooner. */
  end(grace: number): Promise<void> {
    this.#ending = true;
    if (this.over) return this.gone;
    this.#port.postMessage({ end: grace } satisfies Order);
    this.#limit(grace + PATIENCE);
    return this.gone;
  }

  // A thread that has said its last word may still not end: in Node 20 one that a loader serves has been
  // seen to stay in process.exit().
  #limit(seconds: number): void {
    if (this.over) return;
    clearTimeout(this.#deadline);
    const left = seconds * 1000;
    if (left < 0x7fffffff) this.#deadline = setTimeout(() => void this.#worker.terminate(), left);
  }

  ref(): void {
    this.#worker.ref();
  }

  unref(): void {
    this.#worker.unref();
  }
}
