// How a server ends: with grace and without, by signal, twice, in the middle of everything; and that
// nothing is left.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createConnection, type Socket, SocketError, socket } from 'berkeley-sockets';
import { serve } from 'berkeley-sockets/server';
import { eventually, sleep, staysPending, timed, within } from '../support/deadline.ts';
import { openSockets } from '../support/leaks.ts';
import { type Scene, scene } from '../support/scene.ts';
import { across, open, receive, streams } from '../support/transports.ts';

const at = ['127.0.0.1', 0] as const;

async function client(s: Scene, address: readonly [string, number]): Promise<Socket> {
  return s.own(await createConnection(address)) as Socket;
}

scene('close({ grace }) lets handlers finish, and resolves as soon as they have', async (s) => {
  const server = serve(at, async (conn) => {
    await conn.recv(1);
    await conn.sendall('done');
  });
  const c = await client(s, server.address);
  await eventually(() => server.connections === 1, 'the handler');
  const closing = server.close({ grace: 60 });
  await staysPending(closing, 'the close');
  await assert.rejects(createConnection(server.address), { code: 'ECONNREFUSED' });
  await c.sendall('x');
  assert.equal(String(await receive(c, 4)), 'done');
  const [, seconds] = await timed(() => within(closing, 'the close'));
  assert.ok(seconds < 2);
  assert.equal(server.connections, 0);
});

scene(
  'when the grace is over, the signal aborts, and the handler has a moment for a last word',
  async (s) => {
    const server = serve(at, async (conn, _, { signal }) => {
      try {
        await conn.recv(1, { signal });
      } catch (error) {
        assert.equal(error, signal.reason);
        await conn.sendall((error as Error).name);
      }
    });
    const c = await client(s, server.address);
    await eventually(() => server.connections === 1, 'the handler');
    const [, seconds] = await timed(() => server.close({ grace: 0.2 }));
    assert.ok(seconds >= 0.19 && seconds < 2, `closed after ${seconds} s`);
    assert.equal(String(await receive(c, 10)), 'AbortError');
    assert.equal((await c.recv(1)).length, 0);
  },
);

scene('a handler that ignores its signal loses its connection', async (s) => {
  let met: unknown;
  const server = serve(at, async (conn) => {
    await conn.recv(1).catch((error) => {
      met = error;
    });
  });
  const c = await client(s, server.address);
  await eventually(() => server.connections === 1, 'the handler');
  await within(server.close(), 'the close');
  assert.ok(met instanceof SocketError && met.code === 'EBADF');
  assert.equal((await c.recv(1)).length, 0);
  assert.equal(server.failed, 0);
});

scene('close again with less grace ends it sooner; a later grace does not prolong it', async (s) => {
  const server = serve(at, async (conn) => void (await conn.recv(1)));
  await client(s, server.address);
  await eventually(() => server.connections === 1, 'the handler');
  const first = server.close({ grace: Number.POSITIVE_INFINITY });
  await staysPending(first, 'the close');
  const second = server.close({ grace: 0.1 });
  const third = server.close({ grace: 3600 });
  await within(Promise.all([first, second, third, server.closed]), 'the end');
  await within(server.close(), 'a close of what is closed');
});

scene('an aborted signal ends the server, and its reason is the handlers’', async (s) => {
  const stop = new AbortController();
  const reasons: unknown[] = [];
  const server = serve(
    at,
    async (conn, _, { signal }) => {
      await conn.recv(1, { signal }).catch((error) => reasons.push(error));
    },
    { signal: stop.signal },
  );
  await client(s, server.address);
  await eventually(() => server.connections === 1, 'the handler');
  const reason = new Error('enough');
  stop.abort(reason);
  await within(server.closed, 'the end');
  assert.deepEqual(reasons, [reason]);
});

across(streams, 'a graceful end serves what is in the backlog already', async (s, transport) => {
  let release: () => void;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const server = serve(transport.free(s) as readonly [string, number], async (conn) => {
    await released;
    await conn.sendall('served');
  });
  // None of them can have been accepted: this turn has not ended. AF_UNIX connects complete at once.
  const clients = Array.from({ length: 8 }, () => open(s, transport));
  const connecting = clients.map((c) => c.connect(server.address));
  const closing = server.close({ grace: 30 });
  await Promise.all(connecting);
  release!();
  for (const c of clients) assert.equal(String(await receive(c, 6)), 'served');
  await within(closing, 'the close');
  assert.equal(server.accepted, 8);
});

scene('await using ends it with its block', async (s) => {
  let address: readonly [string, number];
  {
    await using server = serve(at, async (conn) => void (await conn.recv(1)));
    ({ address } = server as { address: readonly [string, number] });
    await client(s, address);
  }
  await assert.rejects(createConnection(address), { code: 'ECONNREFUSED' });
});

scene('a close before anything happened, and one at maxConnections', async (s) => {
  const idle = serve(at, () => {});
  await within(idle.close(), 'the close of an idle server');
  const busy = serve(at, async (conn) => void (await conn.recv(1)), { maxConnections: 1 });
  await client(s, busy.address);
  await client(s, busy.address);
  await eventually(() => busy.connections === 1, 'the handler');
  await sleep(0.02);
  await within(busy.close({ grace: 0.05 }), 'the close at the limit');
});

scene('what makes a listener useless ends the server: onerror and closed tell', async (s) => {
  const { SHUT_RD, createServer } = await import('berkeley-sockets');
  const listener = s.own(createServer(['127.0.0.1', 0]));
  const errors: unknown[] = [];
  const server = serve(listener, async (conn) => void (await conn.recv(1)), {
    onerror: (error, place) => errors.push([(error as SocketError).code, place.during]),
  });
  const c = await client(s, server.address as readonly [string, number]);
  await eventually(() => server.connections === 1, 'the handler');
  // accept(2) of a listener that was shut down: EINVAL.
  listener.shutdown(SHUT_RD);
  await eventually(() => errors.length === 1, 'the error');
  assert.deepEqual(errors, [['EINVAL', 'accept']]);
  // The handler that runs is left to itself.
  assert.equal(server.connections, 1);
  await c.sendall('x');
  await assert.rejects(within(server.closed, 'the end'), { code: 'EINVAL', syscall: 'accept' });
  await server.close();
});

scene('a hundred servers in turn leave nothing behind', async () => {
  const before = openSockets();
  for (let i = 0; i < 100; i++) {
    const server = serve(at, async (conn) => void (await conn.recv(1)), { idleTimeout: 5 });
    const c = socket();
    await c.connect(server.address);
    await server.close();
    c.close();
  }
  assert.equal(openSockets(), before);
});

across(
  streams.filter((transport) => transport.name.startsWith('AF_UNIX')),
  'a graceful end takes the path away at once',
  async (s, transport) => {
    const path = transport.free(s) as string;
    const server = serve(path, async (conn) => void (await conn.recv(1)));
    const c = open(s, transport);
    await c.connect(path);
    await eventually(() => server.connections === 1, 'the handler');
    assert.equal(existsSync(path), true);
    const closing = server.close({ grace: 30 });
    assert.equal(existsSync(path), false);
    c.close();
    await within(closing, 'the close');
  },
);
