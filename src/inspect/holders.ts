// Which processes have which sockets open: the links in /proc/PID/fd, proc(5). Of other users'
// processes only root sees them. The kernel has no table the other way round.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import type { Holder } from './connection.ts';

const NUMBER = /^\d+$/;
const SOCKET = 'socket:[';

/** How long, in milliseconds, the event loop has to wait at a time. */
const SLICE = 10;

/** What is listed there; nothing where the process is gone by now, or somebody else's. */
function listed(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** The command's name, up to 15 characters of it; `undefined` where the process is gone by now. */
function nameOf(pid: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').replace(/\n$/, '');
  } catch {
    return undefined;
  }
}

/** The process's sockets by inode: the lowest descriptor of each. */
function* socketsOf(pid: string): Generator<[inode: number, fd: number]> {
  const folder = `/proc/${pid}/fd`;
  for (const fd of listed(folder)) {
    let target: string;
    try {
      target = readlinkSync(`${folder}/${fd}`);
    } catch {
      // Closed since it was listed.
      continue;
    }
    if (target.startsWith(SOCKET)) yield [Number(target.slice(SOCKET.length, -1)), Number(fd)];
  }
}

/** The processes that have each socket open, by the socket's inode; processes in ascending order. */
export async function socketHolders(signal: AbortSignal | undefined): Promise<Map<number, Holder[]>> {
  const found = new Map<number, Holder[]>();
  let slice = performance.now();
  const pids = listed('/proc').filter((entry) => NUMBER.test(entry));
  for (const entry of pids.sort((a, b) => Number(a) - Number(b))) {
    const pid = Number(entry);
    let name: string | undefined;
    for (const [inode, fd] of socketsOf(entry)) {
      name ??= nameOf(entry);
      if (name === undefined) break;
      const holders = found.get(inode);
      if (holders === undefined) found.set(inode, [{ pid, name, fd }]);
      else if (holders.at(-1)!.pid !== pid) holders.push({ pid, name, fd });
    }
    if (performance.now() - slice < SLICE) continue;
    await turn();
    // Not turn's own error: what a call rejects with is the signal's reason.
    signal?.throwIfAborted();
    slice = performance.now();
  }
  return found;
}
