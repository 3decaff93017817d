// A file out on a stream: sendfile(2), and read(2) with send(2) for files that it does not take.
// The file's own position is neither used nor moved. Knows nothing of who waits.
import { fstatSync } from 'node:fs';
import os from 'node:os';
import type { BaseSocket } from './base.ts';
import { native } from './binding.ts';
import * as engine from './engine.ts';
import { systemError, typeError } from './errors.ts';
import * as ops from './ops.ts';
import { BUSY, MORE, type Operation, type Outcome, WRITE } from './ops.ts';

const { EAGAIN, EBADF, EINVAL, ENOSYS, EOPNOTSUPP, EOVERFLOW, ESPIPE } = os.constants.errno;

// A file that is not in memory is read while the thread waits: no more than this at a time.
const CHUNK = 262144;
// What read(2) gives at a time, where sendfile(2) does not work.
const READ_SIZE = 65536;

const POLLIN = 1;
const POLLOUT = 4;

/** A file that is being sent: what is left of it, and what the kernel took so far. */
export interface Sending {
  /** The slot of a descriptor of its own; -1 when it is over. */
  slot: number;
  readonly offset: number;
  /** Bytes to send at most. */
  readonly count: number;
  /** Bytes that there are to send, where the file's size tells. */
  readonly total: number | undefined;
  sent: number;
  /** sendfile(2) refused this file. */
  refused: boolean;
  /** Read and not yet sent: `buffer` from `at` to `end`. */
  buffer: Buffer | undefined;
  at: number;
  end: number;
  /** Called when the kernel took something. */
  moved: (() => void) | undefined;
  /** Called at the end. */
  over: (() => void) | undefined;
}

/** The descriptor of a `FileHandle`, or a number. */
export function descriptorOf(file: unknown): number {
  const fd = typeof file === 'object' && file !== null && 'fd' in file ? (file as { fd: unknown }).fd : file;
  if (typeof fd !== 'number') throw typeError('file', 'a FileHandle or a descriptor', file);
  // A FileHandle that was closed has the descriptor -1.
  if (fd === -1) throw systemError(-EBADF, 'sendfile');
  if (!Number.isInteger(fd) || fd < 0 || fd > 0x7fffffff)
    throw new RangeError(`Expected a descriptor for file but received ${fd}`);
  return fd;
}

/**
 * Duplicates the file's descriptor, so that what its owner does with the number, which may be
 * another file's by then, does not reach the call. The duplicate lives in a slot of the engine's,
 * which closes it when the thread ends.
 */
export function openFile(fd: number, offset: number, count: number): Sending {
  const copy = native.dup(fd);
  if (copy < 0) throw systemError(copy, 'dup');
  const slot = engine.openSlot(copy, 0);
  try {
    const stat = fstatSync(copy);
    // Files of /proc have no size, and something to read.
    const rest = stat.isFile() && stat.size > 0 ? Math.max(0, stat.size - offset) : undefined;
    return {
      slot,
      offset,
      count,
      total: rest === undefined ? (count < Infinity ? count : undefined) : Math.min(rest, count),
      sent: 0,
      refused: false,
      buffer: undefined,
      at: 0,
      end: 0,
      moved: undefined,
      over: undefined,
    };
  } catch (error) {
    engine.closeSlot(slot, true);
    throw error;
  }
}

/** Closes the descriptor; the call is over. */
export function closeFile(sending: Sending): void {
  const { slot } = sending;
  sending.slot = -1;
  sending.buffer = undefined;
  if (slot < 0) return;
  engine.closeSlot(slot, true);
  sending.over?.();
}

const refuses = (r: number): boolean =>
  r === -EINVAL || r === -ENOSYS || r === -ESPIPE || r === -EOVERFLOW || r === -EOPNOTSUPP;

export const sendfile: Operation<Sending, number> = {
  syscall: 'sendfile',
  direction: WRITE,
  attempt(socket, sending) {
    try {
      const outcome = step(socket, sending);
      if (typeof outcome === 'number') closeFile(sending);
      return outcome;
    } catch (error) {
      closeFile(sending);
      ops.noteSent(error, sending.sent);
      throw error;
    }
  },
  cut(sending, reason) {
    closeFile(sending);
    return ops.noteSent(reason, sending.sent);
  },
};

// One piece: the outcome is MORE when it went out.
function step(socket: BaseSocket, sending: Sending): Outcome<number> {
  const unsent = sending.end - sending.at;
  if (unsent > 0) {
    const r = ops.sendView(socket, sending.buffer!, sending.at, unsent, 0);
    if (typeof r !== 'number') return r;
    sending.at += r;
    return went(sending, r);
  }
  const rest = sending.count - sending.sent;
  if (rest === 0) return sending.sent;
  const file = engine.fds[sending.slot]!;
  return sending.refused ? readPiece(sending, file, rest) : sendPiece(socket, sending, file, rest);
}

function went(sending: Sending, bytes: number): typeof MORE {
  sending.sent += bytes;
  sending.moved?.();
  return MORE;
}

function sendPiece(socket: BaseSocket, sending: Sending, file: number, rest: number): Outcome<number> {
  const fd = engine.fds[socket.slot]!;
  const r = native.sendfile(fd, file, sending.offset + sending.sent, Math.min(rest, CHUNK));
  if (r > 0) {
    engine.spendBytes(r);
    return went(sending, r);
  }
  if (r === 0) return sending.sent;
  if (r === -EAGAIN) {
    // The socket's, unless it is some special file's.
    return native.poll(fd, POLLOUT, 0) === 0 ? ops.writeBlocked(socket) : BUSY;
  }
  if (!refuses(r)) throw systemError(r, 'sendfile');
  sending.refused = true;
  return MORE;
}

// Reads a piece of what sendfile(2) does not take: some files of /proc, pipes, terminals.
function readPiece(sending: Sending, file: number, rest: number): Outcome<number> {
  sending.buffer ??= Buffer.allocUnsafeSlow(READ_SIZE);
  const room = sending.buffer.subarray(0, Math.min(rest, READ_SIZE));
  let r = native.readFile(file, room, sending.offset + sending.sent);
  if (r === -ESPIPE && sending.offset === 0) {
    // Nothing tells the event loop of a pipe that is not its own: it is looked at now and then.
    if (native.poll(file, POLLIN, 0) === 0) return BUSY;
    r = native.readFile(file, room, -1);
  }
  if (r === -EAGAIN) return BUSY;
  if (r < 0) throw systemError(r, 'read');
  if (r === 0) return sending.sent;
  sending.at = 0;
  sending.end = r;
  return MORE;
}
