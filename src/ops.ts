// The only implementation of everything that may wait. An attempt makes one system call and
// returns its result, or BLOCKED where the call would wait; who waits, and how, is not known
// here. A failed call is thrown.
import os from 'node:os';
import { type AnyAddress, decodeAddress, targetOf } from './address.ts';
import type { BaseSocket } from './base.ts';
import { native } from './binding.ts';
import { detachedError, noBytes } from './bytes.ts';
import { MSG_DONTWAIT, MSG_ERRQUEUE, MSG_OOB, MSG_PEEK, MSG_TRUNC } from './constants.gen.ts';
import * as engine from './engine.ts';
import { type ErrorTarget, type SocketError, systemError, wouldBlockError } from './errors.ts';

/** The call would wait for readiness. */
export const BLOCKED: unique symbol = Symbol('blocked');
/** The call would wait, and no readiness event will tell when to try again. */
export const BUSY: unique symbol = Symbol('busy');
export type Outcome<T> = T | typeof BLOCKED | typeof BUSY;

export const READ = 0;
export const WRITE = 1;

/** One kind of call: `argument`, `count` and `msgFlags` mean what the attempt says. */
export interface Operation<A, T> {
  readonly syscall: string;
  readonly direction: typeof READ | typeof WRITE;
  /** A receive that the engine can do by itself in its turn. */
  readonly native?: true;
  attempt(socket: BaseSocket, argument: A, count: number, msgFlags: number): Outcome<T>;
}

const { EAGAIN, EFAULT, EINPROGRESS, EALREADY, EISCONN } = os.constants.errno;

// Receives that never wait, whatever the socket's timeout: recv(2) gives EAGAIN for these even on
// a blocking socket.
const NEVER_WAITS = MSG_DONTWAIT | MSG_OOB | (MSG_ERRQUEUE ?? 0);
/** Whether a call with these flags fails where it would wait, on any socket. */
export const neverWaits = (msgFlags: number, direction: number): boolean =>
  (msgFlags & (direction === READ ? NEVER_WAITS : MSG_DONTWAIT)) !== 0;

function failed(result: number, syscall: string, target?: ErrorTarget): Error {
  return result === -EFAULT ? detachedError('the buffer') : systemError(result, syscall, target);
}

// Reads that have nothing to take say nothing of the queue when they look elsewhere: at urgent
// data, at the error queue, or behind what was peeked at before (SO_PEEK_OFF).
const ELSEWHERE = MSG_OOB | (MSG_ERRQUEUE ?? 0) | MSG_PEEK;

function readBlocked(socket: BaseSocket, msgFlags: number): typeof BLOCKED {
  if ((msgFlags & ELSEWHERE) === 0) engine.flags[socket.slot]! &= ~engine.READABLE;
  return BLOCKED;
}

function writeBlocked(socket: BaseSocket): typeof BLOCKED {
  engine.flags[socket.slot]! &= ~engine.WRITABLE;
  return BLOCKED;
}

// --- receiving ------------------------------------------------------------------------

/** One recv(2) into `view`; with no flags, keeps what a short read of a stream proves. */
export function recvView(
  socket: BaseSocket,
  view: Uint8Array,
  offset: number,
  length: number,
  msgFlags: number,
): Outcome<number> {
  const { slot } = socket;
  const kind = engine.flags[slot]!;
  const fd = engine.fds[slot]!;
  let boundary = false;
  let r: number;
  if (msgFlags === 0 && (kind & engine.ANCILLARY) !== 0) {
    r = native.recvStream(fd, view, offset, length);
    boundary = engine.io[0] !== 0;
  } else r = native.recv(fd, view, offset, length, msgFlags);
  if (r >= 0) {
    if (r < length && msgFlags === 0 && !boundary && (kind & (engine.SHORT | engine.HUP)) === engine.SHORT) {
      engine.flags[slot]! &= ~engine.READABLE;
    }
    engine.spendBytes(r);
    return r;
  }
  if (r !== -EAGAIN) throw failed(r, 'recv');
  return readBlocked(socket, msgFlags);
}

