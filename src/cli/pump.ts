// Two directions between a connection and a pair of streams. Each goes on by itself whatever the
// other one does: quiet, blocked, or done. The end of one is passed on as the end of one. Knows
// neither how the connection came about nor what the streams are.
import { SHUT_WR } from '../index.ts';
import type { Moved } from './progress.ts';
import type { Input, Output } from './stdio.ts';

/** What a connection must be able to do: sockets, and TLS on them. */
export interface Wire {
  recvInto(view: Uint8Array): Promise<number>;
  sendall(data: Uint8Array): Promise<void>;
  shutdown(how: number): void | Promise<void>;
  close(): void;
  sendfile?(file: number, options: { offset: number; onprogress(sent: number): void }): Promise<number>;
  trySend?(data: Uint8Array): number | undefined;
}

/** What a pump can be told. */
export interface PumpOptions {
  /** Sent in front of the input. */
  readonly first?: Uint8Array | undefined;
  /** What is made of the input before it is sent. */
  encode?(bytes: Uint8Array): Uint8Array;
  /** What the input's end adds. */
  finish?(): Uint8Array;
  /** What is made of what comes; `reply` sends something in front of further input. */
  decode?(bytes: Uint8Array, reply: (bytes: Uint8Array) => void): Uint8Array;
  /** Looks at what comes, decoded: `'enough'` ends it all when that is written. */
  see?(bytes: Uint8Array): 'enough' | undefined;
  /** What is written for bytes that came. */
  show?(bytes: Uint8Array): Uint8Array;
  /** The peer has ended its data. */
  onend?(): void;
  /** Messages: an empty one is not the end, and there is no end to pass on. */
  readonly endless?: boolean;
  /** Whether the connection's end is the end of everything, as in Telnet. */
  readonly together?: boolean;
  /** Seconds after which it ends if nothing has moved. */
  readonly silence?: number | undefined;
  /** Seconds after which it ends in any case. */
  readonly limit?: number | undefined;
  /** Counts what is moved. */
  readonly moved?: Moved;
}

/** How a pump ended. */
export type Ending = 'done' | 'enough' | 'silence' | 'late';

const PIECE = 262144;
const CHECK = 200;
const nothing = new Uint8Array(0);

const codeOf = (error: unknown): string | undefined => (error as { code?: string }).code;
const gone = (error: unknown): boolean => ['EPIPE', 'ECONNRESET', 'ENOTCONN'].includes(codeOf(error) ?? '');

class Pump {
  readonly #wire: Wire;
  readonly #input: Input;
  readonly #output: Output;
  readonly #options: PumpOptions;
  readonly #moved: Moved;
  #inputOver = false;
  #sentAll = false;
  #receivedAll = false;
  // Nobody reads the output any more.
  #deaf = false;
  #over = false;
  #sentAfterEnd = false;
  #settle: ((ending: Ending) => void) | undefined;
  #fail: ((error: unknown) => void) | undefined;
  #failure: unknown;

  constructor(wire: Wire, input: Input, output: Output, options: PumpOptions) {
    this.#wire = wire;
    this.#input = input;
    this.#output = output;
    this.#options = options;
    this.#moved = options.moved ?? { sent: 0, received: 0 };
  }

