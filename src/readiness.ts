// Readiness of one descriptor, asked of the kernel: poll(2). Takes nothing, waits for nothing.
import os from 'node:os';
import { native } from './binding.ts';
import { systemError } from './errors.ts';

/** Which of the events that were asked for are there. */
export interface Readiness {
  read: boolean;
  write: boolean;
}

// poll(2): the same numbers on every Linux.
export const POLLIN = 1;
export const POLLPRI = 2;
export const POLLOUT = 4;
const POLLERR = 8;
const POLLHUP = 16;
const POLLNVAL = 32;

const { EBADF } = os.constants.errno;

/** The `asked` events that are there; `undefined` for none. */
export function pollNow(fd: number, asked: number): Readiness | undefined {
  const r = native.poll(fd, asked, 0);
  if (r < 0) throw systemError(r, 'poll');
  return r === 0 ? undefined : readinessOf(r, asked);
}

/** poll(2)'s `revents`, as far as they were asked for: an error or a hang-up counts as both. Throws for no descriptor. */
export function readinessOf(revents: number, asked: number): Readiness {
  // Somebody else closed it.
  if ((revents & POLLNVAL) !== 0) throw systemError(-EBADF, 'poll');
  const both = (revents & (POLLERR | POLLHUP)) !== 0;
  return {
    read: (asked & POLLIN) !== 0 && (both || (revents & POLLIN) !== 0),
    write: (asked & POLLOUT) !== 0 && (both || (revents & POLLOUT) !== 0),
  };
}
