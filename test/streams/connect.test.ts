// connect() of the WinterTC Sockets API, against Node's servers.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { connect, type StreamSocket } from 'berkeley-sockets/streams';
import { certificate } from '../clients/row.ts';
import { within } from '../support/deadline.ts';
import { requirePeer, unusedPort } from '../support/peer.ts';
import { type Scene, scene } from '../support/scene.ts';

async function serving(stage: Scene, server: net.Server): Promise<number> {
  const sockets = new Set<net.Socket>();
  server.on('connection', (s) => {
    sockets.add(s);
    s.on('error', () => {}).on('close', () => sockets.delete(s));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stage.after(async () => {
    for (const s of sockets) s.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as net.AddressInfo).port;
}

const echo = (stage: Scene): Promise<number> =>
  serving(
    stage,
    net.createServer({ allowHalfOpen: true }, (s) => s.pipe(s)),
  );

async function readAll(socket: StreamSocket): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of socket.readable) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

scene('the example of the proposal: written at once, answered', async (stage) => {
  const port = await echo(stage);
  for (const address of [{ hostname: 'localhost', port }, `127.0.0.1:${port}`]) {
    const socket = connect(address);
    const writer = socket.writable.getWriter();
    await writer.write('Hello, World!\r\n');
    const { value } = await socket.readable.getReader().read();
    assert.equal(Buffer.from(value!).toString(), 'Hello, World!\r\n');
    const info = await socket.opened;
    assert.match(info.remoteAddress!, new RegExp(`^(127\\.0\\.0\\.1|\\[::1\\]):${port}$`));
    assert.match(info.localAddress!, /:\d+$/);
    assert.equal(info.alpn, null);
    assert.equal(socket.upgraded, false);
    assert.equal(socket.secureTransport, 'off');
    assert.equal(socket.close(), socket.closed);
    await socket.closed;
  }
});

scene('the peer’s end closes the socket, unless it may be half open', async (stage) => {
  const heard: string[] = [];
  const port = await serving(
    stage,
    net.createServer({ allowHalfOpen: true }, (s) => {
      s.end('bye');
      s.on('data', (chunk) => heard.push(String(chunk)));
    }),
  );
  const closing = connect({ hostname: '127.0.0.1', port });
  assert.equal(await readAll(closing), 'bye');
  await within(closing.closed, 'closed');
  await assert.rejects(closing.writable.getWriter().write('x'), { code: 'EBADF' });

  const open = connect({ hostname: '127.0.0.1', port }, { allowHalfOpen: true });
  assert.equal(await readAll(open), 'bye');
  const writer = open.writable.getWriter();
  await writer.write('I am still here');
  await writer.close();
  await within(open.closed, 'closed');
  while (heard.join('') !== 'I am still here') await new Promise((resolve) => setImmediate(resolve));
});

scene('a connection that fails rejects opened and closed, and both streams', async () => {
  const port = await unusedPort();
  const socket = connect({ hostname: '127.0.0.1', port });
  const reading = socket.readable.getReader().read();
  const writing = socket.writable.getWriter().write('x');
  for (const each of [socket.opened, socket.closed, reading, writing])
    await assert.rejects(each, { code: 'ECONNREFUSED' });
});

scene('close() while it connects', async (stage) => {
  const port = await echo(stage);
  const socket = connect({ hostname: 'localhost', port });
  const reading = socket.readable.getReader().read();
  const writer = socket.writable.getWriter();
  writer.closed.catch(() => {});
  const writing = writer.write('x');
  writing.catch(() => {});
  socket.close(new Error('changed my mind')).catch(() => {});
  await assert.rejects(socket.opened, /changed my mind/);
  await assert.rejects(writing, /changed my mind/);
  const { done } = await reading;
  assert.equal(done, true);
});

scene('close() ends what waits', async (stage) => {
  const port = await echo(stage);
  const socket = connect({ hostname: '127.0.0.1', port });
  await socket.opened;
  const reading = socket.readable.getReader().read();
  await socket.close();
  assert.equal((await reading).done, true);
  await socket.close();
});

scene('arguments are checked at once', () => {
  for (const address of ['localhost', 'a:b', ':80', 'host:99999', 'a:1:2'])
    assert.throws(() => connect(address), /address|port/, address);
  assert.throws(() => connect(null as never), TypeError);
  assert.throws(() => connect({ hostname: 1, port: 80 } as never), TypeError);
  assert.throws(() => connect({ hostname: 'x', port: 65536 }), RangeError);
  assert.throws(() => connect('x:1', { secureTransport: 'maybe' as never }), TypeError);
  assert.throws(() => connect('x:1', { sni: 'x' }), TypeError);
  assert.throws(() => connect('x:1', { alpn: ['h2'] }), TypeError);
});

const { skip } = requirePeer('openssl');

scene(
  'TLS from the start: names, protocols, refused certificates',
  async (stage) => {
    const { key, cert } = certificate(stage);
    const server = tls.createServer({ key, cert, ALPNProtocols: ['echo/1'] }, (s) => s.pipe(s));
    const port = await serving(stage, server);
    const socket = connect(
      { hostname: 'localhost', port },
      { secureTransport: 'on', alpn: ['echo/1'], tls: { ca: cert } },
    );
    assert.equal((await socket.opened).alpn, 'echo/1');
    const writer = socket.writable.getWriter();
    await writer.write('secret');
    const { value } = await socket.readable.getReader().read();
    assert.equal(Buffer.from(value!).toString(), 'secret');
    await socket.close();

    const stranger = connect({ hostname: 'localhost', port }, { secureTransport: 'on' });
    await assert.rejects(stranger.opened, { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    const other = connect(
      { hostname: 'localhost', port },
      { secureTransport: 'on', sni: 'elsewhere', tls: { ca: cert } },
    );
    await assert.rejects(other.opened, { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  },
  { skip: skip ?? false },
);

scene(
  'startTls goes on with TLS on the same connection',
  async (stage) => {
    const { key, cert } = certificate(stage);
    const secureContext = tls.createSecureContext({ key, cert });
    const port = await serving(
      stage,
      net.createServer((s) => {
        s.once('data', (chunk) => {
          assert.equal(String(chunk), 'STARTTLS\r\n');
          s.write('GO\r\n');
          const secure = new tls.TLSSocket(s, { isServer: true, secureContext });
          secure.on('error', () => {});
          secure.pipe(secure);
        });
      }),
    );
    const plain = connect(
      { hostname: 'localhost', port },
      { secureTransport: 'starttls', tls: { ca: cert } },
    );
    const writer = plain.writable.getWriter();
    const reader = plain.readable.getReader();
    await writer.write('STARTTLS\r\n');
    assert.equal(Buffer.from((await reader.read()).value!).toString(), 'GO\r\n');
    const waiting = reader.read();
    const secure = plain.startTls();
    assert.equal(plain.upgraded, true);
    assert.throws(() => plain.startTls(), { code: 'EINVAL' });
    assert.throws(() => secure.startTls(), { code: 'EINVAL' });
    assert.equal((await waiting).done, true);
    await secure.opened;
    await plain.closed;
    await assert.rejects(writer.write('x'));
    const hidden = secure.writable.getWriter();
    await hidden.write('hidden');
    const { value } = await secure.readable.getReader().read();
    assert.equal(Buffer.from(value!).toString(), 'hidden');
    await secure.close();
    const off = connect({ hostname: 'localhost', port });
    assert.throws(() => off.startTls(), { code: 'EINVAL' });
    await off.opened;
    await off.close();
  },
  { skip: skip ?? false },
);
