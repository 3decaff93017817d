// The one switch of the engine that the API names; for both flavours.
import * as engine from './engine.ts';
import { typeError } from './errors.ts';

/**
 * How long this thread polls for the next event before it sleeps, on its event loop or in a call
 * that blocks, in seconds; 0 (not at all) at first, at most 0.001. Some 20e-6 halve the latency of
 * a busy connection where waking up is dear, at the price of a core that rests less.
 */
export function setBusyPoll(seconds: number): void {
  if (typeof seconds !== 'number') throw typeError('seconds', 'a number of seconds', seconds);
  if (!(seconds >= 0 && seconds <= 0.001)) {
    throw new RangeError(`Expected seconds from 0 to 0.001 but received ${seconds}`);
  }
  engine.ensureStarted();
  engine.busyPoll(seconds);
}
