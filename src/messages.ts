// Messages with several buffers and ancillary data: recvmsg(2) and sendmsg(2), and the passing of
// descriptors on top of them. Like ops.ts, knows attempts and not who waits.
import os from 'node:os';
import type { AnyAddress } from './address.ts';
import { targetOf } from './address.ts';
import {
  type Ancillary,
  CMSG_LEN,
  CMSG_SPACE,
  decodeAncillary,
  descriptorsIn,
  MOST_DESCRIPTORS,
  replaceDescriptors,
} from './ancillary.ts';
import { native } from './binding.ts';
import { MSG_CTRUNC } from './constants.gen.ts';
import * as engine from './engine.ts';
import { systemError } from './errors.ts';
import { messageIn, messageMemory } from './memory.ts';
import * as ops from './ops.ts';
import { BUSY, type Operation, type Outcome, READ, WRITE } from './ops.ts';

const { EAGAIN, EINPROGRESS } = os.constants.errno;

/** What `recvmsg` gives. */
export type Message = [data: Buffer, ancdata: Ancillary[], msgFlags: number, address: AnyAddress];

// Places in `engine.io` after recvmsg.
const IO_CONTROL = 0;
const IO_FLAGS = 1;
const IO_RECEIVED = 2;

// --- receiving ------------------------------------------------------------------------

// What a message came with, until the next one comes.
let ancdata: Ancillary[] = [];
let flags = 0;
let address: AnyAddress = '';

// Room for ancillary data, used again and again; a program that asks for more gets it for the call.
const KEPT = 65536;
let control = new Uint8Array(0);

function roomFor(size: number): Uint8Array {
  if (size <= control.length) return control;
  const memory = new Uint8Array(Math.max(size, 1024));
  if (memory.length <= KEPT) control = memory;
  return memory;
}

/**
 * A receive of a message: into `memory(…)`, with room for `room(…)` bytes of ancillary data, and
 * `result(…)` made of it. If that fails, nobody has the descriptors that came: they are closed.
 */
function receiving<A, T>(
  memory: (argument: A, count: number, msgFlags: number) => Uint8Array | readonly Uint8Array[],
  room: (argument: A) => number,
  result: (nbytes: number, memory: Uint8Array | readonly Uint8Array[], argument: A) => T,
): Operation<A, T> {
  return {
    syscall: 'recvmsg',
    direction: READ,
    attempt(socket, argument, count, msgFlags): Outcome<T> {
      const size = room(argument);
      const into = memory(argument, count, msgFlags);
      const area = roomFor(size);
      const { slot } = socket;
      const r = native.recvmsg(engine.fds[slot]!, into, count, area, size, msgFlags);
      if (r === -EAGAIN) return ops.readBlocked(socket, msgFlags);
      if (r < 0) throw ops.failed(r, 'recvmsg');
      const received = engine.io[IO_RECEIVED]! > 0;
      try {
        const length = engine.io[IO_CONTROL]!;
        flags = engine.io[IO_FLAGS]!;
        address = ops.peerAddress(socket.proto);
        ancdata = length > 0 ? decodeAncillary(area, length) : [];
        // A stream's read ends where ancillary data is attached, with more behind it.
        const whole = msgFlags === 0 && length === 0 && (flags & MSG_CTRUNC) === 0;
        const short = (engine.flags[slot]! & (engine.SHORT | engine.HUP)) === engine.SHORT;
        if (r < count && whole && short) engine.flags[slot]! &= ~engine.READABLE;
        engine.spendBytes(r, (msgFlags & ops.ELSEWHERE) === 0);
        const outcome = result(r, into, argument);
        if (received) native.keep();
        return outcome;
      } catch (error) {
        if (received) native.discard();
        throw error;
      }
    },
  };
}

/** recvmsg(count, room). */
export const recvmsg: Operation<number, Message> = receiving(
  (_, count, msgFlags) => messageMemory(count, msgFlags),
  (room) => room,
  (nbytes, memory) => [messageIn(memory as Buffer, nbytes), ancdata, flags, address],
);

/** Buffers to fill one after the other, and the room for ancillary data. */
export interface Scatter {
  readonly views: readonly Uint8Array[];
  readonly room: number;
}

/** recvmsgInto: `count` is the size of all buffers together. */
export const recvmsgInto: Operation<
  Scatter,
  [nbytes: number, ancdata: Ancillary[], msgFlags: number, address: AnyAddress]
