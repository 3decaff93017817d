// sendfile: a file out on a stream, whole, in order, and told honestly when it fails.
import assert from 'node:assert/strict';
import { closeSync, openSync, readSync } from 'node:fs';
import { open as openFile } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import {
  ClosedError,
  SHUT_WR,
  SO_SNDBUF,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOL_SOCKET,
  type SocketError,
  TimeoutError,
} from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';
import { eventually, sleep, staysPending } from '../support/deadline.ts';
import { data, file, holders, opened, size } from '../support/filetosend.ts';
import { openDescriptors } from '../support/leaks.ts';
import { scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';
import {
  across,
  messages,
  pair,
  receive,
  receiveAll,
  streams,
  tcp4,
  unixStream,
} from '../support/transports.ts';

across(streams, 'a whole file', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const handle = await openFile(file(s));
  s.after(() => handle.close());
  const sending = a.sendfile(handle).then((sent) => {
    a.shutdown(SHUT_WR);
    return sent;
  });
  assert.ok((await receiveAll(b)).equals(data));
  assert.equal(await sending, size);
});

across(streams, 'a part of it, by offset and count', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const fd = opened(s);
  for (const [offset, count] of [
    [0, 10],
    [5, 10],
    [size - 10, 100],
    [size, 10],
    [size + 5, 10],
    [100, 0],
    [1_000_000, undefined],
  ] as const) {
    const part = data.subarray(offset, count === undefined ? undefined : offset + count);
    const sending = a.sendfile(fd, { offset, count });
    const got = await receive(b, part.length);
    assert.equal(await sending, part.length, `offset ${offset}, count ${count}`);
    assert.ok(got.equals(part), `offset ${offset}, count ${count}`);
  }
});

across([unixStream], 'the position of the file is neither used nor moved', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const fd = opened(s, Buffer.from('0123456789'));
  const place = new Uint8Array(3);
  readSync(fd, place, 0, 3, null);
  assert.equal(await a.sendfile(fd, { count: 5 }), 5);
  readSync(fd, place, 0, 3, null);
  assert.equal(Buffer.from(place).toString(), '345');
  assert.equal((await b.recv(10)).toString(), '01234');
});

across([unixStream], 'an empty file', async (s, transport) => {
  const [a] = await pair(s, transport);
  const told: unknown[] = [];
  const fd = opened(s, new Uint8Array(0));
  assert.equal(await a.sendfile(fd), 0);
  assert.equal(await a.sendfile(fd, { onprogress: (...args) => void told.push(args) }), 0);
  assert.deepEqual(told, [[0, undefined]]);
});

across(streams, 'calls that send meanwhile come behind it', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const fd = opened(s);
  const sending = [
    a.sendall('in front'),
    a.sendfile(fd),
    a.sendall('between'),
    a.sendfile(fd, { count: 1_000_000 }),
    a.send('behind'),
  ];
  const all = Buffer.concat([
    Buffer.from('in front'),
    data,
    Buffer.from('between'),
    data.subarray(0, 1_000_000),
    Buffer.from('behind'),
  ]);
  assert.equal(a.trySend('never'), undefined);
  assert.ok((await receive(b, all.length)).equals(all));
  assert.deepEqual(await Promise.all(sending), [undefined, size, undefined, 1_000_000, 6]);
});

across(streams, 'progress is told as it goes, and at the end', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  // The kernel would take all at once, and grow its buffer for it.
  a.setsockopt(SOL_SOCKET, SO_SNDBUF, 65536);
  const told: [number, number | undefined][] = [];
  const sending = a.sendfile(opened(s), {
    offset: 1,
    onprogress: (sent, total) => void told.push([sent, total]),
  });
  await receive(b, size - 1);
  assert.equal(await sending, size - 1);
  assert.ok(told.length > 1, `told ${told.length} times`);
  assert.ok(told.every(([sent, total], i) => total === size - 1 && sent > (told[i - 1]?.[0] ?? 0)));
  assert.deepEqual(told.at(-1), [size - 1, size - 1]);
});

