// A worker thread as its parent sees it: it runs one job at a time and ends. Where the parent blocks,
// and never hears that a worker has ended, Node keeps what is left of it; so there the workers that are
// done take the next jobs.
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { unpackFailure } from './failures.ts';
import { workerOptions } from './modules.ts';
import { closeUnclaimed, type Package, type Packed, type Ticket, unpack } from './packing.ts';
import { type Beginning, BUSY, GONE, IDLE, JOINED, type Order, type Outcome, PHASE } from './protocol.ts';

/** Who waits for the end of a job. */
export interface Job {
  ended(failed: boolean, result: unknown): void;
}

const entry = new URL('./entry.js', import.meta.url);
const hosts = new Set<Host>();
let lastJob = 0;

/** A worker thread. */
export class Host {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #shared = new Int32Array(new SharedArrayBuffer(8));
  #number = 0;
  #job: Job | undefined = undefined;
  #tickets: readonly Ticket[] = [];
  #packed: Packed | undefined = undefined;
  // How the job ended, from when that is known to the end of the worker.
  #outcome: [failed: boolean, result: unknown] | undefined = undefined;
  /** As Node counts threads. */
  readonly threadId: number;
  #closed = false;

  /** Throws what a package throws that is no message, and what Node says to a further thread. */
  static run(module: string, args: Package, job: Job): Host {
    for (const host of hosts) {
      const phase = Atomics.compareExchange(host.#shared, PHASE, IDLE, BUSY);
      if (phase === IDLE) return host.#take(module, args, job);
      // Where the parent blocks, no event tells of it.
      if (phase === GONE) host.#exited();
    }
    const { port1, port2 } = new MessageChannel();
    return new Host(port1, port2, module, args, job);
  }

  private constructor(port: MessagePort, other: MessagePort, module: string, args: Package, job: Job) {
    this.#port = port;
    Atomics.store(this.#shared, PHASE, BUSY);
    try {
      this.#order(module, args, job);
      const beginning: Beginning = { port: other, shared: this.#shared };
      const execArgv = workerOptions();
      this.#worker = new Worker(entry, {
        workerData: beginning,
        transferList: [other],
        ...(execArgv === undefined ? {} : { execArgv }),
      });
    } catch (error) {
      port.close();
      throw error;
    }
    this.threadId = this.#worker.threadId;
    this.#giveUp(args);
    hosts.add(this);
    port.on('message', (outcome: Outcome) => this.#hear(outcome, true));
    // The worker itself keeps the process alive.
    port.unref();
    this.#worker.on('error', (error) => {
      this.receive();
      this.#over(true, error, true);
    });
    this.#worker.on('exit', () => this.#exited());
  }

  #take(module: string, args: Package, job: Job): this {
    // What it has said of its last job comes first.
    this.receive();
    try {
      this.#order(module, args, job);
    } catch (error) {
      Atomics.store(this.#shared, PHASE, IDLE);
      throw error;
    }
    this.#giveUp(args);
    this.#worker.ref();
    return this;
  }

  #order(module: string, args: Package, job: Job): void {
    Atomics.store(this.#shared, JOINED, 0);
    const order: Order = { job: ++lastJob, module, packed: args.packed, tickets: args.hasSockets };
    this.#port.postMessage(order, args.ports);
    this.#number = lastJob;
    this.#job = job;
    this.#outcome = undefined;
  }

  #giveUp(args: Package): void {
    this.#tickets = args.giveUp();
    if (args.hasSockets) this.#port.postMessage({ tickets: this.#tickets } satisfies Order);
  }

  /** Takes what the worker has said: for a thread that does not return to its event loop. */
  receive(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#port) as { message: Outcome } | undefined;
      if (received === undefined) return;
      this.#hear(received.message, false);
    }
  }

  #hear(outcome: Outcome, live: boolean): void {
    if (!('job' in outcome)) {
      if (this.#packed !== undefined) this.#succeeded(this.#packed, outcome.tickets, live);
    } else if (outcome.job === this.#number) {
      if ('failure' in outcome) this.#over(true, unpackFailure(outcome.failure), live);
      else if ('exit' in outcome) this.#left(outcome.exit, live);
      else if (outcome.tickets) this.#packed = outcome.packed;
      else this.#succeeded(outcome.packed, [], live);
    }
  }

  #succeeded(packed: Packed, tickets: readonly Ticket[], live: boolean): void {
    try {
      const [[result]] = unpack(packed, tickets);
      this.#over(false, result, live);
    } catch (error) {
      this.#over(true, error, live);
    }
  }

  #left(code: number, live: boolean): void {
    if (code === 0) this.#over(false, undefined, live);
    else this.#over(true, new Error(`the thread has ended with process.exit(${code})`), live);
  }

  // The job is over. Where the event loop runs the worker ends with it, and who waits is told then, when
  // nothing of it is left; else at once, and the worker may have another job before the loop runs again.
  #over(failed: boolean, result: unknown, live: boolean): void {
    if (this.#job === undefined || this.#outcome !== undefined) return;
    this.#number = 0;
    this.#packed = undefined;
    closeUnclaimed(this.#tickets.map(({ handle }) => handle));
    this.#tickets = [];
    this.#outcome = [failed, result];
    if (live) {
      this.#dismiss();
    } else {
      this.#tell();
      setImmediate(() => this.#dismiss());
    }
  }

  #tell(): void {
    const job = this.#job;
    this.#job = undefined;
    if (job !== undefined && this.#outcome !== undefined) job.ended(...this.#outcome);
  }

  #dismiss(): void {
    if (this.#outcome === undefined || !hosts.delete(this)) return;
    this.#port.postMessage({ end: true } satisfies Order);
    if (this.#job === undefined) this.#worker.unref();
  }

  #exited(): void {
    if (this.#closed) return;
    this.receive();
    this.#closed = true;
    this.#over(true, new Error('the thread has ended without a result'), false);
    this.#tell();
    hosts.delete(this);
    this.#port.close();
  }

  /** Says that the failure of a job has a reader. */
  join(job: Job): void {
    if (this.#job === job) Atomics.store(this.#shared, JOINED, 1);
  }

  /** Blocks until the job may be over, at most so many milliseconds. */
  block(job: Job, milliseconds: number): void {
    this.receive();
    if (this.#job !== job) return;
    if (this.#outcome !== undefined) this.#tell();
    else if (Atomics.load(this.#shared, PHASE) === GONE) this.#exited();
    else Atomics.wait(this.#shared, PHASE, BUSY, milliseconds);
  }

  /** Ends the worker if it still has this job, which then fails with `reason`. */
  async terminate(job: Job, reason: unknown): Promise<void> {
    if (this.#job !== job) return;
    hosts.delete(this);
    this.#over(true, reason, true);
    await this.#worker.terminate();
  }
}
