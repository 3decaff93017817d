// The bytes that a server counts: exactly those that its handlers moved, by whatever call.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { open as openFile } from 'node:fs/promises';
import { MSG_PEEK, type Socket, socket, socketpair } from 'berkeley-sockets';
import { type Handler, type Server, serve } from 'berkeley-sockets/server';
import { Chance } from '../support/chance.ts';
import { eventually } from '../support/deadline.ts';
import type { Scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';
import { across, open, receive, receiveAll, streams, type Transport } from '../support/transports.ts';

type Inet = readonly [string, number];

function start(s: Scene, transport: Transport, handler: Handler): Server {
  const server = serve(transport.free(s) as Inet, handler as never);
  s.after(() => server.close());
  return server;
}

async function client(s: Scene, transport: Transport, server: Server): Promise<Socket> {
  const c = open(s, transport);
  await c.connect(server.address);
  return c;
}

async function counted(server: Server, received: number, sent: number): Promise<void> {
  await eventually(() => server.accepted > 0 && server.connections === 0, 'the handlers to end');
  assert.deepEqual([server.bytesReceived, server.bytesSent], [received, sent]);
}

across(streams, 'every receiving call, at once and after a wait', async (s, transport) => {
  const calls: ((conn: Socket) => Promise<unknown>)[] = [
    (conn) => conn.recv(10),
    (conn) => conn.recv(100_000, { flags: 0 }),
    (conn) => conn.recvInto(Buffer.alloc(10)),
    (conn) => conn.recvfrom(10),
    (conn) => conn.recvmsg(10),
    (conn) => conn.recvmsgInto([Buffer.alloc(3), Buffer.alloc(10)]),
    (conn) => conn.reader().readexactly(7),
    async (conn) => {
      await conn.wait({ read: true });
      return conn.tryRecvInto(Buffer.alloc(10));
    },
  ];
  for (const waits of [true, false]) {
    const server = start(s, transport, async (conn) => {
      for (const call of calls) {
        if (!waits) await conn.wait({ read: true });
        await call(conn as Socket);
        await conn.sendall('k');
      }
    });
    const c = await client(s, transport, server);
    for (const _ of calls) {
      if (waits) await new Promise((resolve) => setTimeout(resolve, 5));
      await c.sendall('1234567');
      await c.recv(1);
    }
    await counted(server, 7 * calls.length, calls.length);
  }
});

across(streams, 'every sending call, at once and when there is no room', async (s, transport) => {
  const file = tempPath(s, 'file');
  const data = Buffer.alloc(1 << 20, 'x');
  writeFileSync(file, data);
  let sent = 0;
  const server = start(s, transport, async (conn) => {
    sent += await conn.send(data);
    sent += await conn.sendmsg(['abc', 'def']);
    sent += conn.trySend('ghi') ?? 0;
    await conn.sendall('jkl');
    sent += 3;
    const handle = await openFile(file);
    sent += await conn.sendfile(handle);
    await handle.close();
    await conn.sendall(data);
    sent += data.length;
  });
  const c = await client(s, transport, server);
  const got = await receiveAll(c);
  await counted(server, 0, sent);
  assert.equal(got.length, sent);
});

across(streams, 'what is only looked at does not count', async (s, transport) => {
  const server = start(s, transport, async (conn) => {
    // Waits, then finds it there.
    await conn.recv(10, { flags: MSG_PEEK });
    await conn.recv(10, { flags: MSG_PEEK });
    conn.tryRecvInto(Buffer.alloc(3), { flags: MSG_PEEK });
    await conn.recv(10);
  });
  const c = await client(s, transport, server);
  await new Promise((resolve) => setTimeout(resolve, 5));
  await c.sendall('12345');
  await counted(server, 5, 0);
});

across(streams, 'megabytes both ways, in parts, and what an abort leaves', async (s, transport) => {
  const size = 3 << 20;
  const chance = new Chance('traffic');
  let unsent = 0;
  const server = start(s, transport, async (conn) => {
    const reading = receive(conn as Socket, size);
    await conn.sendall(chance.bytes(size));
    await reading;
    await assert.rejects(
      conn.sendall(Buffer.alloc(64 << 20), { signal: AbortSignal.timeout(50) }),
      (error: Error & { bytesSent: number }) => {
        unsent = error.bytesSent;
        return true;
      },
    );
  });
  const c = await client(s, transport, server);
  const reading = receive(c, size);
  await c.sendall(chance.bytes(size));
  await reading;
  const rest = await receiveAll(c);
  await counted(server, size, size + unsent);
  assert.equal(rest.length, unsent);
});

across(streams, 'many connections in one turn, whose small sends go together', async (s, transport) => {
  const server = start(s, transport, async (conn) => {
    for (let i = 0; i < 20; i++) {
      const chunk = await conn.recv(100);
      await Promise.all([conn.sendall(chunk), conn.send('x')]);
    }
  });
  const clients: Socket[] = [];
  for (let i = 0; i < 30; i++) clients.push(await client(s, transport, server));
  // Sockets that nobody counts, in the same turns.
  const [a, b] = socketpair();
  s.own(a);
  s.own(b);
  await Promise.all([
    ...clients.map(async (c) => {
      for (let i = 0; i < 20; i++) {
        await c.sendall('four');
        await receive(c, 5);
      }
    }),
    (async () => {
      for (let i = 0; i < 100; i++) {
        await a.sendall('not counted');
        await b.recv(100);
      }
    })(),
  ]);
  await counted(server, 30 * 20 * 4, 30 * 20 * 5);
});

across(streams, 'calls that queue behind one that is cut off', async (s, transport) => {
  let cut!: () => void;
  const isCut = new Promise<void>((resolve) => {
    cut = resolve;
  });
  const server = start(s, transport, async (conn) => {
    const stop = new AbortController();
    const first = conn.recv(10, { signal: stop.signal });
    const second = conn.recv(10);
    setTimeout(() => stop.abort(new Error('given up')), 20);
    await assert.rejects(first, /given up/);
    cut();
    await second;
    conn.trySend('abc');
    const copy = conn.dup();
    await copy.sendall('de');
    copy.close();
  });
  const c = await client(s, transport, server);
  await isCut;
  await c.sendall('12');
  await counted(server, 2, 5);
});

across(streams, 'a listener of one’s own counts too', async (s, transport) => {
  const listener = socket(transport.family);
  listener.bind(transport.free(s));
  listener.listen();
  const server = serve(listener, async (conn) => void (await conn.sendall(await conn.recv(10))));
  s.after(() => server.close());
  const c = await client(s, transport, server as Server);
  await c.sendall('123');
  await counted(server as Server, 3, 3);
});