const SLAB_LIMIT = 65536;

/** recv(count): a piece of the engine's receive memory. */
export const recv: Operation<undefined, Buffer> = {
  syscall: 'recv',
  direction: READ,
  native: true,
  attempt(socket, _, count) {
    const r = native.receive(socket.slot, count);
    if (r > 0) {
      engine.spendBytes(r);
      return engine.lastPiece(r);
    }
    if (r === 0) return noBytes;
    if (r === -EAGAIN) return BLOCKED;
    if (r === engine.NO_SLAB) return recvOwn.attempt(socket, undefined, Math.min(count, SLAB_LIMIT), 0);
    throw systemError(r, 'recv');
  },
};

/** recv(count, flags) and messages larger than a slab takes: into memory of its own. */
export const recvOwn: Operation<undefined, Buffer> = {
  syscall: 'recv',
  direction: READ,
  attempt(socket, _, count, msgFlags) {
    const view = newMemory(count, msgFlags);
    const r = recvView(socket, view, 0, count, msgFlags);
    return typeof r === 'number' ? trimmed(view, r) : r;
  },
};

/** Which of the two serves recv(count) on this kind of socket. */
export function recvFor(kind: number, count: number): Operation<undefined, Buffer> {
  return count <= SLAB_LIMIT || (kind & engine.STREAM) !== 0 ? recv : recvOwn;
}

// MSG_TRUNC on a stream discards without copying (tcp(7)): no old memory may show there.
function newMemory(count: number, msgFlags: number): Buffer {
  return (msgFlags & MSG_TRUNC) !== 0 ? Buffer.alloc(count) : Buffer.allocUnsafeSlow(count);
}

// A short piece must not keep all the memory that was offered.
function trimmed(view: Buffer, length: number): Buffer {
  if (length >= view.length) return view;
  return length * 2 >= view.length
    ? (view.subarray(0, length) as Buffer)
    : Buffer.from(view.subarray(0, length));
}

export const recvInto: Operation<Uint8Array, number> = {
  syscall: 'recv',
  direction: READ,
  attempt: (socket, view, count, msgFlags) => recvView(socket, view, 0, count, msgFlags),
};

// The sender of the last datagram, decoded once for as long as it stays the same. Frozen, so
// that nobody can change what the next one gets.
let lastPeer: AnyAddress = '';

function peerAddress(): AnyAddress {
  if (engine.io[engine.IO_SAME] !== 0) return lastPeer;
  lastPeer = decodeAddress(engine.peer, engine.io[engine.IO_PEERLEN]!);
  return lastPeer;
}

/** Whether `address` is the tuple that the peer area still holds in its native form. */
export const isLastPeer = (address: unknown, family: number): boolean =>
  address === lastPeer && Array.isArray(address) && engine.peerFamily[0] === family;

function recvfromView(
  socket: BaseSocket,
  view: Uint8Array,
  length: number,
  msgFlags: number,
): Outcome<number> {
  const r = native.recvfrom(engine.fds[socket.slot]!, view, 0, length, msgFlags);
  if (r >= 0) {
    engine.spendBytes(r);
    return r;
  }
  if (r !== -EAGAIN) throw failed(r, 'recvfrom');
  return readBlocked(socket, msgFlags);
}

// A datagram is received into memory as large as the caller allows, and kept in as much as it has.
let datagramMemory = Buffer.allocUnsafeSlow(0);

