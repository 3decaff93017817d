// What happens between two sleeps of the event loop: receives that are done together, calls that
// are over the turn's budget, sends that wait for nobody's event.
import assert from 'node:assert/strict';
import { type Socket, type SocketError, socket } from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';
import { eventually, sleep, staysPending, within } from '../support/deadline.ts';
import { type Scene, scene } from '../support/scene.ts';
import {
  across,
  bound,
  listening,
  meet,
  receive,
  streams,
  type Transport,
  unixDatagram,
  unixStream,
} from '../support/transports.ts';

async function pairs(s: Scene, transport: Transport, count: number): Promise<[Socket, Socket][]> {
  const listener = listening(s, transport, 1000);
  const made: [Socket, Socket][] = [];
  for (let i = 0; i < count; i++) made.push(await meet(s, transport, listener));
  return made;
}

across(streams, 'receives that wait behind one of many that are served together', async (s, transport) => {
  const places = await pairs(s, transport, 12);
  const chance = new Chance('areas');
  for (let round = 0; round < 60; round++) {
    // Some have a queue, so that they go on receiving while others have yet to be told.
    const jobs = places.map(([client, server], i) => {
      const size = i % 3 === 0 ? 60_000 : 3000;
      const data = chance.bytes(size);
      const calls = i % 3 === 0 ? [16384, 16384, 16384, 10848] : [size];
      return { client, server, data, got: Promise.all(calls.map((n) => server.recv(n))) };
    });
    await sleep(0);
    for (const { client, data } of jobs) assert.equal(client.trySend(data), data.length);
    for (const [i, { server, data, got }] of jobs.entries()) {
      let all = Buffer.concat(await within(got, 'receives'));
      all = Buffer.concat([all, await receive(server, data.length - all.length)]);
      assert.ok(all.equals(data), `round ${round}, connection ${i}`);
    }
  }
});

scene('hundreds of sockets that are always ready, in both directions', async (s) => {
  const places = await pairs(s, unixStream, 300);
  let stop = false;
  const loops: Promise<void>[] = [];
  const done: { reads: number; writes: number }[] = [];
  for (const each of places.flat()) {
    const count = { reads: 0, writes: 0 };
    done.push(count);
    const read = async () => {
      for (; !stop; count.reads++) await each.recv(100);
    };
    const write = async () => {
      for (; !stop; count.writes++) await each.sendall(Buffer.alloc(5000));
    };
    loops.push(read(), write());
  }
  const slowest = () => Math.min(...done.map(({ reads, writes }) => Math.min(reads, writes)));
  try {
    await eventually(() => slowest() >= 30, 'every direction of every socket to go on', 20);
  } finally {
    stop = true;
    for (const each of places.flat()) each.close();
  }
  await within(Promise.allSettled(loops), 'the loops to end');
});

scene('a flood does not keep a send from its turn, on however many sockets', async (s) => {
  const places = await pairs(s, unixStream, 100);
  const chunk = Buffer.alloc(100);
  const memory = Buffer.alloc(1 << 20);
  const sent = places.map(() => 0);
  let stop = false;
  const loops = places.flatMap(([, server], i) => [
    (async () => {
      while (!stop) await server.recv(1);
    })(),
    (async () => {
      for (; !stop; sent[i]!++) await server.sendall(chunk);
    })(),
  ]);
  try {
    await eventually(
      () => {
        for (const [client] of places) {
          while (client.trySend(chunk) !== undefined);
          while (client.tryRecvInto(memory) !== undefined);
        }
        return sent.every((n) => n >= 50);
      },
      'every send to be served',
      20,
    );
  } finally {
    stop = true;
    for (const each of places.flat()) each.close();
  }
  await within(Promise.allSettled(loops), 'the loops to end');
});

scene('a send that is tried again and again costs little, whatever else the socket does', async (s) => {
  const full = bound(s, unixDatagram);
  const sender = bound(s, unixDatagram);
  const other = s.own(socket(unixDatagram.family, unixDatagram.type));
  await other.connect(sender.getsockname());
  sender.settimeout(0);
  for (;;) {
    const code = await sender.sendto('x', full.getsockname()).catch((error: SocketError) => error.code);
    if (code === 'EAGAIN') break;
  }
  sender.settimeout(null);
  const waiting = sender.sendto('waits', full.getsockname());
  // Sender and receiver keep each other busy: they are over the budget in every turn, and each of
  // those comes by the send that waits.
  const memory = Buffer.alloc(10);
  let flooding = true;
  const reading = (async () => {
    for (;;) await sender.recvInto(memory);
  })();
  const flood = (async () => {
    while (flooding) await other.send('!');
  })();
  await sleep(1.5);
  flooding = false;
  await flood;
  const before = process.cpuUsage();
  await sleep(0.3);
  const { user, system } = process.cpuUsage(before);
  assert.ok(user + system < 150_000, `${user + system} µs of 300,000 were spent on waiting`);
  while (full.tryRecvInto(memory) !== undefined);
  assert.equal(await within(waiting, 'the send'), 5);
  sender.close();
  await assert.rejects(reading, { code: 'EBADF' });
});

/** Wakes every server out of one recv in the same turn, and lets it do `what` at once. */
async function inOneTurn(
  places: [Socket, Socket][],
  what: (server: Socket, i: number) => Promise<void>,
): Promise<void> {
  const acting = places.map(async ([, server], i) => {
    assert.equal(String(await server.recv(1)), '!');
    await what(server, i);
  });
  for (const [client] of places) assert.equal(client.trySend('!'), 1);
  await within(Promise.all(acting), 'everyone of the turn', 20);
}

across(streams, 'small sends of one turn on sockets that never wait', async (s, transport) => {
  const places = await pairs(s, transport, 20);
  await inOneTurn(places, async (server) => {
    const first = server.sendall('first ');
    server.settimeout(0);
    assert.deepEqual(await Promise.all([first, server.sendall('second '), server.send('third')]), [
      undefined,
      undefined,
      5,
    ]);
  });
  for (const [client] of places) assert.equal(String(await receive(client, 18)), 'first second third');
});

across(streams, 'a queue that something was put in front of loses no call', async (s, transport) => {
  const places = await pairs(s, transport, 10);
  const large = new Chance('queue').bytes(4 << 20);
  const filled: number[] = [];
  const acting = inOneTurn(places, async (server, i) => {
    // Through a duplicate, so that the socket itself does not know that the kernel's queue is full.
    const twin = server.dup();
    filled[i] = 0;
    for (let n = twin.trySend(large); n !== undefined; n = twin.trySend(large)) filled[i]! += n;
    twin.close();
    const abort = new AbortController();
    // The first is in the ring, and comes back from there to the front of those that wait.
    const first = server.sendall('first');
    const second = server.sendall(large);
    const third = server.sendall('never', { signal: abort.signal });
    setImmediate(() => abort.abort());
    await assert.rejects(third, { name: 'AbortError' });
    await first;
    const last = server.sendall('last');
    await Promise.all([second, last]);
  });
  const readers = places.map(async ([client], i) => {
    await eventually(() => filled[i] !== undefined, 'the queue to be filled');
    await staysPending(acting, 'sends', 0.02);
    await receive(client, filled[i]!);
    assert.equal(String(await receive(client, 5)), 'first');
    assert.ok((await receive(client, large.length)).equals(large));
    assert.equal(String(await receive(client, 4)), 'last');
  });
  await Promise.all([acting, ...readers]);
});
