// Sockets made by the functions of the blocking flavour, and what both flavours have in common: the
// very same constants, errors and defaults.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import * as awaited from 'berkeley-sockets';
import * as blocking from 'berkeley-sockets/sync';
import { noLeaks, openSockets } from '../support/leaks.ts';
import { tempPath } from '../support/tempdir.ts';

const { AF_INET, AF_INET6, AF_UNIX, SOCK_DGRAM, SOCK_STREAM, SO_REUSEADDR, SO_REUSEPORT, SOL_SOCKET } =
  blocking;

// The engine opens its own descriptors with the first socket.
blocking.socket().close();
noLeaks();

const valuesOf = (module: object) => new Map<string, unknown>(Object.entries(module));

test('what waits is made twice, all else is the same object', () => {
  const [there, here] = [valuesOf(awaited), valuesOf(blocking)];
  const flavoured = [...here].filter(([name, value]) => !Object.is(there.get(name), value));
  assert.deepEqual(
    flavoured.map(([name]) => name).filter((name) => !there.has(name)),
    [],
    'the blocking flavour has nothing of its own',
  );
  for (const [name, value] of flavoured) assert.equal(typeof value, 'function', name);
  const names = flavoured.map(([name]) => name);
  for (const name of [
    'Socket',
    'socket',
    'socketpair',
    'fromfd',
    'fromHandle',
    'createConnection',
    'createServer',
  ])
    assert.ok(names.includes(name), name);
  for (const name of [
    'getaddrinfo',
    'getnameinfo',
    'gethostbyname',
    'gethostbyname_ex',
    'gethostbyaddr',
    'getfqdn',
  ])
    assert.ok(names.includes(name), name);
  // Of what stands on promises the blocking flavour has none.
  const missing = [...there.keys()].filter((name) => !here.has(name));
  for (const name of missing) assert.match(name, /^(SocketDuplex|TlsSocket|wrapTls|startTls)$/);
  for (const name of [
    'SocketError',
    'TimeoutError',
    'ClosedError',
    'AddressInfoError',
    'AF_INET',
    'htons',
    'inet_pton',
  ])
    assert.equal(there.get(name), here.get(name), name);
});

test('an error of the one flavour is one of the other', async () => {
  const [a, b] = blocking.socketpair();
  a.settimeout(0.01);
  assert.throws(() => a.recv(1), awaited.TimeoutError);
  a.close();
  assert.throws(() => a.recv(1), awaited.ClosedError);
  b.close();
  const s = awaited.socket();
  s.close();
  await assert.rejects(s.recv(1), blocking.ClosedError);
  assert.throws(() => blocking.createConnection(['no.such.name.invalid', 1]), awaited.AddressInfoError);
});

test('one default timeout for both', () => {
  blocking.setdefaulttimeout(1.5);
  try {
    assert.equal(awaited.getdefaulttimeout(), 1.5);
    for (const { socket } of [awaited, blocking]) {
      using s = socket();
      assert.equal(s.gettimeout(), 1.5);
    }
  } finally {
    awaited.setdefaulttimeout(null);
  }
  assert.equal(blocking.getdefaulttimeout(), null);
});

test('socket: family, type and protocol, and what cannot be had', () => {
  for (const [family, type] of [
    [AF_INET, SOCK_STREAM],
    [AF_INET, SOCK_DGRAM],
    [AF_INET6, SOCK_STREAM],
    [AF_UNIX, SOCK_DGRAM],
  ] as const) {
    using s = blocking.socket(family, type);
    assert.ok(s instanceof blocking.Socket);
    assert.ok(!(s instanceof awaited.Socket));
    assert.deepEqual([s.family, s.type, s.proto, s.gettimeout()], [family, type, 0, null]);
    using copy = s.dup();
    assert.ok(copy instanceof blocking.Socket);
  }
  using quick = blocking.socket(AF_INET, SOCK_STREAM | (blocking.SOCK_NONBLOCK as number));
  assert.equal(quick.gettimeout(), 0);
  assert.throws(() => blocking.socket(12345), { name: 'SocketError', code: 'EAFNOSUPPORT' });
  assert.throws(() => blocking.socket('2' as never), TypeError);
});

