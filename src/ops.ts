// The only implementation of everything that may wait. An attempt makes one system call and
// returns its result, or BLOCKED where the call would wait; who waits, and how, is not known
// here. A failed call is thrown.
import os from 'node:os';
import { type AnyAddress, decodeAddress, targetOf } from './address.ts';
import type { BaseSocket } from './base.ts';
import { native } from './binding.ts';
import { detachedError, noBytes } from './bytes.ts';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  MSG_FASTOPEN,
  MSG_OOB,
  MSG_PEEK,
  SO_ERROR,
  SOL_SOCKET,
} from './constants.gen.ts';
import * as engine from './engine.ts';
import {
  type ErrorTarget,
  type SocketError,
  systemError,
  type TimeoutError,
  timeoutError,
  wouldBlockError,
} from './errors.ts';
import { messageIn, messageMemory, newMemory, SLAB_LIMIT, trimmed } from './memory.ts';

/** The call would wait for readiness. */
export const BLOCKED: unique symbol = Symbol('blocked');
/** The call would wait, and no readiness event will tell when to try again. */
export const BUSY: unique symbol = Symbol('busy');
/** The call can go on at once, but had its share of the turn. */
export const MORE: unique symbol = Symbol('more');
export type Outcome<T> = T | typeof BLOCKED | typeof BUSY | typeof MORE;

export const READ = 0;
export const WRITE = 1;

/** One kind of call: `argument`, `count` and `msgFlags` mean what the attempt says. */
export interface Operation<A, T> {
  readonly syscall: string;
  readonly direction: typeof READ | typeof WRITE;
  /** A receive that the engine can do by itself in its turn. */
  readonly native?: true;
  attempt(socket: BaseSocket, argument: A, count: number, msgFlags: number): Outcome<T>;
  /**
   * The call was begun, and ends before it is done, for this reason: the result that it has all
   * the same, or nothing where it fails with the reason. What it did so far can be noted there.
   */
  cut?(argument: A, reason: unknown, socket: BaseSocket): T | undefined;
}

/** What a call that ends before it is done has to give; nothing where it fails with the reason. */
export function cutShort<A, T>(
  operation: Operation<A, T>,
  argument: A,
  reason: unknown,
  socket: BaseSocket,
): T | undefined {
  return operation.cut?.(argument, reason, socket);
}

/** Notes what the kernel took of a call that fails: its owner may have frozen the reason of a signal. */
export function noteSent(reason: unknown, sent: number): undefined {
  if (typeof reason !== 'object' || reason === null) return;
  try {
    (reason as { bytesSent?: number }).bytesSent = sent;
  } catch {}
}

const { EAGAIN, EFAULT, EINPROGRESS, EALREADY, EISCONN } = os.constants.errno;

// Receives that never wait, whatever the socket's timeout: recv(2) gives EAGAIN for these even on
// a blocking socket.
const NEVER_WAITS = MSG_DONTWAIT | MSG_OOB | (MSG_ERRQUEUE ?? 0);
/** Whether a call with these flags fails where it would wait, on any socket. */
export const neverWaits = (msgFlags: number, direction: number): boolean =>
  (msgFlags & (direction === READ ? NEVER_WAITS : MSG_DONTWAIT)) !== 0;

/** Whether a receive looks beside the queue of what arrived, and so need not wait for those that read it. */
export const looksBeside = (msgFlags: number): boolean => (msgFlags & (MSG_OOB | (MSG_ERRQUEUE ?? 0))) !== 0;

/** The error of a call that moves data. */
export function failed(result: number, syscall: string, target?: ErrorTarget): Error {
  return result === -EFAULT ? detachedError('the buffer') : systemError(result, syscall, target);
}

/**
 * Reads that have nothing to take say nothing of the queue when they look elsewhere: at urgent
 * data, at the error queue, or behind what was peeked at before (SO_PEEK_OFF).
 */
export const ELSEWHERE = MSG_OOB | (MSG_ERRQUEUE ?? 0) | MSG_PEEK;

/** The call has nothing to take: it waits for readable. */
export function readBlocked(socket: BaseSocket, msgFlags: number): typeof BLOCKED {
  if ((msgFlags & ELSEWHERE) === 0) engine.flags[socket.slot]! &= ~engine.READABLE;
  return BLOCKED;
}

/** The kernel took nothing: the call waits for writable. */
export function writeBlocked(socket: BaseSocket): typeof BLOCKED {
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
    engine.spendBytes(r, (msgFlags & ELSEWHERE) === 0);
    return r;
  }
  if (r !== -EAGAIN) throw failed(r, 'recv');
  return readBlocked(socket, msgFlags);
}

/** recv(count): a piece of the engine's receive memory. */
export const recv: Operation<undefined, Buffer> = {
  syscall: 'recv',
  direction: READ,
  native: true,
  attempt: (socket, _, count) => received(socket, count, native.receive(socket.slot, count)),
};

/** `recv` for a thread that waits: where nothing is there, for up to so many milliseconds. */
export function recvWithin(socket: BaseSocket, count: number, milliseconds: number): Outcome<Buffer> {
  return received(socket, count, native.receiveWithin(socket.slot, count, milliseconds));
}

function received(socket: BaseSocket, count: number, r: number): Outcome<Buffer> {
  if (r > 0) {
    engine.spendBytes(r);
    return engine.lastPiece(r);
  }
  if (r === 0) return noBytes;
  if (r === -EAGAIN) return BLOCKED;
  if (r === engine.NO_SLAB) return recvOwn.attempt(socket, undefined, Math.min(count, SLAB_LIMIT), 0);
  throw systemError(r, 'recv');
}

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

