// TLS over a socket as operations of that socket: they wait in its queues, with its timeout, and end
// with it. Cipher text is received only while somebody wants plain text, and what is there is taken
// through Node's TLS in the same call; what TLS does later by itself wakes those who wait.
import os from 'node:os';
import type { TLSSocket } from 'node:tls';
import type { BaseSocket } from '../base.ts';
import { noBytes } from '../bytes.ts';
import * as engine from '../engine.ts';
import { SocketError, systemError } from '../errors.ts';
import type { Given } from '../flavour.ts';
import { fromHandle } from '../open.ts';
import {
  BLOCKED,
  MORE,
  noteSent,
  type Operation,
  type Outcome,
  type Outgoing,
  READ,
  recv,
  WRITE,
} from '../ops.ts';
import type { Socket } from '../socket.ts';
import { Ciphertext } from './ciphertext.ts';

const CHUNK = 65536;
/** What TLS is given at a time. It makes records of at most 16 KiB of it, and writes up to ten at once. */
export const PIECE = 131072;

// More than Node's TLS takes to finish what it is at.
const MOST_TURNS = 16;

const { EPIPE } = os.constants.errno;

/** What a channel uses of its socket beside the public methods. */
export interface Waiting {
  run<A, R>(
    operation: Operation<A, R>,
    argument: A,
    count: number,
    msgFlags: number,
    signal?: AbortSignal,
  ): Given<'awaited', R>;
  readonly reading: boolean;
  readonly writing: boolean;
}

/** The socket, with what only the library may use. */
export const waiting = (socket: Socket): Waiting => socket as unknown as Waiting;

/** The error of a connection that ended without TLS's own word for it. */
export function endedEarly(syscall: string): SocketError {
  const code = 'ERR_SSL_UNEXPECTED_EOF_WHILE_READING';
  return new SocketError(`${syscall} ${code}: the connection ended without close_notify: it may be cut`, {
    code,
    syscall,
  });
}

// What a server sends behind the handshake (the sessions of TLS 1.3) nobody may have asked for yet. A
// connection that is closed with something unread is reset, and with that the last of what was sent can
// be lost (tcp(7), tcp_close): one look takes it away.
function closeRead(socket: Socket): void {
  try {
    if (!socket.closed) socket.tryRecvInto(unread);
  } catch {
    // It is being closed.
  }
  socket.close();
}
const unread = new Uint8Array(16384);

/** What a send still has to hand to TLS, and how much of it TLS has. */
export interface Handing {
  readonly view: Uint8Array;
  sent: number;
}

/** A TLS connection: Node's TLS, the socket below it, and what may wait on it. */
export class Channel {
  readonly socket: Socket;
  readonly ciphertext: Ciphertext;
  /** Node's TLS: a server's is known only when the handshake is done. */
  tls!: TLSSocket;
  /** The handshake is done. */
  secure = false;
  /** The peer's end of the stream was received, or receiving was shut down. */
  ended = false;
  /** The end of the connection counts as the end of the stream. */
  ragged = false;
  /** The newest session that the server gave. */
  session: Buffer | undefined = undefined;
  #failure: Error | undefined = undefined;
  // The connection has ended; whether the stream had ended before is known a moment later.
  #cut: 'perhaps' | 'yes' | undefined = undefined;
  // TLS has a piece that it has not yet written.
  #busy = false;
  #attempting = false;

