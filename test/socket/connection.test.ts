// createConnection: the whole way from a name to a connection, all its addresses raced
// (RFC 8305), every failure told.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  AddressInfoError,
  AF_INET,
  createConnection,
  SO_ERROR,
  SOL_SOCKET,
  Socket,
  SocketError,
  setdefaulttimeout,
  TimeoutError,
} from 'berkeley-sockets';
import { sleep, staysPending, timed, within } from '../support/deadline.ts';
import { openSockets } from '../support/leaks.ts';
import { noOwnNetwork, ownNetwork, runNode } from '../support/node.ts';
import { unusedPort } from '../support/peer.ts';
import { type Scene, scene } from '../support/scene.ts';
import { fullBacklog } from '../support/standstill.ts';
import { tempdir } from '../support/tempdir.ts';
import { across, listening, tcp4, tcp6 } from '../support/transports.ts';

type Pair = [host: string, port: number];
const place = (listener: Socket): Pair => (listener.getsockname() as readonly unknown[]).slice(0, 2) as Pair;

across([tcp4, tcp6], 'to a numeric address', async (s, transport) => {
  const listener = listening(s, transport);
  const client = s.own(await createConnection(place(listener)));
  const [server] = await listener.accept();
  s.own(server);
  assert.ok(client instanceof Socket);
  assert.equal(client.family, transport.family);
  assert.equal(client.gettimeout(), null);
  await client.sendall('hello');
  assert.equal(String(await server.recv(10)), 'hello');
});

scene('to a name', async (s) => {
  const listener = listening(s, tcp4);
  const client = s.own(await createConnection(['localhost', place(listener)[1]]));
  s.own((await listener.accept())[0]);
  assert.equal((client.getpeername() as Pair)[0], '127.0.0.1');
});

