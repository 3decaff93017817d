// recvmany and sendmany: datagrams in batches, none lost, none joined.
import assert from 'node:assert/strict';
import { type Address, AF_UNIX, MSG_DONTWAIT, SOCK_DGRAM, SocketError, socket } from 'berkeley-sockets';
import { eventually, staysPending, within } from '../support/deadline.ts';
import { scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';
import {
  across,
  acrossBoth,
  bound,
  datagrams,
  messages,
  open,
  pair,
  udp4,
  udp6,
} from '../support/transports.ts';

acrossBoth(datagrams, 'a batch arrives in order, each with its sender', async (s, transport) => {
  const a = bound(s, transport);
  const b = bound(s, transport);
  const texts = ['one', 'two', '', 'four'];
  const sent = await a.sendmany(texts.map((text) => [text, b.getsockname()]));
  assert.equal(sent, 4);
  const got = await b.recvmany(10);
  assert.deepEqual(
    got,
    texts.map((text) => [Buffer.from(text), a.getsockname()]),
  );
});

across(messages, 'a connected socket sends [data]', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  assert.equal(await a.sendmany([['one'], [Buffer.from('two')], [new Uint16Array([0x6861])]]), 3);
  const got = await b.recvmany(3);
  assert.deepEqual(
    got.map(([data]) => data.toString()),
    ['one', 'two', 'ah'],
  );
});

across(messages, 'at least one, at most n', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const waiting = b.recvmany(4);
  await staysPending(waiting, 'recvmany', 0.02);
  await a.send('0');
  assert.equal((await waiting).length, 1);
  for (let i = 1; i <= 6; i++) await a.send(String(i));
  const first = await b.recvmany(4);
  assert.deepEqual(
    first.map(([data]) => data.toString()),
    ['1', '2', '3', '4'],
  );
  const second = await b.recvmany(4);
  assert.deepEqual(
    second.map(([data]) => data.toString()),
    ['5', '6'],
  );
});

acrossBoth(messages, 'bufsize is the limit of each datagram', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  await a.send('0123456789');
  await a.send('abc');
  assert.deepEqual(
    (await b.recvmany(5, { bufsize: 4 })).map(([data]) => data.toString()),
    ['0123', 'abc'],
  );
  await a.send(Buffer.alloc(3000, 'x'));
  assert.equal((await b.recvmany(1))[0]![0].length, 2048);
  await a.send(Buffer.alloc(9000, 'y'));
  assert.equal((await b.recvmany(1, { bufsize: 65536 }))[0]![0].length, 9000);
});

acrossBoth(datagrams, 'one batch to many peers, one batch from many peers', async (s, transport) => {
  const peers = Array.from({ length: 5 }, () => bound(s, transport));
  const center = bound(s, transport);
  const rounds = [...peers, ...peers];
  assert.equal(await center.sendmany(rounds.map((peer, i) => [`to ${i}`, peer.getsockname()])), 10);
  for (const [i, peer] of peers.entries()) {
    for (const text of [`to ${i}`, `to ${i + 5}`]) {
      assert.deepEqual(await peer.recvfrom(10), [Buffer.from(text), center.getsockname()]);
    }
    await peer.sendto(`from ${i}`, center.getsockname());
  }
  assert.deepEqual(
    await center.recvmany(10),
    peers.map((peer, i) => [Buffer.from(`from ${i}`), peer.getsockname()]),
  );
});

acrossBoth([udp4, udp6], 'names are resolved on the way', async (s, transport) => {
  const b = bound(s, transport);
  const port = (b.getsockname() as [string, number])[1];
  const a = open(s, transport);
  const address = ['localhost', port] as unknown as Address;
  assert.equal(
    await a.sendmany([
      ['x', address],
      ['y', address],
    ]),
    2,
  );
  assert.equal((await b.recv(10)).toString(), 'x');
  assert.equal((await b.recv(10)).toString(), 'y');
});

