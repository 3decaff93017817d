// What the threads of one server and their main thread say to each other.
import type { MessagePort } from 'node:worker_threads';
import type { SocketHandle } from '../base.ts';
import type { PackedFailure } from '../threading/failures.ts';
import type { DatagramErrorPlace, DatagramServeOptions } from './datagrams.ts';
import type { ServeOptions } from './serve.ts';
import type { ErrorPlace } from './served.ts';

/** Places in the shared numbers of a thread. */
export const CONNECTIONS = 0;
export const ACCEPTED = 1;
export const FAILED = 2;
export const TIMEOUTS = 3;
export const RECEIVED = 4;
export const SENT = 5;
export const NUMBERS = 6;

/** What a thread begins with. */
export interface Beginning {
  port: MessagePort;
  module: string;
  datagrams: boolean;
  options: ServeOptions & DatagramServeOptions;
  /** Whether errors are told to the main thread. */
  tells: boolean;
  numbers: Float64Array;
}

/** To the thread: serve a listener, leave one, or end. Times in seconds. */
export type Order = { listen: number; handle: Required<SocketHandle> } | { leave: number } | { end: number };

/** From the thread. */
export type Report =
  | { ready: true }
  | { listening: number }
  | { stopped: true }
  | { failure: PackedFailure }
  | { error: PackedFailure; place: ErrorPlace | DatagramErrorPlace };
