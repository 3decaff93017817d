// Standard input and output such that nothing waits for anything else: a full pipe, a stopped
// terminal or a slow disk on one side never keeps the event loop from the other. process.stdin and
// process.stdout are not used: the one allocates what it reads, the other cannot be closed.
import { closeSync, fstatSync, openSync, read, readFileSync, write } from 'node:fs';
import { Socket } from 'node:net';
import tty from 'node:tty';

/** Where bytes to send come from. */
export interface Input {
  /** The next bytes, nothing at the end. They are the caller's until the next call. */
  read(): Promise<Uint8Array | undefined>;
  readonly isTerminal: boolean;
  /** A regular file, which the kernel can send by itself, and where in it to begin. */
  readonly file?: { readonly fd: number; readonly offset: number; readonly size: number } | undefined;
  close(): void;
}

/** Where received bytes go. */
export interface Output {
  readonly isTerminal: boolean;
  /** Resolves when the bytes are written; their memory may be used again then. */
  write(bytes: Uint8Array): Promise<void>;
  /** Everything is written: whoever reads it sees the end. */
  end(): Promise<void>;
}

const PIECE = 65536;
const STANDARD_INPUT = 0;
const STANDARD_OUTPUT = 1;

// Regular files, and devices that are always ready: read in another thread.
class FileInput implements Input {
  readonly isTerminal = false;
  readonly file: Input['file'];
  #buffer = Buffer.allocUnsafeSlow(4 * PIECE);

  constructor(regular: boolean) {
    this.file = regular ? placeOf(STANDARD_INPUT) : undefined;
  }

  read(): Promise<Uint8Array | undefined> {
    return new Promise((resolve, reject) => {
      // At the descriptor's own position: a program in front of this one may have read a part.
      read(STANDARD_INPUT, this.#buffer, 0, this.#buffer.length, null, (error, n) => {
        if (error) reject(error);
        else resolve(n === 0 ? undefined : this.#buffer.subarray(0, n));
      });
    });
  }

  close(): void {}
}

// The position of a descriptor: lseek(2) is not to be had, proc(5) tells it.
function placeOf(fd: number): Input['file'] {
  try {
    const { size } = fstatSync(fd);
    const match = /^pos:\s*([0-9]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'));
    return match === null || size === 0 ? undefined : { fd, offset: Number(match[1]), size };
  } catch {
    return undefined;
  }
}

interface Waiting {
  resolve(bytes: Uint8Array | undefined): void;
  reject(error: Error): void;
}

/** What comes in pieces from an event source, handed out one by one. */
export class Pieces {
  #pieces: (Uint8Array | undefined)[] = [];
  #waiting: Waiting | undefined;
  #ended = false;
  #error: Error | undefined;

  get empty(): boolean {
    return this.#pieces.length === 0;
  }

  push(piece: Uint8Array | undefined): void {
    if (this.#ended) return;
    if (piece === undefined) this.#ended = true;
    if (this.#waiting === undefined) {
      this.#pieces.push(piece);
      return;
    }
    const { resolve } = this.#waiting;
    this.#waiting = undefined;
    resolve(piece);
  }

  fail(error: Error): void {
    this.#error ??= error;
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }

  next(): Promise<Uint8Array | undefined> {
    if (this.#pieces.length > 0) return Promise.resolve(this.#pieces.shift());
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#ended) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }
}

// Pipes and sockets: into one piece of memory, and no further read before that is free.
class PipeInput implements Input {
  readonly isTerminal = false;
  #pieces = new Pieces();
  #socket: Socket;

  constructor() {
    const buffer = Buffer.allocUnsafeSlow(PIECE);
    // @types/node has no onread for this constructor, only for connect(); it is the same option.
    const options = {
      fd: STANDARD_INPUT,
      readable: true,
      writable: false,
      onread: {
        buffer,
        callback: (n: number): boolean => {
          this.#pieces.push(buffer.subarray(0, n));
          return false;
        },
      },
    };
    this.#socket = new Socket(options);
    this.#socket.on('end', () => this.#pieces.push(undefined));
    this.#socket.on('close', () => this.#pieces.push(undefined));
    this.#socket.on('error', (error: Error) => this.#pieces.fail(error));
  }

  read(): Promise<Uint8Array | undefined> {
    // Not while its memory is the caller's: the piece that is there comes first.
    if (this.#pieces.empty) this.#socket.resume();
    return this.#pieces.next();
  }

  close(): void {
    this.#socket.destroy();
  }
}

// A terminal without line editing of our own: the kernel's.
class TerminalInput implements Input {
  readonly isTerminal = true;
  #pieces = new Pieces();
  #stream = new tty.ReadStream(STANDARD_INPUT);

  constructor() {
    this.#stream.on('data', (data: Buffer) => this.#pieces.push(data));
    this.#stream.on('end', () => this.#pieces.push(undefined));
    this.#stream.on('error', (error: Error) => this.#pieces.fail(error));
  }

  read(): Promise<Uint8Array | undefined> {
    return this.#pieces.next();
  }

  close(): void {
    this.#stream.destroy();
  }
}

/** An input that has ended before it began. */
export const noInput: Input = { isTerminal: false, read: () => Promise.resolve(undefined), close: () => {} };

/** Standard input, whatever it is. */
export function standardInput(): Input {
  const stat = fstatSync(STANDARD_INPUT);
  if (stat.isFIFO() || stat.isSocket()) return new PipeInput();
  return tty.isatty(STANDARD_INPUT) ? new TerminalInput() : new FileInput(stat.isFile());
}

// Files, devices, terminals: written in another thread.
class FileOutput implements Output {
  readonly isTerminal = tty.isatty(STANDARD_OUTPUT);

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const put = (at: number): void => {
        write(STANDARD_OUTPUT, bytes, at, bytes.length - at, null, (error, n) => {
          // A terminal may have been made non-blocking by whoever shares it.
          if (error?.code === 'EAGAIN') setTimeout(put, 5, at);
          else if (error) reject(error);
          else if (at + n < bytes.length) put(at + n);
          else resolve();
        });
      };
      put(0);
    });
  }

  async end(): Promise<void> {
    if (!this.isTerminal) closeOutput();
  }
}

class PipeOutput implements Output {
  readonly isTerminal = false;
  #socket = new Socket({ fd: STANDARD_OUTPUT, readable: false, writable: true });
  #error: Error | undefined;

  constructor() {
    this.#socket.on('error', (error: Error) => {
      this.#error = error;
    });
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#error !== undefined) reject(this.#error);
      else this.#socket.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }

  end(): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.once('close', () => {
        closeOutput();
        resolve();
      });
      this.#socket.destroy();
    });
  }
}

// libuv never closes the descriptors 0 to 2 ("nothing good comes from that"), and whoever reads our
// output waits for the last one to do so. Its number is taken again at once, before a socket gets it.
function closeOutput(): void {
  closeSync(STANDARD_OUTPUT);
  openSync('/dev/null', 'w');
}

/** Standard output, whatever it is. */
export function standardOutput(): Output {
  const stat = fstatSync(STANDARD_OUTPUT);
  return stat.isFIFO() || stat.isSocket() ? new PipeOutput() : new FileOutput();
}
