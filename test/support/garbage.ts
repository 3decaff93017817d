// Garbage collection on demand, for what must happen when a value is collected.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { eventually } from './deadline.ts';

setFlagsFromString('--expose-gc');
const gc: () => void = runInNewContext('gc');

/** Collects until `done` holds. Finalizers run in a turn of their own, and one collection may not reach everything. */
export function collectUntil(done: () => boolean, what: string, seconds = 10): Promise<boolean> {
  return eventually(
    () => {
      gc();
      return done();
    },
    what,
    seconds,
  );
}

/** One full collection, with a turn of the event loop for finalizers. */
export async function collect(): Promise<void> {
  gc();
  await new Promise((resolve) => setImmediate(resolve));
}
