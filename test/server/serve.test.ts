// A handler for each connection: what it is given, what its end and its errors do, and what the
// server tells of itself.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  AF_UNIX,
  createConnection,
  createServer,
  SHUT_WR,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  type Socket,
  SocketError,
  socket,
} from 'berkeley-sockets';
import {
  type ErrorPlace,
  type Handler,
  type ServeOptions,
  type Server,
  serve,
} from 'berkeley-sockets/server';
import { eventually, within } from '../support/deadline.ts';
import { type Scene, scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';
import { across, open, receiveAll, streams, type Transport, unixSeqpacket } from '../support/transports.ts';

function start(s: Scene, handler: Handler, options: ServeOptions = {}, transport?: Transport): Server {
  const address = transport?.free(s) ?? (['127.0.0.1', 0] as const);
  const server = serve(address as readonly [string, number], handler, options);
  s.after(() => server.close());
  return server;
}

async function client(s: Scene, server: Server): Promise<Socket> {
  return s.own(await createConnection(server.address as readonly [string, number])) as Socket;
}

const echo: Handler = async (conn) => {
  for await (const chunk of conn) await conn.sendall(chunk);
};

across(streams, 'a handler a connection, side by side', async (s, transport) => {
  const server = start(s, echo, {}, transport);
  const clients: Socket[] = [];
  for (let i = 0; i < 20; i++) {
    const c = open(s, transport);
    await c.connect(server.address);
    clients.push(c);
  }
  await Promise.all(
    clients.map(async (c, i) => {
      await c.sendall(`client ${i}`);
      assert.equal(String(await c.recv(100)), `client ${i}`);
    }),
  );
  assert.equal(server.connections, 20);
  assert.equal(server.accepted, 20);
  for (const c of clients) {
    c.shutdown(SHUT_WR);
    assert.equal((await c.recv(10)).length, 0);
  }
  await eventually(() => server.connections === 0, 'the handlers to end');
});

scene('the address is the client’s, and the connection ends with the handler', async (s) => {
  const seen: unknown[] = [];
  const server = start(s, async (conn, address) => {
    seen.push(address, conn.getpeername());
    await conn.sendall('bye');
  });
  const c = await client(s, server);
  assert.equal(String(await receiveAll(c)), 'bye');
  assert.deepEqual(seen, [c.getsockname(), c.getsockname()]);
});

scene('a handler that returns at once, without a promise, closes its connection', async (s) => {
  const server = start(s, () => {});
  assert.equal((await (await client(s, server)).recv(1)).length, 0);
});

scene('a handler that throws costs its own connection only, and onerror is told where', async (s) => {
  const told: [unknown, ErrorPlace][] = [];
  const server = start(
    s,
    async (conn) => {
      const word = String(await conn.recv(100));
      if (word === 'throw') throw new Error('a mistake');
      await conn.sendall(word);
    },
    { onerror: (error, place) => told.push([error, place]) },
  );
  const bystander = await client(s, server);
  const c = await client(s, server);
  await c.sendall('throw');
  assert.equal((await c.recv(1)).length, 0);
  await bystander.sendall('alive');
  assert.equal(String(await bystander.recv(100)), 'alive');
  assert.equal(told.length, 1);
  assert.match(String(told[0]![0]), /a mistake/);
  assert.deepEqual(told[0]![1], { during: 'handler', address: c.getsockname() });
  assert.equal(server.failed, 1);
});

scene('without onerror a mistake is warned of, a client that went away is not', async (s) => {
  const server = start(s, async (conn) => {
    if (String(await conn.recv(100)) === 'mistake') throw new TypeError('of the handler');
    for (;;) await conn.sendall(Buffer.alloc(65536));
  });
  const warnings: Error[] = [];
  const listen = (warning: Error) => warnings.push(warning);
  process.on('warning', listen);
  s.after(() => void process.off('warning', listen));
  const gone = await client(s, server);
  await gone.sendall('more');
  gone.close();
  await eventually(() => server.failed === 1, 'the reset connection');
  const c = await client(s, server);
  const [warning] = (await within(
    Promise.all([once(process, 'warning'), c.sendall('mistake')]).then(([w]) => w),
    'the warning',
  )) as [Error];
  assert.equal(warning.name, 'ServerWarning');
  assert.match(warning.message, /TypeError: of the handler/);
  assert.equal(warnings.length, 1);
});

scene('an onerror that throws or rejects does no harm', async (s) => {
  const warnings: string[] = [];
  const listen = (warning: Error) => warnings.push(warning.message);
  process.on('warning', listen);
  s.after(() => void process.off('warning', listen));
  let times = 0;
  const server = start(
    s,
    () => {
      throw new Error('first');
    },
    {
      onerror: (async () => {
        throw new Error(`onerror itself, ${++times}`);
      }) as () => void,
    },
  );
  for (let i = 0; i < 2; i++) assert.equal((await (await client(s, server)).recv(1)).length, 0);
  await eventually(() => warnings.length === 2, 'two warnings');
  assert.match(warnings[1]!, /onerror of a server failed: Error: onerror itself, 2/);
});

scene('hostile handlers: what they throw, close, detach and never end', async (s) => {
  const hostile: Handler[] = [
    () => {
      throw undefined;
    },
    () => Promise.reject(null),
    (conn) => conn.close(),
    async (conn) => {
      conn.close();
      await conn.recv(1);
    },
    () =>
      ({
        // biome-ignore lint/suspicious/noThenProperty: what a careless handler may return
        then: (_: unknown, reject: (e: unknown) => void) => reject('no error'),
      }) as unknown as Promise<void>,
    () => Object.freeze(new Promise<void>(() => {})),
    (_, __, context) => {
      (context as { signal: unknown }).signal = 1;
    },
  ];
  let next = 0;
  const errors: unknown[] = [];
  const server = start(s, (...args) => hostile[next++]?.(...args), { onerror: (e) => errors.push(e) });
  const clients: Socket[] = [];
  for (const _ of hostile) clients.push(await client(s, server));
  for (const [i, c] of clients.entries()) if (i !== 5) assert.equal((await c.recv(1)).length, 0);
  assert.equal(server.accepted, hostile.length);
  assert.equal(server.connections, 1);
  assert.equal(errors.length, 5);
  await within(server.close(), 'a close in spite of a handler without an end');
});

scene('a handler that gave its connection away keeps it open', async (s) => {
  let handle: { fd: number; family: number; type: number; proto: number } | undefined;
  const server = start(s, (conn) => {
    handle = conn.detach();
  });
  const c = await client(s, server);
  await eventually(() => handle !== undefined && server.connections === 0, 'the handler');
  const { fromHandle } = await import('berkeley-sockets');
  const conn = s.own(fromHandle(handle!));
  await conn.sendall('still there');
  assert.equal(String(await c.recv(100)), 'still there');
});

scene('a listening socket of one’s own is taken over, and closed at the end', async (s) => {
  const listener = s.own(createServer(['127.0.0.1', 0]));
  listener.settimeout(0.01);
  const server = serve(listener, echo);
  assert.deepEqual(server.address, listener.getsockname());
  const c = s.own(await createConnection(server.address as readonly [string, number]));
  await c.sendall('x');
  assert.equal(String(await c.recv(1)), 'x');
  assert.deepEqual([server.bytesReceived, server.bytesSent], [1, 1]);
  await server.close();
  assert.equal(listener.closed, true);
});

scene('a listener that the program closes ends the server when its handlers have ended', async (s) => {
  const listener = createServer(['127.0.0.1', 0]);
  const server = serve(listener, echo);
  const c = s.own(await createConnection(server.address as readonly [string, number]));
  await c.sendall('x');
  assert.equal(String(await c.recv(1)), 'x');
  listener.close();
  await c.sendall('y');
  assert.equal(String(await c.recv(1)), 'y');
  c.close();
  await within(server.closed, 'the end');
});

scene('a port number means every IPv4 address; packets in sequence work too', async (s) => {
  const server = serve(0, echo);
  s.after(() => server.close());
  assert.equal(server.address[0], '0.0.0.0');
  const listener = open(s, unixSeqpacket);
  listener.bind(tempPath(s));
  listener.listen();
  const packets = serve(listener, async (conn) => void (await conn.send(await conn.recv(100))));
  s.after(() => packets.close());
  const c = open(s, unixSeqpacket);
  await c.connect(packets.address);
  await c.send('a packet');
  assert.equal(String(await c.recv(100)), 'a packet');
  assert.equal(c.type, SOCK_SEQPACKET);
});

scene('wrong arguments are refused before anything is opened', async (s) => {
  const bad = (call: () => unknown, error: assert.AssertPredicate) => assert.throws(call, error);
  const at = ['127.0.0.1', 0] as const;
  bad(() => serve(at, undefined as never), /TypeError: Expected a function for handler/);
  bad(() => serve(at, echo, null as never), TypeError);
  bad(() => serve(at, echo, { maxConnections: 0 }), RangeError);
  bad(() => serve(at, echo, { maxConnections: 1.5 }), RangeError);
  bad(() => serve(at, echo, { maxConnections: '3' as never }), TypeError);
  bad(() => serve(at, echo, { idleTimeout: 0 }), RangeError);
  bad(() => serve(at, echo, { idleTimeout: Number.NaN }), RangeError);
  bad(() => serve(at, echo, { handshakeTimeout: -1 }), RangeError);
  bad(() => serve(at, echo, { onerror: 'log' as never }), TypeError);
  bad(() => serve(at, echo, { signal: {} as never }), TypeError);
  bad(() => serve(at, echo, { signal: AbortSignal.abort(new Error('before')) }), /before/);
  bad(() => serve(at, echo, { proxyProtocol: 'v3' as never }), TypeError);
  bad(() => serve(at, echo, { proxyProtocol: { trusted: ['10.0.0.0/33'] } }), TypeError);
  bad(() => serve(at, echo, { proxyProtocol: { trusted: ['example.com'] } }), TypeError);
  bad(() => serve(at, echo, { proxyProtocol: 1 as never }), TypeError);
  bad(() => serve(70000, echo), RangeError);
  const deaf = s.own(socket());
  bad(() => serve(deaf, echo), /EINVAL: the socket does not listen/);
  const datagrams = s.own(socket(AF_UNIX, SOCK_DGRAM));
  bad(() => serve(datagrams, echo), /does not listen/);
  deaf.close();
  bad(
    () => serve(deaf, echo),
    (error: Error) => error instanceof SocketError && error.code === 'EBADF',
  );
  const server = start(s, echo);
  await assert.rejects(server.close({ grace: -1 }), RangeError);
  await assert.rejects(server.close({ grace: '1' as never }), TypeError);
  await assert.rejects(server.close(null as never), TypeError);
  assert.throws(() => serve(server.address as readonly [string, number], echo), /EADDRINUSE/);
});

scene('a server holds the process alive until it is unreferenced', async () => {
  const { runNode } = await import('../support/node.ts');
  await runNode(`
    import { serve } from 'berkeley-sockets/server';
    serve(['127.0.0.1', 0], () => {}, { idleTimeout: 60 }).unref();
  `);
  const { stdout } = await runNode(`
    import { serve } from 'berkeley-sockets/server';
    const server = serve(['127.0.0.1', 0], () => {});
    setTimeout(() => { console.log('alive'); server.close(); }, 50).unref();
  `);
  assert.equal(stdout, 'alive\n');
});
