// MSG_WAITALL: a receive that waits until all is there. The kernel does not wait on a descriptor
// that is O_NONBLOCK, so the call takes what comes, piece by piece, and nothing of it is lost: whatever
// ends the call early (the end of the stream, an error, a time limit, a signal, close), it gives what
// it has, and what ended it is told to the next call. As recv(2) does.
import type { AnyAddress } from './address.ts';
import type { Ancillary } from './ancillary.ts';
import type { BaseSocket } from './base.ts';
import { native } from './binding.ts';
import { MSG_CTRUNC, MSG_PEEK, MSG_WAITALL, SCM_RIGHTS, SOCK_STREAM, SOL_SOCKET } from './constants.gen.ts';
import * as engine from './engine.ts';
import { TimeoutError } from './errors.ts';
import { newMemory, trimmed } from './memory.ts';
import { recvmsgInto } from './messages.ts';
import * as ops from './ops.ts';
import { MORE, neverWaits, type Operation, type Outcome, READ } from './ops.ts';

/** Whether a receive with these flags collects; datagrams come whole, and the flag means nothing. */
export function collects(socket: BaseSocket, msgFlags: number): boolean {
  return (
    (msgFlags & MSG_WAITALL) !== 0 &&
    socket.type === SOCK_STREAM &&
    socket.timeout !== 0 &&
    !neverWaits(msgFlags, READ)
  );
}

/** What is being filled. */
interface Filling {
  readonly count: number;
  readonly msgFlags: number;
  have: number;
  /** Where the last piece came from. */
  from: AnyAddress;
  /** The last piece ends it. */
  over: boolean;
}

/** Memory that is being filled. */
export interface Collection extends Filling {
  readonly view: Uint8Array;
}

/** Buffers that are being filled, and what came beside the data. */
export interface MessageCollection extends Filling {
  readonly views: readonly Uint8Array[];
  readonly room: number;
  ancdata: Ancillary[];
  flags: number;
}

const filling = (count: number, msgFlags: number): Filling => ({
  count,
  msgFlags,
  have: 0,
  from: '',
  over: false,
});

/** Memory of the caller's, or new memory, to fill. */
export function collection(view: Uint8Array | undefined, count: number, msgFlags: number): Collection {
  return { ...filling(count, msgFlags), view: view ?? newMemory(count, msgFlags) };
}

/** Buffers of the caller's, or new memory, to fill with a message's data. */
export function messageCollection(
  views: readonly Uint8Array[] | undefined,
  room: number,
  count: number,
  msgFlags: number,
): MessageCollection {
  const into = views ?? [newMemory(count, msgFlags)];
  return { ...filling(count, msgFlags), views: into, room, ancdata: [], flags: 0 };
}

// Takes one piece into the rest of the memory.
type Take<C> = (socket: BaseSocket, to: C, length: number, msgFlags: number) => Outcome<number>;

const take: Take<Collection> = (socket, to, length, msgFlags) =>
  taken(socket, native.recv(engine.fds[socket.slot]!, to.view, to.have, length, msgFlags), msgFlags, 'recv');

const takeFrom: Take<Collection> = (socket, to, length, msgFlags) => {
  const r = native.recvfrom(engine.fds[socket.slot]!, to.view, to.have, length, msgFlags);
  if (r >= 0) to.from = ops.peerAddress(socket.proto);
  return taken(socket, r, msgFlags, 'recvfrom');
};

function taken(socket: BaseSocket, r: number, msgFlags: number, syscall: string): Outcome<number> {
  if (r >= 0) {
    engine.spendBytes(r, (msgFlags & MSG_PEEK) === 0);
    return r;
  }
  if (!ops.isBlocked(r)) throw ops.failed(r, syscall);
  return ops.readBlocked(socket, msgFlags);
}

// Descriptors end a message in the kernel, too (af_unix.c, unix_stream_read_generic).
const takeMessage: Take<MessageCollection> = (socket, to, length, msgFlags) => {
  const rest = { views: part(to.views, to.have, length), room: to.room };
  const outcome = recvmsgInto.attempt(socket, rest, length, msgFlags);
  if (typeof outcome === 'symbol') return outcome;
  const [nbytes, ancdata, flags, from] = outcome;
  if (ancdata.length > 0) to.ancdata = ancdata;
  to.flags |= flags;
  to.from = from;
  to.over =
    (flags & MSG_CTRUNC) !== 0 ||
    ancdata.some(([level, type]) => level === SOL_SOCKET && type === SCM_RIGHTS);
  return nbytes;
};

