// Runs the programs of the tour, each as a process of its own, and writes down who says what.
// Knows nothing of sockets.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));
const root = fileURLToPath(new URL('..', import.meta.url));
const bold = (text: string) => (process.stdout.isTTY ? `\x1b[1m${text}\x1b[22m` : text);
const dim = (text: string) => (process.stdout.isTTY ? `\x1b[2m${text}\x1b[22m` : text);

/** Seconds after which a program that should have spoken or ended counts as failed. */
const PATIENCE = 20;

/** A running example. What it prints goes into the transcript, marked with who it is. */
class Actor {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #ended: Promise<string>;
  #status: string | undefined;
  #heard: () => void = () => {};

  constructor(who: string, file: string, args: readonly string[]) {
    this.#name = `${who} (${file})`;
    // The same node with the same options as this process: on Node 20 these load tsx.
    const argv = [...process.execArgv, `${folder}${file}`, ...args];
    this.#child = spawn(process.execPath, argv, { cwd: root, stdio: 'pipe' });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => {
        console.log(`${who.padStart(10)} ${dim('|')} ${line}`);
        this.#lines.push(line);
        this.#heard();
      });
    }
    // What is typed to a program that has ended is lost; its status tells more.
    this.#child.stdin!.on('error', () => {});
    this.#ended = new Promise((resolve) => {
      const end = (status: string) => {
        this.#status ??= status;
        this.#heard();
        resolve(this.#status);
      };
      this.#child.on('error', (error) => end(error.message));
      this.#child.on('close', (code, signal) => end(signal ?? `exit status ${code}`));
    });
  }

  /** Waits for a line, said already or still to come, and returns its match. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    const deadline = performance.now() + PATIENCE * 1000;
    for (let next = 0; ; next++) {
      while (next === this.#lines.length) {
        if (this.#status !== undefined)
          throw new Error(`${this.#name} did not say ${pattern}: ${this.#status}`);
        const left = deadline - performance.now();
        if (left <= 0) throw new Error(`${this.#name} did not say ${pattern} within ${PATIENCE} seconds`);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, left);
          this.#heard = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      const match = pattern.exec(this.#lines[next]!);
      if (match !== null) return match;
    }
  }

  /** The port that a server prints once it is there: `Listening on [ '127.0.0.1', 9000 ]`. */
  async port(): Promise<string> {
    return (await this.says(/ on \[ '.*', (\d+)/))[1]!;
  }

  /** Writes a line to the program's standard input. */
  types(line: string): void {
    console.log(`${'typed'.padStart(10)} ${dim('>')} ${line}`);
    this.#child.stdin!.write(`${line}\n`);
  }

  /** Ends its input. */
  hangsUp(): void {
    this.#child.stdin!.end();
  }

  /** Waits for the program's end, which must be a good one. */
  async ends(): Promise<void> {
    const timer = setTimeout(() => this.#end('no end in sight'), PATIENCE * 1000);
    const status = await this.#ended;
    clearTimeout(timer);
    if (status !== 'exit status 0') throw new Error(`${this.#name}: ${status}`);
  }

  /** Ends the program; one that has failed by itself is an error. */
  async stop(): Promise<void> {
    if (this.#status !== undefined && this.#status !== 'exit status 0') {
      throw new Error(`${this.#name}: ${this.#status}`);
    }
    this.#end('stopped');
    await this.#ended;
  }

  #end(status: string): void {
    this.#status ??= status;
    this.#child.kill('SIGKILL');
  }
}

/** What a scene has at hand: it starts programs and runs them to their end. */
class Stage {
  readonly #actors: Actor[] = [];

  start(who: string, file: string, ...args: string[]): Actor {
    const actor = new Actor(who, file, args);
    this.#actors.push(actor);
    return actor;
  }

  /** Runs a program to its end; it must have said a line like `expected`. */
  async run(who: string, file: string, args: string[], expected: RegExp): Promise<void> {
    const actor = this.start(who, file, ...args);
    actor.hangsUp();
    await actor.ends();
    await actor.says(expected);
  }

  async clear(): Promise<void> {
    const results = await Promise.allSettled(this.#actors.map((actor) => actor.stop()));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }
}

let number = 0;

/** One step of the tour. When it fails, the transcript says which and why, and the tour ends with status 1. */
export async function scene(
  title: string,
  text: string,
  play: (stage: Stage) => Promise<void>,
): Promise<void> {
  console.log(`\n${bold(`${++number}. ${title}`)}\n   ${text}\n`);
  const stage = new Stage();
  let failure: unknown;
  try {
    await play(stage);
  } catch (error) {
    failure = error;
  }
  await stage.clear().catch((error: unknown) => {
    failure ??= error;
  });
  if (failure === undefined) return;
  console.error(
    `\nThe tour failed at step ${number}, ${title}: ${failure instanceof Error ? failure.message : failure}`,
  );
  process.exit(1);
}
