// A socket on which the kernel is asked for tables: an AF_NETLINK socket of this library. Knows how
// an answer in many datagrams is received whole, nothing of what is in it.
import os from 'node:os';
import { AF_NETLINK, MSG_TRUNC, SOCK_RAW } from '../constants.gen.ts';
import { SocketError, systemError } from '../errors.ts';
import { socket } from '../open.ts';
import type { Socket } from '../socket.ts';
import type { Source } from './connection.ts';
import { Datagram, type Progress, readAnswer, type Take } from './netlink.ts';
import { isRefused } from './source.ts';

// Datagrams of a dump have at most 32 KiB, and are as large as the reader's buffer up to that
// (net/netlink/af_netlink.c, netlink_dump).
const RECEIVE = 64 * 1024;
/** A table that changes at every reading is given up. */
const ATTEMPTS = 20;

/** An AF_NETLINK socket that asks one question at a time. */
export class Inquiry {
  readonly #socket: Socket<AF_NETLINK>;
  readonly #name: string;
  readonly #port: number;
  readonly #datagram = new Datagram(RECEIVE);
  #sequence = 0;

  /** `name` is what errors give as the system call. Throws where the kernel refuses such a socket. */
  constructor(protocol: number, name: string) {
    this.#name = name;
    this.#socket = socket(AF_NETLINK, SOCK_RAW, protocol);
    try {
      // Whatever the default is: the answer is there, or the kernel is at it.
      this.#socket.settimeout(null);
      this.#socket.bind([0, 0]);
      this.#port = this.#socket.getsockname()[0];
    } catch (error) {
      this.#socket.close();
      throw error;
    }
  }

  /**
   * Sends the request, and gives the rows that `taker` makes of the answer's messages. Where the table
   * changed meanwhile it is asked for anew.
   */
  async list<R>(
    request: Datagram,
    taker: (rows: R[]) => Take,
    signal: AbortSignal | undefined,
  ): Promise<R[]> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const rows: R[] = [];
      const take = taker(rows);
      this.#sequence++;
      request.words[2] = this.#sequence;
      await this.#socket.sendto(request.bytes, [0, 0], { signal });
      const progress = { done: false, interrupted: false };
      while (!progress.done) await this.#receive(progress, take, signal);
      if (!progress.interrupted) return rows;
    }
    throw new SocketError(`${this.#name} EAGAIN: the table changed ${ATTEMPTS} times while it was read`, {
      code: 'EAGAIN',
      errno: -os.constants.errno.EAGAIN,
      syscall: this.#name,
    });
  }

  async #receive(progress: Progress, take: Take, signal: AbortSignal | undefined): Promise<void> {
    const datagram = this.#datagram;
    const [length, , flags, from] = await this.#socket.recvmsgInto([datagram.bytes], 0, { signal });
    if ((flags & MSG_TRUNC) !== 0) throw systemError(-os.constants.errno.EMSGSIZE, this.#name);
    // Any program may write to this port; only the kernel is 0.
    if (from[0] !== 0) return;
    const question = { sequence: this.#sequence, port: this.#port, name: this.#name };
    readAnswer(datagram, length, question, progress, take);
  }

  close(): void {
    this.#socket.close();
  }
}

/** A socket to ask on; `undefined` where the kernel is not to be asked, or keeps it from us. */
export function openInquiry(protocol: number, name: string, source: Source | undefined): Inquiry | undefined {
  if (source === 'proc') return undefined;
  try {
    return new Inquiry(protocol, name);
  } catch (error) {
    if (source === undefined && isRefused(error)) return undefined;
    throw error;
  }
}
