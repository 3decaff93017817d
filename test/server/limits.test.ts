// Limits: connections at once, silent clients, slow ones, the system's descriptors.
import assert from 'node:assert/strict';
import { createConnection, type Socket, socket, TimeoutError } from 'berkeley-sockets';
import { serve } from 'berkeley-sockets/server';
import { eventually, sleep, staysPending, timed, within } from '../support/deadline.ts';
import { startNode } from '../support/node.ts';
import { requirePeer } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { type Scene, scene } from '../support/scene.ts';
import { across, open, receive, streams, tcp4 } from '../support/transports.ts';

type Inet = readonly [string, number];
const at = ['127.0.0.1', 0] as const;

async function client(s: Scene, address: Inet): Promise<Socket> {
  return s.own(await createConnection(address)) as Socket;
}

across(streams, 'at maxConnections the rest stays in the kernel’s backlog', async (s, transport) => {
  const listener = open(s, transport);
  listener.bind(transport.free(s));
  listener.listen(16);
  const server = serve(
    listener,
    async (conn) => {
      for await (const chunk of conn) await conn.sendall(chunk);
    },
    { maxConnections: 2 },
  );
  s.after(() => server.close());
  const clients: Socket[] = [];
  for (let i = 0; i < 5; i++) {
    const c = open(s, transport);
    await c.connect(server.address);
    await c.sendall(`${i}`);
    clients.push(c);
  }
  for (const c of clients.slice(0, 2)) await c.recv(1);
  // What the server has not taken, somebody else can: a dup of the listener takes the third.
  assert.deepEqual([server.connections, server.accepted], [2, 2]);
  await staysPending(clients[2]!.recv(1, { signal: AbortSignal.timeout(200) }), 'the third client', 0.1);
  const other = s.own(listener.dup());
  const [third] = await other.accept();
  assert.equal(String(await s.own(third).recv(1)), '2');
  assert.equal(server.accepted, 2);
  // One that ends makes room for one.
  clients[0]!.close();
  assert.equal(String(await within(clients[3]!.recv(1), 'the next in the queue')), '3');
  assert.deepEqual([server.connections, server.accepted], [2, 3]);
  clients[1]!.close();
  clients[3]!.close();
  assert.equal(String(await within(clients[4]!.recv(1), 'the last one')), '4');
  assert.equal(server.accepted, 4);
});

across(streams, 'an idle connection is closed, and its handler is told', async (s, transport) => {
  const reasons: unknown[] = [];
  const errors: unknown[] = [];
  const server = serve(
    transport.free(s) as Inet,
    async (conn, _, { signal }) => {
      signal.addEventListener('abort', () => reasons.push(signal.reason));
      for (;;) {
        const chunk = await conn.recv(100);
        if (chunk.length === 0) return;
        await conn.sendall(chunk);
      }
    },
    { idleTimeout: 1, onerror: (e) => errors.push(e) },
  );
  s.after(() => server.close());
  const silent = open(s, transport);
  const speaker = open(s, transport);
  await silent.connect(server.address);
  await speaker.connect(server.address);
  let over = false;
  const speaking = (async () => {
    for (let i = 0; !over || i < 10; i++) {
      await speaker.sendall('x');
      assert.equal((await speaker.recv(1)).length, 1);
      await sleep(0.05);
    }
  })();
  const [end, seconds] = await timed(() => silent.recv(1));
  over = true;
  assert.equal(end.length, 0);
  assert.ok(seconds > 0.99, `closed after ${seconds} s`);
  await speaking;
  assert.equal(server.connections, 1);
  assert.equal(server.timeouts, 1);
  assert.ok(reasons[0] instanceof TimeoutError);
  assert.match(String(reasons[0]), /idle for 1 s/);
  // What the server did itself is nobody's error.
  assert.deepEqual([errors, server.failed], [[], 0]);
});

