// What a test left open: descriptors in /proc/self/fd and resources that keep the event loop
// alive. `noLeaks()` at the top of a test file checks both after every test.
import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { afterEach, beforeEach, type TestContext } from 'node:test';
import { sleep } from './deadline.ts';

/** Open descriptors of this process: number → what it is (`socket:[123]`, a path, …). */
export function openDescriptors(): Map<number, string> {
  const open = new Map<number, string>();
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      open.set(Number(name), readlinkSync(`/proc/self/fd/${name}`));
    } catch {
      // The descriptor that listed the folder is gone by now.
    }
  }
  return open;
}

/** How many sockets this process has open, those of child processes' standard streams included. */
export function openSockets(): number {
  let count = 0;
  for (const target of openDescriptors().values()) if (target.startsWith('socket:')) count++;
  return count;
}

/** What keeps the event loop alive, as Node names it: `["Timeout", "PipeWrap", …]`. */
export function activeResources(): string[] {
  return process.getActiveResourcesInfo();
}

// Node's own: a loader thread that ends in the middle of reading a module loses the file.
const isModule = (target: string): boolean => /\.[cm]?[jt]s$/.test(target);

/** What was open at one moment. */
export class Snapshot {
  readonly descriptors = openDescriptors();
  readonly resources = activeResources();

  /** What is open now and was not then: one line each. */
  since(): string[] {
    const left: string[] = [];
    for (const [fd, target] of openDescriptors()) {
      if (this.descriptors.get(fd) !== target && !isModule(target)) left.push(`descriptor ${fd} → ${target}`);
    }
    const before = [...this.resources];
    for (const resource of activeResources()) {
      const at = before.indexOf(resource);
      if (at >= 0) before.splice(at, 1);
      else left.push(`active ${resource}`);
    }
    return left;
  }

  /** Fails unless all is closed within `seconds`: a handle of the event loop closes a turn later. */
  async assertNothingLeft(seconds = 1): Promise<void> {
    const end = performance.now() + seconds * 1000;
    let left = this.since();
    while (left.length > 0 && performance.now() < end) {
      await sleep(0.005);
      left = this.since();
    }
    assert.deepEqual(left, [], 'left open after the test');
  }
}

/** Checks after each test of the file, and after that test's own `t.after` functions, that nothing was left open. */
export function noLeaks(): void {
  // By the test's context: a test may run tests of its own in between.
  const before = new WeakMap<object, Snapshot>();
  beforeEach((t) => {
    before.set(t, new Snapshot());
  });
  // node:test runs afterEach before the functions given to t.after, and those in the order
  // they were given: one that is given here comes last.
  afterEach((t) => {
    const start = before.get(t);
    assert.ok(start !== undefined, 'no snapshot was taken before the test');
    (t as TestContext).after(() => start.assertNothingLeft());
  });
}
