// A person at a terminal: lines are edited here (readline), what comes meanwhile does not tear them
// apart, and for a peer that echoes what is typed, every key goes out as it is.
import readline from 'node:readline';
import { StringDecoder } from 'node:string_decoder';
import tty from 'node:tty';
import { type Input, type Output, Pieces } from './stdio.ts';
import type { TelnetTerminal } from './telnet.ts';

// Telnet's own way out: Ctrl-].
const ESCAPE = 0x1d;
const CR = 13;
const INTERRUPTED = 130;

type Lines = readline.Interface & { prevRows?: number };

/** The terminal that standard input and output are. */
export class Terminal implements Input, Output, TelnetTerminal {
  readonly isTerminal = true;
  readonly name = process.env.TERM ?? 'unknown';
  readonly #in = process.stdin;
  readonly #out = process.stdout;
  #pieces = new Pieces();
  #lines: Lines | undefined;
  #history: string[] = [];
  // What the peer wrote without ending its line, such as "login: ": the prompt.
  #partial = '';
  #decoder = new StringDecoder('utf8');
  #closed = false;
  readonly #onkeys = (data: Buffer): void => this.#keys(data);

  constructor() {
    this.#edit();
  }

  #edit(): void {
    const lines: Lines = readline.createInterface({
      input: this.#in,
      output: this.#out,
      terminal: true,
      prompt: this.#partial,
      history: this.#history,
      historySize: 1000,
    });
    this.#lines = lines;
    lines.on('line', (line) => {
      this.#partial = '';
      lines.setPrompt('');
      this.#pieces.push(Buffer.from(`${line}\n`));
    });
    lines.on('history', (history: string[]) => {
      this.#history = history;
    });
    lines.on('SIGINT', () => {
      this.close();
      process.exit(INTERRUPTED);
    });
    // Ctrl-D.
    lines.on('close', () => {
      if (this.#lines === lines) this.#pieces.push(undefined);
    });
  }

  #keys(data: Buffer): void {
    const at = data.indexOf(ESCAPE);
    const keys = at < 0 ? data : data.subarray(0, at);
    // Enter is a carriage return in raw mode, and the end of a line to the peer.
    const ends = [...keys].flatMap((byte) => (byte === CR ? [CR, 10] : [byte]));
    if (ends.length > 0) this.#pieces.push(Uint8Array.from(ends));
    if (at >= 0) {
      this.close();
      this.#out.write('\n');
      process.exit(0);
    }
  }

  size(): { columns: number; rows: number } {
    return { columns: this.#out.columns, rows: this.#out.rows };
  }

  /** Calls `changed` whenever the window has another size. */
  onresize(changed: () => void): void {
    this.#out.on('resize', changed);
  }

  // The peer shows what is typed: then every key is its own, at once.
  echo(on: boolean): void {
    if (this.#closed || on === (this.#lines === undefined)) return;
    if (on) {
      const lines = this.#lines!;
      this.#lines = undefined;
      lines.close();
      this.#in.setRawMode(true);
      this.#in.on('data', this.#onkeys);
      this.#in.resume();
    } else {
      this.#in.off('data', this.#onkeys);
      this.#in.setRawMode(false);
      this.#edit();
    }
  }

  read(): Promise<Uint8Array | undefined> {
    return this.#pieces.next();
  }

  write(bytes: Uint8Array): Promise<void> {
    const lines = this.#lines;
    const text = this.#decoder.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    return new Promise((resolve) => {
      if (lines === undefined) {
        this.#out.write(text, () => resolve());
        return;
      }
      // The line that is being edited goes away, and stands again behind what came.
      const { rows } = lines.getCursorPos();
      readline.moveCursor(this.#out, 0, -rows);
      readline.cursorTo(this.#out, 0);
      readline.clearScreenDown(this.#out);
      const all = this.#partial + text;
      const end = all.lastIndexOf('\n') + 1;
      this.#partial = all.slice(end);
      this.#out.write(all.slice(0, end), () => resolve());
      lines.prevRows = 0;
      lines.setPrompt(this.#partial);
      lines.prompt(true);
    });
  }

  async end(): Promise<void> {}

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const lines = this.#lines;
    this.#lines = undefined;
    lines?.close();
    this.#in.off('data', this.#onkeys);
    if (this.#in.isRaw) this.#in.setRawMode(false);
    this.#in.pause();
    this.#pieces.push(undefined);
  }
}

/** Whether a person sits at both ends of this process. */
export const atTerminal = (): boolean => tty.isatty(0) && tty.isatty(1) && process.env.TERM !== 'dumb';
