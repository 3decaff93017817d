// MSG_WAITALL: a stream's receive that waits until all is there, and loses nothing when it cannot.
import assert from 'node:assert/strict';
import { closeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import {
  ClosedError,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_PEEK,
  MSG_TRUNC,
  MSG_WAITALL,
  SHUT_WR,
  SO_LINGER,
  SO_RCVBUF,
  SOL_SOCKET,
  type Socket,
  sendFds,
  TimeoutError,
} from 'berkeley-sockets';
import * as blocking from 'berkeley-sockets/sync';
import { Chance } from '../support/chance.ts';
import { eventually, sleep, staysPending, timed } from '../support/deadline.ts';
import { scene } from '../support/scene.ts';
import { across, messages, pair, streams, tcp4, unixStream } from '../support/transports.ts';

const all = { flags: MSG_WAITALL };

/** Each receive that takes the flag, as what it received. */
const receives: [name: string, receive: (s: Socket, n: number, o?: object) => Promise<Buffer>][] = [
  ['recv', (s, n, o) => s.recv(n, { ...all, ...o })],
  [
    'recvInto',
    async (s, n, o) => {
      const memory = Buffer.alloc(n);
      return memory.subarray(0, await s.recvInto(memory, { ...all, ...o }));
    },
  ],
  ['recvmsg', async (s, n, o) => (await s.recvmsg(n, 0, { ...all, ...o }))[0]],
  [
    'recvmsgInto',
    async (s, n, o) => {
      // In three pieces, one of them empty.
      const memory = Buffer.alloc(n);
      const views = [memory.subarray(0, 1), memory.subarray(1, 1), memory.subarray(1)];
      return memory.subarray(0, (await s.recvmsgInto(views, 0, { ...all, ...o }))[0]);
    },
  ],
  ['recvfrom', async (s, n, o) => (await s.recvfrom(n, { ...all, ...o }))[0]],
  [
    'recvfromInto',
    async (s, n, o) => {
      const memory = Buffer.alloc(n);
      return memory.subarray(0, (await s.recvfromInto(memory, { ...all, ...o }))[0]);
    },
  ],
];

across(streams, 'all is waited for, however it comes', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  for (const [name, receive] of receives) {
    const waiting = receive(b, 6);
    for (const piece of ['a', 'bc', 'de']) {
      await a.sendall(piece);
      await staysPending(waiting, `${name} without all`, 0.01);
    }
    await a.sendall('fg');
    assert.equal((await waiting).toString(), 'abcdef', name);
    assert.equal((await b.recv(10)).toString(), 'g', name);
  }
});

across(streams, 'more than any queue holds', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const data = new Chance('waitall').bytes(12 << 20);
  const sending = a.sendall(data);
  assert.ok((await b.recv(data.length, all)).equals(data));
  await sending;
});

across(streams, 'the end of the stream ends it early', async (s, transport) => {
  for (const [name, receive] of receives) {
    const [a, b] = await pair(s, transport);
    const waiting = receive(b, 10);
    await a.sendall('abc');
    await staysPending(waiting, name, 0.01);
    a.shutdown(SHUT_WR);
    assert.equal((await waiting).toString(), 'abc', name);
    assert.equal((await receive(b, 10)).length, 0, name);
    a.close();
    b.close();
  }
});

across(streams, 'an end that comes with the last bytes', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  await a.sendall('abc');
  a.close();
  assert.equal((await b.recv(10, all)).toString(), 'abc');
  assert.equal((await b.recv(10, all)).length, 0);
});

across([tcp4], 'an error ends it early, and is there for the next call', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const waiting = b.recv(10, all);
  await a.sendall('abc');
  await staysPending(waiting, 'recv', 0.01);
  // Closed with a linger of no time, a connection is reset.
  a.setsockopt(SOL_SOCKET, SO_LINGER, new Uint8Array(new Int32Array([1, 0]).buffer));
  a.close();
  assert.equal((await waiting).toString(), 'abc');
  await assert.rejects(b.recv(10, all), { code: 'ECONNRESET' });
});

across(streams, 'the time limit gives what came, or the error where nothing did', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  b.settimeout(0.05);
  for (const [name, receive] of receives) {
    await assert.rejects(receive(b, 4), TimeoutError, name);
    await a.sendall('abc');
    assert.equal((await receive(b, 4)).toString(), 'abc', name);
  }
  await a.sendall('next');
  assert.equal((await b.recv(4, all)).toString(), 'next');
});

