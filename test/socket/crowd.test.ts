// Many sockets served in one turn of the event loop: small sends are then gathered and handed
// over together, and receive memory runs short. Each case is what one connection does in such
// a turn, right after its recv.
import assert from 'node:assert/strict';
import { ClosedError, fromHandle, SHUT_WR, type Socket, SocketError, TimeoutError } from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';
import { eventually, staysPending, within } from '../support/deadline.ts';
import type { Scene } from '../support/scene.ts';
import {
  across,
  bound,
  listening,
  meet,
  pair,
  receive,
  receiveAll,
  streams,
  type Transport,
  udp4,
  udp6,
  unixDatagram,
  unixSeqpacket,
} from '../support/transports.ts';

interface Place {
  client: Socket;
  server: Socket;
  i: number;
}

async function crowd(s: Scene, transport: Transport, count: number): Promise<Place[]> {
  const places: Place[] = [];
  const listener = transport.type === udp4.type ? undefined : listening(s, transport, 1000);
  for (let i = 0; i < count; i++) {
    const [client, server] =
      listener === undefined ? await pair(s, transport) : await meet(s, transport, listener);
    places.push({ client, server, i });
  }
  return places;
}

/** Wakes every server out of one recv in the same turn, and lets it do `what` at once. */
async function inOneTurn<T>(places: Place[], what: (place: Place) => Promise<T>): Promise<T[]> {
  const acting = places.map(async (place) => {
    assert.equal(String(await place.server.recv(1)), '!');
    return what(place);
  });
  for (const { client } of places) assert.equal(client.trySend('!'), 1);
  return within(Promise.all(acting), 'every one of the crowd', 20);
}

const all = [...streams, unixSeqpacket, udp4, udp6];

across(all, 'each gets its own answer', async (s, transport) => {
  const places = await crowd(s, transport, 50);
  for (let round = 0; round < 5; round++) {
    const sent = await inOneTurn(places, async ({ server, i }) => {
      await server.sendall(`round ${round} for ${i}`);
      return server.send('grüße ☎ 🧦');
    });
    assert.ok(sent.every((n) => n === Buffer.byteLength('grüße ☎ 🧦')));
    for (const { client, i } of places) {
      const expected = `round ${round} for ${i}grüße ☎ 🧦`;
      assert.equal(String(await receive(client, Buffer.byteLength(expected))), expected);
    }
  }
});

across(streams, 'calls of one turn keep their order, small and large', async (s, transport) => {
  const places = await crowd(s, transport, 20);
  const chance = new Chance('crowd');
  const data = places.map(() =>
    Array.from({ length: 8 }, () => chance.bytes([1, 100, 4096, 4097, 60_000][chance.integer(0, 4)]!)),
  );
  const acting = inOneTurn(places, async ({ server, i }) => {
    await Promise.all(
      data[i]!.map((bytes, n) => (n % 3 === 2 ? server.sendall(bytes) : server.sendall(bytes))),
    );
    server.shutdown(SHUT_WR);
  });
  const got = await Promise.all(places.map(({ client }) => receiveAll(client)));
  await acting;
  for (const [i, bytes] of got.entries()) assert.ok(bytes.equals(Buffer.concat(data[i]!)), `connection ${i}`);
});

across(streams, 'more than is gathered in one go', async (s, transport) => {
  const places = await crowd(s, transport, 300);
  await inOneTurn(places, ({ server, i }) => server.sendall(Buffer.alloc(2000, i)));
  for (const { client, i } of places) {
    const got = await receive(client, 2000);
    assert.ok(got.length === 2000 && got.every((byte) => byte === (i & 255)), `connection ${i}`);
  }
});

across(streams, 'a shutdown, a close, a detach, a duplicate right behind a send', async (s, transport) => {
  const places = await crowd(s, transport, 40);
  await inOneTurn(places, async ({ server, i }) => {
    const sending = server.sendall(`last words of ${i}`);
    if (i % 4 === 0) server.shutdown(SHUT_WR);
    if (i % 4 === 1) server.close();
    if (i % 4 === 2) fromHandle(server.detach()).close();
    if (i % 4 === 3) {
      const twin = server.dup();
      assert.equal(twin.trySend('!'), 1);
      twin.close();
      server.shutdown(SHUT_WR);
    }
    await sending;
  });
  for (const { client, i } of places) {
    assert.equal(String(await receiveAll(client)), `last words of ${i}${i % 4 === 3 ? '!' : ''}`);
  }
});

