// Datagrams in batches: recvmany on recvmmsg(2), sendmany on sendmmsg(2), and the segments of
// UDP_GRO. Like ops.ts, knows attempts and not who waits.
import os from 'node:os';
import { type AnyAddress, decodeAddress, encodeAddress, NEEDS_LOOKUP } from './address.ts';
import { native } from './binding.ts';
import { bytesOf, detachedError } from './bytes.ts';
import * as engine from './engine.ts';
import { addressInfoError, systemError, typeError } from './errors.ts';
import { BLOCKED, BUSY, isLastPeer, type Operation, type Outcome, READ, WRITE } from './ops.ts';

const { EAGAIN } = os.constants.errno;

export type Datagram = [Buffer, AnyAddress];

const MOST = 1024;
const FIELDS = 4;
const NAME_SIZE = 128;
// What one Buffer holds at most: a datagram that somebody keeps pins no more.
const GROUP = 65536;
/** The largest `bufsize`. */
export const MAX_DATAGRAM = 1 << 20;

// Made when first used: most programs have no batches.
let meta = new Int32Array(0);
let names = new Uint8Array(0);
let outgoing = Buffer.alloc(0);
const OUTGOING = 1 << 20;

function prepare(): void {
  if (meta.length > 0) return;
  meta = new Int32Array(MOST * FIELDS);
  names = new Uint8Array(MOST * NAME_SIZE);
}

const nameAt = (i: number): Uint8Array => names.subarray(i * NAME_SIZE, (i + 1) * NAME_SIZE);

// --- receiving ------------------------------------------------------------------------

// Segments that came in one buffer with others, beyond what the caller asked for: they are the
// next call's. Few sockets have any.
const leftovers = new WeakMap<object, Datagram[]>();

// The most segments that the kernel coalesces into one buffer (udp.h, UDP_MAX_SEGMENTS: 64, and
// 128 in newer kernels); asking for fewer buffers than that keeps leftovers rare.
const SEGMENTS = 64;

/** How a socket's batches are read: `gro` when segments may come coalesced. */
export interface BatchMode {
  bufsize: number;
  gro: boolean;
}

/** The mode of one recvmany. */
export function batchMode(coalescing: boolean, bufsize: number): BatchMode {
  // A buffer that is too small cuts the last of the coalesced segments, silently.
  return { bufsize: coalescing ? Math.max(bufsize, GROUP) : bufsize, gro: coalescing };
}

export const recvmany: Operation<BatchMode, Datagram[]> = {
  syscall: 'recvmmsg',
  direction: READ,
  attempt(socket, { bufsize, gro }, count) {
    const left = leftovers.get(socket);
    if (left !== undefined) {
      const taken = left.splice(0, count);
      if (left.length === 0) leftovers.delete(socket);
      return taken;
    }
    prepare();
    const buffers = gro ? Math.ceil(count / SEGMENTS) : count;
    const fd = engine.fds[socket.slot]!;
    const r = native.recvmmsg(fd, buffers, bufsize, gro ? 1 : 0, meta, names);
    if (r === -EAGAIN) {
      engine.flags[socket.slot]! &= ~engine.READABLE;
      return BLOCKED;
    }
    if (r < 0) throw systemError(r, 'recvmmsg');
    const list = unpack(r, bufsize, socket.proto);
    if (list.length > count) leftovers.set(socket, list.splice(count));
    return list;
  },
};

function unpack(received: number, bufsize: number, proto: number): Datagram[] {
  const list: Datagram[] = [];
  let address: AnyAddress = '';
  for (let from = 0; from < received; ) {
    let to = from;
    let total = 0;
    do total += meta[to++ * FIELDS]!;
    while (to < received && total + meta[to * FIELDS]! <= GROUP);
    const memory = total <= 2048 ? Buffer.allocUnsafe(total) : Buffer.allocUnsafeSlow(total);
    native.unpack(memory, from, to, bufsize, meta);
    for (let at = 0; from < to; from++) {
      const row = from * FIELDS;
      const end = at + meta[row]!;
      if (meta[row + 3] === 0) address = decodeAddress(nameAt(from), meta[row + 2]!, proto);
      const segment = meta[row + 1]!;
      if (segment === 0) list.push([memory.subarray(at, end) as Buffer, address]);
      else
        for (let s = at; s < end; s += segment)
          list.push([memory.subarray(s, Math.min(s + segment, end)) as Buffer, address]);
      at = end;
    }
    engine.spendBytes(total);
  }
  return list;
}

