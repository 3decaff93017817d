// sendall: everything, in order, one call after the other. send: one system call, told honestly.
import assert from 'node:assert/strict';
import { MSG_DONTWAIT, SHUT_WR, type SocketError } from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';
import { staysPending } from '../support/deadline.ts';
import {
  across,
  acrossBoth,
  connections,
  pair,
  receive,
  receiveAll,
  streams,
} from '../support/transports.ts';

across(streams, 'ten MiB arrive, to a reader that starts late', async (s, transport) => {
  const data = new Chance('ten MiB').bytes(10 << 20);
  const [a, b] = await pair(s, transport);
  const sending = a.sendall(data);
  await staysPending(sending, 'sendall without a reader');
  assert.ok((await receive(b, data.length, 1 << 20)).equals(data));
  assert.equal(await sending, undefined);
});

acrossBoth(streams, 'send says how much the kernel took', async (s, transport) => {
  const data = new Chance('partial').bytes(16 << 20);
  const [a, b] = await pair(s, transport);
  const taken = await a.send(data);
  assert.ok(taken > 0 && taken < data.length, `${taken} of ${data.length}`);
  a.shutdown(SHUT_WR);
  assert.ok((await receiveAll(b)).equals(data.subarray(0, taken)));
});

across(streams, 'send waits while the kernel takes nothing', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const filler = Buffer.alloc(1 << 20);
  let filled = 0;
  for (let n = a.trySend(filler); n !== undefined; n = a.trySend(filler)) filled += n;
  const waiting = a.send('next');
  await staysPending(waiting, 'send on a full connection');
  await receive(b, filled);
  assert.equal(await waiting, 4);
  assert.equal((await receive(b, 4)).toString(), 'next');
});

const bytes = Uint8Array.from({ length: 64 }, (_, i) => i * 3);
const kinds: [name: string, make: () => ArrayBufferView | ArrayBuffer | SharedArrayBuffer][] = [
  ...[
    Int8Array,
    Uint8Array,
    Uint8ClampedArray,
    Int16Array,
    Uint16Array,
    Int32Array,
    Uint32Array,
    Float32Array,
    Float64Array,
    BigInt64Array,
    BigUint64Array,
  ].map((View): [string, () => ArrayBufferView] => [View.name, () => new View(bytes.slice().buffer)]),
  ['DataView', () => new DataView(bytes.slice().buffer)],
  ['Buffer', () => Buffer.from(bytes)],
  ['ArrayBuffer', () => bytes.slice().buffer],
  [
    'SharedArrayBuffer',
    () => {
      const shared = new SharedArrayBuffer(64);
      new Uint8Array(shared).set(bytes);
      return shared;
    },
  ],
];

acrossBoth(connections, 'every kind of bytes can be sent', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  for (const [name, make] of kinds) {
    await a.sendall(make());
    assert.deepEqual([...(await receive(b, 64))], [...bytes], `sendall of ${name}`);
    assert.equal(await a.send(make()), 64);
    assert.deepEqual([...(await receive(b, 64))], [...bytes], `send of ${name}`);
    assert.equal(a.trySend(make()), 64);
    assert.deepEqual([...(await receive(b, 64))], [...bytes], `trySend of ${name}`);
  }
});

acrossBoth(connections, 'of a view, its part of the buffer is sent', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const around = Uint8Array.from({ length: 32 }, (_, i) => i);
  await a.sendall(new Uint16Array(around.buffer, 4, 3));
  assert.deepEqual([...(await receive(b, 6))], [4, 5, 6, 7, 8, 9]);
  await a.sendall(new DataView(around.buffer, 30));
  assert.deepEqual([...(await receive(b, 2))], [30, 31]);
  const shared = new SharedArrayBuffer(8);
  new Uint8Array(shared).set([1, 2, 3, 4, 5, 6, 7, 8]);
  await a.sendall(new Uint8Array(shared, 2, 2));
  assert.deepEqual([...(await receive(b, 2))], [3, 4]);
});

acrossBoth(connections, 'a string is sent as UTF-8', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const text = 'naïve ☎ 🧦';
  const size = Buffer.byteLength(text);
  assert.equal(await a.send(text), size);
  assert.equal((await receive(b, size)).toString(), text);
  // V8 keeps strings of Latin-1 characters and others apart.
  for (const one of ['plain', 'ÿ', '€', '\0', '🧦'.repeat(1000)]) {
    await a.sendall(one);
    assert.equal((await receive(b, Buffer.byteLength(one))).toString(), one);
  }
});

across(streams, 'a long string arrives whole', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const text = 'zwölf Boxkämpfer '.repeat(100_000);
  const [got] = await Promise.all([receive(b, Buffer.byteLength(text)), a.sendall(text)]);
  assert.equal(got.toString(), text);
});

across(streams, 'concurrent calls never interleave', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const chance = new Chance('interleave');
  const sizes = Array.from({ length: 60 }, () => chance.integer(1, 4) * chance.integer(1, 100_000));
  const sending = sizes.map((size, i) => a.sendall(Buffer.alloc(size, i + 1)));
  for (const [i, size] of sizes.entries()) {
    const got = await receive(b, size);
    assert.ok(got.length === size && got.every((byte) => byte === i + 1), `call ${i}`);
  }
  await Promise.all(sending);
});