across(streams, 'trySend behind a send of the same turn', async (s, transport) => {
  const places = await crowd(s, transport, 20);
  await inOneTurn(places, async ({ server }) => {
    const sending = server.sendall('first ');
    let taken = server.trySend('second');
    await sending;
    taken ??= server.trySend('second');
    assert.equal(taken, 6);
  });
  for (const { client } of places) assert.equal(String(await receive(client, 12)), 'first second');
});

across(streams, 'a peer that is gone is that connection’s error', async (s, transport) => {
  const places = await crowd(s, transport, 20);
  const outcomes = await inOneTurn(places, async ({ client, server, i }) => {
    if (i % 2 === 0) {
      client.close();
      // Over TCP the first send after the close is still taken, and answered by a reset.
      if (transport.family !== 1)
        await server.send('x').then(
          () => server.wait({ read: true }),
          () => {},
        );
    }
    return server.sendall('x').then(
      () => 'sent',
      (error: SocketError) => {
        assert.ok(error instanceof SocketError);
        assert.equal(error.bytesSent, 0);
        assert.equal(error.syscall, 'send');
        return error.code;
      },
    );
  });
  for (const [i, outcome] of outcomes.entries()) {
    assert.match(outcome, i % 2 === 0 ? /^(EPIPE|ECONNRESET)$/ : /^sent$/, `connection ${i}`);
  }
});

/** Fills the sending side through a duplicate, so that the socket itself does not know of it. */
function fillUnseen(server: Socket): number {
  const twin = server.dup();
  let filled = 0;
  const filler = Buffer.alloc(65536);
  for (let n = twin.trySend(filler); n !== undefined; n = twin.trySend(filler)) filled += n;
  twin.close();
  return filled;
}

across(streams, 'what the kernel does not take waits, in order', async (s, transport) => {
  const places = await crowd(s, transport, 10);
  const filled: number[] = [];
  const acting = inOneTurn(places, async ({ server, i }) => {
    filled[i] = fillUnseen(server);
    await Promise.all([
      server.sendall('small '),
      server.send('one '),
      server.sendall(Buffer.alloc(10_000, 'x')),
      server.sendall('last'),
    ]);
    server.shutdown(SHUT_WR);
  });
  await within(
    (async () => {
      while (filled.filter((n) => n !== undefined).length < places.length)
        await new Promise((resolve) => setImmediate(resolve));
    })(),
    'all to be full',
  );
  for (const { client, i } of places) {
    const got = await receiveAll(client);
    assert.equal(
      got.subarray(filled[i]!).toString(),
      `small one ${'x'.repeat(10_000)}last`,
      `connection ${i}`,
    );
  }
  await acting;
});

across([unixDatagram], 'a full datagram queue makes the sender wait', async (s, transport) => {
  // Connected one way: of two that are connected to each other neither is held up by a full queue.
  const places = Array.from({ length: 10 }, (_, i) => ({
    client: bound(s, transport),
    server: bound(s, transport),
    i,
  }));
  const queued: number[] = [];
  await Promise.all(places.map(({ client, server }) => server.connect(client.getsockname())));
  const acting = places.map(async ({ server, i }) => {
    await server.recv(1);
    const twin = server.dup();
    queued[i] = 0;
    while (twin.trySend(`filler ${queued[i]}`) !== undefined) queued[i]!++;
    twin.close();
    await Promise.all([server.sendall('one'), server.send('two'), server.send('three')]);
  });
  for (const { client, server } of places) client.sendto('!', server.getsockname());
  await eventually(() => queued.filter((n) => n > 0).length === places.length, 'all to be full');
  await staysPending(Promise.race(acting), 'any of them', 0.02);
  for (const { client, i } of places) {
    const expected = [...Array.from({ length: queued[i]! }, (_, n) => `filler ${n}`), 'one', 'two', 'three'];
    for (const text of expected) assert.equal(String(await within(client.recv(100), text)), text);
  }
  await within(Promise.all(acting), 'all of them');
});

across(streams, 'what the kernel does not take: a time limit, a close, not at all', async (s, transport) => {
  const places = await crowd(s, transport, 9);
  await inOneTurn(places, async ({ server, i }) => {
    fillUnseen(server);
    if (i % 3 === 0) server.settimeout(0.02);
    if (i % 3 === 1) server.settimeout(0);
    const sending = server.sendall('small');
    if (i % 3 === 2) setImmediate(() => server.close());
    const expected = [TimeoutError, SocketError, ClosedError][i % 3]!;
    await assert.rejects(sending, (error: SocketError) => {
      assert.ok(error instanceof expected, `${i}: ${error}`);
      if (i % 3 === 1) assert.equal(error.code, 'EAGAIN');
      assert.equal(error.bytesSent, 0);
      return true;
    });
  });
});

