// The shape of errors: class, code, errno, syscall, place, message.
import assert from 'node:assert/strict';
import { getSystemErrorName } from 'node:util';
import {
  AddressInfoError,
  AF_INET,
  AF_UNIX,
  ClosedError,
  IPPROTO_TCP,
  SHUT_WR,
  SOCK_DGRAM,
  SOCK_STREAM,
  type Socket,
  SocketError,
  socket,
  socketpair,
  TimeoutError,
} from 'berkeley-sockets';
import { unusedPort } from '../support/peer.ts';
import { bothScenes, scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';
import {
  acrossBoth,
  bound,
  connections,
  open,
  streams,
  tcp4,
  tcp6,
  udp4,
  unixStream,
} from '../support/transports.ts';

interface Shape {
  code: string;
  syscall: string;
  message?: string | RegExp;
  address?: string;
  port?: number;
  path?: string;
}

/** Checks every field of a failed system call's error. */
function shaped(expected: Shape): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof SocketError && error instanceof Error, String(error));
    assert.equal(error.constructor, SocketError);
    assert.equal(error.name, 'SocketError');
    assert.equal(error.code, expected.code);
    assert.equal(error.syscall, expected.syscall);
    assert.ok(error.errno! < 0, `errno ${error.errno}`);
    assert.equal(getSystemErrorName(error.errno!), expected.code);
    assert.equal(error.address, expected.address);
    assert.equal(error.port, expected.port);
    assert.equal(error.path, expected.path);
    if (expected.message instanceof RegExp) assert.match(error.message, expected.message);
    else assert.equal(error.message, expected.message ?? `${expected.syscall} ${expected.code}`);
    assert.ok(error.stack!.includes(error.message));
    return true;
  };
}

bothScenes('connect: refused', async (s) => {
  const port = await unusedPort();
  await assert.rejects(
    async () => open(s, tcp4).connect(['127.0.0.1', port]),
    shaped({
      code: 'ECONNREFUSED',
      syscall: 'connect',
      address: '127.0.0.1',
      port,
      message: `connect ECONNREFUSED 127.0.0.1:${port}`,
    }),
  );
});

acrossBoth([tcp6], 'connect: refused over IPv6', async (s, transport) => {
  const port = await unusedPort('::1');
  await assert.rejects(
    async () => open(s, transport).connect(['::1', port]),
    shaped({
      code: 'ECONNREFUSED',
      syscall: 'connect',
      address: '::1',
      port,
      message: /^connect ECONNREFUSED \[?::1]?:\d+$/,
    }),
  );
});

bothScenes('connect: no such path', async (s) => {
  const path = tempPath(s, 'nobody');
  await assert.rejects(
    async () => open(s, unixStream).connect(path),
    shaped({ code: 'ENOENT', syscall: 'connect', path, message: `connect ENOENT ${path}` }),
  );
});

bothScenes('bind: taken, and not of this machine', async (s) => {
  const taken = bound(s, tcp4).getsockname() as [string, number];
  assert.throws(
    () => open(s, tcp4).bind(taken),
    shaped({
      code: 'EADDRINUSE',
      syscall: 'bind',
      address: '127.0.0.1',
      port: taken[1],
      message: `bind EADDRINUSE 127.0.0.1:${taken[1]}`,
    }),
  );
  assert.throws(
    () => open(s, tcp4).bind(['203.0.113.1', 0]),
    shaped({
      code: 'EADDRNOTAVAIL',
      syscall: 'bind',
      address: '203.0.113.1',
      port: 0,
      message: 'bind EADDRNOTAVAIL 203.0.113.1:0',
    }),
  );
  const path = tempPath(s);
  open(s, unixStream).bind(path);
  assert.throws(
    () => open(s, unixStream).bind(path),
    shaped({ code: 'EADDRINUSE', syscall: 'bind', path, message: `bind EADDRINUSE ${path}` }),
  );
});

scene('socket: what the kernel does not have', () => {
  assert.throws(() => socket(12345), shaped({ code: 'EAFNOSUPPORT', syscall: 'socket' }));
  assert.throws(
    () => socket(AF_INET, SOCK_STREAM, 255),
    shaped({ code: 'EPROTONOSUPPORT', syscall: 'socket' }),
  );
  assert.throws(() => socketpair(AF_INET, SOCK_STREAM), shaped({ code: 'ENOTSUP', syscall: 'socketpair' }));
});

acrossBoth(streams, 'calls that need a connection', async (s, transport) => {
  const a = open(s, transport);
  assert.throws(() => a.getpeername(), shaped({ code: 'ENOTCONN', syscall: 'getpeername' }));
  if (transport.family !== AF_UNIX) {
    assert.throws(() => a.shutdown(SHUT_WR), shaped({ code: 'ENOTCONN', syscall: 'shutdown' }));
  }
  // AF_UNIX has its own words for it: EINVAL to receive, ENOTCONN to send.
  const unix = transport.family === AF_UNIX;
  await assert.rejects(
    async () => a.recv(1),
    shaped({ code: unix ? 'EINVAL' : 'ENOTCONN', syscall: 'recv' }),
  );
  await assert.rejects(
    async () => a.send('x'),
    shaped({ code: unix ? 'ENOTCONN' : 'EPIPE', syscall: 'send' }),
  );
  await assert.rejects(
    async () => a.sendall('x'),
    (error: SocketError) => error.bytesSent === 0 && error.syscall === 'send',
  );
  await assert.rejects(async () => a.accept(), shaped({ code: 'EINVAL', syscall: 'accept' }));
});

