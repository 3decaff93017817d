// What a thread and its parent say to each other. Beside the messages they share one word: a parent
// that blocks hears no message, but it can wait for the word.
import type { MessagePort } from 'node:worker_threads';
import type { PackedFailure } from './failures.ts';
import type { Packed, Ticket } from './packing.ts';

/** What the shared word says. */
export const IDLE = 0;
export const BUSY = 1;
export const GONE = 2;

/** Places in the shared memory. */
export const PHASE = 0;
/** Set by whoever waits for the end of the job: its failure has a reader. */
export const JOINED = 1;

/** What a worker begins with. */
export interface Beginning {
  port: MessagePort;
  shared: Int32Array;
}

/** To the worker: a function to run, whose tickets follow if there are any; or to end. */
export type Order =
  | { job: number; module: string; packed: Packed; tickets: boolean }
  | { tickets: readonly Ticket[] }
  | { end: true };

/** From the worker: how a job ended. */
export type Outcome =
  | { job: number; packed: Packed; tickets: boolean }
  | { tickets: readonly Ticket[] }
  | { job: number; failure: PackedFailure }
  | { job: number; exit: number };
