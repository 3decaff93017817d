// Who owns passed descriptors, and when: what does not arrive is closed, and nothing leaks whatever the
// receiver, the caller or the thread does.
import assert from 'node:assert/strict';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { CMSG_LEN, MSG_PEEK, recvFds, type Socket, sendFds, socketpair } from 'berkeley-sockets';
import { eventually, staysPending, within } from '../support/deadline.ts';
import { content, count, file, overEach, rights, take } from '../support/descriptors.ts';
import { openDescriptors } from '../support/leaks.ts';
import { runNode } from '../support/node.ts';
import { scene } from '../support/scene.ts';
import { tempdir } from '../support/tempdir.ts';

// --- calls that wait --------------------------------------------------------------------

overEach('a call that waits sends what the descriptors were when it was made', async (s, a, b) => {
  const before = count();
  const chunk = Buffer.alloc(16384);
  let filled = 0;
  const fill = () => {
    for (let r = a.trySend(chunk); r !== undefined; r = a.trySend(chunk)) filled++;
  };
  const drain = async () => {
    b.settimeout(0);
    await assert.rejects(async () => {
      for (;;) await b.recv(65536);
    });
    b.settimeout(null);
  };
  fill();
  assert.ok(filled > 0);
  const name = path.join(tempdir(s), 'the one');
  writeFileSync(name, 'the one');
  const fd = openSync(name, 'r');
  const waiting = [sendFds(a, ['first'], [fd]), a.sendmsg(['second'], { ancdata: [rights(fd)] })];
  await staysPending(waiting[0]!, 'sendFds', 0.005);
  closeSync(fd);
  // Another file has the number now.
  const other = file(s, 'another');
  assert.equal(other, fd);
  const received: string[] = [];
  while (received.length < 2) {
    const [, fds] = await within(recvFds(b, 65536, 5), 'the descriptors');
    for (const each of fds) {
      received.push(content(each));
      closeSync(each);
    }
  }
  await Promise.all(waiting);
  assert.deepEqual(received, ['the one', 'the one']);
  // What was kept for them is closed, however the call ends.
  await drain();
  fill();
  const stop = new AbortController();
  const given = [sendFds(a, ['x'], [other, other], { signal: stop.signal })];
  a.settimeout(0.02);
  given.push(sendFds(a, ['x'], [other]));
  a.settimeout(null);
  given.push(sendFds(a, ['x'], [other, other, other]));
  for (const each of given) each.catch(() => {});
  await assert.rejects(given[1]!, { name: 'TimeoutError', syscall: 'sendmsg' });
  assert.equal(count(), before + 6);
  stop.abort();
  await assert.rejects(given[0]!, { name: 'AbortError' });
  assert.equal(count(), before + 4);
  a.close();
  await assert.rejects(given[2]!, { name: 'ClosedError' });
  assert.equal(count(), before);
  // The number closes once only.
  assert.equal(content(other), 'another');
});

overEach('a call that would have to wait and whose descriptor is none says so', async (_, a, b) => {
  const chunk = Buffer.alloc(16384);
  while (a.trySend(chunk) !== undefined) {}
  const before = count();
  const waiting = sendFds(a, ['x'], [0x7ffffff0]);
  waiting.catch(() => {});
  while (count() === before) {
    b.settimeout(0);
    if ((await b.recv(65536).catch(() => undefined)) === undefined) break;
  }
  await assert.rejects(within(waiting, 'the error'), { code: 'EBADF', syscall: 'sendmsg' });
});

// --- nothing leaks -----------------------------------------------------------------------

const ignoring: [name: string, receive: (b: Socket) => Promise<unknown>][] = [
  ['recv', (b) => b.recv(100)],
  ['recv with flags', (b) => b.recv(100, { flags: MSG_PEEK }).then(() => b.recv(100))],
  ['recvInto', (b) => b.recvInto(Buffer.alloc(100))],
  ['tryRecvInto', async (b) => b.tryRecvInto(Buffer.alloc(100))],
  ['recvfrom', (b) => b.recvfrom(100)],
  ['recvfromInto', (b) => b.recvfromInto(Buffer.alloc(100))],
  ['recvmany', (b) => b.recvmany(4)],
  ['recvmsg without room', (b) => b.recvmsg(100)],
  ['recvmsg with room for a part of a header', (b) => b.recvmsg(100, CMSG_LEN(0) - 1)],
  ['recvmsg with room for the header only', (b) => b.recvmsg(100, CMSG_LEN(3))],
  ['recvmsgInto without room', (b) => b.recvmsgInto([Buffer.alloc(100)])],
  ['recvFds of none', (b) => recvFds(b, 100, 0)],
  ['iteration', async (b) => (await b[Symbol.asyncIterator]().next()).value],
];

overEach('a receiver that does not look at descriptors leaks none', async (s, a, b) => {
  const fd = file(s);
  const before = count();
  for (const [name, receive] of ignoring)
    for (const waits of [false, true]) {
      if (waits && name === 'tryRecvInto') continue;
      const waiting = waits ? receive(b) : undefined;
      if (waiting !== undefined) await staysPending(waiting, name, 0.002);
      await sendFds(a, ['some data'], [fd, a, fd]);
      await within(waiting ?? receive(b), name);
      assert.equal(count(), before, `${name}, ${waits ? 'waiting' : 'at once'}`);
    }
  // A message that nobody ever receives.
  await sendFds(a, ['x'], [fd, fd]);
  b.close();
  assert.equal(count(), before - 1);
});

