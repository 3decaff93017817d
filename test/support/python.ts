// Python's own socket module as the other end of a test, or as the reference for a value.
// The system's Python, never one of a version manager: its headers are those of the C library here.
import { existsSync } from 'node:fs';
import { type Peer, type PeerOptions, type PeerResult, runPeer, startPeer } from './peer.ts';
import type { Ending } from './tempdir.ts';

const interpreter = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';

// -I: no user packages or PYTHON* variables; -u: lines come as they are printed.
const argv = (script: string, args: readonly string[]): string[] => [
  '-I',
  '-u',
  '-c',
  dedent(script),
  ...args,
];

/** Runs a script given as text to its end: what it printed. Arguments arrive in `sys.argv[1:]`. */
export function runPython(
  script: string,
  args: readonly string[] = [],
  options: PeerOptions & { seconds?: number } = {},
): Promise<PeerResult> {
  return runPeer(interpreter, argv(script, args), options);
}

/** Runs a script whose output is one JSON value, and returns the value. */
export async function evalPython<T = unknown>(script: string, args: readonly string[] = []): Promise<T> {
  return JSON.parse((await runPython(script, args)).stdout) as T;
}

/** Starts a script that runs beside the test and is stopped after it; `wrap` is a program that is given the command to run. */
export function startPython(
  t: Ending,
  script: string,
  args: readonly string[] = [],
  { wrap = [], ...options }: PeerOptions & { wrap?: readonly string[] } = {},
): Peer {
  const [program, ...rest] = [...wrap, interpreter, ...argv(script, args)];
  return startPeer(t, program!, rest, options);
}

/** Takes the indentation of the first line with text from every line, so that a script can stand in a test's block. */
function dedent(text: string): string {
  const lines = text.split('\n');
  const indent = /^[ \t]*/.exec(lines.find((line) => line.trim() !== '') ?? '')![0];
  return lines
    .map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line.trimStart()))
    .join('\n');
}
