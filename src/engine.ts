// The engine's face in TypeScript: the tables that both sides see, receive memory, the ring of
// small sends, the budget of a turn. Knows slots and descriptors, nothing of operations.
//
// One engine a thread. A socket has a slot in the tables for as long as it is open; a slot's
// generation tells the events of its earlier owners from those of the present one. How
// readiness is kept, and why nothing is lost, stands on top of native/engine.cpp.
import { markAsUntransferable } from 'node:worker_threads';
import { native } from './binding.ts';
import { deferred, done, type Reject, type Resolve, rejectNext, resolveNext } from './deferred.ts';
import { systemError } from './errors.ts';

// Bits of `flags`, the same as in native/engine.h.
export const READABLE = 1;
export const WRITABLE = 2;
export const HUP = 4;
export const STREAM = 8;
export const SHORT = 16;
export const WATCHED = 64;
export const ANCILLARY = 128;

// Bits of `want`.
export const WANT_RECV = 1;
export const WANT_READ = 2;
export const WANT_WRITE = 4;
export const WANT_PRI = 8;

// Places in `io`.
export const IO_OFFSET = 0;
export const IO_SLAB = 1;
const IO_SEQUENCE = 2;
export const IO_NAMELEN = 3;
export const IO_PEERLEN = 4;
export const IO_SAME = 5;
const IO_PENDING = 6;
const IO_REFERENCED = 7;
const IO_IN_TURN = 8;
const IO_BORN = 9;
const IO_BORN_TOO = 10;

const EVENTS_A_TURN = 256;
const RECORD = 6;
const KIND_RECV = 1;
const KIND_READ = 2;

/** What `native.receive` returns when both areas of a class are spent. */
export const NO_SLAB = -100000;

/** What the engine tells a socket that waits. */
export interface Waiter {
  /** A receive was done for it: bytes received, or -errno. True if more receives wait behind. */
  received(result: number, offset: number, which: number, sequence: number): boolean;
  readyToRead(): void;
  readyToWrite(): void;
  /** The moment that `retryLater` means has come. True if a call that waited is over. */
  retry(): boolean;
  /** A small send left the ring: bytes sent, or -errno. */
  flushed(
    result: number,
    offset: number,
    length: number,
    resolve: Resolve,
    reject: Reject,
    all: boolean,
  ): void;
}

// --- tables ---------------------------------------------------------------------------

export let fds = new Int32Array(0);
export let generations = new Int32Array(0);
export let asks = new Int32Array(0);
export let flags = new Uint8Array(0);
export let want = new Uint8Array(0);

/** Registers between a native call and its caller. */
export const io = new Int32Array(11);
io[IO_BORN] = io[IO_BORN_TOO] = -1;
/** A socket address on its way in or out. */
export const name = new Uint8Array(128);
/** The address that the last recvfrom came from. */
export const peer = new Uint8Array(128);
/** Its first field, in host byte order. */
export const peerFamily = new Uint16Array(peer.buffer, 0, 1);

const records = new Int32Array(1 + EVENTS_A_TURN * 3 * RECORD);
const free: number[] = [];
const waiting: (Waiter | undefined)[] = [];
let top = 0;

function grow(): void {
  const size = Math.max(64, fds.length * 2);
  const larger = <T extends Int32Array | Uint8Array>(to: T, from: T): T => {
    to.set(from);
    return to;
  };
  fds = larger(new Int32Array(size).fill(-1, fds.length), fds);
  generations = larger(new Int32Array(size), generations);
  asks = larger(new Int32Array(size), asks);
  flags = larger(new Uint8Array(size), flags);
  want = larger(new Uint8Array(size), want);
  native.tables(fds, generations, asks, flags, want);
}

let started = false;
function start(): void {
  const r = native.attach(io, name, peer, records, ring, ringRecords, dispatch);
  if (r < 0) throw systemError(r, 'attach');
  for (const which of [0, 1]) {
    native.slab(which, areas[which]!);
    native.slab(which, following[which]!);
  }
  started = true;
}

