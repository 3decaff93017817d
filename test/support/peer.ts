// Programs that others wrote, as the other end of a test: started with a deadline, read line
// by line, stopped by their process id. Knows nothing of the library under test.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { within } from './deadline.ts';
import type { Ending } from './tempdir.ts';

interface PeerRow {
  command: string;
  package: string;
}

const table: PeerRow[] = JSON.parse(readFileSync(new URL('./peers.json', import.meta.url), 'utf8'));

// Debian keeps `ip` in a folder that is not on every user's PATH.
const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'].filter(Boolean);

function find(command: string): string | undefined {
  for (const folder of folders) {
    const file = path.join(folder, command);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {}
  }
  return undefined;
}

/**
 * Options for a test that speaks to these programs: `test('…', requirePeer('socat'), …)`.
 *
 * Where one is missing the test is skipped with the reason; with CI=true that is an error, so
 * that a test cannot drop out unseen. Each name is a `command` of peers.json.
 */
export function requirePeer(...commands: string[]): { skip?: string } {
  const missing = commands.filter((command) => find(command) === undefined);
  for (const command of commands) {
    if (!table.some((row) => row.command === command))
      throw new Error(`${command} is no row of test/support/peers.json`);
  }
  if (missing.length === 0) return {};
  const packages = table.filter((row) => missing.includes(row.command)).map((row) => row.package);
  const reason = `needs ${missing.join(', ')} (Debian: apt-get install ${packages.join(' ')})`;
  if (process.env.CI === 'true') throw new Error(reason);
  return { skip: reason };
}

export interface PeerOptions {
  /** Written to the program's standard input, which is then closed. Without it the input stays open. */
  input?: string | Uint8Array;
  env?: NodeJS.ProcessEnv;
  cwd?: string;
}

export interface PeerResult {
  /** Exit status; null when a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

// A test process that a watchdog ends must not leave its peers behind.
const running = new Set<ChildProcessWithoutNullStreams>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A running program: see `startPeer`. */
export class Peer {
  readonly command: string;
  readonly child: ChildProcessWithoutNullStreams;
  #chunks: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] };
  #changed: (() => void)[] = [];
  // What `line` has already handed out: a count of complete lines per stream.
  #taken = { stdout: 0, stderr: 0 };
  #end: Promise<PeerResult>;
  #ended: PeerResult | undefined;

  constructor(command: string, args: readonly string[], options: PeerOptions = {}) {
    this.command = [command, ...args].join(' ').slice(0, 200);
    this.child = spawn(find(command) ?? command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: 'pipe',
    });
    running.add(this.child);
    this.child.on('exit', () => running.delete(this.child));
    for (const name of ['stdout', 'stderr'] as const) {
      this.child[name].on('data', (chunk: Buffer) => {
        this.#chunks[name].push(chunk);
        this.#wake();
      });
    }
    // EPIPE of a program that ended early: its exit status tells more.
    this.child.stdin.on('error', () => {});
    if (options.input !== undefined) this.child.stdin.end(options.input);
    this.#end = new Promise((resolve, reject) => {
      this.child.on('error', reject);
      this.child.on('close', (code, signal) => {
        this.#ended = { code, signal, stdout: this.stdout, stderr: this.stderr };
        resolve(this.#ended);
        this.#wake();
      });
    });
    // Whoever waits sees the failure; when nobody does, it must not end the test process.
    this.#end.catch(() => this.#wake());
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  /** All that the program has written to standard output so far. */
  get stdout(): string {
    return Buffer.concat(this.#chunks.stdout).toString();
  }

  get stderr(): string {
    return Buffer.concat(this.#chunks.stderr).toString();
  }

  #wake(): void {
    for (const wake of this.#changed.splice(0)) wake();
  }

  /**
   * The next line, without its end, that matches `pattern`; lines before it are dropped. Fails
   * when the program ends or `seconds` pass without one.
   */
  line(
    pattern = /^/,
    { from = 'stdout', seconds = 10 }: { from?: 'stdout' | 'stderr'; seconds?: number } = {},
  ): Promise<string> {
    const scan = async (): Promise<string> => {
      for (;;) {
        const complete = this[from].split('\n').slice(0, -1);
        while (this.#taken[from] < complete.length) {
          const line = complete[this.#taken[from]++]!.replace(/\r$/, '');
          if (pattern.test(line)) return line;
        }
        if (this.#ended !== undefined)
          throw new Error(`${this.command}: ended without a line like ${pattern}\n${this.#story()}`);
        // The end rejects only when the program could not be started.
        await Promise.race([new Promise<void>((wake) => this.#changed.push(wake)), this.#end]);
      }
    };
    return within(scan(), `${this.command}: a line like ${pattern}`, seconds).catch((error: Error) => {
      error.message += `\n${this.#story()}`;
      throw error;
    });
  }

  #story(): string {
    const e = this.#ended;
    const status = e === undefined ? 'still running' : `exit status ${e.code ?? e.signal}`;
    return `  ${status}\n  stdout: ${JSON.stringify(this.stdout.slice(-2000))}\n  stderr: ${JSON.stringify(this.stderr.slice(-2000))}`;
  }

  write(text: string | Uint8Array): void {
    this.child.stdin.write(text);
  }

  /** Closes the program's standard input. */
  endInput(): void {
    this.child.stdin.end();
  }

  /** Waits for the program's own end. */
  async exit(seconds = 10): Promise<PeerResult> {
    try {
      return await within(this.#end, `${this.command}: its end`, seconds);
    } catch (error) {
      (error as Error).message += `\n${this.#story()}`;
      throw error;
    }
  }

  /** As `exit`, and an error unless the status is 0. */
  async succeed(seconds = 10): Promise<PeerResult> {
    const result = await this.exit(seconds);
    if (result.code !== 0) throw new Error(`${this.command} failed\n${this.#story()}`);
    return result;
  }

  /** Sends the signal, waits for the end, kills what does not obey within two seconds. Idempotent. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.#ended !== undefined || this.child.pid === undefined) return;
    this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 2000);
    await this.#end.catch(() => {});
    clearTimeout(timer);
  }
}

/** Starts a program that is stopped after the test at the latest. */
export function startPeer(
  t: Ending,
  command: string,
  args: readonly string[] = [],
  options: PeerOptions = {},
): Peer {
  const peer = new Peer(command, args, options);
  t.after(() => peer.stop());
  return peer;
}

/** Runs a program to its end and returns what it printed; an error unless its status is 0. */
export async function runPeer(
  command: string,
  args: readonly string[] = [],
  { seconds = 10, ...options }: PeerOptions & { seconds?: number } = {},
): Promise<PeerResult> {
  const peer = new Peer(command, args, { input: '', ...options });
  try {
    return await peer.succeed(seconds);
  } finally {
    await peer.stop('SIGKILL');
  }
}

/**
 * A port that was free a moment ago, for programs that cannot be told to choose one and say
 * which. Where they can (port 0), let them. It is none of those that the kernel gives out
 * (ip_local_port_range begins at 32768): who tries it again and again must not find the listener of
 * another test there.
 */
export function unusedPort(host = '127.0.0.1'): Promise<number> {
  const attempt = (): Promise<number> =>
    new Promise((resolve, reject) => {
      const port = 10_000 + Math.floor(Math.random() * 22_000);
      const server = net.createServer();
      server.once('error', (error: NodeJS.ErrnoException) =>
        error.code === 'EADDRINUSE' ? resolve(attempt()) : reject(error),
      );
      server.listen(port, host, () => server.close(() => resolve(port)));
    });
  return attempt();
}
