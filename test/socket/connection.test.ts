// createConnection of both flavours: the whole way from a name to a connection, every failure told.
// race.test.ts has names with several addresses.
import assert from 'node:assert/strict';
import {
  AddressInfoError,
  AF_INET,
  type ConnectionAddress,
  type ConnectionOptions,
  createConnection,
  SO_ERROR,
  SOL_SOCKET,
  Socket,
  SocketError,
  setdefaulttimeout,
  TimeoutError,
} from 'berkeley-sockets';
import * as sync from 'berkeley-sockets/sync';
import { sleep, staysPending, timed, within } from '../support/deadline.ts';
import { openSockets } from '../support/leaks.ts';
import { unusedPort } from '../support/peer.ts';
import { type Scene, scene } from '../support/scene.ts';
import { fullBacklog } from '../support/standstill.ts';
import { across, listening, tcp4, tcp6, unixStream } from '../support/transports.ts';

/** What is under test: the blocking one as if it were awaited, so that a scenario fits both. */
interface Flavour {
  name: string;
  Socket: typeof Socket | typeof sync.Socket;
  connect(
    address: ConnectionAddress,
    options?: Omit<ConnectionOptions, 'signal'>,
  ): Promise<Socket | sync.Socket>;
}

const flavours: Flavour[] = [
  { name: 'awaited', Socket, connect: createConnection },
  {
    name: 'blocking',
    Socket: sync.Socket,
    connect: async (address, options) => sync.createConnection(address, options),
  },
];

function both(name: string, body: (s: Scene, flavour: Flavour) => Promise<void>): void {
  for (const flavour of flavours) scene(`${name} (${flavour.name})`, (s) => body(s, flavour));
}

type Pair = [host: string, port: number];
const place = (listener: Socket): Pair => (listener.getsockname() as readonly unknown[]).slice(0, 2) as Pair;

across([tcp4, tcp6], 'to a numeric address', async (s, transport) => {
  for (const flavour of flavours) {
    const listener = listening(s, transport);
    const client = s.own(await flavour.connect(place(listener)));
    const [server] = await listener.accept();
    s.own(server);
    assert.ok(client instanceof flavour.Socket);
    assert.equal(client.family, transport.family);
    assert.equal(client.gettimeout(), null);
    await client.sendall('hello');
    assert.equal(String(await server.recv(10)), 'hello');
  }
});

both('to a name', async (s, { connect }) => {
  const listener = listening(s, tcp4);
  const client = s.own(await connect(['localhost', place(listener)[1]]));
  s.own((await listener.accept())[0]);
  assert.equal((client.getpeername() as Pair)[0], '127.0.0.1');
});

across([tcp4, tcp6], 'refused: one address, told with its place', async (_, transport) => {
  for (const { connect } of flavours) {
    const host = transport.family === AF_INET ? '127.0.0.1' : '::1';
    const port = await unusedPort(host);
    const sockets = openSockets();
    const error = await connect([host, port]).then(
      () => assert.fail('connected'),
      (e: unknown) => e,
    );
    // As an AggregateError of one, or the one itself.
    const [only, ...more] = error instanceof AggregateError ? error.errors : [error];
    assert.deepEqual(more, []);
    assert.ok(only instanceof SocketError, String(only));
    assert.equal(only.code, 'ECONNREFUSED');
    assert.equal(only.syscall, 'connect');
    assert.equal(only.address, host);
    assert.equal(only.port, port);
    assert.equal(openSockets(), sockets);
  }
});

both('a name that does not resolve', async (_, { connect }) => {
  await assert.rejects(connect(['no.such.name.invalid', 80]), (error: unknown) => {
    assert.ok(error instanceof AddressInfoError, String(error));
    assert.match(error.message, /no\.such\.name\.invalid/);
    return true;
  });
});

both('the time limit: of the whole attempt, and then of the socket', async (s, { connect }) => {
  const hole = (await fullBacklog(s, tcp4)) as Pair;
  const sockets = openSockets();
  const [error, took] = await timed(() => connect(hole, { timeout: 0.05 }).catch((e: unknown) => e));
  assert.ok(error instanceof TimeoutError, String(error));
  assert.match(error.message, /^timed out/);
  assert.equal(error.code, 'ETIMEDOUT');
  assert.ok(took > 0.04);
  assert.equal(openSockets(), sockets);
  const listener = listening(s, tcp4);
  const client = s.own(await connect(place(listener), { timeout: 2.5 }));
  assert.equal(client.gettimeout(), 2.5);
});

