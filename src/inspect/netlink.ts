// Messages of AF_NETLINK in bytes: requests, the datagrams of an answer, attributes; netlink(7).
// Pure: knows no socket, and none of the protocols that are spoken. Everything is in the machine's
// byte order and begins at multiples of four bytes, so it is read through views of whole numbers:
// an answer may have ten thousands of messages.
import os from 'node:os';
import { littleEndian } from '../byteorder.ts';
import {
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_OVERRUN,
} from '../constants.gen.ts';
import { systemError } from '../errors.ts';

/** sizeof(struct nlmsghdr): length, type, flags, sequence number, port. */
export const HEADER = 16;
/** sizeof(struct nlattr): length, type. */
const ATTRIBUTE = 4;
/** Without NLA_F_NESTED and NLA_F_NET_BYTEORDER, linux/netlink.h. */
const TYPE_MASK = 0x3fff;

const align = (size: number): number => (size + 3) & ~3;

/** The error of an answer that is none: a length that leads out of it, or a part that is missing. */
export const malformed = (what: string): Error => systemError(-os.constants.errno.EBADMSG, what);

/** Memory for one datagram, seen as bytes and as whole numbers. */
export class Datagram {
  readonly bytes: Buffer;
  readonly shorts: Uint16Array;
  readonly words: Uint32Array;

  constructor(size: number) {
    const memory = new ArrayBuffer(align(size));
    this.bytes = Buffer.from(memory);
    this.shorts = new Uint16Array(memory);
    this.words = new Uint32Array(memory);
  }

  /** The number of 16 bits at `at`, a multiple of two. */
  u16(at: number): number {
    return this.shorts[at >> 1]!;
  }

  /** The number of 32 bits at `at`, a multiple of four. */
  u32(at: number): number {
    return this.words[at >> 2]!;
  }

  /** The number of 64 bits at `at`, a multiple of four; beyond 2**53 it is the nearest there is. */
  u64(at: number): number {
    const [low, high] = littleEndian ? [this.u32(at), this.u32(at + 4)] : [this.u32(at + 4), this.u32(at)];
    return high * 0x100000000 + low;
  }

  /** The number of 16 bits at `at` as the network has it. */
  net16(at: number): number {
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!;
  }
}

/** Is given each message of an answer: its type, and where what follows its header begins and ends. */
export type Take = (datagram: Datagram, type: number, at: number, end: number) => void;

/** A request for everything of a kind: the header, `body`, and `attributes` of four bytes each. */
export function dumpRequest(
  type: number,
  body: Uint8Array,
  attributes: readonly (readonly [type: number, value: number])[] = [],
): Datagram {
  const size = HEADER + align(body.length) + attributes.length * (ATTRIBUTE + 4);
  const request = new Datagram(size);
  request.words[0] = size;
  request.shorts.set([type, NLM_F_REQUEST | NLM_F_DUMP], 2);
  request.bytes.set(body, HEADER);
  let at = HEADER + align(body.length);
  for (const [name, value] of attributes) {
    request.shorts.set([ATTRIBUTE + 4, name], at >> 1);
    request.words[(at + ATTRIBUTE) >> 2] = value;
    at += ATTRIBUTE + 4;
  }
  return request;
}

/** Which request an answer is to: its number, and the port of the socket that asked. */
export interface Question {
  readonly sequence: number;
  readonly port: number;
  /** What an error names as the system call. */
  readonly name: string;
}

/** How far an answer has come. */
export interface Progress {
  done: boolean;
  /** What is told changed while it was read, so that parts may be missing or told twice. */
  interrupted: boolean;
}

/**
 * Hands each message in the first `length` bytes to `take`. Answers to other questions are passed
 * over. Throws what the kernel answers instead, `ENOBUFS` where messages were lost, and `EBADMSG`
 * for bytes that are no messages.
 */
export function readAnswer(
  datagram: Datagram,
  length: number,
  { sequence, port, name }: Question,
  progress: Progress,
  take: Take,
): void {
  const { words, shorts } = datagram;
  for (let at = 0; at < length && !progress.done; ) {
    const size = length - at >= HEADER ? words[at >> 2]! : 0;
    if (size < HEADER || size > length - at) throw malformed(name);
    const next = at + align(size);
    const type = shorts[(at + 4) >> 1]!;
    const flags = shorts[(at + 6) >> 1]!;
    if (words[(at + 8) >> 2] === sequence && words[(at + 12) >> 2] === port) {
      if ((flags & NLM_F_DUMP_INTR) !== 0) progress.interrupted = true;
      if (type === NLMSG_DONE || type === NLMSG_ERROR) {
        // A dump that fails on the way says so in its end (net/netlink/af_netlink.c, netlink_dump_done).
        const error = size >= HEADER + 4 ? words[(at + HEADER) >> 2]! | 0 : 0;
        if (error < 0) throw systemError(error, name);
        progress.done = true;
      } else if (type === NLMSG_OVERRUN) {
        throw systemError(-os.constants.errno.ENOBUFS, name);
      } else if (type > NLMSG_OVERRUN) {
        take(datagram, type, at + HEADER, at + size);
      }
    }
    at = next;
  }
}

/** The attributes of a message, by type. One object serves for message after message. */
export class Attributes {
  readonly #starts: Int32Array;
  readonly #sizes: Int32Array;
  #datagram = new Datagram(0);

  /** Attributes of types up to `last`: others are passed over. */
  constructor(last: number) {
    this.#starts = new Int32Array(last + 1);
    this.#sizes = new Int32Array(last + 1);
  }

  /** Finds what stands from `at` to `end`; of a type that comes twice, the last. */
  read(datagram: Datagram, at: number, end: number): this {
    this.#datagram = datagram;
    this.#sizes.fill(-1);
    for (let next = at; end - next >= ATTRIBUTE; ) {
      const size = datagram.u16(next);
      if (size < ATTRIBUTE || size > end - next) throw malformed('netlink');
      const type = datagram.u16(next + 2) & TYPE_MASK;
      if (type < this.#starts.length) {
        this.#starts[type] = next + ATTRIBUTE;
        this.#sizes[type] = size - ATTRIBUTE;
      }
      next += align(size);
    }
    return this;
  }

  /** How many bytes an attribute has; -1 where it is not there. */
  size(type: number): number {
    return this.#sizes[type] ?? -1;
  }

  /** Where its bytes begin. */
  start(type: number): number {
    return this.#starts[type]!;
  }

  /** The bytes themselves, no copy; `undefined` where it is not there. */
  bytes(type: number): Buffer | undefined {
    const size = this.size(type);
    return size < 0 ? undefined : this.#datagram.bytes.subarray(this.start(type), this.start(type) + size);
  }

  u8(type: number): number | undefined {
    return this.size(type) < 1 ? undefined : this.#datagram.bytes[this.start(type)];
  }

  /** A number of 32 bits: the one at `offset` in an attribute with several. */
  u32(type: number, offset = 0): number | undefined {
    return this.size(type) < offset + 4 ? undefined : this.#datagram.u32(this.start(type) + offset);
  }

  /** Text up to its NUL. */
  text(type: number): string | undefined {
    const bytes = this.bytes(type);
    if (bytes === undefined) return undefined;
    const nul = bytes.indexOf(0);
    return bytes.toString('utf8', 0, nul < 0 ? bytes.length : nul);
  }
}