  constructor(socket: Socket) {
    this.socket = socket;
    this.ciphertext = new Ciphertext(socket, () => this.#written());
  }

  /** Takes what Node's TLS tells from now on. */
  attach(tls: TLSSocket): void {
    this.tls = tls;
    tls.on('error', (error) => this.fail(error));
    tls.on('session', (session) => {
      this.session = session;
    });
    tls.on('end', () => {
      this.ended = true;
      this.wake();
    });
  }

  /** The connection is of no use any more. The first reason stays. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.wake();
  }

  /** The handshake is done. */
  established(): void {
    this.secure = true;
    this.wake();
  }

  /** Has those who wait look again, in the loop's next turn. */
  wake(): void {
    const { slot } = this.socket;
    if (slot < 0) return;
    engine.flags[slot]! |= engine.READABLE;
    engine.postpone(this.socket);
  }

  // --- ending ---------------------------------------------------------------------------------

  /** Closes the socket of a connection whose handshake failed. */
  abandon(): void {
    // What TLS had to say of the failure it has written.
    this.ciphertext.destroy();
    this.socket.close();
  }

  /**
   * Closes the socket, behind close_notify if the kernel takes that at once. Between two of its writes
   * Node's TLS needs a turn of the loop for it: that long the descriptor lives on under another owner.
   */
  close(): void {
    const { socket, tls, ciphertext } = this;
    const before = ciphertext.written;
    // A send that is cut by this is no stream that ended well.
    if (!waiting(socket).writing) tls.end();
    const over = (): boolean =>
      this.#failure !== undefined || ciphertext.blocked || tls.writableFinished || tls.destroyed;
    if (over() || ciphertext.written > before || waiting(socket).writing) {
      tls.destroy();
      closeRead(socket);
      return;
    }
    const rest = fromHandle(socket.detach());
    ciphertext.socket = rest;
    let turns = 0;
    const look = (): void => {
      if (over() || ++turns > MOST_TURNS) {
        tls.destroy();
        closeRead(rest);
      } else setImmediate(look);
    };
    setImmediate(look);
  }

  // --- receiving ------------------------------------------------------------------------------

  // Receives a piece of cipher text, which TLS takes at once.
  #feed(socket: BaseSocket, syscall: string): Outcome<undefined> {
    const { ciphertext } = this;
    if (this.#cut === 'yes') throw endedEarly(syscall);
    if (this.#cut === 'perhaps') return BLOCKED;
    // At once, except in its first moment.
    if (ciphertext.readableLength > 0) {
      engine.postpone(this.socket);
      return BLOCKED;
    }
    const piece = recv.attempt(socket, undefined, CHUNK, 0);
    if (typeof piece === 'symbol') return piece;
    if (piece.length > 0) {
      ciphertext.push(piece);
      return undefined;
    }
    this.#cut = 'perhaps';
    setImmediate(() => {
      this.#cut = 'yes';
      this.wake();
    });
    return BLOCKED;
  }

  // One step towards plain text: true if there is some, false at the end of the stream.
  #pull(socket: BaseSocket, syscall: string): Outcome<boolean> {
    const { tls } = this;
    if (tls.readableLength > 0) return true;
    if (this.ended) return false;
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#cut === 'yes' && this.ragged) return false;
    // A stream tells its end, a moment later, to those who find it empty.
    tls.read();
    const outcome = this.#feed(socket, syscall);
    if (outcome !== undefined) return outcome;
    if (tls.readableLength > 0) return true;
    tls.read();
    if (this.#failure !== undefined) throw this.#failure;
    return (engine.flags[socket.slot]! & engine.READABLE) === 0 ? BLOCKED : MORE;
  }

  // As `#pull`. Those who wait behind are served without a word of the kernel's, if there is more.
  #plaintext(socket: BaseSocket, syscall: string, wanted: number): Outcome<boolean> {
    this.#attempting = true;
    try {
      return this.#pull(socket, syscall);
    } finally {
      this.#attempting = false;
      const known =
        this.tls.readableLength > wanted || this.ended || this.#failure !== undefined || this.#cut === 'yes';
      if (known && socket.slot >= 0) engine.flags[socket.slot]! |= engine.READABLE;
    }
  }

  #take(count: number): Buffer {
    return this.tls.read(Math.min(count, this.tls.readableLength)) as Buffer;
  }

  /** Bytes that were received and decrypted, and not yet taken. */
  get pending(): number {
    return this.tls.readableLength;
  }

  /** Up to `count` bytes of plain text. */
  readonly receiving: Operation<undefined, Buffer> = {
    syscall: 'recv',
    direction: READ,
    attempt: (socket, _, count) => {
      const there = this.#plaintext(socket, 'recv', count);
      if (typeof there === 'symbol') return there;
      return there ? this.#take(count) : noBytes;
    },
  };

  /** The same, into the caller's memory. */
  readonly receivingInto: Operation<Uint8Array, number> = {
    syscall: 'recv',
    direction: READ,
    attempt: (socket, view, count) => {
      const there = this.#plaintext(socket, 'recv', count);
      if (typeof there === 'symbol') return there;
      if (!there) return 0;
      const bytes = this.#take(count);
      view.set(bytes);
      return bytes.length;
    },
  };

