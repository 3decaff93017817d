// Time limits of sockets, in seconds, and the one that new sockets begin with. Inside the library
// "none" is negative.
import { typeError } from './errors.ts';

/** A time too long for a `timeval` or a timer is a mistake in the unit. */
const MAX_SECONDS = 9_223_372_036;

/** The limit that a new socket begins with. */
export let defaultTimeout = -1;

/** Seconds, or `null` for none, as `settimeout` takes it. */
export function checkTimeout(seconds: unknown, name: string): number {
  if (seconds === null) return -1;
  if (typeof seconds !== 'number') throw typeError(name, 'a number of seconds or null', seconds);
  if (!(seconds >= 0 && seconds <= MAX_SECONDS)) {
    throw new RangeError(`Expected seconds from 0 to ${MAX_SECONDS} for ${name} but received ${seconds}`);
  }
  return seconds;
}

/**
 * The timeout of sockets made from now on, in seconds; `null` (no timeout) at first.
 * Python: `socket.getdefaulttimeout`.
 */
export function getdefaulttimeout(): number | null {
  return defaultTimeout < 0 ? null : defaultTimeout;
}

/** Sets the timeout of sockets made from now on: seconds, 0 for non-blocking, `null` for none. */
export function setdefaulttimeout(seconds: number | null): void {
  defaultTimeout = checkTimeout(seconds, 'seconds');
}

/**
 * Milliseconds for which a thread blocks at a time: a thread inside of a system call cannot be
 * terminated, nor look at its deadline.
 */
export const SLICE = 100;
