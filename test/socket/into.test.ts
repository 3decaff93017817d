// Receiving into the caller's memory, and the calls that never wait.
import assert from 'node:assert/strict';
import { AF_UNIX } from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';
import { sleep, staysPending, within } from '../support/deadline.ts';
import {
  across,
  acrossBoth,
  bound,
  connections,
  datagrams,
  everything,
  messages,
  open,
  pair,
  receive,
  streams,
} from '../support/transports.ts';

acrossBoth(connections, 'recvInto fills the view and nothing around it', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const around = new Uint8Array(10).fill(0xee);
  await a.send('abcd');
  assert.equal(await b.recvInto(around.subarray(3, 7)), 4);
  assert.equal(Buffer.from(around).toString('latin1'), 'îîîabcdîîî');
  await a.send('xy');
  assert.equal(await b.recvInto(around.subarray(0, 8)), 2);
  assert.equal(Buffer.from(around).toString('latin1'), 'xyîabcdîîî');
});

acrossBoth(connections, 'nbytes is the limit; 0 or nothing is the whole view', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  for (const [nbytes, size] of [
    [2, 2],
    [8, 5],
    [0, 5],
    [undefined, 5],
  ] as const) {
    const view = new Uint8Array(8);
    await a.send('abcde');
    assert.equal(await b.recvInto(view, nbytes === undefined ? {} : { nbytes }), size, `nbytes ${nbytes}`);
    assert.equal(Buffer.from(view.subarray(0, size)).toString(), 'abcde'.slice(0, size));
    assert.ok(view.subarray(size).every((byte) => byte === 0));
    if (size < 5 && streams.includes(transport)) await receive(b, 5 - size);
  }
});

acrossBoth(connections, 'views of every kind take bytes', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  for (const make of [
    () => new Uint8Array(8),
    () => Buffer.alloc(8),
    () => new Int16Array(4),
    () => new Float64Array(1),
    () => new BigUint64Array(1),
    () => new DataView(new ArrayBuffer(8)),
    () => new Uint8Array(new ArrayBuffer(24), 8, 8),
    () => new Uint8Array(new SharedArrayBuffer(8)),
  ]) {
    const view = make();
    const bytes = () => Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString();
    await a.send('12345678');
    assert.equal(await b.recvInto(view), 8, view.constructor.name);
    assert.equal(bytes(), '12345678');
    await a.send('abc');
    await b.wait({ read: true });
    assert.equal(b.tryRecvInto(view), 3);
    assert.equal(bytes(), 'abc45678');
  }
});

across(messages, 'several messages that are there: each call takes one, none waits', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const view = Buffer.alloc(100);
  // A call that had to wait first: from then on the engine is told of events.
  const waiting = b.recvInto(view);
  await staysPending(waiting, 'recvInto', 0.005);
  await a.send('first');
  assert.equal(await waiting, 5);
  for (const receive of [
    () => b.recvInto(view),
    async () => (await b.recvfromInto(view))[0],
    async () => b.tryRecvInto(view),
    async () => (await b.recv(100)).copy(view),
  ]) {
    for (const text of ['one', 'two', 'three']) await a.send(text);
    for (const text of ['one', 'two', 'three']) {
      const size = await within(receive(), `${text} by ${receive}`);
      assert.equal(view.toString('latin1', 0, size), text);
    }
  }
});

across(datagrams, 'recvfromInto tells size and sender', async (s, transport) => {
  const a = bound(s, transport);
  const b = bound(s, transport);
  const view = new Uint8Array(10);
  const waiting = b.recvfromInto(view);
  await a.sendto('hello', b.getsockname());
  assert.deepEqual(await waiting, [5, a.getsockname()]);
  assert.equal(Buffer.from(view.subarray(0, 5)).toString(), 'hello');
  await a.sendto('again', b.getsockname());
  assert.deepEqual(await b.recvfromInto(view, { nbytes: 2 }), [2, a.getsockname()]);
  assert.equal(Buffer.from(view.subarray(0, 5)).toString(), 'agllo');
});

across(streams, 'the end of the stream is 0', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const waiting = b.recvInto(new Uint8Array(5));
  a.close();
  assert.equal(await waiting, 0);
  assert.equal(b.tryRecvInto(new Uint8Array(5)), 0);
});

acrossBoth(streams, 'no room: 0 at once, and nothing is taken', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  assert.equal(await b.recvInto(new Uint8Array(0)), 0);
  await a.sendall('x');
  assert.equal(await b.recvInto(new Uint8Array(0)), 0);
  assert.equal((await b.recv(5)).toString(), 'x');
});

