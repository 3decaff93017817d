// select and waitAny in the blocking flavour.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { ClosedError } from 'berkeley-sockets';
import * as blocking from 'berkeley-sockets/sync';
import { eventually } from '../support/deadline.ts';
import { scene } from '../support/scene.ts';

scene('the blocking flavour: at once, in time, never', (s) => {
  const [a, b] = blocking.socketpair();
  s.own(a);
  s.own(b);
  assert.deepEqual(blocking.select([a, b], [a], [b], 0), [[], [a], []]);
  const before = performance.now();
  assert.deepEqual(blocking.select([a, b], [], [a, b], 0.15), [[], [], []]);
  assert.deepEqual(blocking.select([], [], [], 0.15), [[], [], []]);
  assert.deepEqual(blocking.waitAny([a, b], { timeout: 0.15 }), []);
  assert.ok(performance.now() - before >= 445);
  a.send('x');
  const [readable] = blocking.select([a, b], [], []);
  assert.ok(readable.length === 1 && readable[0] === b);
  assert.deepEqual(blocking.waitAny([a, [b, { read: true, write: true }]]), [
    { socket: b, read: true, write: true },
  ]);
  b.close();
  assert.throws(() => blocking.select([a, b], [], []), ClosedError);
  assert.throws(() => blocking.waitAny([b]), ClosedError);
  assert.throws(() => blocking.select([-1], [], []), RangeError);
  assert.throws(() => blocking.select([a], [], [], -1), RangeError);
  assert.throws(() => blocking.select([100_000], [], []), { code: 'EBADF' });
});

scene('the blocking flavour waits for another thread, and costs no processor meanwhile', async (s) => {
  const [a, b] = blocking.socketpair();
  s.own(a);
  s.own(b);
  const [c, d] = blocking.socketpair();
  s.own(c);
  d.close();
  const handle = { fd: a.fileno(), family: a.family, type: a.type, proto: a.proto };
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
    import('berkeley-sockets/sync').then(({ fromHandle }) => {
      const s = fromHandle(workerData);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
      s.sendall('x');
      s.detach();
    });`,
    { eval: true, workerData: handle },
  );
  await once(worker, 'online');
  const cpu = process.cpuUsage();
  const began = performance.now();
  // c is hung up, which poll(2) tells at once and nobody asked for.
  const [readable] = blocking.select([b], [], [c], 20);
  assert.ok(readable[0] === b);
  if (performance.now() - began > 300) {
    const { user, system } = process.cpuUsage(cpu);
    // The worker's start is in it.
    assert.ok(user + system < 2_000_000, `${user + system} µs`);
  }
  await eventually(() => worker.threadId === -1, 'the end of the worker');
});

scene('a signal is refused, as in every call that blocks', () => {
  const { signal } = new AbortController();
  assert.throws(() => blocking.select([], [], [], 0, { signal } as never), /^TypeError: Expected no signal/);
  assert.throws(
    () => blocking.waitAny([], { timeout: 0, signal } as never),
    /^TypeError: Expected no signal/,
  );
});