across(streams, 'a signal gives what came, or its reason where nothing did', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  for (const [name, receive] of receives) {
    const first = new AbortController();
    const nothing = receive(b, 4, { signal: first.signal });
    first.abort(new Error('enough'));
    await assert.rejects(nothing, /enough/, name);
    const second = new AbortController();
    const some = receive(b, 4, { signal: second.signal });
    await a.sendall('abc');
    await staysPending(some, name, 0.01);
    second.abort(new Error('enough'));
    assert.equal((await some).toString(), 'abc', name);
    await assert.rejects(receive(b, 4, { signal: second.signal }), /enough/, name);
    await a.sendall('d');
    assert.equal((await b.recv(10)).toString(), 'd');
  }
});

across(streams, 'a close gives what came', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const some = b.recv(4, all);
  const behind = b.recv(4, all);
  await a.sendall('abc');
  await staysPending(some, 'recv', 0.01);
  b.close();
  assert.equal((await some).toString(), 'abc');
  await assert.rejects(behind, ClosedError);
});

across(streams, 'calls behind it wait for their turn', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const got = Promise.all([b.recv(4, all), b.recv(100), b.recv(3, all)]);
  await a.sendall('ab');
  await sleep(0.01);
  await a.sendall('cd');
  await sleep(0.01);
  await a.sendall('ef');
  await sleep(0.01);
  await a.sendall('ghi');
  assert.deepEqual((await got).map(String), ['abcd', 'ef', 'ghi']);
});

across(streams, 'MSG_PEEK with it waits for all, and takes nothing', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const peek = { flags: MSG_WAITALL | MSG_PEEK };
  const waiting = b.recv(5, peek);
  await a.sendall('abc');
  await staysPending(waiting, 'a peek at five', 0.01);
  await a.sendall('def');
  assert.equal((await waiting).toString(), 'abcde');
  b.settimeout(0.05);
  assert.equal((await b.recv(10, peek)).toString(), 'abcdef');
  const stop = new AbortController();
  const aborted = b.recv(10, { ...peek, signal: stop.signal });
  stop.abort(new Error('enough'));
  await assert.rejects(aborted, /enough/);
  // What was only looked at is found by whoever comes next.
  assert.equal((await b.recv(10)).toString(), 'abcdef');
  await assert.rejects(b.recv(10, peek), TimeoutError);
  await a.sendall('gh');
  a.shutdown(SHUT_WR);
  b.settimeout(null);
  assert.equal((await b.recv(10, peek)).toString(), 'gh');
  assert.equal((await b.recv(10)).toString(), 'gh');
});

across(streams, 'a socket that never waits gives what is there', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  await a.sendall('abc');
  await b.wait({ read: true });
  assert.equal((await b.recv(10, { flags: MSG_WAITALL | MSG_DONTWAIT! })).toString(), 'abc');
  await assert.rejects(b.recv(10, { flags: MSG_WAITALL | MSG_DONTWAIT! }), { code: 'EAGAIN' });
  await a.sendall('abc');
  await b.wait({ read: true });
  b.settimeout(0);
  assert.equal((await b.recv(10, all)).toString(), 'abc');
  await assert.rejects(b.recv(10, all), { code: 'EAGAIN' });
  await a.sendall('abc');
  await eventually(() => b.tryRecvInto(new Uint8Array(10), all) === 3, 'tryRecvInto');
});

across([tcp4], 'MSG_TRUNC with it throws all away', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const waiting = b.recvInto(new Uint8Array(6), { flags: MSG_WAITALL | MSG_TRUNC! });
  await a.sendall('abc');
  await staysPending(waiting, 'six bytes', 0.01);
  await a.sendall('defg');
  assert.equal(await waiting, 6);
  assert.equal((await b.recv(10)).toString(), 'g');
});

across(messages, 'a message is whole, and the flag means nothing', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  await a.send('abc');
  assert.equal((await b.recv(10, all)).toString(), 'abc');
});

across([unixStream], 'the sender of a stream that has a name', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  await b.sendall('abc');
  const [data, address] = await a.recvfrom(3, all);
  assert.equal(data.toString(), 'abc');
  assert.equal(address, b.getsockname());
});