export const recvInto: Operation<Uint8Array, number> = {
  syscall: 'recv',
  direction: READ,
  attempt: (socket, view, count, msgFlags) => recvView(socket, view, 0, count, msgFlags),
};

// The sender of the last datagram, decoded once for as long as it stays the same. Frozen, so
// that nobody can change what the next one gets.
let lastPeer: AnyAddress = '';
let lastProto = 0;

/** The sender of the datagram that came last, to a socket of this protocol. */
export function peerAddress(proto: number): AnyAddress {
  // The same bytes are another address in another protocol of AF_BLUETOOTH or AF_CAN.
  if (engine.io[engine.IO_SAME] !== 0 && proto === lastProto) return lastPeer;
  lastProto = proto;
  lastPeer = decodeAddress(engine.peer, engine.io[engine.IO_PEERLEN]!, proto);
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
    engine.spendBytes(r, (msgFlags & ELSEWHERE) === 0);
    return r;
  }
  if (r !== -EAGAIN) throw failed(r, 'recvfrom');
  return readBlocked(socket, msgFlags);
}

export const recvfrom: Operation<undefined, [Buffer, AnyAddress]> = {
  syscall: 'recvfrom',
  direction: READ,
  attempt(socket, _, count, msgFlags) {
    const memory = messageMemory(count, msgFlags);
    const r = recvfromView(socket, memory, count, msgFlags);
    return typeof r === 'number' ? [messageIn(memory, r), peerAddress(socket.proto)] : r;
  },
};

export const recvfromInto: Operation<Uint8Array, [number, AnyAddress]> = {
  syscall: 'recvfrom',
  direction: READ,
  attempt(socket, view, count, msgFlags) {
    const r = recvfromView(socket, view, count, msgFlags);
    return typeof r === 'number' ? [r, peerAddress(socket.proto)] : r;
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
    const address = decodeAddress(engine.name, engine.io[engine.IO_NAMELEN]!, socket.proto);
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
  // EINPROGRESS: the handshake that carries the first data is under way (TCP_FASTOPEN_CONNECT).
  if (r !== -EAGAIN && r !== -EINPROGRESS) throw failed(r, 'send');
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
      noteSent(error, outgoing.sent);
      throw error;
    }
    return outgoing.sent < count ? BLOCKED : undefined;
  },
  cut: (outgoing, reason) => noteSent(reason, outgoing.sent),
};

/** Data that goes with the handshake of TCP. */
export const FASTOPEN = MSG_FASTOPEN ?? 0;

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
  /** The handshake of a MSG_FASTOPEN is under way without the data: no cookie was at hand. */
  handshake?: true;
}

export const sendto: Operation<Addressed, number> = {
  syscall: 'sendto',
  direction: WRITE,
  attempt(socket, addressed, count, msgFlags) {
    const { view, name } = addressed;
    const fd = engine.fds[socket.slot]!;
    let r: number;
    if (addressed.handshake) r = native.send(fd, view, 0, count, msgFlags & ~FASTOPEN);
    else {
      if (name !== undefined) engine.name.set(name);
      r = native.sendto(fd, view, 0, count, msgFlags, name === undefined ? addressed.namelen : name.length);
    }
    if (r === -EINPROGRESS && (msgFlags & FASTOPEN) !== 0 && socket.timeout !== 0) {
      // tcp(7): the data is then sent on the connection, as a blocking call does.
      addressed.handshake = true;
      return writeBlocked(socket);
    }
    if (r === -EAGAIN) {
      // Full is the receiver's queue, not ours: see engine.retryLater.
      return socket.isUnixDatagram ? BUSY : writeBlocked(socket);
    }
    addressed.over = true;
    if (r < 0) throw failed(r, 'sendto', targetOf(socket.family, addressed.address, socket.proto));
    engine.spendBytes(r);
    return r;
  },
};

/** Keeps the native form of a waiting call's address before another call uses its place. */
export function keepName(addressed: Pick<Addressed, 'namelen' | 'name'>): void {
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

const pending = new Int32Array(1);
const pendingBytes = new Uint8Array(pending.buffer);

// TCP and AF_UNIX answer a second connect with the error of the first. AF_VSOCK goes on to say
// EALREADY (af_vsock.c: SS_CONNECTING stays), and Bluetooth would begin anew: there the error has to
// be asked for (SO_ERROR, as connect(2) has it), which also takes it.
function throwPendingError(socket: BaseSocket, connecting: Connecting): void {
  const { family } = socket;
  if (!connecting.begun || family === AF_INET || family === AF_INET6 || family === AF_UNIX) return;
  const r = native.getsockopt(engine.fds[socket.slot]!, SOL_SOCKET, SO_ERROR, pendingBytes);
  if (r > 0 && pending[0] !== 0) throw systemError(-pending[0]!, 'connect', connecting.target);
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
    throwPendingError(socket, connecting);
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
export const holdSendmsg = holding('sendmsg');
export const holdConnect = holding('connect');
export const isHold = (operation: unknown): boolean =>
  operation === holdSendto || operation === holdConnect || operation === holdSendmsg;

/** The error of a call that would wait on a socket that never does. */
export function wouldBlock(operation: unknown, busy: boolean): SocketError {
  const { syscall } = operation as Operation<unknown, unknown>;
  return wouldBlockError(syscall, syscall === 'connect' && !busy ? 'EINPROGRESS' : 'EAGAIN');
}

/** The error of a call whose time ran out. */
export function late(operation: unknown, argument: unknown): TimeoutError {
  const { syscall } = operation as Operation<unknown, unknown>;
  return timeoutError(syscall, operation === connect ? (argument as Connecting).target : undefined);
}

/** Whether a native result means that the call would wait. */
export const isBlocked = (result: number): boolean => result === -EAGAIN || result === -EINPROGRESS;
