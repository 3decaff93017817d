// Descriptor numbers: the kernel gives the lowest free one, so a socket that is opened right
// after another was closed has its number. Whatever was meant for the old one must not reach
// the new one, and nothing of the old one may be missed by its duplicates.
import assert from 'node:assert/strict';
import { AF_UNIX, ClosedError, SOCK_STREAM, type Socket, socketpair } from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';
import { staysPending, within } from '../support/deadline.ts';
import { scene } from '../support/scene.ts';
import { across, connections, listening, open, pair, streams } from '../support/transports.ts';

const unixPair = () => socketpair(AF_UNIX, SOCK_STREAM) as [Socket, Socket];

scene('a number that is taken again at once', async () => {
  let reused = 0;
  for (let round = 0; round < 300; round++) {
    const [a, b] = unixPair();
    const number = a.fileno();
    const old = a.recv(10);
    old.catch(() => {});
    // Something is on its way to the old socket when it is closed.
    b.trySend('old');
    a.close();
    const [c, d] = unixPair();
    if (c.fileno() === number) reused++;
    const fresh = c.recv(10);
    d.trySend(`new ${round}`);
    await assert.rejects(old, ClosedError);
    assert.equal(String(await within(fresh, `the new socket of round ${round}`)), `new ${round}`);
    for (const s of [b, c, d]) s.close();
  }
  assert.ok(reused > 250, `the number was taken again in ${reused} rounds only`);
});

scene('an idle new socket is not woken by what was meant for the old one', async () => {
  for (let round = 0; round < 100; round++) {
    const [a, b] = unixPair();
    a.recv(10).catch(() => {});
    b.trySend('old');
    // The turn in which the event is found, and the one before it.
    if (round % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
    a.close();
    const [c, d] = unixPair();
    const view = new Uint8Array(10);
    const fresh = c.recvInto(view);
    await staysPending(fresh, 'recv on the new socket', 0.002);
    d.trySend('new');
    assert.equal(await fresh, 3);
    for (const s of [b, c, d]) s.close();
  }
});

scene('a storm of opening and closing, each reader sees its own writer only', async () => {
  const chance = new Chance('storm');
  const live: { a: Socket; b: Socket; tag: string; reading: Promise<string> }[] = [];
  let next = 0;
  const begin = () => {
    const [a, b] = unixPair();
    const tag = `<${next++}>`;
    const reading = a.recv(100).then(String, (error: unknown) => {
      assert.ok(error instanceof ClosedError, String(error));
      return 'closed';
    });
    live.push({ a, b, tag, reading });
  };
  for (let i = 0; i < 20; i++) begin();
  for (let step = 0; step < 3000; step++) {
    const at = chance.integer(0, live.length - 1);
    const one = live[at]!;
    const kind = chance.integer(1, 4);
    if (kind === 1) {
      one.b.trySend(one.tag);
      assert.equal(await one.reading, one.tag);
    } else if (kind === 2) {
      // Closed with its answer on the way: either way, never another's.
      one.b.trySend(one.tag);
      one.a.close();
      assert.equal(await one.reading, 'closed');
    } else if (kind === 3) {
      one.a.close();
      one.b.close();
      begin();
      assert.equal(await one.reading, 'closed');
    } else {
      one.b.close();
      assert.equal(await one.reading, '');
    }
    one.a.close();
    one.b.close();
    live.splice(at, 1);
    while (live.length < 20) begin();
  }
  for (const { a, b } of live) {
    a.close();
    b.close();
  }
});

across(
  connections,
  'a listener that is closed and opened again accepts its own clients',
  async (s, transport) => {
    for (let round = 0; round < 20; round++) {
      const old = listening(s, transport);
      const waiting = old.accept();
      waiting.catch(() => {});
      const lost = open(s, transport);
      const connecting = lost.connect(old.getsockname()).catch(() => {});
      old.close();
      const listener = listening(s, transport);
      const accepting = listener.accept();
      await assert.rejects(waiting, ClosedError);
      const client = open(s, transport);
      await client.connect(listener.getsockname());
      const [server, address] = await accepting;
      assert.deepEqual(address, client.getsockname());
      await connecting;
      for (const one of [lost, server, client, listener]) one.close();
    }
  },
);

across(streams, 'a duplicate is a socket of its own on the same connection', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const twin = s.own(b.dup());
  assert.notEqual(twin.fileno(), b.fileno());
  assert.equal(twin.family, b.family);
  assert.equal(twin.type, b.type);
  assert.deepEqual(twin.getsockname(), b.getsockname());
  await a.send('one');
  assert.equal(String(await twin.recv(10)), 'one');
  await twin.send('two');
  assert.equal(String(await a.recv(10)), 'two');
  b.close();
  const waiting = twin.recv(10);
  await a.send('three');
  assert.equal(String(await within(waiting, 'recv of the duplicate')), 'three');
  await a.send('four');
  assert.equal(String(await twin.recv(10)), 'four');
});

across(streams, 'two duplicates that wait: one gets it, the other goes on waiting', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const twin = s.own(b.dup());
  const order: string[] = [];
  const calls = [
    b.recv(10).then((data) => order.push(`b ${data}`)),
    twin.recv(10).then((data) => order.push(`twin ${data}`)),
  ];
  await a.send('1');
  await within(Promise.race(calls), 'one of the two');
  await staysPending(Promise.all(calls), 'the other', 0.02);
  await a.send('2');
  await within(Promise.all(calls), 'both');
  assert.equal(order[0]!.at(-1), '1');
  assert.equal(order[1]!.at(-1), '2');
});

scene('a number taken again while a duplicate keeps the old connection alive', async () => {
  for (let round = 0; round < 100; round++) {
    const [a, b] = unixPair();
    const number = a.fileno();
    const twin = a.dup();
    a.recv(1).catch(() => {});
    a.close();
    // The old connection is still open through its duplicate: were its watch left behind
    // under the old number, its events would reach the new socket.
    const [c, d] = unixPair();
    assert.equal(c.fileno(), number);
    const fresh = c.recv(10);
    b.trySend('for the duplicate');
    await staysPending(fresh, 'the new socket', 0.002);
    assert.equal(String(await within(twin.recv(100), 'the duplicate')), 'for the duplicate');
    d.trySend('new');
    assert.equal(String(await within(fresh, 'the new socket')), 'new');
    for (const s of [b, c, d, twin]) s.close();
  }
});

scene('handing a number back and forth', async () => {
  const { fromHandle } = await import('berkeley-sockets');
  const [a, b] = unixPair();
  let holder = a;
  for (let round = 0; round < 200; round++) {
    const waiting = holder.recv(10);
    waiting.catch(() => {});
    b.trySend('x');
    const handle = holder.detach();
    await assert.rejects(waiting, ClosedError);
    holder = fromHandle(handle) as Socket;
    assert.equal(String(await within(holder.recv(10), `round ${round}`)), 'x');
  }
  holder.close();
  b.close();
});
