// connect and accept: addresses of both ends, names, what may be done when.
import assert from 'node:assert/strict';
import {
  type Address,
  AF_INET,
  AF_INET6,
  AF_UNIX,
  createServer,
  SO_ERROR,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  SOL_SOCKET,
  Socket,
  socket,
  socketpair,
} from 'berkeley-sockets';
import { sleep, staysPending, timed } from '../support/deadline.ts';
import { requirePeer, unusedPort } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { bothScenes, scene } from '../support/scene.ts';
import { fullBacklog } from '../support/standstill.ts';
import {
  across,
  acrossBoth,
  bound,
  connections,
  everything,
  listening,
  meet,
  open,
  receiveAll,
  streams,
  tcp4,
  tcp6,
  unixStream,
} from '../support/transports.ts';

across(connections, 'each end knows both', async (s, transport) => {
  const listener = listening(s, transport);
  const [client, server] = await meet(s, transport, listener);
  assert.ok(client instanceof Socket && server instanceof Socket);
  assert.equal(server.family, transport.family);
  assert.equal(server.type, transport.type);
  assert.deepEqual(client.getpeername(), listener.getsockname());
  assert.deepEqual(server.getsockname(), client.getpeername());
  assert.deepEqual(server.getpeername(), client.getsockname());
});

across([tcp4, tcp6], 'addresses are the family’s tuples', async (s, transport) => {
  const listener = listening(s, transport);
  const name = listener.getsockname() as readonly unknown[];
  assert.equal(name.length, transport.family === AF_INET ? 2 : 4);
  assert.equal(name[0], transport.family === AF_INET ? '127.0.0.1' : '::1');
  assert.ok((name[1] as number) > 0);
  const client = open(s, transport);
  const [[server, address]] = await Promise.all([listener.accept(), client.connect(listener.getsockname())]);
  s.own(server);
  assert.deepEqual(address, client.getsockname());
  if (transport.family === AF_INET6) assert.deepEqual((address as readonly unknown[]).slice(2), [0, 0]);
});

scene('the wildcard, and localhost by name', async (s) => {
  const listener = s.own(socket());
  listener.bind(['', 0]);
  listener.listen();
  assert.equal(listener.getsockname()[0], '0.0.0.0');
  const client = s.own(socket());
  await client.connect(['localhost', listener.getsockname()[1]]);
  const [server, address] = await listener.accept();
  s.own(server);
  assert.equal(address[0], '127.0.0.1');
  const bound6 = s.own(socket(AF_INET6));
  bound6.bind(['', 0]);
  assert.equal(bound6.getsockname()[0], '::');
});

scene('bind does not look names up', (s) => {
  assert.throws(
    () => s.own(socket()).bind(['no.such.name.invalid', 0]),
    (error: Error) => {
      assert.match(error.message, /gethostbyname/);
      return true;
    },
  );
});

scene('flags in the type: close-on-exec is always on, non-blocking is settimeout(0)', (s) => {
  const a = s.own(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC! | SOCK_NONBLOCK!));
  assert.equal(a.type, SOCK_STREAM);
  assert.equal(a.gettimeout(), 0);
  assert.equal(a.get_inheritable(), false);
  const [b, c] = socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC!).map((x) => s.own(x)) as [Socket, Socket];
  assert.equal(b.type, SOCK_DGRAM);
  assert.equal(c.get_inheritable(), false);
});

scene('socketpair: AF_UNIX stream unless told otherwise', async (s) => {
  for (const [args, type] of [
    [[], SOCK_STREAM],
    [[AF_UNIX], SOCK_STREAM],
    [[AF_UNIX, SOCK_DGRAM], SOCK_DGRAM],
    [[AF_UNIX, SOCK_SEQPACKET], SOCK_SEQPACKET],
  ] as const) {
    const [a, b] = socketpair(...(args as [])).map((x) => s.own(x)) as [Socket, Socket];
    assert.equal(a.family, AF_UNIX);
    assert.equal(a.type, type);
    await a.send('there');
    assert.equal(String(await b.recv(10)), 'there');
    await b.send('back');
    assert.equal(String(await a.recv(10)), 'back');
  }
});

acrossBoth(connections, 'a client may connect and send before anyone accepts', async (s, transport) => {
  const listener = listening(s, transport);
  const clients: Socket[] = [];
  for (let i = 0; i < 5; i++) {
    const client = open(s, transport);
    await client.connect(listener.getsockname());
    await client.sendall(`client ${i}`);
    clients.push(client);
  }
  for (let i = 0; i < 5; i++) {
    const [server] = await listener.accept();
    assert.equal(String(await s.own(server).recv(100)), `client ${i}`);
  }
});

