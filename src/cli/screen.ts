// A terminal's whole screen, borrowed: keys come one by one, lines are drawn in place, and whatever
// happens (an end, a signal, an error that nobody caught) the terminal is given back as it was.
import { writeSync } from 'node:fs';
import { cut } from './output.ts';

// xterm's alternate screen, no cursor, no wrapping of lines; and back.
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J';
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l';
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const;
const SUSPEND = '\x1a';

/** What a terminal sent, key by key: escape sequences are one key. */
export function keysOf(input: string): string[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: keys send them
  return input.match(/\x1b(?:\[[0-9;]*[~A-Za-z]|O[A-Z])?|[^\x1b]/gu) ?? [];
}

/** The screen while it is borrowed. */
export class Screen {
  readonly #onkey: (key: string) => void;
  readonly #onresize: () => void;
  #entered = false;

  constructor(onkey: (key: string) => void, onresize: () => void) {
    this.#onkey = onkey;
    this.#onresize = onresize;
    this.#enter();
    process.stdin.setEncoding('utf8').on('data', this.#data).resume();
    process.stdout.on('resize', this.#onresize);
    process.on('exit', this.#leave);
    process.on('uncaughtExceptionMonitor', this.#leave);
    process.on('SIGCONT', this.#again);
    for (const name of Object.keys(SIGNALS)) process.on(name, this.#signalled);
  }

  get width(): number {
    return process.stdout.columns || 80;
  }

  get height(): number {
    return process.stdout.rows || 24;
  }

  /** Draws the lines from the top; each is cut at the right border. */
  draw(lines: readonly string[]): void {
    if (!this.#entered) return;
    const text = lines
      .slice(0, this.height)
      .map((line) => `${cut(line, this.width)}\x1b[0m\x1b[K`)
      .join('\r\n');
    process.stdout.write(`\x1b[H${text}\x1b[J`);
  }

  /** Gives the terminal back. */
  close(): void {
    process.stdin.off('data', this.#data).pause();
    process.stdout.off('resize', this.#onresize);
    process.off('exit', this.#leave);
    process.off('uncaughtExceptionMonitor', this.#leave);
    process.off('SIGCONT', this.#again);
    for (const name of Object.keys(SIGNALS)) process.off(name, this.#signalled);
    this.#leave();
  }

  #enter(): void {
    if (this.#entered) return;
    this.#entered = true;
    process.stdin.setRawMode(true);
    process.stdout.write(ENTER);
  }

  // At once: the process may end before a stream would have written it.
  readonly #leave = (): void => {
    if (!this.#entered) return;
    this.#entered = false;
    try {
      writeSync(1, LEAVE);
      process.stdin.setRawMode(false);
    } catch {
      // The terminal is gone.
    }
  };

  readonly #signalled = (name: NodeJS.Signals): void => {
    this.#leave();
    // The status that shells give to a program that a signal ended.
    process.exit(128 + SIGNALS[name as keyof typeof SIGNALS]);
  };

  readonly #again = (): void => {
    this.#enter();
    this.#onresize();
  };

  readonly #data = (input: string): void => {
    for (const key of keysOf(input)) {
      if (key === SUSPEND) {
        this.#leave();
        process.kill(process.pid, 'SIGSTOP');
      } else this.#onkey(key);
    }
  };
}
