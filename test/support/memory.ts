// What this process holds, apart from descriptors: memory, and watches of epoll descriptors.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { collect } from './garbage.ts';

/** Descriptors that are watched by any epoll descriptor of this process: `tfd:` lines of proc(5). */
export function watches(): number {
  let count = 0;
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`) !== 'anon_inode:[eventpoll]') continue;
      count += readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8').split('\ntfd:').length - 1;
    } catch {
      // The descriptor that listed the folder is gone by now.
    }
  }
  return count;
}

/** Bytes in use after a thorough collection: JavaScript's heap, and what stands behind buffers. */
export async function heldBytes(): Promise<number> {
  for (let i = 0; i < 4; i++) await collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** Resident bytes: native memory too, and what the allocators keep. */
export const residentBytes = (): number => process.memoryUsage.rss();

/** How many descriptors this process may have open: its soft limit, getrlimit(2). */
export function descriptorLimit(): number {
  const line = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
  return line?.[1] === 'unlimited' ? Number.POSITIVE_INFINITY : Number(line?.[1] ?? 0);
}