across([unixStream], 'descriptors end it, and come with what they were attached to', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const waiting = b.recvmsg(100, 256, all);
  await a.sendall('abc');
  await staysPending(waiting, 'recvmsg', 0.01);
  await sendFds(a, ['def'], [a.fileno()]);
  await a.sendall('ghi');
  const [data, ancdata, flags] = await waiting;
  assert.equal(data.toString(), 'abcdef');
  assert.equal(flags & MSG_CTRUNC, 0);
  assert.equal(ancdata.length, 1);
  for (const fd of ancdata.flatMap(([, , bytes]) => [...new Int32Array(new Uint8Array(bytes).buffer)]))
    closeSync(fd);
  // Without room for them the kernel closes them, and it is told.
  const next = b.recvmsg(100, 0, all);
  await sendFds(a, ['jkl'], [a.fileno()]);
  const [rest, none, told] = await next;
  assert.equal(rest.toString(), 'ghijkl');
  assert.deepEqual(none, []);
  assert.equal(told & MSG_CTRUNC, MSG_CTRUNC);
});

across(streams, 'memory that is taken away while it is filled', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const memory = new Uint8Array(8);
  const waiting = b.recvInto(memory, all);
  await a.sendall('abc');
  await staysPending(waiting, 'recvInto', 0.01);
  structuredClone(memory.buffer, { transfer: [memory.buffer] });
  await a.sendall('defgh');
  // What came before is counted, and what comes now is still there.
  assert.equal(await waiting, 3);
  assert.equal((await b.recv(10)).toString(), 'defgh');
});

across([tcp4], 'a small receive buffer is no obstacle', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  b.setsockopt(SOL_SOCKET, SO_RCVBUF, 65536);
  const data = new Chance('small').bytes(1 << 20);
  const sending = a.sendall(data);
  assert.ok((await b.recv(data.length, all)).equals(data));
  await sending;
});

// --- the blocking flavour ---------------------------------------------------------------

/** Sends the pieces from another thread, with pauses, and then its end if it is told to. */
function sendPieces(s: blocking.Socket, pieces: string[], end: boolean): Promise<void> {
  const script = `
    const { parentPort, workerData } = require('node:worker_threads');
    const nap = new Int32Array(new SharedArrayBuffer(4));
    import('berkeley-sockets/sync').then(({ fromHandle, SHUT_WR }) => {
      const s = fromHandle(workerData.handle);
      for (const piece of workerData.pieces) {
        Atomics.wait(nap, 0, 0, 30);
        s.sendall(piece);
      }
      if (workerData.end) s.shutdown(SHUT_WR);
      s.detach();
    });`;
  const handle = { fd: s.fileno(), family: s.family, type: s.type, proto: s.proto };
  const worker = new Worker(script, { eval: true, workerData: { handle, pieces, end } });
  return new Promise((resolve, reject) => {
    worker.on('error', reject);
    worker.on('exit', () => resolve());
  });
}

scene('the blocking flavour waits for all of it', async (s) => {
  const [a, b] = blocking.socketpair();
  s.own(a);
  s.own(b);
  const sent = sendPieces(a, ['abc', 'd', 'ef', 'gh'], true);
  // The worker needs the event loop of this thread to start.
  await eventually(() => b.tryRecvInto(new Uint8Array(1), { flags: MSG_PEEK }) === 1, 'the worker');
  assert.equal(b.recv(6, { flags: MSG_PEEK | MSG_WAITALL }).toString(), 'abcdef');
  assert.equal(b.recv(6, all).toString(), 'abcdef');
  const memory = Buffer.alloc(5);
  assert.equal(b.recvInto(memory, all), 2);
  assert.equal(memory.toString('latin1', 0, 2), 'gh');
  assert.equal(b.recvfrom(3, all)[0].length, 0);
  await sent;
});

scene('the blocking flavour gives what came when the time is over', async (s) => {
  const [a, b] = blocking.socketpair();
  s.own(a);
  s.own(b);
  b.settimeout(0.05);
  assert.throws(() => b.recv(4, all), TimeoutError);
  a.sendall('abc');
  const [got, seconds] = await timed(() => b.recv(4, all));
  assert.equal(got.toString(), 'abc');
  assert.ok(seconds >= 0.045, `${seconds} s`);
});