overEach('a call that is given up takes none', async (s, a, b) => {
  const fd = file(s);
  const stop = new AbortController();
  const waiting = recvFds(b, 10, 5, { signal: stop.signal });
  waiting.catch(() => {});
  b.settimeout(0.005);
  await assert.rejects(recvFds(b, 10, 5), { name: 'TimeoutError', syscall: 'recvmsg' });
  b.settimeout(null);
  const before = count();
  // In the very turn in which it came.
  const sent = sendFds(a, ['x'], [fd, fd]);
  stop.abort(new Error('enough'));
  await sent;
  await assert.rejects(waiting, /enough/);
  assert.equal(count(), before);
  const [, fds] = await within(recvFds(b, 10, 5), 'what was not taken');
  assert.equal(take(s, fds).length, 2);
});

overEach('memory that goes while the call waits: the descriptors wait for the next', async (s, a, b) => {
  const view = Buffer.from(new ArrayBuffer(10));
  const waiting = b.recvmsgInto([view], 100);
  await staysPending(waiting, 'recvmsgInto', 0.005);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  const fd = file(s);
  const before = count();
  await sendFds(a, ['x'], [fd]);
  await assert.rejects(within(waiting, 'the error'), { name: 'TypeError', message: /detached/ });
  assert.equal(count(), before);
  assert.equal(take(s, (await within(recvFds(b, 10, 5), 'the message'))[1]).length, 1);
});

overEach('a call that fails after the kernel gave them closes them', async (s, a, b) => {
  const fd = file(s);
  const before = count();
  const { allocUnsafe } = Buffer;
  for (const receive of [() => recvFds(b, 10, 5), () => b.recvmsg(10, 100)]) {
    await sendFds(a, ['x'], [fd, fd, a]);
    Buffer.allocUnsafe = (size: number) => {
      // Node's own use of it goes on.
      if (count() !== before + 3) return allocUnsafe(size);
      throw new Error('out of memory');
    };
    try {
      await assert.rejects(receive(), /out of memory/);
    } finally {
      Buffer.allocUnsafe = allocUnsafe;
    }
    assert.equal(count(), before);
  }
});

scene(
  'ten thousand passings leave nothing behind',
  async (s) => {
    const [a, b] = socketpair().map((each) => s.own(each)) as [Socket, Socket];
    const fd = file(s);
    const before = count();
    for (let i = 0; i < 10_000; i++) {
      await sendFds(a, ['x'], [fd, a]);
      const [, fds] = await recvFds(b, 1, 2);
      assert.equal(fds.length, 2);
      for (const each of fds) closeSync(each);
    }
    assert.equal(count(), before);
    for (let i = 0; i < 10_000; i++) {
      await sendFds(a, ['x'], [fd, a]);
      await (i % 2 === 0 ? b.recv(1) : b.recvmsg(1));
    }
    assert.equal(count(), before);
  },
  { seconds: 60 },
);

const packageUrl = import.meta.resolve('berkeley-sockets');

scene('a thread that ends between the system call and the caller closes them', async (s) => {
  const before = count();
  const fd = file(s);
  const worker = new Worker(
    `
      const { parentPort, workerData } = require('node:worker_threads');
      const { packageUrl, fd, flag } = workerData;
      import(packageUrl).then(async ({ recvFds, sendFds, socketpair }) => {
        const [a, b] = socketpair();
        await sendFds(a, ['x'], [fd, fd, fd]);
        Buffer.allocUnsafe = () => {
          parentPort.postMessage('taken');
          for (;;) Atomics.add(new Int32Array(flag), 0, 1);
        };
        await recvFds(b, 10, 5);
      });`,
    { eval: true, workerData: { packageUrl, fd, flag: new SharedArrayBuffer(4) }, execArgv: [] },
  );
  await within(
    new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject)),
    'the worker',
    15,
  );
  const target = openDescriptors().get(fd);
  const copies = () => [...openDescriptors().values()].filter((each) => each === target).length;
  assert.equal(copies(), 4);
  await within(worker.terminate(), 'its end', 10);
  await eventually(() => copies() === 1, 'the descriptors to be closed');
  await eventually(() => count() === before + 1, 'its sockets to be closed');
});

scene('out of descriptors: those that had no number left are told as cut, none leaks', async () => {
  const script = `
    import assert from 'node:assert/strict';
    import { closeSync, existsSync, openSync } from 'node:fs';
    import { MSG_CTRUNC, recvFds, sendFds, socketpair } from 'berkeley-sockets';
    const [a, b] = socketpair();
    const fd = openSync('/dev/null');
    await sendFds(a, ['x'], Array(20).fill(fd));
    const filler = [];
    try { for (;;) filler.push(openSync('/dev/null')); } catch (error) { assert.equal(error.code, 'EMFILE'); }
    for (const each of filler.splice(0, 5)) closeSync(each);
    const [data, fds, msgFlags] = await recvFds(b, 10, 20);
    assert.deepEqual([String(data), fds.length, msgFlags & MSG_CTRUNC], ['x', 5, MSG_CTRUNC]);
    assert.throws(() => openSync('/dev/null'), { code: 'EMFILE' });
    for (const each of fds) closeSync(each);
    for (let i = 0; i < 5; i++) filler.push(openSync('/dev/null'));
    assert.throws(() => openSync('/dev/null'), { code: 'EMFILE' });
    console.log('passed');
  `;
  const { stdout } = await runNode(script, { wrap: ['sh', '-c', 'ulimit -n 64; exec "$@"', 'sh'] });
  assert.match(stdout, /passed/);
});