export const recvfrom: Operation<undefined, [Buffer, AnyAddress]> = {
  syscall: 'recvfrom',
  direction: READ,
  attempt(socket, _, count, msgFlags) {
    if (count > SLAB_LIMIT || msgFlags !== 0) {
      const view = newMemory(count, msgFlags);
      const r = recvfromView(socket, view, count, msgFlags);
      return typeof r === 'number' ? [trimmed(view, r), peerAddress()] : r;
    }
    if (datagramMemory.length === 0) datagramMemory = Buffer.allocUnsafeSlow(SLAB_LIMIT);
    const r = recvfromView(socket, datagramMemory, count, 0);
    return typeof r === 'number' ? [kept(datagramMemory, r), peerAddress()] : r;
  },
};

function kept(memory: Buffer, length: number): Buffer {
  const copy = length <= 4096 ? Buffer.allocUnsafe(length) : Buffer.allocUnsafeSlow(length);
  memory.copy(copy, 0, 0, length);
  return copy;
}

export const recvfromInto: Operation<Uint8Array, [number, AnyAddress]> = {
  syscall: 'recvfrom',
  direction: READ,
  attempt(socket, view, count, msgFlags) {
    const r = recvfromView(socket, view, count, msgFlags);
    return typeof r === 'number' ? [r, peerAddress()] : r;
  },
};

/** accept(2): the new descriptor; its peer is in `engine.name`. */
export const accept: Operation<undefined, [BaseSocket, AnyAddress]> = {
  syscall: 'accept',
  direction: READ,
  attempt(socket) {
    const fd = native.accept(engine.fds[socket.slot]!);
    if (fd === -EAGAIN) return readBlocked(socket, 0);
    if (fd < 0) throw systemError(fd, 'accept');
    const address = decodeAddress(engine.name, engine.io[engine.IO_NAMELEN]!);
    return [socket.adopt(fd), address];
  },
};

// --- sending --------------------------------------------------------------------------

/** One send(2) from `offset`: the bytes that the kernel took. */
export function sendView(
  socket: BaseSocket,
  view: Uint8Array,
  offset: number,
  length: number,
  msgFlags: number,
): Outcome<number> {
  const r = native.send(engine.fds[socket.slot]!, view, offset, length, msgFlags);
  if (r >= 0) {
    if (r < length) engine.flags[socket.slot]! &= ~engine.WRITABLE;
    engine.spendBytes(r);
    return r;
  }
  if (r !== -EAGAIN) throw failed(r, 'send');
  return writeBlocked(socket);
}

export const send: Operation<Uint8Array, number> = {
  syscall: 'send',
  direction: WRITE,
  attempt: (socket, view, count, msgFlags) => sendView(socket, view, 0, count, msgFlags),
};

/** What a sendall still has to send, and what the kernel took so far. */
export interface Outgoing {
  view: Uint8Array;
  sent: number;
}

export const sendall: Operation<Outgoing, undefined> = {
  syscall: 'send',
  direction: WRITE,
  attempt(socket, outgoing, count, msgFlags) {
    try {
      do {
        const r = sendView(socket, outgoing.view, outgoing.sent, count - outgoing.sent, msgFlags);
        if (typeof r !== 'number') return r;
        outgoing.sent += r;
        // What is left over after a partial send waits: the kernel's queue is full.
      } while (outgoing.sent < count && (engine.flags[socket.slot]! & engine.WRITABLE) !== 0);
    } catch (error) {
      (error as SocketError).bytesSent = outgoing.sent;
      throw error;
    }
    return outgoing.sent < count ? BLOCKED : undefined;
  },
};

/** What `sendto` takes for an address that `engine.peer` holds already. */
export const KNOWN_PEER = -1;

/** A datagram and where it goes. */
export interface Addressed {
  readonly view: Uint8Array;
  readonly address: unknown;
  /** The address's length in `engine.name`, or KNOWN_PEER: for as long as `name` is not set. */
  readonly namelen: number;
  /** The native form, kept when the call has to wait: `engine.name` is for everyone. */
  name: Uint8Array | undefined;
  over: boolean;
}