scene('the kernel’s own queue: what the backlog does not take has to wait', async (s) => {
  const address = await fullBacklog(s, tcp4);
  const client = s.own(socket());
  const connecting = client.connect(address as [string, number]);
  connecting.catch(() => {});
  await staysPending(connecting, 'connect to a full backlog', 0.05);
});

bothScenes('a negative backlog counts as 0', async (s) => {
  const listener = listening(s, tcp4, -5);
  await meet(s, tcp4, listener);
});

scene('listening again changes the backlog', async (s) => {
  const listener = listening(s, tcp4, 0);
  listener.listen(10);
  const clients = Array.from({ length: 5 }, () => open(s, tcp4));
  await Promise.all(clients.map((client) => client.connect(listener.getsockname())));
});

// Accepts, sends and closes before the client's process has had a turn of its event loop.
const hasty = `
  import socket, sys
  l = socket.create_server((sys.argv[1], 0), family=int(sys.argv[2]))
  print(l.getsockname()[1])
  while True:
      c, _ = l.accept()
      c.sendall(b'hello')
      c.close()
`;

/** Blocks the thread, as a long computation does. */
const block = (seconds: number) =>
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, seconds * 1000);

for (const transport of [tcp4, tcp6]) {
  const host = transport.family === AF_INET ? '127.0.0.1' : '::1';
  const toTheEnd = async (client: Socket) => {
    client.settimeout(5);
    assert.equal(String(await receiveAll(client)), 'hello');
  };

  scene(
    `a peer that has sent and closed before the connect is told of (${transport.name})`,
    async (s) => {
      const peer = startPython(s, hasty, [host, String(transport.family)]);
      const address = [host, Number(await peer.line())] as unknown as Address;
      const client = open(s, transport);
      const connecting = client.connect(address);
      block(0.1);
      await connecting;
      await toTheEnd(client);

      // The classic non-blocking way: EINPROGRESS, wait, and connect again to be told.
      const again = open(s, transport);
      again.settimeout(0);
      await assert.rejects(again.connect(address), { code: 'EINPROGRESS' });
      block(0.1);
      again.settimeout(null);
      await again.wait({ write: true });
      await again.connect(address);
      await toTheEnd(again);

      // Or without asking again.
      const third = open(s, transport);
      third.settimeout(0);
      await assert.rejects(third.connect(address), { code: 'EINPROGRESS' });
      third.settimeout(null);
      await third.wait({ write: true });
      block(0.1);
      await toTheEnd(third);
    },
    { skip: requirePeer('python3').skip ?? transport.missing },
  );
}

across([tcp4, tcp6], 'reading and writing wait while a connect is under way', async (s, transport) => {
  const listener = listening(s, transport);
  const client = open(s, transport);
  const connecting = client.connect(listener.getsockname());
  const sending = client.sendall('early');
  const receiving = client.recv(10).then(String, (error: { code: string }) => error.code);
  await connecting;
  await sending;
  const [server] = await listener.accept();
  assert.equal(String(await s.own(server).recv(10)), 'early');
  await server.sendall('reply');
  // Asked of a socket that was not connected yet: waiting for it, or told so.
  assert.match(await receiving, /^(reply|ENOTCONN)$/);
});

across(
  [tcp4, tcp6],
  'a connection that was reset before it was accepted does not disturb accept',
  async (s, transport) => {
    const listener = listening(s, transport);
    const gone = open(s, transport);
    await gone.connect(listener.getsockname());
    gone.setsockopt(SOL_SOCKET, 13, Buffer.from(new Int32Array([1, 0]).buffer));
    gone.close();
    const client = open(s, transport);
    await client.connect(listener.getsockname());
    await client.sendall('here');
    const seen: string[] = [];
    while (!seen.includes('here')) {
      const [server] = await listener.accept();
      seen.push(
        await s
          .own(server)
          .recv(10)
          .then(String, (error: { code: string }) => error.code),
      );
    }
    assert.ok(seen.length <= 2);
  },
);

scene('a non-blocking connect that fails leaves its error in SO_ERROR', async (s) => {
  const client = s.own(socket());
  client.settimeout(0);
  const port = await unusedPort();
  const first = await client.connect(['127.0.0.1', port]).catch((e: { code: string }) => e.code);
  if (first === 'EINPROGRESS') {
    client.settimeout(null);
    await client.wait({ write: true });
    assert.equal(client.getsockopt(SOL_SOCKET, SO_ERROR!), 111);
  } else {
    assert.equal(first, 'ECONNREFUSED');
  }
  assert.equal(client.getsockopt(SOL_SOCKET, SO_ERROR!), 0);
});

