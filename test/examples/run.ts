// Runs the programs of examples/ as a reader would, each in a process of its own, and compares
// what they print line by line.
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { type Peer, type PeerOptions, runPeer, startPeer } from '../support/peer.ts';
import type { Ending } from '../support/tempdir.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));

// A Node that takes TypeScript as it is needs no loader, and must be able to do without one.
export const loader: readonly string[] =
  'typescript' in process.features && process.features.typescript ? [] : ['--import', 'tsx'];

function command(
  file: string,
  args: readonly unknown[],
  options: PeerOptions,
): [string, string[], PeerOptions] {
  const env = { ...process.env, ...options.env };
  delete env.NODE_OPTIONS;
  delete env.NODE_TEST_CONTEXT;
  return [
    process.execPath,
    [...loader, `examples/${file}`, ...args.map(String)],
    { ...options, cwd: root, env },
  ];
}

/** Starts an example that is stopped after the test. */
export function startExample(
  t: Ending,
  file: string,
  args: readonly unknown[] = [],
  options: PeerOptions = {},
): Peer {
  return startPeer(t, ...command(file, args, options));
}

/** Runs an example to its end; returns the lines it printed. Its status must be 0 and standard error empty. */
export async function runExample(
  file: string,
  args: readonly unknown[] = [],
  { seconds = 20, ...options }: PeerOptions & { seconds?: number } = {},
): Promise<string[]> {
  const [program, argv, rest] = command(file, args, options);
  const { stdout, stderr } = await runPeer(program, argv, { ...rest, seconds });
  assert.equal(stderr, '', `${file} wrote to standard error`);
  return stdout.split('\n').slice(0, -1);
}

/** Starts a server; returns it with the port that it says it has. */
export async function startServer(t: Ending, file: string): Promise<[server: Peer, port: number]> {
  const server = startExample(t, file, [0, '127.0.0.1']);
  const line = await server.line(/ on \[ '127\.0\.0\.1', \d+ \]$/, { seconds: 20 });
  return [server, Number(/(\d+) \]$/.exec(line)![1])];
}

/** Each line is the string or matches the pattern, and there are no others. */
export function assertLines(lines: readonly string[], expected: readonly (string | RegExp)[]): void {
  const shown = `\n${lines.join('\n')}`;
  expected.forEach((want, at) => {
    const line = lines[at];
    if (typeof want === 'string') assert.equal(line, want, `line ${at + 1} of${shown}`);
    else assert.match(line ?? '(no line)', want, `line ${at + 1} of${shown}`);
  });
  assert.equal(lines.length, expected.length, `the number of lines of${shown}`);
}
