// SO_REUSEPORT: several sockets at one port, among which the kernel divides what comes.
import assert from 'node:assert/strict';
import {
  createServer,
  SO_REUSEPORT,
  SOCK_DGRAM,
  SOL_SOCKET,
  type Socket,
  select,
  socket,
} from 'berkeley-sockets';
import { within } from '../support/deadline.ts';
import { type Scene, scene } from '../support/scene.ts';
import { across, open, type Transport, tcp4, tcp6, udp4, udp6 } from '../support/transports.ts';

/** `count` sockets at one address. */
function together(s: Scene, transport: Transport, count: number): Socket[] {
  const all: Socket[] = [];
  for (let i = 0; i < count; i++) {
    const each = open(s, transport);
    each.setsockopt(SOL_SOCKET, SO_REUSEPORT!, true);
    each.bind(i === 0 ? transport.free(s) : all[0]!.getsockname());
    all.push(each);
  }
  return all;
}

across([tcp4, tcp6], 'two listeners share the connections', async (s, transport) => {
  const listeners = together(s, transport, 2);
  for (const each of listeners) each.listen(128);
  const address = listeners[0]!.getsockname();
  const accepted = new Map(listeners.map((each) => [each, 0]));
  // By a hash of the addresses: one of 100 connections on one side only is one chance in 2^99.
  const clients = await Promise.all(
    Array.from({ length: 100 }, async () => {
      const client = open(s, transport);
      await client.connect(address);
      return client;
    }),
  );
  for (let left = clients.length; left > 0; left--) {
    const [readable] = await within(select(listeners, [], []), 'a connection');
    const [conn] = await readable[0]!.accept();
    accepted.set(readable[0]!, accepted.get(readable[0]!)! + 1);
    await conn.sendall('welcome');
    conn.close();
  }
  for (const client of clients) assert.equal((await client.recv(100)).toString(), 'welcome');
  const counts = [...accepted.values()];
  assert.ok(
    counts.every((count) => count > 0),
    `accepted ${counts}`,
  );
});

across(
  [udp4, udp6],
  'two sockets share the datagrams, a sender always to the same one',
  async (s, transport) => {
    const receivers = together(s, transport, 2);
    const address = receivers[0]!.getsockname();
    const senders = Array.from({ length: 40 }, () => open(s, transport));
    for (const round of ['1', '2', '3'])
      for (const [i, sender] of senders.entries()) await sender.sendto(`${i}`, address).then(() => round);
    const got = new Map(receivers.map((each) => [each, new Set<string>()]));
    for (let left = senders.length * 3; left > 0; left--) {
      const [readable] = await within(select(receivers, [], []), 'a datagram');
      got.get(readable[0]!)!.add((await readable[0]!.recv(100)).toString());
    }
    const [one, two] = [...got.values()];
    assert.ok(one!.size > 0 && two!.size > 0, `${one!.size} and ${two!.size}`);
    assert.equal(one!.size + two!.size, senders.length);
  },
);

across([tcp4], 'a listener that closes leaves the port to the other', async (s, transport) => {
  const [first, second] = together(s, transport, 2) as [Socket, Socket];
  first.listen();
  second.listen();
  const address = first.getsockname();
  first.close();
  for (let i = 0; i < 10; i++) {
    const client = open(s, transport);
    await client.connect(address);
    const [conn] = await within(second.accept(), 'accept');
    conn.close();
  }
});

scene('all who share it must ask for it', (s) => {
  const one = s.own(socket());
  one.bind(['127.0.0.1', 0]);
  one.listen();
  const two = s.own(socket());
  two.setsockopt(SOL_SOCKET, SO_REUSEPORT!, true);
  assert.throws(() => two.bind(one.getsockname()), { code: 'EADDRINUSE' });
  const datagrams = s.own(socket(one.family, SOCK_DGRAM));
  datagrams.bind(one.getsockname() as never);
});

scene('createServer with reusePort', (s) => {
  const one = s.own(createServer(['127.0.0.1', 0], { reusePort: true }));
  const two = s.own(createServer(one.getsockname(), { reusePort: true }));
  assert.equal(one.getsockname()[1], two.getsockname()[1]);
  assert.throws(() => createServer(one.getsockname()), { code: 'EADDRINUSE' });
});