  /** The handshake: what the peer says goes to TLS, which answers by itself. */
  readonly handshaking: Operation<undefined, true> = {
    syscall: 'handshake',
    direction: READ,
    attempt: (socket) => {
      this.#attempting = true;
      try {
        const begun = this.#handshaken();
        if (begun !== undefined) return begun;
        const outcome = this.#feed(socket, 'handshake');
        if (outcome !== undefined) return outcome;
        return this.#handshaken() ?? ((engine.flags[socket.slot]! & engine.READABLE) === 0 ? BLOCKED : MORE);
      } finally {
        this.#attempting = false;
      }
    },
  };

  #handshaken(): true | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    return this.secure ? true : undefined;
  }

  // --- sending --------------------------------------------------------------------------------

  // Goes on until TLS has `most` bytes of it more, and the kernel has all that TLS made of them.
  #hand(handing: Handing, count: number): Outcome<undefined> {
    const { tls, ciphertext } = this;
    for (;;) {
      const left = ciphertext.flush();
      if (left !== undefined) return left;
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#busy) return BLOCKED;
      if (handing.sent >= count) return undefined;
      if (tls.writableEnded || tls.destroyed) throw systemError(-EPIPE, 'send');
      const size = Math.min(PIECE, count - handing.sent);
      const piece = handing.view.subarray(handing.sent, handing.sent + size);
      this.#busy = true;
      handing.sent += size;
      // Memory that other threads see may change while it is encrypted.
      tls.write(piece.buffer instanceof SharedArrayBuffer ? Uint8Array.from(piece) : piece, () => {
        this.#busy = false;
        this.#goOn();
      });
      engine.spendBytes(size, false);
    }
  }

  #goOn(): void {
    const { socket } = this;
    if (socket.slot < 0 || !waiting(socket).writing) return;
    engine.flags[socket.slot]! |= engine.WRITABLE;
    if (this.#attempting) engine.postpone(socket);
    else socket.readyToWrite();
  }

  #send(handing: Handing, count: number): Outcome<undefined> {
    this.#attempting = true;
    try {
      return this.#hand(handing, count);
    } catch (error) {
      noteSent(error, handing.sent);
      throw error;
    } finally {
      this.#attempting = false;
    }
  }

  /** One piece, which goes out whole once TLS has it. */
  readonly sending: Operation<Handing, number> = {
    syscall: 'send',
    direction: WRITE,
    attempt: (_, handing, count) => {
      const outcome = this.#send(handing, Math.min(count, PIECE));
      return outcome === undefined ? handing.sent : outcome;
    },
    cut: (handing) => (handing.sent > 0 ? handing.sent : undefined),
  };

  readonly sendingAll: Operation<Outgoing, undefined> = {
    syscall: 'send',
    direction: WRITE,
    attempt: (_, outgoing, count) => this.#send(outgoing, count),
    cut: (outgoing, reason) => noteSent(reason, outgoing.sent),
  };

  // What TLS has made goes out whether somebody waits for that or not.
  readonly #flushing: Operation<undefined, true> = {
    syscall: 'send',
    direction: WRITE,
    attempt: () => {
      const left = this.ciphertext.flush();
      // Now, and not when the promise says so: what is next in the queue may write already.
      if (left === undefined) this.#flushes = false;
      return left ?? true;
    },
  };

  #flushes = false;

  #written(): void {
    const { socket, ciphertext } = this;
    try {
      // Inside of a call it goes out with that; in front of those that wait they would not be looked at.
      const within = this.#attempting || socket.closed || waiting(socket).writing;
      if (within && ciphertext.flush() === undefined) return;
    } catch {
      // Whoever sends next meets the error; what was received before it can still be read.
      return;
    }
    if (socket.closed || this.#flushes) return;
    this.#flushes = true;
    // The time limit is for the calls of the user's.
    const { timeout } = socket;
    socket.timeout = -1;
    const over = (): void => {
      this.#flushes = false;
    };
    try {
      waiting(socket).run(this.#flushing, undefined, 0, 0).catch(over);
    } catch {
      over();
    } finally {
      socket.timeout = timeout;
    }
  }
}