/** Begins the engine of this thread: before the first system call that uses its areas. */
export function ensureStarted(): void {
  if (!started) start();
}

/** A slot for a new descriptor; `kind` are its STREAM, SHORT and ANCILLARY bits. */
export function openSlot(fd: number, kind: number): number {
  const slot = free.pop() ?? top++;
  if (slot >= fds.length) grow();
  fds[slot] = fd;
  if (io[IO_BORN] === fd) io[IO_BORN] = -1;
  else if (io[IO_BORN_TOO] === fd) io[IO_BORN_TOO] = -1;
  // Taken to be ready until the kernel says otherwise: the first call finds out.
  flags[slot] = kind | READABLE | WRITABLE;
  return slot;
}

/** Gives a slot back, and closes its descriptor or leaves that to its new owner. 0 or -errno. */
export function closeSlot(slot: number, close: boolean): number {
  const r = native.release(slot, close ? 1 : 0);
  free.push(slot);
  return r;
}

/** Gives a slot back, and offers its descriptor to the threads of the process: the ticket. */
export function offerSlot(slot: number): number {
  const ticket = native.release(slot, 2);
  free.push(slot);
  return ticket;
}

let watching = false;

// The event loop has a part in this from the first wait on: a program whose sockets all block never
// gets there.
function startWatching(): void {
  // Bun and Deno answer for libuv's names without being libuv.
  const other = 'bun' in process.versions || 'deno' in process.versions;
  const r = native.start(other ? 1 : 0);
  if (r < 0) throw systemError(r, 'epoll_create');
  watching = true;
}

/** Registers a slot's descriptor for events, once. */
export function watch(slot: number): void {
  if ((flags[slot]! & WATCHED) !== 0) return;
  if (!watching) startWatching();
  const r = native.watch(slot);
  if (r < 0) throw systemError(r, 'epoll_ctl');
}

/** Who is told of the slot's events; `referenced`: whether that keeps the process alive. */
export function setWaiter(slot: number, waiter: Waiter | undefined, referenced: boolean): void {
  const before = waiting[slot];
  waiting[slot] = waiter;
  if (referenced && (before === undefined) !== (waiter === undefined))
    countPending(waiter === undefined ? -1 : 1);
}

/** Counts sockets with something pending; the event loop is told at the end of a turn. */
export function countPending(change: number): void {
  const pending = io[IO_PENDING]! + change;
  io[IO_PENDING] = pending;
  if (io[IO_IN_TURN] === 0 && pending > 0 !== (io[IO_REFERENCED] === 1)) native.reference();
}

// --- a turn ---------------------------------------------------------------------------

// Immediate completions allowed before the event loop runs again: without a bound, a loop of
// awaits on a socket that is always ready never leaves the microtask queue. 64 operations of up
// to 64 KiB; larger ones count for more.
const BUDGET = 64;
const BYTES_AN_OPERATION = 65536;
let budget = BUDGET;

/** Takes one operation from this turn's budget; false when it is spent. */
export function spend(): boolean {
  return --budget >= 0;
}

/** The bytes that attempts have moved so far: what one of them moved is the difference (counted.ts). */
export const moved = new Float64Array(1);

/** Takes the bytes that an operation moved from the budget too; `moving`: not only looked at. */
export function spendBytes(bytes: number, moving = true): void {
  if (moving) moved[0]! += bytes;
  if (bytes > BYTES_AN_OPERATION) budget -= (bytes / BYTES_AN_OPERATION) | 0;
}

/**
 * Whether this turn served several sockets, whose small sends are worth gathering; for a single
 * one the ring is a detour.
 */
export let crowded = false;