across([unixStream], 'what onprogress throws is what the call fails with', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const path = file(s);
  const fd = openSync(path, 'r');
  s.after(() => closeSync(fd));
  // Nobody reads, so that no event would end the call.
  const first = a.sendfile(fd, {
    onprogress: () => {
      throw new RangeError('no more of this');
    },
  });
  const error = await first.then(
    () => assert.fail('resolved'),
    (e: RangeError & { bytesSent: number }) => e,
  );
  assert.equal(error.message, 'no more of this');
  assert.ok(error.bytesSent > 0 && error.bytesSent < size, `${error.bytesSent}`);
  assert.equal((await receive(b, error.bytesSent)).length, error.bytesSent);
  assert.equal(holders(path), 1);
  // On the last report too, and the socket goes on.
  const last = a.sendfile(fd, {
    count: 1,
    onprogress: () => {
      throw new RangeError('not even this');
    },
  });
  await assert.rejects(last, /not even this/);
  await a.sendall('on');
  assert.equal((await receive(b, 3)).subarray(1).toString(), 'on');
});

across([unixStream], 'onprogress may close the socket, abort the call, or send', async (s, transport) => {
  const fd = opened(s);
  {
    const [a] = await pair(s, transport);
    await assert.rejects(a.sendfile(fd, { onprogress: () => a.close() }), ClosedError);
  }
  {
    const [a, b] = await pair(s, transport);
    const stop = new AbortController();
    const sending = a.sendfile(fd, {
      signal: stop.signal,
      onprogress: () => stop.abort(new Error('enough')),
    });
    const error = await sending.then(
      () => assert.fail('resolved'),
      (e: Error & { bytesSent: number }) => e,
    );
    assert.equal(error.message, 'enough');
    assert.equal((await receive(b, error.bytesSent)).length, error.bytesSent);
    await staysPending(b.recv(1), 'nothing behind what was told', 0.01);
  }
  {
    const [a, b] = await pair(s, transport);
    let behind: Promise<void> | undefined;
    const sending = a.sendfile(fd, {
      onprogress: () => {
        behind ??= a.sendall('behind');
      },
    });
    const got = await receive(b, size + 6);
    assert.ok(got.subarray(0, size).equals(data));
    assert.equal(got.subarray(size).toString(), 'behind');
    await Promise.all([sending, behind]);
  }
});

across(streams, 'the time limit is for the whole, and what was sent is told', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const path = file(s, new Chance('much').bytes(20 << 20));
  const fd = openSync(path, 'r');
  s.after(() => closeSync(fd));
  a.settimeout(0.1);
  const error: SocketError = await a.sendfile(fd).then(
    () => assert.fail('resolved'),
    (e) => e,
  );
  assert.ok(error instanceof TimeoutError, String(error));
  assert.ok(error.bytesSent! > 0 && error.bytesSent! < 20 << 20);
  assert.equal(holders(path), 1);
  a.shutdown(SHUT_WR);
  assert.equal((await receiveAll(b)).length, error.bytesSent);
});

across(streams, 'a socket that never waits sends what fits', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const path = file(s, new Chance('much').bytes(20 << 20));
  const fd = openSync(path, 'r');
  s.after(() => closeSync(fd));
  a.settimeout(0);
  assert.equal(await a.sendfile(fd, { count: 1000 }), 1000);
  const error: SocketError = await a.sendfile(fd).then(
    () => assert.fail('resolved'),
    (e) => e,
  );
  assert.equal(error.code, 'EAGAIN');
  assert.equal(holders(path), 1);
  a.shutdown(SHUT_WR);
  assert.equal((await receiveAll(b)).length, 1000 + error.bytesSent!);
});

across(streams, 'a peer that goes away', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  // sendfile(2) raises it, other than send(2) with MSG_NOSIGNAL.
  let signals = 0;
  const pipeSignal = () => {
    signals++;
  };
  process.on('SIGPIPE', pipeSignal);
  s.after(() => void process.off('SIGPIPE', pipeSignal));
  a.setsockopt(SOL_SOCKET, SO_SNDBUF, 65536);
  const path = file(s);
  const fd = openSync(path, 'r');
  s.after(() => closeSync(fd));
  const sending = a.sendfile(fd).then(
    () => assert.fail('resolved'),
    (e: SocketError) => e,
  );
  await b.recv(1000);
  b.close();
  const error = await sending;
  assert.ok(['EPIPE', 'ECONNRESET'].includes(error.code), error.code);
  assert.ok(error.bytesSent! > 0);
  const next: SocketError = await a.sendfile(fd).then(
    () => assert.fail('resolved'),
    (e) => e,
  );
  assert.equal(next.code, 'EPIPE');
  assert.equal(next.bytesSent, 0);
  assert.equal(holders(path), 1);
  await sleep(0.02);
  assert.equal(signals, 0, 'no SIGPIPE');
});