// `length` bytes of the buffers, from `from` on.
function part(views: readonly Uint8Array[], from: number, length: number): Uint8Array[] {
  const some: Uint8Array[] = [];
  let at = -from;
  for (const view of views) {
    const begin = Math.max(0, -at);
    const end = Math.min(view.length, length - at);
    if (begin < end) some.push(view.subarray(begin, end));
    at += view.length;
  }
  return some;
}

// poll(2). POLLERR alone is the error queue's, or an error that the connection survives (IP_RECVERR).
const POLLIN = 1;
const POLLHUP = 16;
const POLLRDHUP = 0x2000;

// Nothing comes behind what is queued.
const ended = (fd: number): boolean => (native.poll(fd, POLLIN | POLLRDHUP, 0) & (POLLHUP | POLLRDHUP)) !== 0;

function collect<C extends Filling>(socket: BaseSocket, to: C, receive: Take<C>): Outcome<true> {
  if ((to.msgFlags & MSG_PEEK) !== 0) return peek(socket, to, receive);
  let length = to.count - to.have;
  if (to.have > 0) {
    const fd = engine.fds[socket.slot]!;
    // As the kernel: what was taken ends in front of urgent data, inline or not.
    if (native.atmark(fd) === 1) return true;
    // Asked before it is tried: a receive takes the error with it that the next call is to meet.
    let there = native.queued(fd);
    if (there === 0) {
      if (!ended(fd)) return ops.readBlocked(socket, 0);
      // It may have come with the last of the data.
      there = native.queued(fd);
      if (there === 0) return true;
    }
    if (there > 0 && there < length) length = there;
  }
  let r: Outcome<number>;
  try {
    r = receive(socket, to, length, to.msgFlags & ~MSG_WAITALL);
  } catch (error) {
    // Only where the family does not tell what is queued.
    if (to.have > 0) return true;
    throw error;
  }
  if (typeof r !== 'number') return r;
  to.have += r;
  return r === 0 || to.over || to.have === to.count ? true : MORE;
}

// Nothing is taken, so that all must fit into the receive queue: else this waits for ever, as in
// the kernel.
function peek<C extends Filling>(socket: BaseSocket, to: C, receive: Take<C>): Outcome<true> {
  const fd = engine.fds[socket.slot]!;
  const there = native.queued(fd);
  // There may be something, but more has to come: the event that tells of it sets the flag again.
  if (there >= 0 && there < to.count && native.atmark(fd) !== 1 && !ended(fd))
    return ops.readBlocked(socket, 0);
  const r = receive(socket, to, to.count, to.msgFlags & ~MSG_WAITALL);
  if (typeof r !== 'number') return r;
  to.have = r;
  return true;
}

function collecting<C extends Filling, T>(
  syscall: string,
  receive: Take<C>,
  give: (collection: C) => T,
): Operation<C, T> {
  return {
    syscall,
    direction: READ,
    attempt(socket, to) {
      const outcome = collect(socket, to, receive);
      return outcome === true ? give(to) : outcome;
    },
    cut(to, reason, socket) {
      if ((to.msgFlags & MSG_PEEK) !== 0 && socket.slot >= 0) {
        engine.flags[socket.slot]! |= engine.READABLE;
        if (reason instanceof TimeoutError) glance(socket, to, receive);
      }
      return to.have > 0 ? give(to) : undefined;
    },
  };
}

// What there is to see when the time is over.
function glance<C extends Filling>(socket: BaseSocket, to: C, receive: Take<C>): void {
  try {
    const r = receive(socket, to, to.count, to.msgFlags & ~MSG_WAITALL);
    if (typeof r === 'number') to.have = r;
  } catch {}
}

const bytesOf = (to: Collection): Buffer => trimmed(to.view as Buffer, to.have);

export const recvAll = collecting('recv', take, bytesOf);
export const recvAllInto = collecting('recv', take, (to) => to.have);
export const recvfromAll = collecting('recvfrom', takeFrom, (to): [Buffer, AnyAddress] => [
  bytesOf(to),
  to.from,
]);
export const recvfromAllInto = collecting('recvfrom', takeFrom, (to): [number, AnyAddress] => [
  to.have,
  to.from,
]);
export const recvmsgAll = collecting(
  'recvmsg',
  takeMessage,
  (to): [Buffer, Ancillary[], number, AnyAddress] => [
    trimmed(to.views[0] as Buffer, to.have),
    to.ancdata,
    to.flags,
    to.from,
  ],
);
export const recvmsgAllInto = collecting(
  'recvmsg',
  takeMessage,
  (to): [number, Ancillary[], number, AnyAddress] => [to.have, to.ancdata, to.flags, to.from],
);