across(streams, 'an abort in the turn of the send', async (s, transport) => {
  const places = await crowd(s, transport, 20);
  const sent = await inOneTurn(places, async ({ server, i }) => {
    const stop = new AbortController();
    const sending = server.sendall('data', { signal: stop.signal }).then(
      () => 4,
      (error: SocketError) => error.bytesSent ?? 0,
    );
    if (i % 2 === 0) stop.abort();
    else queueMicrotask(() => stop.abort());
    const n = await sending;
    server.shutdown(SHUT_WR);
    return n;
  });
  for (const { client, i } of places) assert.equal((await receiveAll(client)).length, sent[i]);
});

across(streams, 'more bytes in one turn than there is receive memory for', async (s, transport) => {
  const places = await crowd(s, transport, 120);
  const chance = new Chance('memory');
  for (const size of [30_000, 60_000, 3000]) {
    const data = places.map(() => chance.bytes(size));
    const waiting = places.map(({ server }) => server.recv(65536));
    const sent = places.map(({ client, i }) => client.trySend(data[i]!)!);
    const first = await within(Promise.all(waiting), 'every recv');
    for (const { server, i } of places) {
      const rest = await receive(server, sent[i]! - first[i]!.length);
      assert.ok(
        Buffer.concat([first[i]!, rest]).equals(data[i]!.subarray(0, sent[i])),
        `${size} bytes for ${i}`,
      );
    }
  }
});

across(streams, 'several receives of each socket, served in one turn', async (s, transport) => {
  const places = await crowd(s, transport, 60);
  const chance = new Chance('several');
  // The first of each is received in the engine's turn, the next while the turn is told.
  for (const [size, limit] of [
    [9000, 3000],
    [24_000, 8000],
    [60_000, 30_000],
  ] as const) {
    const data = places.map(() => chance.bytes(size));
    const waiting = places.map(({ server }) => Promise.all([server.recv(limit), server.recv(limit)]));
    const sent = places.map(({ client, i }) => client.trySend(data[i]!)!);
    const got = await within(Promise.all(waiting), 'every recv');
    for (const { server, i } of places) {
      const first = Buffer.concat(got[i]!);
      const rest = await receive(server, sent[i]! - first.length);
      assert.ok(Buffer.concat([first, rest]).equals(data[i]!.subarray(0, sent[i])), `${size} bytes for ${i}`);
    }
  }
});

across(
  [unixSeqpacket, udp4, udp6],
  'messages of one turn, each in memory of its own',
  async (s, transport) => {
    const places = await crowd(s, transport, 60);
    const chance = new Chance('messages');
    for (const size of [100, 16_384, 16_385, 50_000]) {
      const data = places.map(() => chance.bytes(size));
      const waiting = places.map(({ server }) => server.recv(65536));
      for (const { client, i } of places) assert.equal(client.trySend(data[i]!), size);
      const got = await within(Promise.all(waiting), 'every recv');
      for (const [i, bytes] of got.entries()) assert.ok(bytes.equals(data[i]!), `${size} bytes for ${i}`);
    }
  },
);

across(streams, 'some close others in the turn in which these were served', async (s, transport) => {
  const places = await crowd(s, transport, 30);
  const outcomes = places.map(({ server, i }) =>
    server.recv(1).then(
      () => {
        // All were woken in one turn; the one after this has its byte already.
        places[i + 1]?.server.close();
        return 'received';
      },
      (error: unknown) => {
        assert.ok(error instanceof ClosedError, String(error));
        return 'closed';
      },
    ),
  );
  for (const { client } of places) client.trySend('!');
  const seen = await within(Promise.all(outcomes), 'all of them');
  assert.equal(seen[0], 'received');
});

across(streams, 'one that throws does not take the others with it', async (s, transport) => {
  const places = await crowd(s, transport, 20);
  const outcomes = Promise.allSettled(
    places.map(async ({ server, i }) => {
      await server.recv(1);
      const sending = server.sendall(`answer ${i}`);
      if (i % 2 === 0) throw new Error('on its own account');
      await sending;
    }),
  );
  for (const { client } of places) client.trySend('!');
  const settled = await within(outcomes, 'all of them');
  assert.equal(settled.filter((one) => one.status === 'rejected').length, 10);
  for (const { client, i } of places)
    assert.equal(String(await receive(client, `answer ${i}`.length)), `answer ${i}`);
});
