// Calls on one socket queue first in, first out, a queue a direction; the two directions
// never wait for each other.
import assert from 'node:assert/strict';
import { MSG_DONTWAIT, MSG_PEEK, SHUT_WR, SocketError } from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';
import { staysPending, within } from '../support/deadline.ts';
import {
  across,
  connections,
  everything,
  listening,
  open,
  pair,
  receive,
  receiveAll,
  streams,
} from '../support/transports.ts';

across(everything, 'receives are served in the order in which they were called', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const order: number[] = [];
  const waiting = [0, 1, 2, 3, 4].map((i) =>
    b.recv(1).then((data) => {
      order.push(i);
      return data.toString();
    }),
  );
  for (const letter of 'vwxyz') await a.send(letter);
  assert.equal((await Promise.all(waiting)).join(''), 'vwxyz');
  assert.deepEqual(order, [0, 1, 2, 3, 4]);
});

across(everything, 'every kind of receive stands in one queue', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const view = new Uint8Array(1);
  const other = new Uint8Array(1);
  const waiting = Promise.all([
    b.recv(1),
    b.recvInto(view),
    b.recvfrom(1),
    b.recvfromInto(other),
    b.recv(1, { flags: MSG_PEEK }),
    b.recv(1),
  ]);
  for (const letter of 'abcde') await a.send(letter);
  const [first, second, third, fourth, peeked, last] = await waiting;
  assert.equal(first.toString(), 'a');
  assert.equal(second, 1);
  assert.equal(Buffer.from(view).toString(), 'b');
  assert.equal(third[0].toString(), 'c');
  assert.equal(fourth[0], 1);
  assert.equal(Buffer.from(other).toString(), 'd');
  assert.equal(peeked.toString(), 'e');
  assert.equal(last.toString(), 'e');
});

across(
  everything,
  'who waits for readable comes before a receive that was called later',
  async (s, transport) => {
    const [a, b] = await pair(s, transport);
    const order: string[] = [];
    const told = (what: string) => () => order.push(what);
    const waiting = b.wait({ read: true }).then(told('wait'));
    const receiving = b.recv(1).then(told('recv'));
    await a.send('x');
    await within(Promise.all([waiting, receiving]), 'a wait with a receive behind it');
    assert.deepEqual(order, ['wait', 'recv']);
    // And one that finds its byte there at once, before any event has told of it.
    await a.send('y');
    await b.recv(1);
    const again = b.wait({ read: true });
    a.trySend('z');
    await b.recv(1);
    assert.deepEqual(await within(again, 'a wait in front of a receive'), { read: true, write: false });
  },
);

across(streams, 'a queue of receives on bytes that are already there', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  await a.sendall('abcdefghij');
  const parts = await Promise.all([b.recv(2), b.recv(3), b.recv(1), b.recv(4)]);
  assert.deepEqual(parts.map(String), ['ab', 'cde', 'f', 'ghij']);
});

across(everything, 'tryRecvInto does not take what an earlier recv waits for', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const waiting = b.recv(10);
  assert.equal(a.trySend('x'), 1);
  // The byte may be in b's queue by now, with no turn of the event loop to tell.
  assert.equal(b.tryRecvInto(new Uint8Array(10)), undefined);
  const never = b.recv(10, { flags: MSG_DONTWAIT });
  b.settimeout(0);
  const neither = b.recv(10);
  b.settimeout(null);
  await assert.rejects(never, { code: 'EAGAIN' });
  await assert.rejects(neither, { code: 'EAGAIN' });
  assert.equal((await waiting).toString(), 'x');
  assert.equal(b.tryRecvInto(new Uint8Array(10)), undefined);
  a.trySend('y');
  const next = new Uint8Array(10);
  let size = b.tryRecvInto(next);
  while (size === undefined) {
    await b.wait({ read: true });
    size = b.tryRecvInto(next);
  }
  assert.equal(size, 1);
});

across(everything, 'one aborted call leaves the queue in order', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const middle = new AbortController();
  const first = b.recv(1);
  const second = b.recv(1, { signal: middle.signal });
  const third = b.recv(1);
  middle.abort(new Error('never mind'));
  await assert.rejects(second, /never mind/);
  await a.send('1');
  await a.send('2');
  assert.equal((await first).toString(), '1');
  assert.equal((await third).toString(), '2');
});

across(everything, 'the aborted head of a queue gives its place to the next', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const head = new AbortController();
  const first = b.recv(1, { signal: head.signal });
  const second = b.recv(1);
  await staysPending(second, 'the second', 0.01);
  // In the turn in which the byte arrives, before anyone is told.
  a.trySend('x');
  head.abort();
  await assert.rejects(first, { name: 'AbortError' });
  assert.equal((await second).toString(), 'x');
});

across(
  streams,
  'a receive that waits does not hold up a send, nor the other way round',
  async (s, transport) => {
    const [a, b] = await pair(s, transport);
    const receiving = a.recv(100);
    await a.sendall('go on');
    assert.equal((await receive(b, 5)).toString(), 'go on');

    const big = 8 << 20;
    const sending = a.sendall(Buffer.alloc(big));
    await staysPending(sending, 'sendall');
    await b.sendall('answer');
    assert.equal((await receiving).toString(), 'answer');
    await staysPending(sending, 'sendall', 0.01);
    assert.equal((await receive(b, big)).length, big);
    await sending;
  },
);