both('without a limit of its own, the default one', async (s, { connect }) => {
  const hole = (await fullBacklog(s, tcp4)) as Pair;
  setdefaulttimeout(0.05);
  try {
    await assert.rejects(connect(hole), TimeoutError);
  } finally {
    setdefaulttimeout(null);
  }
});

both('sourceAddress', async (s, { connect }) => {
  const listener = listening(s, tcp4);
  const port = await unusedPort('127.0.0.5');
  const client = s.own(await connect(place(listener), { sourceAddress: ['127.0.0.5', port] }));
  const [server, address] = await listener.accept();
  s.own(server);
  assert.deepEqual(address, ['127.0.0.5', port]);
  assert.deepEqual(client.getsockname(), ['127.0.0.5', port]);
  const sockets = openSockets();
  await assert.rejects(connect(place(listener), { sourceAddress: ['203.0.113.7', 0] }), (error: unknown) => {
    const [only] = error instanceof AggregateError ? error.errors : [error];
    assert.equal((only as SocketError).code, 'EADDRNOTAVAIL');
    return true;
  });
  assert.equal(openSockets(), sockets);
});

scene('aborted: before, while looking up, while connecting', async (s) => {
  const hole = (await fullBacklog(s, tcp4)) as Pair;
  const sockets = openSockets();
  const reason = new Error('no longer');
  await assert.rejects(createConnection(hole, { signal: AbortSignal.abort(reason) }), (e) => e === reason);
  assert.equal(openSockets(), sockets);
  const early = new AbortController();
  const looking = createConnection(['some.name.invalid', 80], { signal: early.signal });
  early.abort(reason);
  await assert.rejects(looking, (e) => e === reason);
  const late = new AbortController();
  const connecting = createConnection(hole, { signal: late.signal });
  connecting.catch(() => {});
  await staysPending(connecting, 'createConnection', 0.03);
  late.abort(reason);
  await assert.rejects(connecting, (e) => e === reason);
  assert.equal(openSockets(), sockets);
});

scene('an abort that comes too late changes nothing', async (s) => {
  const listener = listening(s, tcp4);
  const stop = new AbortController();
  const client = s.own(await createConnection(place(listener), { signal: stop.signal }));
  stop.abort();
  await sleep(0.01);
  assert.equal(client.closed, false);
  s.own((await listener.accept())[0]);
});

both('the connected socket has no error left in it', async (s, { connect }) => {
  const listener = listening(s, tcp4);
  const client = s.own(await connect(place(listener)));
  assert.equal(client.getsockopt(SOL_SOCKET, SO_ERROR!), 0);
});

both('AF_UNIX: at once, or when there is room in the backlog', async (s, { connect }) => {
  const listener = listening(s, unixStream, 0);
  const path = listener.getsockname() as string;
  s.own(await connect(path));
  const sockets = openSockets();
  const error = await connect(path, { timeout: 0.05 }).catch((e: unknown) => e);
  assert.ok(error instanceof TimeoutError, String(error));
  assert.ok(error.message.includes(path), error.message);
  assert.equal(openSockets(), sockets);
  s.own((await listener.accept())[0]);
  s.own(await connect(Buffer.from(path), { timeout: 5 }));
  s.own((await listener.accept())[0]);
  await assert.rejects(connect(`${path}.none`), (e: unknown) => {
    assert.ok(e instanceof AggregateError, String(e));
    assert.equal((e as AggregateError & { code?: string }).code, 'ENOENT');
    assert.equal((e.errors[0] as SocketError).path, `${path}.none`);
    return true;
  });
  await assert.rejects(connect(`${path}.none`, { allErrors: false }), {
    name: 'SocketError',
    code: 'ENOENT',
  });
  assert.equal(openSockets(), sockets + 3);
});

scene('a signal is refused where it could reach nobody', async () => {
  const { signal } = new AbortController();
  assert.throws(() => sync.createConnection(['127.0.0.1', 1], { signal } as object), {
    name: 'TypeError',
    message: /signal/,
  });
  assert.throws(() => sync.getaddrinfo('127.0.0.1', 1, { signal } as object), {
    name: 'TypeError',
    message: /signal/,
  });
});

scene('many at once', async (s) => {
  const listener = listening(s, tcp4);
  const clients = await within(
    Promise.all(Array.from({ length: 50 }, () => createConnection(place(listener)))),
    'fifty connections',
  );
  for (const client of clients) client.close();
});