bothScenes('bound first, connected then', async (s) => {
  const listener = listening(s, tcp4);
  const client = bound(s, tcp4);
  const [, port] = client.getsockname() as [string, number];
  await client.connect(listener.getsockname());
  const [server, address] = await listener.accept();
  s.own(server);
  assert.deepEqual(address, ['127.0.0.1', port]);
});

scene('a TCP socket that connects to itself', async (s) => {
  const a = bound(s, tcp4);
  await a.connect(a.getsockname());
  await a.sendall('hello me');
  assert.equal(String(await a.recv(100)), 'hello me');
});

acrossBoth(everything, 'options through getsockopt and setsockopt', (s, transport) => {
  const a = open(s, transport);
  assert.equal(a.getsockopt(SOL_SOCKET, SO_REUSEADDR!), 0);
  a.setsockopt(SOL_SOCKET, SO_REUSEADDR!, true);
  assert.equal(a.getsockopt(SOL_SOCKET, SO_REUSEADDR!), 1);
  a.setsockopt(SOL_SOCKET, SO_REUSEADDR!, 0);
  const raw = a.getsockopt(SOL_SOCKET, SO_REUSEADDR!, 4);
  assert.ok(Buffer.isBuffer(raw));
  assert.deepEqual([...raw], [0, 0, 0, 0]);
  a.setsockopt(SOL_SOCKET, SO_REUSEADDR!, Buffer.from([1, 0, 0, 0]));
  assert.equal(a.getsockopt(SOL_SOCKET, SO_REUSEADDR!), 1);
});

across(streams, 'wait tells what is ready, and takes nothing', async (s, transport) => {
  const listener = listening(s, transport);
  const waiting = listener.wait({ read: true });
  await staysPending(waiting, 'wait for a connection', 0.01);
  const client = open(s, transport);
  await client.connect(listener.getsockname());
  assert.deepEqual(await waiting, { read: true, write: false });
  const [server] = await listener.accept();
  s.own(server);
  assert.deepEqual(await server.wait({ write: true }), { read: false, write: true });
  assert.equal((await server.wait({ read: true, write: true })).write, true);
  const reading = server.wait({ read: true });
  await staysPending(reading, 'wait for data', 0.01);
  await client.sendall('x');
  assert.deepEqual(await reading, { read: true, write: false });
  assert.equal((await server.wait({ read: true })).read, true);
  assert.equal(String(await server.recv(10)), 'x');
  await staysPending(server.wait({ read: true }), 'wait after the data was taken', 0.01);
  client.close();
  assert.equal((await server.wait({ read: true })).read, true);
});

across(streams, 'two waits on one socket, and a receive', async (s, transport) => {
  const listener = listening(s, transport);
  const [client, server] = await meet(s, transport, listener);
  while (server.trySend(Buffer.alloc(1 << 20)) !== undefined);
  const both = [server.wait({ read: true }), server.wait({ read: true, write: true })];
  await staysPending(Promise.race(both), 'either wait', 0.02);
  await client.sendall('x');
  for (const wait of both) assert.equal((await wait).read, true);
  const writable = server.wait({ write: true });
  await staysPending(writable, 'wait for writing', 0.02);
  client.settimeout(0.2);
  await assert.rejects(
    async () => {
      for (;;) await client.recv(1 << 20);
    },
    { name: 'TimeoutError' },
  );
  assert.deepEqual(await writable, { read: false, write: true });
});

scene('wait: the socket’s own time limit', async (s) => {
  const [a] = socketpair().map((x) => s.own(x)) as [Socket, Socket];
  a.settimeout(0.03);
  const [error, took] = await timed(() => a.wait({ read: true }).catch((e: Error) => e));
  assert.equal((error as Error).name, 'TimeoutError');
  assert.ok(took > 0.02);
});

scene('a server that is replaced at its port at once', async (s) => {
  const first = createServer(['127.0.0.1', 0]);
  const address = first.getsockname() as [string, number];
  const client = open(s, tcp4);
  await client.connect(address);
  const [server] = await first.accept();
  // The server closes first: its end is in TIME_WAIT, which would hold the port.
  server.close();
  await client.recv(1);
  client.close();
  first.close();
  await sleep(0.01);
  const second = s.own(createServer(address));
  const again = open(s, tcp4);
  await again.connect(address);
  s.own((await second.accept())[0]);
});

scene('AF_UNIX stream: send and receive while connecting to a full backlog are in order', async (s) => {
  const listener = listening(s, unixStream, 0);
  const first = open(s, unixStream);
  await first.connect(listener.getsockname());
  const client = open(s, unixStream);
  const connecting = client.connect(listener.getsockname());
  const sending = client.sendall('after');
  s.own((await listener.accept())[0]);
  const [server] = await listener.accept();
  assert.equal(String(await s.own(server).recv(10)), 'after');
  await Promise.all([connecting, sending]);
});
