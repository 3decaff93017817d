// The loop that accepts: as long as there is room, through every error that passes, until it is
// stopped or the listener is of no use any more. Knows what to do about an error from acceptance.ts,
// and nothing of what becomes of a connection.

import type { AnyAddress } from '../address.ts';
import { ClosedError } from '../errors.ts';
import type { Socket } from '../socket.ts';
import { acceptVerdict, MOST_IN_A_ROW, SHORTAGE_PAUSE } from './acceptance.ts';

/** What the loop needs of its server. */
export interface Reception {
  /** Whether one more may come. */
  room(): boolean;
  /** One has come. Does not throw. */
  begin(socket: Socket, address: AnyAddress): void;
  /** An error that passes. */
  tell(error: unknown): void;
  /**
   * The loop has ended and the listener is closed: by `stop`, since the program closed the listener, or with a
   * fatal `error`.
   */
  over(error: unknown): void;
}

// Connections taken from the backlog of a server that ends: an end to what a flood would keep up.
const MOST_DRAINED = 4096;

/** Accepts until it is stopped. */
export class Acceptor {
  readonly #listener: Socket;
  readonly #server: Reception;
  readonly #stopped = new AbortController();
  #drains = false;
  #wake: (() => void) | undefined = undefined;

  /** Begins at once. */
  constructor(listener: Socket, server: Reception) {
    this.#listener = listener;
    this.#server = server;
    this.#run().then(
      () => this.#over(undefined),
      (error) => this.#over(error),
    );
  }

  #over(error: unknown): void {
    this.#listener.close();
    this.#server.over(error);
  }

  /** Ends the loop; with `drain`, after what is in the backlog already. */
  stop(drain: boolean): void {
    this.#drains = drain;
    this.#stopped.abort();
    this.wake();
  }

  /** There may be room again, or descriptors. */
  wake(): void {
    this.#wake?.();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    const waiting = { signal };
    let inARow = 0;
    for (;;) {
      while (!this.#server.room() && !signal.aborted) await this.#pause(undefined);
      if (signal.aborted) break;
      try {
        const [socket, address] = await this.#listener.accept(waiting);
        inARow = 0;
        this.#server.begin(socket, address);
      } catch (error) {
        if (signal.aborted) break;
        // The program closed its own listener.
        if (error instanceof ClosedError) return;
        const verdict = acceptVerdict(error);
        if (verdict === 'fatal') throw error;
        // One of a row stands for all: no log is to overflow because descriptors are out.
        if (inARow++ === 0 || verdict === 'next') this.#server.tell(error);
        if (verdict === 'wait' || inARow % MOST_IN_A_ROW === 0) await this.#pause(SHORTAGE_PAUSE);
      }
    }
    if (this.#drains) await this.#drain();
  }

  // Clients in the backlog are connected already, and would be reset with the listener.
  async #drain(): Promise<void> {
    if (this.#listener.closed) return;
    this.#listener.settimeout(0);
    try {
      for (let i = 0; i < MOST_DRAINED && this.#server.room(); i++) {
        const [socket, address] = await this.#listener.accept();
        this.#server.begin(socket, address);
      }
    } catch {
      // EAGAIN: it is empty. Anything else ends the accepting as well.
    }
  }

  // Until woken, or the seconds have passed. The timer holds the process alive, as the accept does
  // that is not made meanwhile.
  #pause(seconds: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.wake(), seconds === undefined ? 0x7fffffff : seconds * 1000);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
    });
  }
}