scene('calls that this kind of socket does not have', async (s) => {
  // Linux has one number for EOPNOTSUPP and ENOTSUP; Node's name for it is the latter.
  const a = bound(s, udp4);
  assert.throws(() => a.listen(), shaped({ code: 'ENOTSUP', syscall: 'listen' }));
  await assert.rejects(a.accept(), shaped({ code: 'ENOTSUP', syscall: 'accept' }));
  await assert.rejects(a.send('x'), shaped({ code: 'EDESTADDRREQ', syscall: 'send' }));
  assert.throws(
    () => a.setsockopt(IPPROTO_TCP, 1, 1),
    shaped({ code: 'ENOPROTOOPT', syscall: 'setsockopt' }),
  );
  const b = open(s, tcp4);
  assert.throws(
    () => b.setsockopt(IPPROTO_TCP, 9999, 1),
    shaped({ code: 'ENOPROTOOPT', syscall: 'setsockopt' }),
  );
  assert.throws(
    () => b.getsockopt(IPPROTO_TCP, 9999),
    shaped({ code: 'ENOPROTOOPT', syscall: 'getsockopt' }),
  );
});

scene('sendto tells where', async (s) => {
  await assert.rejects(
    open(s, udp4).sendto('x', ['127.0.0.1', 0]),
    shaped({
      code: 'EINVAL',
      syscall: 'sendto',
      address: '127.0.0.1',
      port: 0,
      message: 'sendto EINVAL 127.0.0.1:0',
    }),
  );
  const path = tempPath(s, 'nobody');
  await assert.rejects(
    s.own(socket(AF_UNIX, SOCK_DGRAM)).sendto('x', path),
    shaped({ code: 'ENOENT', syscall: 'sendto', path, message: `sendto ENOENT ${path}` }),
  );
});

acrossBoth(connections, 'a second connect', async (s, transport) => {
  const listener = bound(s, transport);
  listener.listen();
  const a = open(s, transport);
  await a.connect(listener.getsockname());
  await assert.rejects(
    async () => a.connect(listener.getsockname()),
    (error: SocketError) => {
      assert.equal(error.code, 'EISCONN');
      assert.equal(error.syscall, 'connect');
      return true;
    },
  );
  assert.deepEqual(a.getpeername(), listener.getsockname());
});

scene('a failed connect leaves a socket that can be used again', async (s) => {
  const a = open(s, tcp4);
  await assert.rejects(a.connect(['127.0.0.1', await unusedPort()]), { code: 'ECONNREFUSED' });
  const listener = bound(s, tcp4);
  listener.listen();
  await a.connect(listener.getsockname());
  const [b] = await listener.accept();
  s.own(b);
  await a.sendall('made it');
  assert.equal(String(await b.recv(100)), 'made it');
});

bothScenes('a name that does not resolve', async (s) => {
  const a = open(s, tcp4);
  await assert.rejects(
    async () => a.connect(['no.such.name.invalid', 80]),
    (error: unknown) => {
      assert.ok(error instanceof AddressInfoError && error instanceof SocketError, String(error));
      assert.equal(error.name, 'AddressInfoError');
      // A machine without a name server says that it could not ask.
      assert.match(error.code, /^EAI_(NONAME|AGAIN|NODATA|FAIL)$/);
      assert.equal(error.syscall, 'getaddrinfo');
      assert.match(error.message, /no\.such\.name\.invalid/);
      assert.match(error.message, /80/);
      return true;
    },
  );
});

bothScenes('an address of another family', async (s) => {
  for (const wrong of [
    () => open(s, tcp4).bind(['::1', 0]),
    () => open(s, tcp6).bind(['127.0.0.1', 0] as never),
  ]) {
    assert.throws(wrong, (error: Error) => {
      assert.ok(
        error instanceof SocketError || error instanceof TypeError || error instanceof RangeError,
        String(error),
      );
      return true;
    });
  }
});

scene('the subclasses', async (s) => {
  const [a] = socketpair().map((x) => s.own(x)) as [Socket, Socket];
  a.settimeout(0.01);
  const timeout = await a.recv(1).catch((e: unknown) => e);
  assert.ok(timeout instanceof TimeoutError && timeout instanceof SocketError);
  assert.equal(Object.hasOwn(timeout, 'errno'), false);
  a.close();
  const closed = await a.recv(1).catch((e: unknown) => e);
  assert.ok(closed instanceof ClosedError && closed instanceof SocketError);
  assert.equal(closed.code, 'EBADF');
});

bothScenes('an error tells the line that called', async (s) => {
  const a = open(s, tcp4);
  async function theCallersOwnFunction(): Promise<void> {
    await a.recv(1);
  }
  const error = await theCallersOwnFunction().catch((e: Error) => e);
  assert.match((error as Error).stack!, /error\.test\.ts|theCallersOwnFunction/);
});
