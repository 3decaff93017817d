// A Node process of its own as a test's stage: for what happens at a process's end, under a
// limit of its own, or in a network of its own.
import { spawnSync } from 'node:child_process';
import type { PeerResult } from './peer.ts';
import { type Peer, type PeerOptions, runPeer, startPeer } from './peer.ts';
import type { Ending } from './tempdir.ts';

const root = new URL('../..', import.meta.url).pathname;

export interface NodeOptions extends PeerOptions {
  /** Options of Node itself, such as `--expose-gc`. */
  flags?: readonly string[];
  /** A program that is given the command to run: `['prlimit', '--nofile=64']`. */
  wrap?: readonly string[];
}

// In the package's own folder, so that the script imports it by its name.
function command(script: string, options: NodeOptions): [string, string[], PeerOptions] {
  const { flags = [], wrap = [], ...rest } = options;
  const [program, ...args] = [...wrap, process.execPath, ...flags, '--input-type=module', '-e', script];
  // What preloads this process's tests (a loader, a watchdog) is no part of the child.
  const env = { ...process.env, ...rest.env };
  delete env.NODE_OPTIONS;
  delete env.NODE_TEST_CONTEXT;
  return [program!, args, { cwd: root, ...rest, env }];
}

/** Starts a module given as text, stopped after the test. */
export function startNode(t: Ending, script: string, options: NodeOptions = {}): Peer {
  return startPeer(t, ...command(script, options));
}

/** Runs a module given as text to its end; an error unless its status is 0. */
export function runNode(
  script: string,
  options: NodeOptions & { seconds?: number } = {},
): Promise<PeerResult> {
  const { seconds, ...rest } = options;
  const [program, args, peer] = command(script, rest);
  return runPeer(program, args, seconds === undefined ? peer : { ...peer, seconds });
}

/**
 * A wrapper for `runNode` that gives the process a network of its own, in which `setup` (a
 * shell script) ran first: nothing but a loopback that is up.
 */
export function ownNetwork(setup = ''): string[] {
  const script = `set -e; ip link set lo up; ${setup}\nexec "$@"`;
  return ['unshare', '--net', '--mount', '--map-root-user', 'sh', '-c', script, 'sh'];
}

/** Why `ownNetwork` cannot be had here; false where it can. */
export function noOwnNetwork(): string | false {
  const [program, ...args] = [...ownNetwork(), 'true'];
  const probe = spawnSync(program!, args, { encoding: 'utf8' });
  if (probe.status === 0) return false;
  return `no network namespace to be had: ${probe.error?.message ?? probe.stderr.trim()}`;
}
