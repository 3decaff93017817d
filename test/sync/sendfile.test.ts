// sendfile in the blocking flavour.
import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { ClosedError, TimeoutError } from 'berkeley-sockets';
import * as blocking from 'berkeley-sockets/sync';
import { eventually } from '../support/deadline.ts';
import { data, file, holders, opened, size } from '../support/filetosend.ts';
import { scene } from '../support/scene.ts';

scene('the blocking flavour', async (s) => {
  const [a, b] = blocking.socketpair();
  s.own(a);
  s.own(b);
  const path = file(s, Buffer.from('0123456789'));
  const fd = openSync(path, 'r');
  s.after(() => closeSync(fd));
  const told: unknown[] = [];
  assert.equal(a.sendfile(fd, { offset: 2, onprogress: (...args) => void told.push(args) }), 8);
  assert.deepEqual(told, [[8, 8]]);
  assert.equal(b.recv(100).toString(), '23456789');
  assert.throws(
    () =>
      a.sendfile(fd, {
        onprogress: () => {
          throw new RangeError('no more of this');
        },
      }),
    { message: 'no more of this', bytesSent: 10 },
  );
  const mine = opened(s);
  a.settimeout(0.05);
  assert.throws(
    () => a.sendfile(mine),
    (e: TimeoutError) => e instanceof TimeoutError && e.bytesSent! > 0,
  );
  const [c, d] = blocking.socketpair();
  s.own(d);
  assert.throws(() => c.sendfile(mine, { onprogress: () => c.close() }), ClosedError);
  assert.ok(c.closed);
  assert.equal(holders(path), 1);
});

scene('the blocking flavour sends while another thread reads', async (s) => {
  const [a, b] = blocking.socketpair();
  s.own(a);
  const reader = new Worker(
    `const { workerData } = require('node:worker_threads');
    import('berkeley-sockets/sync').then(({ fromHandle, MSG_WAITALL }) => {
      const s = fromHandle(workerData.handle);
      const all = s.recv(workerData.size, { flags: MSG_WAITALL });
      s.close();
      require('node:worker_threads').parentPort.postMessage(all);
    });`,
    { eval: true, workerData: { handle: b.detach(), size } },
  );
  const got = new Promise<Uint8Array>((resolve, reject) => {
    reader.on('message', resolve);
    reader.on('error', reject);
  });
  await new Promise((resolve) => reader.on('online', resolve));
  a.settimeout(20);
  assert.equal(a.sendfile(opened(s)), size);
  assert.ok(Buffer.from(await got).equals(data));
  await eventually(() => reader.threadId === -1, 'the end of the reader');
});