across([unixStream], 'closing the socket ends the call', async (s, transport) => {
  const [a] = await pair(s, transport);
  const path = file(s);
  const fd = openSync(path, 'r');
  s.after(() => closeSync(fd));
  const sending = a.sendfile(fd).then(
    () => assert.fail('resolved'),
    (e: ClosedError) => e,
  );
  const waiting = a.sendfile(fd);
  await sleep(0.01);
  a.close();
  const error = await sending;
  assert.ok(error instanceof ClosedError && error.bytesSent! > 0);
  await assert.rejects(waiting, (e: ClosedError) => e instanceof ClosedError && e.bytesSent === 0);
  assert.equal(holders(path), 1);
  await assert.rejects(a.sendfile(fd), ClosedError);
});

across(messages, 'only on streams', async (s, transport) => {
  const [a] = await pair(s, transport);
  assert.ok(a.type === SOCK_DGRAM || a.type === SOCK_SEQPACKET);
  await assert.rejects(a.sendfile(opened(s)), { name: 'RangeError', message: /SOCK_STREAM/ });
});

across([unixStream], 'arguments that are wrong', async (s, transport) => {
  const [a] = await pair(s, transport);
  const fd = opened(s);
  const wrong = (file: unknown, options?: unknown) => a.sendfile(file as number, options as object);
  for (const bad of ['path', null, undefined, {}, { fd: '3' }, Buffer.alloc(3)])
    await assert.rejects(wrong(bad), TypeError);
  for (const bad of [-2, 1.5, Number.NaN, 2 ** 31]) await assert.rejects(wrong(bad), RangeError);
  for (const bad of [-1, { fd: -1 }, 100_000]) await assert.rejects(wrong(bad), { code: 'EBADF' });
  for (const bad of [-1, 1.5, 2 ** 60, Number.NaN, Number.POSITIVE_INFINITY]) {
    await assert.rejects(wrong(fd, { offset: bad }), RangeError);
    await assert.rejects(wrong(fd, { count: bad }), RangeError);
  }
  await assert.rejects(wrong(fd, { offset: '1' }), TypeError);
  await assert.rejects(wrong(fd, { onprogress: 1 }), TypeError);
  await assert.rejects(wrong(fd, { signal: 1 }), TypeError);
  await assert.rejects(wrong(fd, null), TypeError);
  const writeOnly = openSync(tempPath(s), 'w');
  s.after(() => closeSync(writeOnly));
  await assert.rejects(a.sendfile(writeOnly), { code: 'EBADF' });
});

across([tcp4], 'a fast reader does not starve the event loop', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const fd = opened(s, Buffer.alloc(64 << 20));
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  s.after(() => clearInterval(timer));
  const memory = new Uint8Array(1 << 20);
  const sending = a.sendfile(fd);
  for (let got = 0; got < 64 << 20; ) got += await b.recvInto(memory);
  await sending;
  assert.ok(ticks >= 2, `${ticks} ticks`);
});

scene('a worker that is terminated in the middle leaves no descriptor', async (s) => {
  const path = file(s);
  const before = openDescriptors().size;
  const worker = new Worker(
    `const { openSync } = require('node:fs');
    import('berkeley-sockets').then(async ({ socketpair }) => {
      const [a, b] = socketpair();
      // Kept: an end that is collected is closed, and the other one is told.
      globalThis.kept = b;
      const fd = openSync(${JSON.stringify(path)});
      void a.sendfile(fd);
      require('node:fs').closeSync(fd);
      require('node:worker_threads').parentPort.postMessage('sending');
    });`,
    { eval: true },
  );
  await new Promise((resolve, reject) => {
    worker.on('message', resolve);
    worker.on('error', reject);
  });
  assert.equal(holders(path), 1);
  await worker.terminate();
  await eventually(() => holders(path) === 0 && openDescriptors().size === before, 'everything closed');
});