export const sendto: Operation<Addressed, number> = {
  syscall: 'sendto',
  direction: WRITE,
  attempt(socket, addressed, count, msgFlags) {
    const { view, name } = addressed;
    if (name !== undefined) engine.name.set(name);
    const namelen = name === undefined ? addressed.namelen : name.length;
    const r = native.sendto(engine.fds[socket.slot]!, view, 0, count, msgFlags, namelen);
    if (r === -EAGAIN) {
      // Full is the receiver's queue, not ours: see engine.retryLater.
      return socket.isUnixDatagram ? BUSY : writeBlocked(socket);
    }
    addressed.over = true;
    if (r < 0) throw failed(r, 'sendto', targetOf(socket.family, addressed.address));
    engine.spendBytes(r);
    return r;
  },
};

/** Keeps the native form of a waiting call's address before another call uses its place. */
export function keepName(addressed: Addressed): void {
  const { namelen } = addressed;
  addressed.name =
    namelen === KNOWN_PEER
      ? engine.peer.slice(0, engine.io[engine.IO_PEERLEN])
      : engine.name.slice(0, namelen);
}

// --- connecting -----------------------------------------------------------------------

// A call that completes what an earlier one began (on a non-blocking socket) may be late, too.
function forgetHangUp(slot: number): void {
  if ((engine.flags[slot]! & engine.HUP) === 0) return;
  if (native.poll(engine.fds[slot]!, POLLRDHUP, 0) === 0) engine.flags[slot]! &= ~engine.HUP;
}
// poll(2), Linux: the peer has sent its end; POLLHUP and POLLERR are told unasked.
const POLLRDHUP = 0x2000;

/** Where a connect goes, and whether its first call was made. */
export interface Connecting {
  name: Uint8Array;
  target: ErrorTarget;
  begun: boolean;
}

/**
 * connect(2), and again when the socket is writable: the kernel then answers 0, EALREADY while
 * it is still at it, or the error with which it failed (connect(2), SO_ERROR is taken by it).
 */
export const connect: Operation<Connecting, undefined> = {
  syscall: 'connect',
  direction: WRITE,
  attempt(socket, connecting) {
    const { slot } = socket;
    engine.name.set(connecting.name);
    const r = native.connect(engine.fds[slot]!, connecting.name.length);
    const again = connecting.begun;
    // The socket's own hang-up, before it had a peer, is over. One that was reported since may be
    // the peer's: it can have sent all it has, and its end, with the event that woke us.
    if (!again && (r === 0 || r === -EINPROGRESS)) forgetHangUp(slot);
    if (r === 0 || (r === -EISCONN && again)) {
      engine.flags[slot]! |= engine.READABLE | engine.WRITABLE;
      return undefined;
    }
    if (r === -EAGAIN && socket.isUnix) return BUSY;
    connecting.begun = true;
    if (r === -EINPROGRESS || (r === -EALREADY && again)) {
      // Nothing can be read either, and a read would take the error of an attempt that failed.
      engine.flags[slot]! &= ~engine.READABLE;
      return writeBlocked(socket);
    }
    throw systemError(r, 'connect', connecting.target);
  },
};

/** A call that has no say yet: it holds its direction while a name is looked up. */
const holding = (syscall: string): Operation<AbortController, never> => ({
  syscall,
  direction: WRITE,
  attempt: () => BLOCKED,
});
export const holdSendto = holding('sendto');
export const holdConnect = holding('connect');
export const isHold = (operation: unknown): boolean => operation === holdSendto || operation === holdConnect;

/** The error of a call that would wait on a socket that never does. */
export function wouldBlock(operation: unknown, busy: boolean): SocketError {
  const { syscall } = operation as Operation<unknown, unknown>;
  return wouldBlockError(syscall, syscall === 'connect' && !busy ? 'EINPROGRESS' : 'EAGAIN');
}

/** Whether a native result means that the call would wait. */
export const isBlocked = (result: number): boolean => result === -EAGAIN;