function dispatch(): void {
  const count = records[0]!;
  // What this turn brought is answered in this turn: a call or two for each record do not count.
  budget = BUDGET + 2 * count;
  crowded = count > 1;
  // What was received is taken up before anything else: a further receive moves the areas on, and
  // what the records say of their places holds no longer.
  let more = false;
  for (let i = 0, at = 1; i < count; i++, at += RECORD) {
    const waiter = waiting[records[at]!];
    if (waiter === undefined) continue;
    if (records[at + 1]! !== KIND_RECV) more = true;
    else if (waiter.received(records[at + 2]!, records[at + 3]!, records[at + 4]!, records[at + 5]!)) {
      records[at + 1] = KIND_READ;
      more = true;
    }
  }
  if (!more) return;
  for (let i = 0, at = 1; i < count; i++, at += RECORD) {
    const kind = records[at + 1]!;
    if (kind === KIND_RECV) continue;
    const waiter = waiting[records[at]!];
    if (waiter === undefined) continue;
    if (kind === KIND_READ) waiter.readyToRead();
    else waiter.readyToWrite();
  }
}

// Each socket once, however many of its calls are over the budget: one that could not be served
// comes back here from both of its directions. It goes on in a callback of its own, with its share
// of the budget in a row: sockets that take turns call by call take each other's memory out of the
// cache (half the rate of eight bulk receivers, measured).
const postponed = new Set<Waiter>();
let phase = 0;
let share = BUDGET;

/** Goes on with a socket in the loop's next turn: it is ready, and no event will tell again. */
export function postpone(waiter: Waiter): void {
  if (postponed.has(waiter)) return;
  postponed.add(waiter);
  setImmediate(redrive, waiter);
}

function redrive(waiter: Waiter): void {
  // One phase of the loop runs all that were postponed before it, and none that they postpone.
  if (phase === 0) {
    phase = postponed.size;
    share = Math.max(1, (BUDGET / phase) | 0);
  }
  phase--;
  postponed.delete(waiter);
  budget = share;
  crowded = false;
  waiter.readyToRead();
  // A share of its own: what never stops arriving must not keep a send from its turn.
  if (budget <= 0) budget = 1;
  waiter.readyToWrite();
}

// The kernel tells nobody when an AF_UNIX listener's backlog, or the queue of a datagram socket
// that one is not connected to, has room again (unix(7): a blocking call sleeps inside).
// So they are tried again: in every turn at first, since who reads at all makes room soon, and less
// and less often for as long as none of them gets on.
const EAGER_ROUNDS = 32;
const ROUNDS_A_MS = 16;
const SLOWEST_MS = 8;
let retrying = new Set<Waiter>();
let fruitless = 0;
let scheduled = false;

/** Tries a socket's write again in a moment: calls its `retry`. */
export function retryLater(waiter: Waiter): void {
  retrying.add(waiter);
  if (scheduled) return;
  fruitless = 0;
  scheduleRetry();
}

function scheduleRetry(): void {
  scheduled = true;
  if (fruitless < EAGER_ROUNDS) setImmediate(retry);
  else setTimeout(retry, Math.min(((fruitless - EAGER_ROUNDS) / ROUNDS_A_MS + 1) | 0, SLOWEST_MS)).unref();
}

function retry(): void {
  const list = retrying;
  retrying = new Set();
  fruitless++;
  for (const waiter of list) if (waiter.retry()) fruitless = 0;
  scheduled = false;
  if (retrying.size > 0) scheduleRetry();
}

// --- receive memory -------------------------------------------------------------------

const AREA_SIZES = [65536, 1 << 20];
// Native code keeps a pointer into an area for as long as receives go there, and pieces of it are
// in users' hands: whoever transfers one to another thread must get a copy or an error.
const allocate = (which: number): Buffer => {
  const area = Buffer.allocUnsafeSlow(AREA_SIZES[which]!);
  markAsUntransferable(area.buffer);
  return area;
};
const areas: [Buffer, Buffer] = [allocate(0), allocate(1)];
const following: [Buffer, Buffer] = [allocate(0), allocate(1)];
const sequences: [number, number] = [0, 0];

