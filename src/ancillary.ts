// Ancillary data: control buffers as the kernel has them (cmsg(3)) and rows of [level, type, data].
// Knows their layout and that of descriptors, not what the other data says, and nothing of sockets.
//
// Who owns descriptors that came with a message: nobody, until the call that received them gives
// them to its caller; then the caller alone. If it does not come to that, they are closed
// (native/message.cpp notes them). They are numbers, as in C and Python, and so no finalizer can
// close them: `const [, [fd]] = await recvFds(…)` lets go of the array at once and uses the number.
import { bytesOf, type Data, itemsOf } from './bytes.ts';
import { SCM_PIDFD, SCM_RIGHTS, SOL_SOCKET } from './constants.gen.ts';
import { checkInteger, typeError } from './errors.ts';
import { fieldsOf, LONG, littleEndian } from './layout.ts';

/** A control message that came: `data` as the kernel wrote it, in the machine's byte order. */
export type Ancillary = [level: number, type: number, data: Buffer];

/** A control message to send. */
export type AncillaryInput = readonly [level: number, type: number, data: Data];

const INT_MAX = 0x7fffffff;
const INT_SIZE = 4;

// struct cmsghdr: a size_t, two ints, and the data behind them; each message begins at a multiple
// of a size_t.
const WORD = LONG;
const HEADER = WORD + 2 * INT_SIZE;
const align = (length: number): number => Math.ceil(length / WORD) * WORD;

/**
 * The size of a control message with `length` bytes of data, without the padding behind it: what
 * to give `recvmsg` for exactly one message. cmsg(3).
 */
export function CMSG_LEN(length: number): number {
  return HEADER + checkInteger('length', length, 0, INT_MAX - HEADER);
}

/**
 * The room that a control message with `length` bytes of data takes, with its padding: add up what
 * is to come, and give that to `recvmsg`. cmsg(3).
 *
 * With the padding, one more descriptor than was meant may come: `CMSG_SPACE(4)` has room for two.
 */
export function CMSG_SPACE(length: number): number {
  return HEADER + align(checkInteger('length', length, 0, INT_MAX - HEADER - WORD));
}

// --- to send --------------------------------------------------------------------------

/** The control buffer of `ancdata`, an iterable of `[level, type, data]`; `null` for none of them. */
export function encodeAncillary(ancdata: unknown): Uint8Array | null {
  const rows: [level: number, type: number, data: Uint8Array][] = [];
  let size = 0;
  for (const row of itemsOf(ancdata, 'ancdata', 'an iterable of [level, type, data]')) {
    const what = `ancdata[${rows.length}]`;
    if (!Array.isArray(row) || row.length !== 3) throw typeError(what, '[level, type, data]', row);
    const [level, type, data] = row as unknown[];
    checkInteger(`the level of ${what}`, level, -INT_MAX - 1, INT_MAX);
    checkInteger(`the type of ${what}`, type, -INT_MAX - 1, INT_MAX);
    // A copy: what comes next out of the iterable may be code that takes the memory away.
    const bytes = new Uint8Array(bytesOf(data, `the data of ${what}`));
    size += HEADER + align(bytes.length);
    if (size > INT_MAX) throw new RangeError(`Expected at most ${INT_MAX} bytes of ancdata`);
    rows.push([level as number, type as number, bytes]);
  }
  if (rows.length === 0) return null;
  const control = new Uint8Array(size);
  const fields = fieldsOf(control);
  let at = 0;
  for (const [level, type, data] of rows) {
    // The upper half of a size_t is zero.
    const length = HEADER + data.length;
    fields.setUint32(littleEndian ? at : at + WORD - 4, length, littleEndian);
    fields.setInt32(at + WORD, level, littleEndian);
    fields.setInt32(at + WORD + INT_SIZE, type, littleEndian);
    control.set(data, at + HEADER);
    at += align(length);
  }
  return control;
}

// --- received -------------------------------------------------------------------------

/**
 * The control messages in the first `length` of `control`. The kernel's own are sound; of any
 * other bytes this makes something or nothing, but never reads beyond them: a header that lies
 * gets what is there, and one that says less than its own size ends the list.
 */
export function decodeAncillary(control: Uint8Array, length: number): Ancillary[] {
  const rows: Ancillary[] = [];
  const end = Math.min(length, control.length);
  if (end < HEADER) return rows;
  const fields = fieldsOf(control);
  for (let at = 0; at + HEADER <= end; ) {
    const size = Math.min(sizeAt(fields, at), end - at);
    if (size < HEADER) break;
    const level = fields.getInt32(at + WORD, littleEndian);
    const type = fields.getInt32(at + WORD + INT_SIZE, littleEndian);
    rows.push([level, type, Buffer.from(control.subarray(at + HEADER, at + size))]);
    at += align(size);
  }
  return rows;
}

function sizeAt(fields: DataView, at: number): number {
  if (WORD === 4) return fields.getUint32(at, littleEndian);
  const [low, high] = littleEndian ? [at, at + 4] : [at + 4, at];
  return fields.getUint32(high, littleEndian) * 2 ** 32 + fields.getUint32(low, littleEndian);
}

// --- descriptors ----------------------------------------------------------------------

/** The most descriptors that one message takes: SCM_MAX_FD, unix(7). */
export const MOST_DESCRIPTORS = 253;

/** The control message that passes descriptors. */
export const rightsOf = (fds: readonly number[]): AncillaryInput => [
  SOL_SOCKET,
  SCM_RIGHTS,
  Int32Array.from(fds),
];

/** The descriptors that came, in their order; apart from them `others`, which came unasked (SCM_PIDFD). */
export function descriptorsIn(rows: readonly Ancillary[]): { fds: number[]; others: number[] } {
  const fds: number[] = [];
  const others: number[] = [];
  for (const [level, type, data] of rows) {
    if (level !== SOL_SOCKET || (type !== SCM_RIGHTS && type !== SCM_PIDFD)) continue;
    const fields = fieldsOf(data);
    for (let at = 0; at + INT_SIZE <= data.length; at += INT_SIZE)
      (type === SCM_RIGHTS ? fds : others).push(fields.getInt32(at, littleEndian));
  }
  return { fds, others };
}

/** Puts what `change` makes of it in the place of each descriptor that a control buffer passes. */
export function replaceDescriptors(control: Uint8Array, change: (fd: number) => number): void {
  const fields = fieldsOf(control);
  for (let at = 0; at + HEADER <= control.length; ) {
    const size = sizeAt(fields, at);
    const rights =
      fields.getInt32(at + WORD, littleEndian) === SOL_SOCKET &&
      fields.getInt32(at + WORD + INT_SIZE, littleEndian) === SCM_RIGHTS;
    for (let i = at + HEADER; rights && i + INT_SIZE <= at + size; i += INT_SIZE)
      fields.setInt32(i, change(fields.getInt32(i, littleEndian)), littleEndian);
    at += align(size);
  }
}