across(streams, 'small and large sends keep the order in which they were called', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const chance = new Chance('order');
  const sent: Buffer[] = [];
  const calls: Promise<void>[] = [];
  for (let i = 0; i < 300; i++) {
    const data = chance.bytes([1, 7, 4095, 4096, 4097, 30_000][chance.integer(0, 5)]!);
    sent.push(data);
    calls.push(a.sendall(data));
    if (chance.integer(1, 10) === 1) await null;
  }
  const all = Buffer.concat(sent);
  assert.ok((await receive(b, all.length)).equals(all));
  await Promise.all(calls);
});

across(streams, 'calls settle in the order in which they were called', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const order: string[] = [];
  const note = (name: string) => () => void order.push(name);
  const calls = [
    a.sendall(Buffer.alloc(3 << 20)).then(note('first')),
    a.send('x').then(note('second')),
    a.sendall('y').then(note('third')),
    a.sendall(Buffer.alloc(100_000)).then(note('fourth')),
  ];
  const [got] = await Promise.all([receive(b, (3 << 20) + 2 + 100_000), ...calls]);
  assert.equal(got.length, (3 << 20) + 2 + 100_000);
  assert.deepEqual(order, ['first', 'second', 'third', 'fourth']);
});

across(streams, 'trySend does not overtake a call that waits', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const big = Buffer.alloc(8 << 20, 'a');
  const sending = a.sendall(big);
  assert.equal(a.trySend('b'), undefined);
  assert.ok((await receive(b, big.length)).every((byte) => byte === 0x61));
  await sending;
  assert.equal(a.trySend('b'), 1);
  assert.equal((await receive(b, 1)).toString(), 'b');
});

across(streams, 'nor does any other call, when there is room again', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const chance = new Chance('room');
  const data = chance.bytes(16 << 20);
  const sending = a.sendall(data);
  await staysPending(sending, 'sendall', 0.01);
  const got = Buffer.alloc(data.length);
  let at = 0;
  for (let n = b.tryRecvInto(got); n !== undefined; n = b.tryRecvInto(got.subarray(at))) at += n;
  // The kernel has room now, and no turn of the event loop has told the call that waits.
  assert.equal(a.trySend('!'), undefined);
  await assert.rejects(a.send('!', { flags: MSG_DONTWAIT }), { code: 'EAGAIN' });
  await assert.rejects(a.sendall('!', { flags: MSG_DONTWAIT }), { code: 'EAGAIN' });
  a.settimeout(0);
  await assert.rejects(a.send('!'), { code: 'EAGAIN' });
  a.settimeout(null);
  const last = a.send('last');
  (await receive(b, data.length - at)).copy(got, at);
  assert.ok(got.equals(data));
  assert.equal(String(await receive(b, 4)), 'last');
  assert.deepEqual(await Promise.all([sending, last]), [undefined, 4]);
});

acrossBoth(streams, 'trySend goes behind what was sent before it in the same turn', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const sending = a.sendall('first ');
  let taken = a.trySend('second');
  if (taken === undefined) {
    await sending;
    taken = a.trySend('second');
  }
  assert.equal(taken, 6);
  assert.equal((await receive(b, 12)).toString(), 'first second');
  await sending;
});

across(streams, 'small sends of one turn all arrive before a shutdown or a close', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const calls = [a.sendall('one '), a.sendall('two ')];
  a.shutdown(SHUT_WR);
  assert.equal((await receiveAll(b)).toString(), 'one two ');
  await Promise.all(calls);

  const last = b.sendall('three').then(
    () => 5,
    (error: SocketError) => error.bytesSent,
  );
  b.close();
  // Whether it still goes out is left open; what it says of itself is not.
  const got = await receiveAll(a);
  assert.equal(got.length, await last);
});

across(streams, 'a failed sendall says how much went out', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const sending = a.sendall(Buffer.alloc(32 << 20));
  sending.catch(() => {});
  const got = (await receive(b, 1 << 20)).length;
  b.close();
  await assert.rejects(sending, (error: SocketError) => {
    assert.match(error.code, /^(EPIPE|ECONNRESET)$/);
    assert.ok(error.bytesSent! >= got && error.bytesSent! < 32 << 20, `bytesSent ${error.bytesSent}`);
    return true;
  });
});

acrossBoth(streams, 'one that is refused says that nothing went out', async (s, transport) => {
  const [a] = await pair(s, transport);
  if (!s.blocks) {
    const signal = AbortSignal.abort();
    await assert.rejects(a.sendall('x', { signal }), { name: 'AbortError', bytesSent: 0 });
  }
  a.close();
  await assert.rejects(async () => a.sendall('x'), { name: 'ClosedError', bytesSent: 0 });
  await assert.rejects(async () => a.sendfile(0), { name: 'ClosedError', bytesSent: 0 });
});

acrossBoth(streams, 'MSG_DONTWAIT does not wait', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const data = Buffer.alloc(1 << 20);
  let sent = 0;
  await assert.rejects(
    async () => {
      for (;;) sent += await a.send(data, { flags: MSG_DONTWAIT });
    },
    { code: 'EAGAIN', syscall: 'send' },
  );
  assert.equal((await receive(b, sent)).length, sent);
  await assert.rejects(async () => b.recv(1, { flags: MSG_DONTWAIT }), { code: 'EAGAIN', syscall: 'recv' });
});
