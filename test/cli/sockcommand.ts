// The `sock` command as a child process, with its standard streams in the test's hands: nothing is read from
// it before the test asks. Knows nothing of the library.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { eventually, within } from '../support/deadline.ts';
import type { Ending } from '../support/tempdir.ts';

export const program = fileURLToPath(new URL('../../bin/sock.cjs', import.meta.url));

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** How it ended. */
export interface Result {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: Buffer;
  stderr: string;
}

export interface CommandOptions {
  /** Written to standard input, which is then closed; `'open'` (and nothing) leaves it open. */
  input?: string | Uint8Array;
  /** A descriptor as standard input, or output. */
  stdin?: number;
  stdout?: number;
  env?: NodeJS.ProcessEnv;
}

/** A running command. */
export class Command {
  readonly child: ChildProcess;
  readonly words: string;
  #stderr = '';
  #out: Buffer[] | undefined;
  #outEnded = false;
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;

  constructor(t: Ending, args: readonly string[], { input, stdin, stdout, env }: CommandOptions = {}) {
    this.words = ['sock', ...args].join(' ');
    this.child = spawn(process.execPath, [program, ...args], {
      stdio: [stdin ?? 'pipe', stdout ?? 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    running.add(this.child);
    this.child.stderr!.on('data', (data: Buffer) => {
      this.#stderr += data.toString();
    });
    this.child.stdin?.on('error', () => {});
    this.child.stdout?.on('end', () => {
      this.#outEnded = true;
    });
    if (input !== undefined) this.child.stdin!.end(input);
    this.ended = new Promise((resolve) => {
      this.child.on('exit', (code, signal) => {
        running.delete(this.child);
        resolve({ code, signal });
      });
    });
    t.after(() => this.kill());
  }

  get stdin(): Writable {
    return this.child.stdin!;
  }

  get stdout(): Readable {
    return this.child.stdout!;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Begins to read standard output. */
  read(): this {
    if (this.#out === undefined && this.child.stdout !== null) {
      this.#out = [];
      this.stdout.on('data', (data: Buffer) => this.#out!.push(data));
    }
    return this;
  }

  /** What has come on standard output so far. */
  get output(): Buffer {
    return Buffer.concat(this.read().#out ?? []);
  }

  /** Waits for a text on standard output. */
  async prints(text: string | RegExp, seconds = 20): Promise<string> {
    const holds = (): boolean => {
      const all = this.output.toString('latin1');
      return typeof text === 'string' ? all.includes(text) : text.test(all);
    };
    await eventually(holds, `${this.words}: ${text} on standard output`, seconds).catch((error: Error) => {
      error.message += `\n stdout: ${JSON.stringify(this.output.toString())}\n stderr: ${this.#stderr}`;
      throw error;
    });
    return this.output.toString();
  }

  /** Waits for a text on standard error. */
  async says(text: RegExp, seconds = 20): Promise<RegExpExecArray> {
    await eventually(
      () => text.test(this.#stderr),
      `${this.words}: ${text} on standard error`,
      seconds,
    ).catch((error: Error) => {
      error.message += `\n stderr: ${this.#stderr}`;
      throw error;
    });
    return text.exec(this.#stderr)!;
  }

  /** Waits until nobody writes to its standard output any more. */
  async closesOutput(seconds = 20): Promise<Buffer> {
    this.read();
    await eventually(() => this.#outEnded, `${this.words}: the end of standard output`, seconds);
    return this.output;
  }

  /** The port that it says it listens at. */
  async port(): Promise<number> {
    return Number((await this.says(/listening on .*:([0-9]+)\n/))[1]);
  }

  /** Waits for its end. */
  async exit(seconds = 20): Promise<Result> {
    this.read();
    const { code, signal } = await within(this.ended, `${this.words}: its end`, seconds).catch(
      (error: Error) => {
        error.message += `\n stderr: ${this.#stderr}`;
        throw error;
      },
    );
    if (this.child.stdout !== null) await this.closesOutput();
    return { code, signal, stdout: this.output, stderr: this.#stderr };
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (!running.has(this.child)) return;
    this.child.kill(signal);
    await this.ended;
  }
}

/** Starts a command that ends with the test at the latest. */
export const startSock = (t: Ending, args: readonly string[], options?: CommandOptions): Command =>
  new Command(t, args, options);

/** Runs a command to its end. */
export const runSock = (t: Ending, args: readonly string[], options: CommandOptions = {}): Promise<Result> =>
  new Command(t, args, { input: '', ...options }).exit();