across(streams, 'a client that reads slowly is not idle', async (s, transport) => {
  const size = 4 << 20;
  const server = serve(transport.free(s) as Inet, (conn) => conn.sendall(Buffer.alloc(size)), {
    idleTimeout: 1,
  });
  s.after(() => server.close());
  const c = open(s, transport);
  await c.connect(server.address);
  let have = 0;
  const begin = performance.now();
  while (have < size) {
    const chunk = await c.recv(65536);
    if (chunk.length === 0) break;
    have += chunk.length;
    // Over two seconds for all of it: one call of the handler's, which takes longer than the limit.
    if (performance.now() - begin < 2500) await sleep(0.02);
  }
  assert.equal(have, size);
  assert.equal(server.bytesSent, size);
  assert.equal(server.timeouts, 0);
});

scene('a client that takes nothing is idle, though the handler sends', async (s) => {
  const server = serve(at, (conn) => conn.sendall(Buffer.alloc(64 << 20)), { idleTimeout: 0.3 });
  s.after(() => server.close());
  await client(s, server.address);
  await eventually(() => server.timeouts === 1 && server.connections === 0, 'the idle timeout');
});

scene('a handler that goes on after the idle timeout holds no place', async (s) => {
  const server = serve(at, () => new Promise<void>(() => {}), { idleTimeout: 0.05, maxConnections: 1 });
  s.after(() => server.close());
  for (let i = 0; i < 3; i++) {
    const c = await client(s, server.address);
    assert.equal((await c.recv(1)).length, 0);
  }
  assert.equal(server.timeouts, 3);
});

scene('handshakeTimeout: the first byte counts, also one that nobody has read yet', async (s) => {
  const server = serve(
    at,
    async (conn, _, { signal }) => {
      await conn.sendall('welcome');
      // Reads nothing for a while.
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    },
    { handshakeTimeout: 0.5 },
  );
  s.after(() => server.close());
  const silent = await client(s, server.address);
  const speaker = await client(s, server.address);
  await speaker.sendall('x');
  await receive(silent, 7);
  await receive(speaker, 7);
  assert.equal((await silent.recv(1)).length, 0);
  await staysPending(speaker.recv(1, { signal: AbortSignal.timeout(1000) }), 'the one that spoke', 0.8);
  assert.equal(server.timeouts, 1);
});

scene('a thousand silent clients do not hold up one that speaks', async (s) => {
  const server = serve(
    at,
    async (conn) => {
      for await (const chunk of conn) await conn.sendall(chunk);
    },
    { idleTimeout: 5, backlog: 1100 },
  );
  s.after(() => server.close());
  const silent: Socket[] = [];
  for (let i = 0; i < 1000; i++) {
    const c = open(s, tcp4);
    await c.connect(server.address);
    silent.push(c);
  }
  const c = await client(s, server.address);
  const [, seconds] = await timed(async () => {
    await c.sendall('x');
    await c.recv(1);
  });
  assert.ok(seconds < 2, `answered after ${seconds} s`);
  assert.equal(server.connections, 1001);
  await Promise.all(silent.map(async (each) => assert.equal((await each.recv(1)).length, 0)));
  assert.equal(server.timeouts >= 1000, true);
});

scene('silent clients that fill maxConnections give way in time', async (s) => {
  const server = serve(
    at,
    async (conn) => {
      for await (const chunk of conn) await conn.sendall(chunk);
    },
    { maxConnections: 10, handshakeTimeout: 0.1, backlog: 128 },
  );
  s.after(() => server.close());
  for (let i = 0; i < 50; i++) await client(s, server.address);
  const c = await client(s, server.address);
  await c.sendall('x');
  assert.equal(String(await within(c.recv(1), 'the answer')), 'x');
});

// Node raises its soft limit to the hard one, so it is that one that counts. (With fewer, Node cannot
// even load the modules, which it opens all at once.)
const wrap = ['sh', '-c', 'ulimit -n 150; exec "$@"', 'sh'];

