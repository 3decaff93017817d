// createServer: a listener in one call; both IP versions, shared ports.
import assert from 'node:assert/strict';
import {
  AF_INET,
  AF_INET6,
  createConnection,
  createServer,
  hasDualstackIPv6,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOL_SOCKET,
  type Socket,
} from 'berkeley-sockets';
import { openSockets } from '../support/leaks.ts';
import { scene } from '../support/scene.ts';
import { tcp6 } from '../support/transports.ts';

const portOf = (s: Socket): number => (s.getsockname() as [string, number])[1];

async function reaches(listener: Socket, host: string, from?: string): Promise<string> {
  const client = await createConnection([host, portOf(listener)]);
  const [server, address] = await listener.accept();
  await server.sendall('welcome');
  assert.equal(String(await client.recv(100)), 'welcome');
  client.close();
  server.close();
  const peer = (address as [string, number])[0];
  if (from !== undefined) assert.equal(peer, from);
  return peer;
}

scene('a listener of AF_INET, not blocked by connections that are over', async (s) => {
  const listener = s.own(createServer(['127.0.0.1', 0]));
  assert.equal(listener.family, AF_INET);
  assert.equal(listener.getsockopt(SOL_SOCKET, SO_REUSEADDR!), 1);
  await reaches(listener, '127.0.0.1', '127.0.0.1');
});

scene('any address', async (s) => {
  const listener = s.own(createServer(['', 0]));
  await reaches(listener, '127.0.0.1');
  await reaches(listener, '127.0.0.77');
});

scene(
  'AF_INET6 alone does not take the other version',
  async (s) => {
    const listener = s.own(createServer(['::', 0], { family: AF_INET6 }));
    await reaches(listener, '::1', '::1');
    await assert.rejects(createConnection(['127.0.0.1', portOf(listener)]));
  },
  { skip: tcp6.missing },
);

scene(
  'one listener for both versions',
  async (s) => {
    assert.equal(hasDualstackIPv6(), true);
    const listener = s.own(createServer(['', 0], { family: AF_INET6, dualstackIPv6: true }));
    assert.equal(listener.family, AF_INET6);
    await reaches(listener, '::1', '::1');
    await reaches(listener, '127.0.0.1', '::ffff:127.0.0.1');
  },
  { skip: tcp6.missing },
);

scene('both versions need AF_INET6', () => {
  const before = openSockets();
  assert.throws(() => createServer(['', 0], { family: AF_INET, dualstackIPv6: true }), /^(Type|Range)Error/);
  assert.equal(openSockets(), before);
});

scene('a port that is taken: an error, and nothing left open', (s) => {
  const taken = s.own(createServer(['127.0.0.1', 0]));
  const before = openSockets();
  assert.throws(() => createServer(['127.0.0.1', portOf(taken)]), {
    code: 'EADDRINUSE',
    syscall: 'bind',
    address: '127.0.0.1',
    port: portOf(taken),
  });
  assert.throws(() => createServer(['203.0.113.1', 0]), { code: 'EADDRNOTAVAIL' });
  assert.equal(openSockets(), before);
});

scene('a shared port: each listener gets some of the connections', async (s) => {
  const one = s.own(createServer(['127.0.0.1', 0], { reusePort: true }));
  assert.equal(one.getsockopt(SOL_SOCKET, SO_REUSEPORT!), 1);
  const two = s.own(createServer(['127.0.0.1', portOf(one)], { reusePort: true }));
  const counts = [0, 0];
  const stop = new AbortController();
  const serving = [one, two].map(async (listener, i) => {
    for await (const [server] of listener.accepted({ signal: stop.signal })) {
      counts[i]!++;
      await server.sendall('x');
      server.close();
    }
  });
  // The kernel hashes the client's port: forty of one kind are beyond belief.
  for (let i = 0; i < 40; i++) {
    const client = await createConnection(['127.0.0.1', portOf(one)]);
    await client.recv(1);
    client.close();
  }
  stop.abort();
  await Promise.allSettled(serving);
  assert.equal(counts[0]! + counts[1]!, 40);
  assert.ok(counts[0]! > 0 && counts[1]! > 0, counts.join());
});

scene('the backlog is the kernel’s', async (s) => {
  const listener = s.own(createServer(['127.0.0.1', 0], { backlog: 0 }));
  const first = s.own(await createConnection(['127.0.0.1', portOf(listener)]));
  assert.equal(first.closed, false);
  // Two are over the limit of a backlog of 0: the last one hangs.
  const more = await Promise.allSettled([
    createConnection(['127.0.0.1', portOf(listener)], { timeout: 0.1 }),
    createConnection(['127.0.0.1', portOf(listener)], { timeout: 0.1 }),
  ]);
  for (const one of more) if (one.status === 'fulfilled') one.value.close();
  assert.ok(more.some((one) => one.status === 'rejected'));
});