/** The bytes that a receive put into an area. */
export function piece(length: number, offset: number, which: number, sequence: number): Buffer {
  const w = which as 0 | 1;
  if (sequence !== sequences[w]) {
    sequences[w] = sequence;
    areas[w] = following[w];
    following[w] = allocate(w);
    native.slab(w, following[w]);
  }
  return areas[w].subarray(offset, offset + length) as Buffer;
}

/** The bytes of the `native.receive` that just returned `length`. */
export function lastPiece(length: number): Buffer {
  return piece(length, io[IO_OFFSET]!, io[IO_SLAB]!, io[IO_SEQUENCE]!);
}

// --- the ring of small sends ----------------------------------------------------------

/** Sends up to this size are gathered and handed over by one call a microtask round. */
export const GATHER_SIZE = 4096;

const RING_SIZE = 262144;
const RING_ENTRIES = 256;
export const ring = Buffer.allocUnsafeSlow(RING_SIZE);
const ringRecords = new Int32Array(RING_ENTRIES * 3);
const ringWaiters: (Waiter | undefined)[] = new Array(RING_ENTRIES);
const ringResolves: (Resolve | undefined)[] = new Array(RING_ENTRIES);
const ringRejects: (Reject | undefined)[] = new Array(RING_ENTRIES);
const ringAll = new Uint8Array(RING_ENTRIES);
const lengths = new Int32Array(RING_ENTRIES);
let gathered = 0;
let ringUsed = 0;

/**
 * Copies a small send into the ring. The promise settles with what the kernel said, when the
 * ring is flushed: behind the microtasks that are queued already, so that all connections of a
 * turn have had their say. `all`: settles with nothing instead of the count.
 */
export function gather(
  waiter: Waiter,
  slot: number,
  data: Uint8Array | string,
  size: number,
  all: boolean,
): Promise<unknown> {
  if (gathered === RING_ENTRIES || ringUsed + size > RING_SIZE) flush();
  const at = ringUsed;
  const length = typeof data === 'string' ? ring.write(data, at, 'utf8') : size;
  if (typeof data !== 'string') ring.set(data, at);
  ringUsed += length;
  const i = gathered++;
  ringRecords[i * 3] = slot;
  ringRecords[i * 3 + 1] = at;
  ringRecords[i * 3 + 2] = length;
  const promise = deferred();
  ringWaiters[i] = waiter;
  ringResolves[i] = resolveNext;
  ringRejects[i] = rejectNext;
  ringAll[i] = all ? 1 : 0;
  if (i === 0) done.then(flush);
  return promise;
}

/** Hands the gathered sends to the kernel now: before anything that must come behind them. */
export function flush(): void {
  const count = gathered;
  if (count === 0) return;
  // The lengths become results in place; a socket that got less than it wanted needs both.
  for (let i = 0; i < count; i++) lengths[i] = ringRecords[i * 3 + 2]!;
  native.flush(count);
  gathered = 0;
  ringUsed = 0;
  // What the sockets of the ring move here is not moved by the call in front of which this happens.
  const before = moved[0]!;
  for (let i = 0; i < count; i++) {
    const waiter = ringWaiters[i]!;
    const resolve = ringResolves[i]!;
    const reject = ringRejects[i]!;
    ringWaiters[i] = ringResolves[i] = ringRejects[i] = undefined;
    waiter.flushed(
      ringRecords[i * 3 + 2]!,
      ringRecords[i * 3 + 1]!,
      lengths[i]!,
      resolve,
      reject,
      ringAll[i] === 1,
    );
  }
  moved[0] = before;
}

/** How long the engine polls before it lets the thread sleep, in seconds. */
export function busyPoll(seconds: number): void {
  native.busyPoll(seconds);
}