  async run(): Promise<Ending> {
    const ended = new Promise<Ending>((resolve, reject) => {
      this.#settle = resolve;
      this.#fail = reject;
    });
    const watch = this.#watchTime();
    const check = setInterval(() => this.#lookWhetherGone(), CHECK);
    this.#send().then(
      () => this.#ended('sent'),
      (error) => this.#sendingFailed(error),
    );
    this.#receive().then(
      () => this.#ended('received'),
      (error) => this.#fail!(error),
    );
    try {
      return await ended;
    } finally {
      this.#over = true;
      clearInterval(watch);
      clearInterval(check);
    }
  }

  #ended(what: 'sent' | 'received'): void {
    if (what === 'sent') this.#sentAll = true;
    else this.#receivedAll = true;
    const { together } = this.#options;
    if (!this.#receivedAll || !(this.#sentAll || together === true)) return;
    if (this.#failure === undefined) this.#settle!('done');
    else this.#fail!(this.#failure);
  }

  // --- towards the connection --------------------------------------------------------------

  async #send(): Promise<void> {
    const { first, encode, finish, endless } = this.#options;
    if (first !== undefined && first.length > 0) await this.#sendPiece(first);
    const { file } = this.#input;
    if (file !== undefined && encode === undefined && this.#wire.sendfile !== undefined) {
      await this.#sendFile(file.fd, file.offset);
    } else {
      for (;;) {
        const piece = await this.#input.read();
        if (piece === undefined) break;
        await this.#sendPiece(encode === undefined ? piece : encode(piece));
      }
    }
    this.#inputOver = true;
    const rest = finish?.() ?? nothing;
    if (rest.length > 0) await this.#sendPiece(rest);
    if (!endless) await this.#wire.shutdown(SHUT_WR);
    else await new Promise(() => {});
  }

  async #sendPiece(piece: Uint8Array): Promise<void> {
    if (this.#receivedAll) this.#sentAfterEnd = true;
    await this.#wire.sendall(piece);
    this.#moved.sent += piece.length;
  }

  async #sendFile(fd: number, offset: number): Promise<void> {
    const before = this.#moved.sent;
    await this.#wire.sendfile!(fd, {
      offset,
      onprogress: (sent) => {
        this.#moved.sent = before + sent;
      },
    });
  }

  // What the peer has sent before it went away is still received: that decides when it ends.
  #sendingFailed(error: unknown): void {
    if (this.#over || this.#sentAll) return;
    if (!gone(error)) {
      this.#fail!(error);
      return;
    }
    this.#failure ??= error;
    this.#ended('sent');
    this.#input.close();
  }

  // A peer that is gone for good answers what is sent with a reset, which nobody hears who has
  // nothing more to send or to receive. An empty send says so, and sends nothing (streams only).
  #lookWhetherGone(): void {
    const { endless } = this.#options;
    if (!this.#receivedAll || this.#sentAll || endless || this.#wire.trySend === undefined) return;
    try {
      this.#wire.trySend(nothing);
    } catch (error) {
      if (this.#sentAfterEnd) this.#failure ??= error;
      this.#ended('sent');
      this.#input.close();
    }
  }

  // --- from the connection -----------------------------------------------------------------

  async #receive(): Promise<void> {
    const { decode, see, show, endless } = this.#options;
    // One is written while the other is filled.
    const memory = [Buffer.allocUnsafeSlow(PIECE), Buffer.allocUnsafeSlow(PIECE)];
    let writing: Promise<void> = Promise.resolve();
    const reply = (bytes: Uint8Array): void => {
      // It may have to wait for the peer; receiving must not.
      if (!this.#sentAll) this.#wire.sendall(bytes).catch(() => {});
    };
    let enough = false;
    try {
      for (let at = 0; !enough; at = 1 - at) {
        const n = await this.#wire.recvInto(memory[at]!);
        if (n === 0 && !endless) break;
        this.#moved.received += n;
        const bytes = memory[at]!.subarray(0, n);
        const data = decode === undefined ? bytes : decode(bytes, reply);
        enough = see?.(data) === 'enough';
        await writing;
        if (data.length > 0 && !this.#deaf) writing = this.#write(show === undefined ? data : show(data));
      }
    } finally {
      // Also what came before it broke.
      await writing;
    }
    if (!enough) this.#options.onend?.();
    if (enough) this.#settle!('enough');
    else if (!this.#deaf) await this.#output.end();
  }

  async #write(bytes: Uint8Array): Promise<void> {
    try {
      await this.#output.write(bytes);
    } catch (error) {
      if (codeOf(error) !== 'EPIPE') {
        this.#fail!(error);
        return;
      }
      // As `| head` does. What else comes is thrown away, so that the peer does not get stuck and
      // what we send still arrives; a user who types has nothing to send that matters then.
      this.#deaf = true;
      if (this.#inputOver || this.#input.isTerminal) this.#settle!('enough');
    }
  }

  #watchTime(): NodeJS.Timeout | undefined {
    const { silence = Number.POSITIVE_INFINITY, limit = Number.POSITIVE_INFINITY } = this.#options;
    const least = Math.min(silence, limit);
    if (least === Number.POSITIVE_INFINITY) return undefined;
    const start = performance.now();
    let since = start;
    let seen = 0;
    const look = (): void => {
      const now = performance.now();
      const moved = this.#moved.sent + this.#moved.received;
      if (moved !== seen) [seen, since] = [moved, now];
      else if (now - since >= silence * 1000) this.#settle!('silence');
      if (now - start >= limit * 1000) this.#settle!('late');
    };
    return setInterval(look, Math.min(500, Math.max(10, least * 100)));
  }
}

/**
 * Moves bytes both ways until both directions have ended; then, or when it fails, the caller closes
 * the connection and the input.
 *
 * A connection that the peer has reset while there was something to send is a failure; so is one
 * that breaks while it is read.
 */
export function pump(wire: Wire, input: Input, output: Output, options: PumpOptions = {}): Promise<Ending> {
  return new Pump(wire, input, output, options).run();
}