scene(
  'out of descriptors the server waits, without spinning, and goes on',
  async (s) => {
    const server = startNode(
      s,
      `
      import assert from 'node:assert/strict';
      import { AF_UNIX, socket } from 'berkeley-sockets';
      import { serve } from 'berkeley-sockets/server';
      const errors = [];
      const server = serve(['127.0.0.1', 0], async (conn) => {
        for await (const chunk of conn) await conn.sendall(chunk);
      }, { backlog: 300, onerror: (error, place) => errors.push([error.code, place.during]) });
      console.log(server.address[1]);
      const until = async (check) => { while (!check()) await new Promise((resolve) => setTimeout(resolve, 10)); };
      await until(() => errors.length > 0);
      assert.deepEqual(errors[0], ['EMFILE', 'accept']);
      assert.throws(() => socket(AF_UNIX), { code: 'EMFILE' });
      // No spinning, and one error for all of it.
      const cpu = process.cpuUsage();
      await new Promise((resolve) => setTimeout(resolve, 1000));
      const { user, system } = process.cpuUsage(cpu);
      assert.ok(user + system < 500_000, 'used ' + (user + system) + ' µs of a second');
      assert.equal(errors.length, 1);
      console.log('waited');
      await until(() => server.accepted === 250 && server.connections === 0);
      await server.close();
      console.log('passed');
    `,
      { wrap },
    );
    const python = startPython(
      s,
      `
      import socket, sys
      address = ('127.0.0.1', int(sys.argv[1]))
      many = [socket.create_connection(address) for _ in range(250)]
      sys.stdin.readline()
      answered = 0
      for c in many:
          c.settimeout(10)
          c.sendall(b'x')
          answered += c.recv(1) == b'x'
          c.close()
      print(answered)
      `,
      [await server.line()],
    );
    await server.line(/waited/);
    python.write('\n');
    assert.equal(await python.line(), '250');
    await server.line(/passed/);
    await server.succeed();
  },
  requirePeer('python3'),
);

scene('slow loris: a byte at a time is not idle, and the handler’s own limit ends it', async (s) => {
  const server = serve(
    at,
    async (conn, _, { signal }) => {
      // (Not AbortSignal.timeout: AbortSignal.any holds it weakly, and Node 20 may collect it.)
      const late = new AbortController();
      const timer = setTimeout(() => late.abort(new Error('too slow')), 300);
      const whole = AbortSignal.any([signal, late.signal]);
      try {
        let have = 0;
        while (have < 100) have += (await conn.recv(100 - have, { signal: whole })).length;
      } finally {
        clearTimeout(timer);
      }
    },
    { idleTimeout: 5, onerror: () => {} },
  );
  s.after(() => server.close());
  const loris = await client(s, server.address);
  let sent = 0;
  await assert.rejects(async () => {
    for (;;) {
      await loris.sendall('x');
      sent++;
      await sleep(0.02);
    }
  }, /EPIPE|ECONNRESET/);
  assert.ok(sent > 0 && sent < 100);
  assert.equal(server.timeouts, 0);
  assert.equal(server.failed, 1);
});

scene('clients that reset at once: every other one is served', async (s) => {
  const { SO_LINGER, SOL_SOCKET } = await import('berkeley-sockets');
  const server = serve(at, async (conn) => void (await conn.sendall('hello')), { onerror: () => {} });
  s.after(() => server.close());
  for (let i = 0; i < 50; i++) {
    const rude = socket();
    await rude.connect(server.address);
    rude.setsockopt(SOL_SOCKET, SO_LINGER, Buffer.from(new Int32Array([1, 0]).buffer));
    rude.close();
    const c = socket();
    await c.connect(server.address);
    assert.equal(String(await receive(c, 5)), 'hello');
    c.close();
  }
  await eventually(() => server.connections === 0, 'all to end');
});