> = receiving(
  ({ views }) => views,
  ({ room }) => room,
  (nbytes) => [nbytes, ancdata, flags, address],
);

// What else may come with a message unasked, if the socket has SO_PASSCRED and SO_PASSPIDFD; the
// kernel puts the credentials first, and must not run out of room for the descriptors over them.
const BESIDE = CMSG_SPACE(12) + CMSG_SPACE(4);

/** recvFds(count, maxfds): what came beyond `maxfds`, thanks to that room, is closed and told as cut. */
export const recvFds: Operation<
  number,
  [data: Buffer, fds: number[], msgFlags: number, address: AnyAddress]
> = receiving(
  (_, count, msgFlags) => messageMemory(count, msgFlags),
  (maxfds) => BESIDE + CMSG_LEN(4 * Math.min(maxfds, MOST_DESCRIPTORS)),
  (nbytes, memory, maxfds) => {
    const data = messageIn(memory as Buffer, nbytes);
    const { fds, others } = descriptorsIn(ancdata);
    if (fds.length > maxfds) {
      others.push(...fds.splice(maxfds));
      flags |= MSG_CTRUNC;
    }
    for (const fd of others) native.close(fd);
    return [data, fds, flags, address];
  },
);

// --- sending --------------------------------------------------------------------------

/** What `sendmsg` takes for no address: the message goes to where the socket is connected. */
export const NO_ADDRESS = -2;

/** A message on its way. */
export interface Outgoing {
  readonly views: readonly Uint8Array[];
  readonly control: Uint8Array | null;
  readonly address: unknown;
  /** The address's length in `engine.name`, KNOWN_PEER or NO_ADDRESS: for as long as `name` is not set. */
  namelen: number;
  name: Uint8Array | undefined;
  over: boolean;
  /** The handshake of a MSG_FASTOPEN is under way without the data. */
  handshake?: true;
  /** Slots of the descriptors that are kept for a call that waits. */
  held: number[] | undefined;
  /** What keeping them failed with. */
  failure: Error | undefined;
}

/** sendmsg: `count` is the size of all buffers together. */
export const sendmsg: Operation<Outgoing, number> = {
  syscall: 'sendmsg',
  direction: WRITE,
  attempt(socket, message, count, msgFlags) {
    const { views, name } = message;
    if (message.failure !== undefined) {
      letGo(message);
      throw message.failure;
    }
    if (name !== undefined) engine.name.set(name);
    const fd = engine.fds[socket.slot]!;
    const namelen = name === undefined ? message.namelen : name.length;
    const flags = message.handshake ? msgFlags & ~ops.FASTOPEN : msgFlags;
    const r = native.sendmsg(fd, views, count, message.control, flags, namelen);
    if (r === -EINPROGRESS && (flags & ops.FASTOPEN) !== 0 && socket.timeout !== 0) {
      // As in sendto: the data then goes on the connection.
      message.handshake = true;
      message.namelen = NO_ADDRESS;
      message.name = undefined;
      return ops.writeBlocked(socket);
    }
    if (r === -EAGAIN) {
      // Full is the receiver's queue, not ours: see engine.retryLater.
      return socket.isUnixDatagram && namelen !== NO_ADDRESS ? BUSY : ops.writeBlocked(socket);
    }
    message.over = true;
    letGo(message);
    if (r < 0) throw ops.failed(r, 'sendmsg', targetOf(socket.family, message.address, socket.proto));
    if (r < count && (engine.flags[socket.slot]! & engine.STREAM) !== 0) ops.writeBlocked(socket);
    engine.spendBytes(r);
    return r;
  },
  cut: (message) => letGo(message),
};

/**
 * Keeps what a message that has to wait was given: the address, whose place others use, and its
 * descriptors, which the caller may close meanwhile, and whose numbers others may get then.
 */
export function keepMessage(message: Outgoing): void {
  if (message.namelen !== NO_ADDRESS && message.name === undefined) ops.keepName(message);
  if (message.control === null) return;
  replaceDescriptors(message.control, (fd) => {
    const copy = message.failure === undefined ? native.dup(fd) : fd;
    if (copy < 0) {
      message.failure = systemError(copy, 'sendmsg');
      return fd;
    }
    // A slot of the engine's, so that the end of the thread closes it too.
    message.held ??= [];
    message.held.push(engine.openSlot(copy, 0));
    return copy;
  });
}

function letGo(message: Outgoing): undefined {
  const { held } = message;
  message.held = undefined;
  if (held !== undefined) for (const slot of held) engine.closeSlot(slot, true);
}
