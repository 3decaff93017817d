// The stream under Node's TLS: what it writes goes into the kernel as far as that takes it, what is
// received is handed to it by whoever wants plain text. It never receives by itself.
import { Duplex } from 'node:stream';
import type { BaseSocket } from '../base.ts';
import { SHUT_WR } from '../constants.gen.ts';
import * as engine from '../engine.ts';
import { BLOCKED, type Outcome, sendView } from '../ops.ts';

type Callback = (error?: Error | null) => void;

/** The two directions of encrypted bytes between Node's TLS and a socket. */
export class Ciphertext extends Duplex {
  /** What goes out is this socket's; another one when the owner lets go of it. */
  socket: BaseSocket;
  /** Bytes that TLS has written so far. */
  written = 0;
  readonly #ready: () => void;
  #out: Buffer | undefined = undefined;
  #sent = 0;
  #taken: Callback | undefined = undefined;

  /** `ready` is called when there is something to flush. */
  constructor(socket: BaseSocket, ready: () => void) {
    super({ allowHalfOpen: true });
    this.socket = socket;
    this.#ready = ready;
  }

  /** Whether the kernel has not yet taken all that was written. */
  get blocked(): boolean {
    return this.#out !== undefined;
  }

  /** Hands what is left to the kernel: BLOCKED while it does not take all. Throws its error. */
  flush(): Outcome<undefined> {
    for (;;) {
      const out = this.#out;
      if (out === undefined) return undefined;
      while (this.#sent < out.length) {
        const taken = sendView(this.socket, out, this.#sent, out.length - this.#sent, 0);
        if (typeof taken !== 'number') return taken;
        this.#sent += taken;
        const full = (engine.flags[this.socket.slot]! & engine.WRITABLE) === 0;
        if (full && this.#sent < out.length) return BLOCKED;
      }
      this.#out = undefined;
      const callback = this.#taken!;
      this.#taken = undefined;
      // Who may write the next.
      callback();
    }
  }

  #write(bytes: Buffer, callback: Callback): void {
    this.written += bytes.length;
    this.#out = bytes;
    this.#sent = 0;
    this.#taken = callback;
    if (this.socket.slot >= 0) this.#ready();
  }

  /** @internal */
  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    this.#write(chunk, callback);
  }

  /** @internal */
  override _writev(written: { chunk: Buffer }[], callback: Callback): void {
    this.#write(Buffer.concat(written.map(({ chunk }) => chunk)), callback);
  }

  /** @internal */
  override _read(): void {}

  /** @internal */
  override _final(callback: Callback): void {
    try {
      this.socket.shutdown(SHUT_WR);
    } catch {
      // The connection is gone: reading tells.
    }
    callback();
  }
}
