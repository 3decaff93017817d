// Sockets on their way from one thread to another: what `moveSocket` gave up and nobody has taken
// yet. Such a descriptor is closed when its thread ends (native/transit.cpp). So a worker that has
// nothing left to do waits a while for the other side, and a program that has forgotten a handle
// is told.
import { isMainThread } from 'node:worker_threads';
import { BaseSocket, type SocketHandle } from './base.ts';
import { native } from './binding.ts';
import { typeError } from './errors.ts';
import type { FlavouredSocket } from './flavour.ts';

/** Seconds after which the program is warned of a handle that nobody has taken, and a worker no longer waits. */
const PATIENCE = 10;
const FIRST_LOOK = 5;
const SLOWEST_LOOK = 1000;

/** A handle that any thread can adopt, once. */
export type MovedSocket = Required<SocketHandle>;

const underWay = new Map<number, { handle: MovedSocket; since: number }>();
let timer: NodeJS.Timeout | undefined;
let pause = FIRST_LOOK;

/**
 * Gives up a socket, of either flavour, for another thread: the handle goes there by any
 * `postMessage`, and `fromHandle` makes a socket of it, with the default timeout. From this call on
 * exactly one thread owns the descriptor: the first that adopts the handle gets it, any other a
 * `ClosedError`. Calls that wait here reject with `ClosedError`; what the kernel holds to be read moves along, what
 * a `Reader` has read ahead does not (`reader.rest()`).
 *
 * Until somebody adopts it the descriptor belongs to this thread: it is closed when the thread ends. A
 * worker therefore stays for up to 10 s until its handles are adopted; after 10 s the program is warned.
 */
export function moveSocket(socket: FlavouredSocket): MovedSocket {
  if (!(socket instanceof BaseSocket)) throw typeError('socket', 'a Socket', socket);
  const handle = socket.move();
  underWay.set(handle.ticket, { handle, since: performance.now() });
  pause = FIRST_LOOK;
  schedule();
  return handle;
}

/** Whether handles of this thread wait to be adopted, and have not waited too long. */
export function awaitsAdoption(): boolean {
  const now = performance.now();
  for (const [ticket, { since }] of underWay) {
    if (native.offered(ticket) === 0) underWay.delete(ticket);
    else if (now - since < PATIENCE * 1000) return true;
  }
  return false;
}

function schedule(): void {
  clearTimeout(timer);
  timer = setTimeout(look, pause);
  // The end of the process is the end of all handles; a worker's is not.
  if (isMainThread) timer.unref();
}

function look(): void {
  const now = performance.now();
  for (const [ticket, { handle, since }] of underWay) {
    if (native.offered(ticket) === 0) underWay.delete(ticket);
    else if (now - since >= PATIENCE * 1000) {
      underWay.delete(ticket);
      warn(handle);
    }
  }
  pause = Math.min(pause * 2, SLOWEST_LOOK);
  if (underWay.size > 0) schedule();
}

function warn({ fd }: MovedSocket): void {
  process.emitWarning(`moved socket: fd ${fd} has not been adopted for ${PATIENCE} s`, {
    type: 'ResourceWarning',
    detail: 'A handle of moveSocket() belongs to the thread that gave it until fromHandle() adopts it.',
  });
}
