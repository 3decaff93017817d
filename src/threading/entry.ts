// What runs in a worker of `startThread`: one job after the other, each a module's default export with its
// arguments. Knows nothing of its parent but the port.
import { workerData } from 'node:worker_threads';
import * as engine from '../engine.ts';
import { awaitsAdoption } from '../transit.ts';
import { packFailure } from './failures.ts';
import { defaultExport } from './modules.ts';
import { printDirectly } from './output.ts';
import { Package, type Packed, type Ticket, unpack } from './packing.ts';
import { type Beginning, BUSY, GONE, IDLE, JOINED, type Order, type Outcome, PHASE } from './protocol.ts';

// A worker whose parent cannot take leave of it, since it blocks, waits for another job so long.
const LINGER = 10_000;
const LOOK = 5;
const CLEANING = 4;

const { port, shared } = workerData as Beginning;
let job = 0;
let ending = false;
let lingering: NodeJS.Timeout | undefined;
let incomplete: Extract<Order, { job: number }> | undefined;

printDirectly();

function say(outcome: Outcome): void {
  port.postMessage(outcome);
}

function setPhase(phase: number): void {
  Atomics.store(shared, PHASE, phase);
  Atomics.notify(shared, PHASE);
}

const count = (kind: string): number =>
  process.getActiveResourcesInfo().filter((each) => each === kind).length;
let ports = 0;

/** Whether a job that is over has left nothing in the thread that the next one would find. */
function isClean(): boolean {
  const kinds = new Set(process.getActiveResourcesInfo());
  kinds.delete('MessagePort');
  return kinds.size === 0 && count('MessagePort') === ports && !engine.fds.some((fd) => fd >= 0);
}

// At once: process.emitWarning() waits for a next tick, which a thread that dies of the error does not have.
function warn(error: unknown): void {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const warning = new Error(`a thread ended with an error that nobody waits for: ${text}`);
  const detail = error instanceof Error ? error.stack : undefined;
  process.emit('warning', Object.assign(warning, { name: 'ThreadWarning', detail }));
}

function fail(error: unknown): void {
  const failure = packFailure(error);
  if (Atomics.load(shared, JOINED) === 0) warn(error);
  say({ job, failure });
}

function succeed(result: unknown): void {
  const value = new Package([result]);
  port.postMessage({ job, packed: value.packed, tickets: value.hasSockets } satisfies Outcome, value.ports);
  if (value.hasSockets) say({ tickets: value.giveUp() });
}

async function run(module: string, packed: Packed, tickets: readonly Ticket[]): Promise<void> {
  let sockets: { close(): void }[] = [];
  try {
    let args: unknown[];
    [args, sockets] = unpack(packed, tickets);
    const start = await defaultExport(module);
    ports = count('MessagePort');
    succeed(await start(...args));
  } catch (error) {
    fail(error);
  }
  // They are the thread's, and it is over.
  for (const each of sockets) each.close();
  over();
}

// The parent that hears of the end takes leave. One that blocks may have another job instead.
function over(): void {
  job = 0;
  tidied(CLEANING);
}

// The last file of a module that was loaded may still be closing.
function tidied(rounds: number): void {
  if (ending) return;
  if (isClean()) {
    lingering = setTimeout(() => {
      if (Atomics.compareExchange(shared, PHASE, IDLE, GONE) === IDLE) end();
    }, LINGER);
    setPhase(IDLE);
  } else if (rounds > 0) {
    setTimeout(tidied, LOOK, rounds - 1).unref();
  } else {
    end();
  }
}

// What it has moved is closed with it: not before the other side has had time to take it.
function end(): void {
  ending = true;
  setPhase(GONE);
  const leave = () => {
    if (awaitsAdoption()) setTimeout(leave, LOOK);
    else process.exit(0);
  };
  leave();
}

port.on('message', (order: Order) => {
  if ('end' in order) {
    if (!ending) end();
  } else if ('job' in order) {
    clearTimeout(lingering);
    ({ job } = order);
    if (order.tickets) incomplete = order;
    else void run(order.module, order.packed, []);
  } else if (incomplete !== undefined) {
    const { module, packed } = incomplete;
    incomplete = undefined;
    void run(module, packed, order.tickets);
  }
});

// It ends the worker, which Node tells the parent; one that blocks does not hear it.
process.on('uncaughtExceptionMonitor', (error) => {
  if (job === 0 || process.listenerCount('uncaughtException') > 0) return;
  fail(error);
  job = 0;
});
process.on('exit', (code) => {
  if (job !== 0) say({ job, exit: code });
  if (Atomics.load(shared, PHASE) === BUSY) setPhase(GONE);
});
