// Memory for one receive whose caller gave none: the receiving methods that need more than the
// engine's areas give (native/receive.cpp), which serve recv() alone.
import { MSG_TRUNC } from './constants.gen.ts';

/** Up to this size a receive may go through memory that is used again and again. */
export const SLAB_LIMIT = 65536;

// A message is received into memory as large as the caller allows, and kept in as much as it has.
let shared = Buffer.allocUnsafeSlow(0);

/** Memory of its own for `count` bytes. */
export function newMemory(count: number, msgFlags: number): Buffer {
  // MSG_TRUNC on a stream discards without copying (tcp(7)): no old memory may show there.
  return (msgFlags & MSG_TRUNC) !== 0 ? Buffer.alloc(count) : Buffer.allocUnsafeSlow(count);
}

/** The first `length` bytes of `newMemory`: a short piece must not keep all that was offered. */
export function trimmed(view: Buffer, length: number): Buffer {
  if (length >= view.length) return view;
  return length * 2 >= view.length
    ? (view.subarray(0, length) as Buffer)
    : Buffer.from(view.subarray(0, length));
}

/** Memory for a message of at most `count` bytes, until the next one comes: take them with `messageIn`. */
export function messageMemory(count: number, msgFlags: number): Buffer {
  if (count > SLAB_LIMIT || msgFlags !== 0) return newMemory(count, msgFlags);
  if (shared.length === 0) shared = Buffer.allocUnsafeSlow(SLAB_LIMIT);
  return shared;
}

/** The message of `length` bytes that came into `messageMemory`. */
export function messageIn(memory: Buffer, length: number): Buffer {
  if (memory !== shared) return trimmed(memory, length);
  const copy = length <= 4096 ? Buffer.allocUnsafe(length) : Buffer.allocUnsafeSlow(length);
  memory.copy(copy, 0, 0, length);
  return copy;
}