across([tcp4, tcp6], 'refused: one address, told with its place', async (_, transport) => {
  const host = transport.family === AF_INET ? '127.0.0.1' : '::1';
  const port = await unusedPort(host);
  const sockets = openSockets();
  const error = await createConnection([host, port]).then(
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
});

scene('a name that does not resolve', async () => {
  await assert.rejects(createConnection(['no.such.name.invalid', 80]), (error: unknown) => {
    assert.ok(error instanceof AddressInfoError, String(error));
    assert.match(error.message, /no\.such\.name\.invalid/);
    return true;
  });
});

scene('the time limit: of the whole attempt, and then of the socket', async (s) => {
  const hole = (await fullBacklog(s, tcp4)) as Pair;
  const sockets = openSockets();
  const [error, took] = await timed(() => createConnection(hole, { timeout: 0.05 }).catch((e: unknown) => e));
  assert.ok(error instanceof TimeoutError, String(error));
  assert.match(error.message, /^timed out/);
  assert.equal(error.code, 'ETIMEDOUT');
  assert.ok(took > 0.04);
  assert.equal(openSockets(), sockets);
  const listener = listening(s, tcp4);
  const client = s.own(await createConnection(place(listener), { timeout: 2.5 }));
  assert.equal(client.gettimeout(), 2.5);
});

scene('without a limit of its own, the default one', async (s) => {
  const hole = (await fullBacklog(s, tcp4)) as Pair;
  setdefaulttimeout(0.05);
  try {
    await assert.rejects(createConnection(hole), TimeoutError);
  } finally {
    setdefaulttimeout(null);
  }
});

scene('sourceAddress', async (s) => {
  const listener = listening(s, tcp4);
  const port = await unusedPort('127.0.0.5');
  const client = s.own(await createConnection(place(listener), { sourceAddress: ['127.0.0.5', port] }));
  const [server, address] = await listener.accept();
  s.own(server);
  assert.deepEqual(address, ['127.0.0.5', port]);
  assert.deepEqual(client.getsockname(), ['127.0.0.5', port]);
  const sockets = openSockets();
  await assert.rejects(
    createConnection(place(listener), { sourceAddress: ['203.0.113.7', 0] }),
    (error: unknown) => {
      const [only] = error instanceof AggregateError ? error.errors : [error];
      assert.equal((only as SocketError).code, 'EADDRNOTAVAIL');
      return true;
    },
  );
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

scene('the connected socket has no error left in it', async (s) => {
  const listener = listening(s, tcp4);
  const client = s.own(await createConnection(place(listener)));
  assert.equal(client.getsockopt(SOL_SOCKET, SO_ERROR!), 0);
});

scene('many at once', async (s) => {
  const listener = listening(s, tcp4);
  const clients = await within(
    Promise.all(Array.from({ length: 50 }, () => createConnection(place(listener)))),
    'fifty connections',
  );
  for (const client of clients) client.close();
});

// --- races: a name with several addresses, in a network of its own ---------------------------

const isolated = noOwnNetwork();

/** The addresses of `name`, in the order in which the resolver gives them, and sockets that stand for them. */
const prelude = `
  import assert from 'node:assert/strict';
  import { readdirSync, readlinkSync } from 'node:fs';
  import * as bs from 'berkeley-sockets';
  const { socket, createConnection, AF_INET, AF_INET6, SOCK_STREAM } = bs;
  const open = () => readdirSync('/proc/self/fd').filter((fd) => {
    try { return readlinkSync('/proc/self/fd/' + fd).startsWith('socket:'); } catch { return false; }
  }).length;
  const rows = await bs.getaddrinfo('many', 80, { type: SOCK_STREAM });
  const hosts = rows.map(([, , , , address]) => address[0]);
  const kept = [];
  const at = (host, port, backlog) => {
    const s = socket(host.includes(':') ? AF_INET6 : AF_INET);
    if (host.includes(':')) s.setsockopt(41, 26, 1);
    s.bind([host, port]);
    s.listen(backlog);
    kept.push(s);
    return s;
  };
  const works = (host, port) => at(host, port, 10);
  // A full backlog: further SYNs are dropped, and a connect hangs.
  const hangs = async (host, port) => {
    const s = at(host, port, 0);
    for (let full = false; !full; ) {
      const c = socket(s.family);
      kept.push(c);
      c.settimeout(0.1);
      full = await c.connect(s.getsockname()).then(() => false, () => true);
      c.close();
    }
    return s;
  };
  const timed = async (f) => { const t = performance.now(); const v = await f(); return [v, (performance.now() - t) / 1000]; };
  const failure = (p) => p.then(() => assert.fail('connected'), (e) => e);
`;

function race(name: string, addresses: string[], body: string): void {
  scene(
    name,
    async (s: Scene) => {
      const file = path.join(tempdir(s), 'hosts');
      writeFileSync(file, `127.0.0.1 localhost\n${addresses.map((address) => `${address} many\n`).join('')}`);
      const wrap = ownNetwork(`mount --bind ${file} /etc/hosts`);
      const { stdout } = await runNode(
        `${prelude}${body}\nfor (const s of kept) s.close(); console.log('passed');`,
        {
          wrap,
          seconds: 20,
        },
      );
      assert.match(stdout, /passed/);
    },
    { skip: isolated },
  );
}

const three = ['127.0.0.2', '127.0.0.3', '::1'];

race(
  'the first address works: nobody else is asked',
  three,
  `
  const first = works(hosts[0], 8000);
  const others = hosts.slice(1).map((host) => works(host, 8000));
  const client = await createConnection(['many', 8000]);
  assert.equal(client.getpeername()[0], hosts[0]);
  const [server] = await first.accept();
  for (const other of others) {
    other.settimeout(0);
    await assert.rejects(other.accept(), { code: 'EAGAIN' });
  }
  kept.push(client, server);
`,
);

race(
  'the first address hangs: the next is tried after a quarter of a second, and wins',
  three,
  `
  await hangs(hosts[0], 8000);
  const second = works(hosts.find((host) => host.includes(':') !== hosts[0].includes(':')), 8000);
  const before = open();
  const [client, seconds] = await timed(() => createConnection(['many', 8000]));
  assert.equal(client.getpeername()[0], second.getsockname()[0]);
  assert.ok(seconds > 0.2 && seconds < 1.5, 'after ' + seconds);
  assert.equal(open(), before + 1, 'the attempt that lost is still open');
  kept.push(client);
`,
);

race(
  'the head start can be chosen',
  three,
  `
  await hangs(hosts[0], 8000);
  works(hosts[1], 8000);
  works(hosts[2], 8000);
  const [client, seconds] = await timed(() => createConnection(['many', 8000], { happyEyeballsDelay: 0.02 }));
  assert.ok(seconds < 0.2, 'after ' + seconds);
  client.close();
`,
);

race(
  'the first address is not given up: a slow one still wins when the others fail',
  three,
  `
  const slow = await hangs(hosts[0], 8000);
  const connecting = createConnection(['many', 8000]);
  // Both others are refused long before the first has room in its backlog. Linux sends the
  // SYN again after a second.
  setTimeout(async () => { for (;;) { const [c] = await slow.accept().catch(() => []); if (!c) break; kept.push(c); } }, 500);
  const [client] = await timed(() => connecting);
  assert.equal(client.getpeername()[0], hosts[0]);
  kept.push(client);
`,
);

race(
  'a refused address makes the next one start at once',
  three,
  `
  works(hosts[2], 8000);
  const [client, seconds] = await timed(() => createConnection(['many', 8000], { happyEyeballsDelay: 5 }));
  assert.equal(client.getpeername()[0], hosts[2]);
  assert.ok(seconds < 2, 'after ' + seconds);
  kept.push(client);
`,
);

race(
  'families take turns',
  ['127.0.0.2', '127.0.0.3', '127.0.0.4', '::1'],
  `
  // Whatever the resolver's order, the second to be tried is of the other family.
  await hangs(hosts[0], 8000);
  const other = hosts.find((host) => host.includes(':') !== hosts[0].includes(':'));
  for (const host of hosts.slice(1)) works(host, 8000);
  const client = await createConnection(['many', 8000]);
  assert.equal(client.getpeername()[0], other);
  kept.push(client);
`,
);

race(
  'all refused: an AggregateError that tells each address',
  three,
  `
  const before = open();
  const error = await failure(createConnection(['many', 8000]));
  assert.ok(error instanceof AggregateError, String(error));
  assert.equal(error.errors.length, 3);
  assert.deepEqual(new Set(error.errors.map((e) => e.address)), new Set(hosts));
  for (const one of error.errors) {
    assert.ok(one instanceof bs.SocketError);
    assert.equal(one.code, 'ECONNREFUSED');
    assert.equal(one.port, 8000);
    assert.equal(one.syscall, 'connect');
  }
  assert.match(error.message, /many/);
  for (const host of hosts) assert.ok((error.message + error.errors).includes(host));
  assert.equal(open(), before);
`,
);

race(
  'the time limit is for all addresses together',
  three,
  `
  for (const host of hosts) await hangs(host, 8000);
  const before = open();
  const [error, seconds] = await timed(() => failure(createConnection(['many', 8000], { timeout: 0.6 })));
  assert.ok(error instanceof bs.TimeoutError, String(error));
  assert.ok(seconds > 0.55 && seconds < 3, 'after ' + seconds);
  assert.equal(open(), before);
`,
);

race(
  'an abort closes every attempt',
  three,
  `
  for (const host of hosts) await hangs(host, 8000);
  const before = open();
  const stop = new AbortController();
  const connecting = failure(createConnection(['many', 8000], { signal: stop.signal, happyEyeballsDelay: 0.01 }));
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(open() >= before + 3, 'attempts under way: ' + (open() - before));
  const reason = new Error('enough');
  stop.abort(reason);
  assert.equal(await connecting, reason);
  assert.equal(open(), before);
`,
);

race(
  'some refused, the rest hang: the time limit still ends it',
  three,
  `
  await hangs(hosts[1], 8000);
  const before = open();
  const error = await failure(createConnection(['many', 8000], { timeout: 0.4 }));
  assert.ok(error instanceof bs.TimeoutError, String(error));
  assert.equal(open(), before);
`,
);

race(
  'the source address picks the family',
  three,
  `
  const four = works('127.0.0.2', 8000);
  works('127.0.0.3', 8000);
  works('::1', 8000);
  const client = await createConnection(['many', 8000], { sourceAddress: ['127.0.0.9', 0] });
  assert.equal(client.getsockname()[0], '127.0.0.9');
  assert.match(client.getpeername()[0], /^127/);
  kept.push(client);
`,
);

race(
  'no address to be reached at all',
  ['203.0.113.1', '2001:db8::1'],
  `
  const before = open();
  const error = await failure(createConnection(['many', 8000]));
  const errors = error instanceof AggregateError ? error.errors : [error];
  for (const one of errors) assert.match(one.code, /^(ENETUNREACH|EADDRNOTAVAIL|EHOSTUNREACH)$/);
  assert.ok(errors.length > 0);
  assert.equal(open(), before);
`,
);