acrossBoth(everything, 'tryRecvInto gives bytes, or undefined where it would wait', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const view = new Uint8Array(100);
  assert.equal(b.tryRecvInto(view), undefined);
  await a.send('abc');
  await b.wait({ read: true });
  assert.equal(b.tryRecvInto(view), 3);
  assert.equal(b.tryRecvInto(view), undefined);
  assert.equal(Buffer.from(view.subarray(0, 3)).toString(), 'abc');
});

acrossBoth(
  everything,
  'tried now and then, with nothing else: data and room are found',
  async (s, transport) => {
    const [a, b] = await pair(s, transport);
    const view = new Uint8Array(1 << 20);
    for (let round = 0; round < 3; round++) {
      assert.equal(a.trySend('abc'), 3);
      await sleep(0.01);
      assert.equal(b.tryRecvInto(view), 3);
      assert.equal(b.tryRecvInto(view), undefined);
    }
    if (transport.family !== AF_UNIX && !streams.includes(transport)) return;
    const message = Buffer.alloc(1000);
    for (let round = 0; round < 3; round++) {
      while (a.trySend(message) !== undefined);
      assert.equal(a.trySend(message), undefined);
      for (let n: number | undefined = 1; n !== undefined; await sleep(0.002)) n = b.tryRecvInto(view);
    }
    assert.equal(a.trySend(message), 1000);
  },
);

across(streams, 'a drain in a plain loop loses nothing', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const data = new Chance('drain').bytes(5 << 20);
  const sending = a.sendall(data);
  const got = Buffer.alloc(data.length);
  let at = 0;
  while (at < got.length) {
    at += await b.recvInto(got.subarray(at, at + 10_000));
    for (;;) {
      const size = at < got.length ? b.tryRecvInto(got.subarray(at, at + 70_000)) : undefined;
      if (size === undefined) break;
      at += size;
    }
  }
  assert.ok(got.equals(data));
  await sending;
});

across(streams, 'a fill in a plain loop loses nothing', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const data = new Chance('fill').bytes(5 << 20);
  const receiving = receive(b, data.length);
  for (let at = 0; at < data.length; ) {
    const size = a.trySend(data.subarray(at, at + 50_000));
    if (size === undefined) await a.wait({ write: true });
    else at += size;
  }
  assert.ok((await receiving).equals(data));
});

across(
  everything,
  'memory that is taken away while a receive waits: an error, and no byte is lost',
  async (s, transport) => {
    const [a, b] = await pair(s, transport);
    const view = new Uint8Array(new ArrayBuffer(100));
    const waiting = b.recvInto(view);
    waiting.catch(() => {});
    await staysPending(waiting, 'recvInto', 0.01);
    structuredClone(view.buffer, { transfer: [view.buffer] });
    await a.send('precious');
    await assert.rejects(waiting, TypeError);
    assert.equal((await b.recv(100)).toString(), 'precious');
  },
);

across(
  everything,
  'memory that shrinks while a receive waits is not written past its end',
  async (s, transport) => {
    const [a, b] = await pair(s, transport);
    const buffer = new ArrayBuffer(100, { maxByteLength: 100 });
    const view = new Uint8Array(buffer);
    const waiting = b.recvInto(view, { nbytes: 50 });
    waiting.catch(() => {});
    await staysPending(waiting, 'recvInto', 0.01);
    buffer.resize(3);
    await a.send('abcdef');
    const outcome = await waiting.catch((error: unknown) => error);
    buffer.resize(100);
    assert.ok(
      new Uint8Array(buffer, 3).every((byte) => byte === 0),
      'bytes past the end',
    );
    if (typeof outcome === 'number') assert.ok(outcome <= 3, `received ${outcome} into 3`);
    else assert.ok(outcome instanceof TypeError || outcome instanceof RangeError, String(outcome));
  },
);

across(
  streams,
  'a buffer that is taken away while sendall waits: an error with what went out',
  async (s, transport) => {
    const [a, b] = await pair(s, transport);
    const view = new Uint8Array(16 << 20).fill(7);
    const sending = a.sendall(view);
    sending.catch(() => {});
    await staysPending(sending, 'sendall', 0.02);
    structuredClone(view.buffer, { transfer: [view.buffer] });
    const draining = receive(b, 16 << 20);
    const error = await sending.then(
      () => assert.fail('sent a buffer that was gone'),
      (e: TypeError & { bytesSent?: number }) => e,
    );
    assert.ok(error instanceof TypeError, String(error));
    a.close();
    const got = await draining;
    assert.ok(got.every((byte) => byte === 7));
    assert.equal(error.bytesSent, got.length);
  },
);

across([...datagrams], 'trySend on a socket without a peer is an error, not a wait', (s, transport) => {
  assert.throws(() => open(s, transport).trySend('x'), { syscall: 'send' });
});
