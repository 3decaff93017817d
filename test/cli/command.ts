// The command as a shell runs it: what package.json names, as a child process.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Peer, type PeerOptions, type PeerResult, startPeer } from '../support/peer.ts';
import type { Ending } from '../support/tempdir.ts';

const root = new URL('../../', import.meta.url);
const { bin } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as { bin: { sock: string } };

/** The file that `sock` is. */
export const sockFile = fileURLToPath(new URL(bin.sock, root));

// What this process was started with (a loader, the colours of its terminal) is no part of it.
function environment(env: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { NODE_OPTIONS, NODE_TEST_CONTEXT, FORCE_COLOR, ...rest } = process.env;
  return { ...rest, ...env };
}

/** Starts `sock` with these words; it is stopped after the test. */
export function startSock(t: Ending, words: readonly string[], options: PeerOptions = {}): Peer {
  return startPeer(t, process.execPath, [sockFile, ...words], {
    ...options,
    env: environment(options.env),
  });
}

/** Runs `sock` to its end, whatever its status; its input is empty unless one is given. */
export async function sock(
  words: readonly string[],
  { seconds = 20, ...options }: PeerOptions & { seconds?: number } = {},
): Promise<PeerResult> {
  const peer = new Peer(process.execPath, [sockFile, ...words], {
    input: '',
    ...options,
    env: environment(options.env),
  });
  try {
    return await peer.exit(seconds);
  } finally {
    await peer.stop('SIGKILL');
  }
}
