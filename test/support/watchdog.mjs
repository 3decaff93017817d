// Names the test that hangs. `--test-timeout` of Node 20 ends a whole file without a word on
// which test it was in; scripts/test.mjs loads this before each file. A test that takes longer
// than the deadline ends its file, with what still keeps the event loop alive. Plain JavaScript: the
// worker threads of a test are given the same options, and those of Node 20 preload no TypeScript.
import { writeSync } from 'node:fs';
import { afterEach, beforeEach } from 'node:test';
import { isMainThread } from 'node:worker_threads';

const seconds = Number(process.env.TEST_DEADLINE_SECONDS ?? 120);

// Preloaded into the runner too, which runs no tests itself.
if (isMainThread && process.env.NODE_TEST_CONTEXT !== undefined && seconds > 0) {
  const timers = new WeakMap();
  beforeEach((t) => {
    const timer = setTimeout(() => {
      const alive = process.getActiveResourcesInfo().join(', ') || 'nothing';
      // Synchronous, on standard error: the reporter's pipe is not flushed by process.exit.
      writeSync(
        2,
        `\nhangs: "${t.name}" in ${process.argv[1]}: not done within ${seconds} s; active: ${alive}\n`,
      );
      process.exit(1);
    }, seconds * 1000);
    // Must neither keep the process alive nor count as something that a test left behind.
    timers.set(t, timer.unref());
  });
  afterEach((t) => clearTimeout(timers.get(t)));
}
