// Time limits for tests. A test that waits says what for and how long, so that a lost
// wake-up shows as a sentence and not as a hung run. Knows nothing of sockets.
import assert from 'node:assert/strict';

/** Resolves or rejects as `promise` does, or rejects after `seconds` saying that `what` did not happen. */
export async function within<T>(promise: PromiseLike<T>, what: string, seconds = 5): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    // Made here, so that the stack names the waiting test and not the timer.
    const error = new Error(`${what}: not within ${seconds} s`);
    timer = setTimeout(() => reject(error), seconds * 1000);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asserts that `promise` has not settled after `seconds`: whatever it waits for must not have come yet. */
export async function staysPending(
  promise: PromiseLike<unknown>,
  what: string,
  seconds = 0.05,
): Promise<void> {
  const settled = promise.then(
    () => 'resolved',
    (error: unknown) => `rejected (${error})`,
  );
  let timer: NodeJS.Timeout | undefined;
  const pending = new Promise<'pending'>((resolve) => {
    timer = setTimeout(() => resolve('pending'), seconds * 1000);
  });
  const state = await Promise.race([settled, pending]);
  clearTimeout(timer);
  assert.equal(state, 'pending', `${what} should still be waiting after ${seconds} s`);
}

/** Calls `check` every few milliseconds until it does not throw and does not return false. Returns what it returned. */
export async function eventually<T>(check: () => T | PromiseLike<T>, what: string, seconds = 5): Promise<T> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    let last: unknown;
    try {
      const value = await check();
      if (value !== false) return value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) throw new Error(`${what}: not within ${seconds} s`, { cause: last });
    await sleep(0.005);
  }
}

/** Waits `seconds`. */
export function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

/** Runs `work` and returns its result and the seconds it took. */
export async function timed<T>(work: () => T | PromiseLike<T>): Promise<[value: T, seconds: number]> {
  const start = performance.now();
  const value = await work();
  return [value, (performance.now() - start) / 1000];
}