across(streams, 'two ends that only send at first do not lock each other', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const size = 4 << 20;
  const sends = Promise.all([a.sendall(Buffer.alloc(size)), b.sendall(Buffer.alloc(size))]);
  await staysPending(sends, 'both sends');
  const [x, y] = await Promise.all([receive(a, size), receive(b, size)]);
  assert.equal(x.length + y.length, 2 * size);
  await sends;
});

across(connections, 'accepts are served in the order in which they were called', async (s, transport) => {
  const listener = listening(s, transport);
  const order: number[] = [];
  const waiting = [0, 1, 2].map(async (i) => {
    const [server] = await listener.accept();
    order.push(i);
    return s.own(server);
  });
  for (const letter of 'abc') {
    const client = open(s, transport);
    await client.connect(listener.getsockname());
    await client.sendall(letter);
  }
  const servers = await Promise.all(waiting);
  assert.deepEqual(order, [0, 1, 2]);
  for (const [i, server] of servers.entries()) assert.equal((await server.recv(1)).toString(), 'abc'[i]);
});

across(
  streams,
  'receives that come and are called off at random: the bytes stay in order',
  async (s, transport) => {
    const [a, b] = await pair(s, transport);
    const chance = new Chance(`queue of receives ${transport.name}`);
    let waiting: { stop: AbortController; call: Promise<Buffer | undefined> }[] = [];
    let sent = 0;
    let received = 0;
    const settle = async () => {
      const list = waiting;
      waiting = [];
      for (const { call } of list) {
        for (const byte of (await within(call, 'a recv')) ?? []) assert.equal(byte, received++ & 255);
      }
    };
    for (let step = 0; step < 1500; step++) {
      const kind = chance.integer(1, 10);
      if (kind <= 5) {
        const stop = new AbortController();
        const call = b.recv(chance.integer(1, 3), { signal: stop.signal }).catch(() => undefined);
        waiting.push({ stop, call });
      } else if (kind <= 7) {
        // Any of the queue: its head, its tail, one between them, one that is over.
        waiting[chance.integer(0, Math.max(0, waiting.length - 1))]?.stop.abort();
      } else if (kind === 8) {
        const size = chance.integer(1, 6);
        await a.sendall(Uint8Array.from({ length: size }, () => sent++));
      } else if (kind === 9) await new Promise((resolve) => setImmediate(resolve));
      else if (chance.integer(1, 4) === 1) {
        for (const { stop } of waiting) if (chance.integer(1, 2) === 1) stop.abort();
        // Enough for all that still wait.
        await a.sendall(Uint8Array.from({ length: waiting.length * 3 }, () => sent++));
        await settle();
      }
    }
    for (const { stop } of waiting) stop.abort();
    await settle();
    a.close();
    for (const byte of await receiveAll(b)) assert.equal(byte, received++ & 255);
    assert.equal(received, sent);
  },
);

across(
  streams,
  'sends that come and are called off at random: what each says is what arrives',
  async (s, transport) => {
    const [a, b] = await pair(s, transport);
    const chance = new Chance(`queue of sends ${transport.name}`);
    const outcomes: Promise<Buffer>[] = [];
    const stops: AbortController[] = [];
    const arriving = receiveAll(b);
    for (let step = 0; step < 400; step++) {
      const kind = chance.integer(1, 10);
      if (kind <= 6) {
        const data = chance.bytes([10, 4000, 70_000, 700_000][chance.integer(0, 3)]!);
        const stop = new AbortController();
        stops.push(stop);
        outcomes.push(
          a.sendall(data, { signal: stop.signal }).then(
            () => data,
            (error: { bytesSent: number }) => data.subarray(0, error.bytesSent),
          ),
        );
      } else if (kind === 7) {
        const data = chance.bytes(300_000);
        outcomes.push(a.send(data).then((size) => data.subarray(0, size)));
      } else if (kind <= 9) {
        stops[chance.integer(Math.max(0, stops.length - 6), Math.max(0, stops.length - 1))]?.abort();
      } else await new Promise((resolve) => setImmediate(resolve));
    }
    const sent = await Promise.all(outcomes);
    a.shutdown(SHUT_WR);
    assert.ok((await arriving).equals(Buffer.concat(sent)));
  },
);

across(everything, 'a failing call does not take the next one with it', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const outcomes = Promise.allSettled([
    b.recv(1, { signal: AbortSignal.timeout(10) }),
    b.recv(1, { signal: AbortSignal.timeout(20) }),
    b.recv(1),
  ]);
  setTimeout(() => void a.send('z'), 40);
  const [first, second, third] = await outcomes;
  assert.equal(first.status, 'rejected');
  assert.equal(second.status, 'rejected');
  assert.ok(!(first.reason instanceof SocketError));
  assert.equal(third.status === 'fulfilled' && third.value.toString(), 'z');
});
