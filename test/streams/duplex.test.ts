// What `toDuplex()` has of `net.Socket` beside the streams: connecting, addresses, options, counters,
// states. Each is compared with what Node's own says of the same connection.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import {
  AF_INET6,
  AF_UNIX,
  IPPROTO_TCP,
  SO_KEEPALIVE,
  SO_LINGER,
  SOCK_DGRAM,
  SOL_SOCKET,
  SocketDuplex,
  type SocketError,
  socket,
  socketpair,
  TCP_KEEPIDLE,
  TCP_NODELAY,
} from 'berkeley-sockets';
import { sleep } from '../support/deadline.ts';
import { unusedPort } from '../support/peer.ts';
import { type Scene, scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';
import { listening, pair, streams, tcp4, tcp6, unixStream } from '../support/transports.ts';

/** A stream that is destroyed after the test. */
function stream(stage: Scene, s: { toDuplex(o?: object): SocketDuplex }, options?: object): SocketDuplex {
  const duplex = s.toDuplex(options);
  stage.after(() => void duplex.destroy());
  return duplex;
}

/** A server of Node's that keeps its connections. */
async function nodeServer(stage: Scene, where: net.ListenOptions): Promise<[net.Server, net.Socket[]]> {
  const sockets: net.Socket[] = [];
  const server = net.createServer((s) => {
    sockets.push(s);
    s.on('error', () => {});
  });
  server.listen(where);
  await once(server, 'listening');
  stage.after(async () => {
    for (const each of sockets) each.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return [server, sockets];
}

scene('connects as net.Socket does, with the same events, states and addresses', async (stage) => {
  const [server] = await nodeServer(stage, { port: 0, host: '127.0.0.1' });
  const { port } = server.address() as net.AddressInfo;
  const told: string[][] = [];
  for (const s of [new net.Socket(), stream(stage, socket())]) {
    const events: string[] = [];
    const note = (what: string): void => {
      events.push(`${what} pending ${s.pending} connecting ${s.connecting} ${s.readyState} ${s.remotePort}`);
    };
    note('new');
    for (const event of ['connect', 'ready', 'end', 'close']) s.on(event, () => note(event));
    s.connect(port, '127.0.0.1');
    assert.equal(s.connecting, true);
    assert.equal(s.readyState, 'opening');
    await once(s, 'ready');
    assert.equal(s.remoteAddress, '127.0.0.1');
    assert.equal(s.remotePort, port);
    assert.equal(s.remoteFamily, 'IPv4');
    assert.equal(s.localAddress, '127.0.0.1');
    assert.equal(s.localFamily, 'IPv4');
    assert.deepEqual(s.address(), { address: '127.0.0.1', family: 'IPv4', port: s.localPort });
    s.destroy();
    await once(s, 'close');
    told.push(events.map((event) => event.replace(/ \d+$/, ' port').replace(/^(close .*) \w+$/, '$1')));
  }
  const [nodes, ours] = told;
  // Node forgets the peer when it closes, unless it was asked before.
  assert.deepEqual(ours, nodes);
});

scene('connect takes what net.Socket takes', async (stage) => {
  const [server] = await nodeServer(stage, { port: 0, host: '127.0.0.1' });
  const { port } = server.address() as net.AddressInfo;
  const ways: ((s: SocketDuplex, done: () => void) => unknown)[] = [
    (s, done) => s.connect(port, '127.0.0.1', done),
    (s, done) => s.connect(port, done),
    (s, done) => s.connect({ port, host: 'localhost' }, done),
    (s, done) => s.connect({ port: String(port) }, done),
    (s, done) => s.connect(String(port), done),
  ];
  for (const way of ways) {
    const s = stream(stage, socket());
    await new Promise<void>((resolve) => way(s, resolve));
    assert.equal(s.remotePort, port);
  }
  const path = tempPath(stage);
  await nodeServer(stage, { path });
  for (const target of [path, { path }]) {
    const s = stream(stage, socket(AF_UNIX));
    await new Promise<void>((resolve) => s.connect(target, resolve));
    assert.equal(s.remoteAddress, undefined);
    assert.deepEqual(s.address(), {});
  }
  const s = stream(stage, socket());
  assert.throws(() => s.connect(65536), RangeError);
  assert.throws(() => s.connect({ port: Number.NaN }), RangeError);
  assert.throws(() => s.connect(null as never), TypeError);
  assert.throws(() => s.connect({ port: 1, host: 7 } as never), TypeError);
  s.destroy();
  assert.throws(() => s.connect(port), { code: 'EBADF' });
});

scene('a connect that fails destroys the stream with an error like Node’s', async (stage) => {
  const port = await unusedPort();
  const told: object[] = [];
  for (const s of [new net.Socket(), stream(stage, socket())]) {
    s.connect(port, '127.0.0.1');
    const events: string[] = [];
    for (const event of ['connect', 'end', 'finish', 'close'])
      s.on(event, (...given) => events.push(`${event} ${given.join()}`));
    const closed = new Promise((resolve) => s.once('close', resolve));
    const error: SocketError = await new Promise((resolve) => s.once('error', resolve));
    await closed;
    const { code, errno, syscall, address, port: to, message } = error;
    told.push({ code, errno, syscall, address, to, message, events });
    assert.equal(s.destroyed, true);
    assert.equal(s.errored, error);
  }
  assert.deepEqual(told[1], told[0]);
});

scene('what is written and ended before the connection goes out after it', async (stage) => {
  const [server] = await nodeServer(stage, { port: 0, host: '127.0.0.1' });
  const arrived = new Promise<string>((resolve) => {
    server.on('connection', (s) => {
      let text = '';
      s.on('data', (chunk) => {
        text += chunk;
      });
      s.on('end', () => resolve(text));
    });
  });
  const s = stream(stage, socket());
  s.write('before ');
  s.connect(server.address() as net.AddressInfo);
  s.write('during ');
  s.end('the end');
  assert.equal(await arrived, 'before during the end');
});

scene('who reads before the connection gets what comes after it', async (stage) => {
  const [server] = await nodeServer(stage, { port: 0, host: '127.0.0.1' });
  server.on('connection', (s) => s.end('hello'));
  const s = stream(stage, socket());
  s.resume();
  const chunks = s.toArray();
  s.connect((server.address() as net.AddressInfo).port);
  assert.equal(Buffer.concat(await chunks).toString(), 'hello');
});

scene('a stream of a connection says connect to who connects it again', async (stage) => {
  const [a, b] = await pair(stage, tcp4);
  const s = stream(stage, a);
  assert.equal(s.pending, false);
  assert.equal(s.readyState, 'open');
  await new Promise<void>((resolve) => s.connect(1, '192.0.2.1', resolve));
  assert.equal(s.remotePort, (b.getsockname() as [string, number])[1]);
  s.write('x');
  assert.equal((await b.recv(10)).toString(), 'x');
});

for (const transport of streams) {
  scene(
    `addresses are those of the socket (${transport.name})`,
    async (stage) => {
      const [a] = await pair(stage, transport);
      const local = a.getsockname();
      const peer = a.getpeername();
      const s = stream(stage, a);
      const expect = (address: unknown, of: unknown): void => {
        if (transport.family === AF_UNIX) assert.deepEqual(of, [undefined, undefined, undefined]);
        else {
          const [host, port] = address as [string, number];
          assert.deepEqual(of, [host, port, transport.family === AF_INET6 ? 'IPv6' : 'IPv4']);
        }
      };
      expect(local, [s.localAddress, s.localPort, s.localFamily]);
      expect(peer, [s.remoteAddress, s.remotePort, s.remoteFamily]);
      s.destroy();
      await once(s, 'close');
      expect(peer, [s.remoteAddress, s.remotePort, s.remoteFamily]);
    },
    { skip: transport.missing },
  );
}

scene('options reach the kernel, and are nothing where they mean nothing', async (stage) => {
  const [a] = await pair(stage, tcp4);
  const s = stream(stage, a);
  assert.equal(s.setNoDelay(), s);
  assert.equal(a.getsockopt(IPPROTO_TCP, TCP_NODELAY), 1);
  s.setNoDelay(false);
  assert.equal(a.getsockopt(IPPROTO_TCP, TCP_NODELAY), 0);
  assert.equal(s.setKeepAlive(true, 90_500), s);
  assert.notEqual(a.getsockopt(SOL_SOCKET, SO_KEEPALIVE), 0);
  assert.equal(a.getsockopt(IPPROTO_TCP, TCP_KEEPIDLE), 90);
  s.setKeepAlive(true, 1e12);
  assert.equal(a.getsockopt(IPPROTO_TCP, TCP_KEEPIDLE), 32767);
  s.setKeepAlive();
  assert.equal(a.getsockopt(SOL_SOCKET, SO_KEEPALIVE), 0);
  s.destroy();
  assert.equal(s.setNoDelay().setKeepAlive(true, 1000).setTimeout(5).ref().unref(), s);

  const [u, v] = socketpair();
  stream(stage, u).setNoDelay().setKeepAlive(true, 1000);
  v.close();
});

scene('setTimeout tells of an idle stream, again and again, and leaves it open', async (stage) => {
  const [a, b] = await pair(stage, tcp4);
  const s = stream(stage, a);
  s.resume();
  let told = 0;
  s.on('timeout', () => told++);
  const start = performance.now();
  s.setTimeout(120);
  assert.equal(s.timeout, 120);
  for (let i = 0; i < 6; i++) {
    await sleep(0.03);
    b.trySend('x');
  }
  // Each byte moved the time on.
  await once(s, 'timeout');
  assert.ok(performance.now() - start >= 250, 'it came although there was traffic');
  assert.equal(s.destroyed, false);
  s.write('y');
  await once(s, 'timeout');
  assert.equal(told, 2);

  const never = (): void => assert.fail('the listener was taken away');
  s.setTimeout(1000, never);
  s.setTimeout(0, never);
  assert.equal(s.listenerCount('timeout'), 1);
  assert.throws(() => s.setTimeout(-1), RangeError);
  assert.throws(() => s.setTimeout(Number.NaN), RangeError);
  assert.throws(() => s.setTimeout('1' as never), TypeError);
  assert.throws(() => s.setTimeout(1, 1 as never), TypeError);
  s.setTimeout(2 ** 40);
  s.setTimeout(Number.POSITIVE_INFINITY);
  b.close();
});

scene('the socket’s own timeout does not end an idle stream', async (stage) => {
  const [a, b] = await pair(stage, tcp4);
  a.settimeout(0.02);
  const s = stream(stage, a);
  await sleep(0.06);
  b.trySend('late');
  const [chunk] = await once(s, 'data');
  assert.equal(String(chunk), 'late');
});

scene('bytesRead and bytesWritten count, what waits included', async (stage) => {
  const [a, b] = await pair(stage, unixStream);
  const s = stream(stage, a);
  s.resume();
  await b.sendall(Buffer.alloc(100_000));
  while (s.bytesRead < 100_000) await once(s, 'data');
  assert.equal(s.bytesRead, 100_000);
  s.write('ünf');
  assert.equal(s.bytesWritten, 4);
  s.write(Buffer.alloc(4 << 20));
  s.write('more');
  const all = 4 + (4 << 20) + 4;
  assert.equal(s.bytesWritten, all);
  let read = 0;
  while (read < all) read += (await b.recv(1 << 20)).length;
  assert.equal(s.bytesWritten, all);
  assert.equal(s.writableLength, 0);
});

scene('resetAndDestroy resets, destroy does not', async (stage) => {
  for (const reset of [true, false]) {
    const [a, b] = await pair(stage, tcp4);
    const s = stream(stage, a);
    if (reset) s.resetAndDestroy();
    else s.destroy();
    if (reset) await assert.rejects(b.recv(1), { code: 'ECONNRESET' });
    else assert.equal((await b.recv(1)).length, 0);
  }
  const [u, v] = socketpair();
  stream(stage, u).resetAndDestroy().resetAndDestroy();
  assert.equal((await v.recv(1)).length, 0);
  v.close();
  assert.notEqual(SO_LINGER, undefined);
});

scene('a connection that was reset before it became a stream ends with the error', async (stage) => {
  const listener = listening(stage, tcp4);
  const client = stage.own(socket());
  await client.connect(listener.getsockname() as [string, number]);
  const linger = new Uint8Array(Int32Array.of(1, 0).buffer);
  client.setsockopt(SOL_SOCKET, SO_LINGER, linger);
  client.close();
  const [accepted] = await listener.accept();
  const s = stream(stage, accepted);
  const closed = new Promise((resolve) => s.once('close', resolve));
  const [error] = (await once(s, 'error')) as [SocketError];
  assert.equal(error.code, 'ECONNRESET');
  assert.equal(await closed, true);
});

scene('only stream sockets that are open become streams', async (stage) => {
  const datagram = stage.own(socket(AF_UNIX, SOCK_DGRAM));
  assert.throws(() => datagram.toDuplex(), TypeError);
  const closed = socket();
  closed.close();
  assert.throws(() => closed.toDuplex(), { code: 'EBADF' });
  const s = stage.own(socket());
  assert.throws(() => s.toDuplex(1 as never), TypeError);
  assert.ok(stream(stage, s) instanceof SocketDuplex);
  assert.equal(tcp6.name, 'TCP6');
});