// --- sending --------------------------------------------------------------------------

/** A batch on its way: the datagrams that wait, and how many went out. */
export interface Batch {
  datagrams: readonly { bytes: Uint8Array; size: number; address: unknown; addressed: boolean }[];
}

/** Checks a batch before any of it is sent: shapes, addresses, names that would need a look-up. */
export function batchOf(datagrams: unknown, family: number, proto: number): Batch {
  if (!Array.isArray(datagrams))
    throw typeError('datagrams', 'an array of [data, address] or [data]', datagrams);
  let checked: unknown = batchOf;
  const list = datagrams.map((datagram: unknown, i) => {
    if (!Array.isArray(datagram) || datagram.length < 1 || datagram.length > 2) {
      throw typeError(`datagrams[${i}]`, '[data, address] or [data]', datagram);
    }
    const [data, address] = datagram as [unknown, unknown];
    const addressed = datagram.length === 2;
    if (addressed && address !== checked && !isLastPeer(address, family)) {
      const what = `the address of datagrams[${i}]`;
      if (encodeAddress(family, address, engine.name, what, proto) === NEEDS_LOOKUP) {
        throw addressInfoError(
          'EAI_NONAME',
          'getaddrinfo',
          `sendmany does not look up names: datagrams[${i}] is for ${JSON.stringify((address as unknown[])[0])}`,
        );
      }
      checked = address;
    }
    const bytes = bytesOf(data, `datagrams[${i}][0]`);
    return { bytes, size: bytes.length, address, addressed };
  });
  return { datagrams: list };
}

export const sendmany: Operation<Batch, number> = {
  syscall: 'sendmmsg',
  direction: WRITE,
  attempt(socket, { datagrams }): Outcome<number> {
    prepare();
    if (outgoing.length === 0) outgoing = Buffer.allocUnsafeSlow(OUTGOING);
    let sent = 0;
    while (sent < datagrams.length) {
      const packed = pack(datagrams, sent, socket.family, socket.proto);
      const r = native.sendmmsg(engine.fds[socket.slot]!, packed.count, packed.data, meta, names);
      if (r > 0) {
        sent += r;
        engine.spendBytes(packed.bytes);
        if (r === packed.count) continue;
      }
      if (r === -EAGAIN) {
        if (sent > 0) break;
        if (socket.isUnixDatagram && datagrams[0]!.addressed) return BUSY;
        engine.flags[socket.slot]! &= ~engine.WRITABLE;
        return BLOCKED;
      }
      // The datagrams in front of the one that failed are gone, and are told first.
      if (sent === 0) throw systemError(r, 'sendmmsg');
      break;
    }
    return sent;
  },
};

// As many datagrams from `first` on as the memory for one call takes: copied together, since to
// hand over hundreds of views would cost more.
function pack(
  datagrams: Batch['datagrams'],
  first: number,
  family: number,
  proto: number,
): { count: number; bytes: number; data: Uint8Array } {
  let used = 0;
  let count = 0;
  let last: unknown;
  let name = 0;
  let namelen = -1;
  for (let i = first; i < datagrams.length && count < MOST; i++, count++) {
    const { bytes, size, address, addressed } = datagrams[i]!;
    if (size > OUTGOING - used && count > 0) break;
    if (bytes.length !== size) {
      if (i > 0) break;
      throw detachedError(`datagrams[${i}][0]`);
    }
    if (!addressed) namelen = -1;
    else if (namelen < 0 || address !== last) {
      name = count * NAME_SIZE;
      if (isLastPeer(address, family)) {
        nameAt(count).set(engine.peer);
        namelen = engine.io[engine.IO_PEERLEN]!;
      } else namelen = encodeAddress(family, address, nameAt(count), 'address', proto);
      // It was a numeric one when the call began.
      if (namelen === NEEDS_LOOKUP)
        throw typeError(`the host of datagrams[${i}]`, 'the same as before', (address as unknown[])[0]);
      last = address;
    }
    const row = count * FIELDS;
    meta[row + 2] = name;
    meta[row + 3] = namelen;
    meta[row + 1] = bytes.length;
    // One that is larger than the memory goes by itself, from where it is.
    if (bytes.length > OUTGOING) {
      meta[row] = 0;
      return { count: 1, bytes: bytes.length, data: bytes };
    }
    meta[row] = used;
    outgoing.set(bytes, used);
    used += bytes.length;
  }
  return { count, bytes: used, data: outgoing };
}