acrossBoth(datagrams, 'nothing to send', async (s, transport) => {
  assert.equal(await bound(s, transport).sendmany([]), 0);
});

acrossBoth([udp4, udp6], 'more than one system call takes', async (s, transport) => {
  const b = bound(s, transport);
  const a = bound(s, transport);
  const all = Array.from({ length: 2500 }, (_, i): [string, Address] => [String(i), b.getsockname()]);
  const seen: number[] = [];
  // Small steps: the receiving queue has room for a few hundred.
  for (let at = 0; at < all.length; ) {
    const sent = await a.sendmany(all.slice(at, at + 100));
    assert.ok(sent > 0 && sent <= 100);
    at += sent;
    while (seen.length < at) {
      for (const [data] of await b.recvmany(5000)) seen.push(Number(data.toString()));
    }
  }
  assert.deepEqual(
    seen,
    all.map((_, i) => i),
  );
  const sent = await a.sendmany(all);
  assert.ok(sent > 0 && sent <= all.length, `${sent}`);
});

acrossBoth([udp4, udp6], 'nobody there: the batch is told', async (s, transport) => {
  const gone = bound(s, transport);
  const address = gone.getsockname();
  gone.close();
  const a = open(s, transport);
  await a.connect(address);
  await a.send('x');
  await assert.rejects(async () => a.sendmany([['y'], ['z']]), { code: 'ECONNREFUSED' });
  await a.send('x');
  await assert.rejects(async () => a.recvmany(3), { code: 'ECONNREFUSED' });
});

acrossBoth(
  [udp4, udp6],
  'a datagram that cannot go: what went out before it is told',
  async (s, transport) => {
    const b = bound(s, transport);
    const a = bound(s, transport);
    const to = b.getsockname();
    assert.equal(
      await a.sendmany([
        ['one', to],
        ['two', to],
        [Buffer.alloc(70_000), to],
        ['four', to],
      ]),
      2,
    );
    assert.equal((await b.recvmany(5)).length, 2);
    await assert.rejects(
      async () =>
        a.sendmany([
          [Buffer.alloc(70_000), to],
          ['four', to],
        ]),
      (error: SocketError) => {
        assert.ok(error instanceof SocketError);
        assert.equal(error.code, 'EMSGSIZE');
        return true;
      },
    );
  },
);

scene('a full queue takes a part of the batch, then makes it wait', async (s) => {
  const receiver = s.own(socket(AF_UNIX, SOCK_DGRAM));
  receiver.bind(tempPath(s));
  const sender = s.own(socket(AF_UNIX, SOCK_DGRAM));
  const batch = Array.from({ length: 100 }, (_, i): [string, string] => [
    String(i),
    receiver.getsockname() as string,
  ]);
  const first = await sender.sendmany(batch);
  assert.ok(first > 0 && first < 100, `${first} of 100`);
  const waiting = sender.sendmany(batch.slice(first));
  await staysPending(waiting, 'sendmany to a full queue');
  assert.equal((await receiver.recvmany(3)).length, 3);
  const second = await within(waiting, 'sendmany after room was made');
  assert.ok(second >= 1 && second <= 3, `${second}`);
  const rest = await receiver.recvmany(100);
  assert.equal(Number(rest.at(-1)![0]), first + second - 1);
});

across(messages, 'an abort takes no datagram', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const stop = new AbortController();
  const waiting = b.recvmany(5, { signal: stop.signal });
  waiting.catch(() => {});
  await staysPending(waiting, 'recvmany', 0.01);
  a.trySend('kept');
  stop.abort(new Error('changed my mind'));
  await assert.rejects(waiting, /changed my mind/);
  const got = await eventually(() => b.recvmany(5), 'the datagram');
  assert.equal(got[0]![0].toString(), 'kept');
  await assert.rejects(b.recv(1, { flags: MSG_DONTWAIT }), { code: 'EAGAIN' });
});