test('a connection goes from one flavour to the other and back, in the middle of the stream', async () => {
  const [one, two] = awaited.socketpair();
  await one.sendall('first second third');
  assert.equal(String(await two.recv(6)), 'first ');
  const there = blocking.fromHandle(two.detach());
  assert.ok(there instanceof blocking.Socket);
  assert.equal(String(there.recv(7)), 'second ');
  there.sendall('answer');
  const back = awaited.fromHandle(there.detach());
  assert.equal(String(await back.recv(100)), 'third');
  assert.equal(String(await one.recv(100)), 'answer');
  // A duplicate shares the stream, and its kind is found out.
  using copy = blocking.fromfd(back.fileno());
  assert.deepEqual([copy.family, copy.type], [AF_UNIX, SOCK_STREAM]);
  one.close();
  assert.equal(copy.recv(1).length, 0);
  back.close();
});

test('fromfd and fromHandle refuse what is no socket', (t) => {
  const file = tempPath(t);
  writeFileSync(file, '');
  assert.throws(() => blocking.fromfd(0x7ffffff), { name: 'SocketError', code: 'EBADF' });
  assert.throws(() => blocking.fromfd(-1), RangeError);
  assert.throws(() => blocking.fromHandle(null as never), TypeError);
  assert.throws(() => blocking.fromHandle({ fd: 0x7ffffff, family: 2, type: 1, proto: 0 }), {
    code: 'EBADF',
  });
});

/** Connects, accepts, and says what came. */
function greet(server: blocking.Socket, host: string): string {
  const [, port] = server.getsockname() as [string, number];
  using client = blocking.createConnection([host, port]);
  const [conn, from] = server.accept();
  using accepted = conn;
  accepted.sendall(`hello ${(from as readonly unknown[])[0]}`);
  accepted.shutdown(blocking.SHUT_WR);
  const said = client.recv(100).toString();
  assert.equal(client.recv(100).length, 0);
  return said;
}

test('createServer: TCP, both IP versions, a shared port, AF_UNIX', (t) => {
  using server = blocking.createServer(['127.0.0.1', 0]);
  assert.equal(server.getsockopt(SOL_SOCKET, SO_REUSEADDR), 1);
  assert.equal(greet(server, '127.0.0.1'), 'hello 127.0.0.1');
  assert.equal(greet(server, 'localhost'), 'hello 127.0.0.1');
  if (blocking.hasDualstackIPv6()) {
    using both = blocking.createServer(['', 0], { dualstackIPv6: true });
    assert.equal(both.family, AF_INET6);
    assert.equal(greet(both, '127.0.0.1'), 'hello ::ffff:127.0.0.1');
  }
  using first = blocking.createServer(['127.0.0.1', 0], { reusePort: true, backlog: 5 });
  using second = awaited.createServer(first.getsockname(), { reusePort: true });
  assert.equal(second.getsockopt(SOL_SOCKET, SO_REUSEPORT as number), 1);
  const path = tempPath(t);
  using local = blocking.createServer(path);
  using client = blocking.createConnection(path);
  const [conn] = local.accept();
  client.sendall('x');
  assert.equal(String(conn.recv(10)), 'x');
  conn.close();
});

test('createServer fails as in the other flavour, and leaves nothing open', () => {
  using taken = blocking.createServer(['127.0.0.1', 0]);
  const wrong: [address: unknown, options?: unknown][] = [
    [taken.getsockname()],
    [['203.0.113.7', 0]],
    [['127.0.0.1', 0], { dualstackIPv6: true, family: AF_INET }],
    [['127.0.0.1', 0], { backlog: 2 ** 31 }],
    [['127.0.0.1', 65536]],
    [['127.0.0.1', 0], null],
    ['/no/such/folder/socket'],
    [5],
  ];
  const failure = (make: (address: never, options: never) => unknown, row: unknown[]) => {
    try {
      make(row[0] as never, row[1] as never);
    } catch (error) {
      return { ...(error as Error), name: (error as Error).name, message: (error as Error).message };
    }
    return assert.fail(`made a server of ${JSON.stringify(row)}`);
  };
  const sockets = openSockets();
  for (const row of wrong)
    assert.deepEqual(
      failure(blocking.createServer, row),
      failure(awaited.createServer, row),
      JSON.stringify(row),
    );
  assert.equal(openSockets(), sockets);
});
