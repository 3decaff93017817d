// Handshakes that fail: peers that speak no TLS, go away or are silent, and arguments that make no sense.
import assert from 'node:assert/strict';
import tls from 'node:tls';
import {
  AF_INET,
  AF_UNIX,
  ClosedError,
  createConnection,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  socket,
  socketpair,
  TimeoutError,
  wrapTls,
} from 'berkeley-sockets';
import { serve } from 'berkeley-sockets/server';
import { Chance } from '../support/chance.ts';
import { eventually, sleep, within } from '../support/deadline.ts';
import { scene as plainScene, type Scene, type SceneOptions } from '../support/scene.ts';
import { certificates, openssl } from './certificate.ts';
import { over, plain } from './connection.ts';

const scene = (name: string, body: (s: Scene) => Promise<void>, options: SceneOptions = {}): void =>
  plainScene(name, body, { ...openssl, ...options });

scene('garbage instead of a handshake', async (s) => {
  const chance = new Chance('garbage');
  const { ca, server: local } = await certificates();
  for (let i = 0; i < 40; i++) {
    const client = i % 2 === 0;
    const [near, far] = plain(s);
    const options = client
      ? { ca, servername: 'localhost' }
      : { key: local.key, cert: local.cert, isServer: true as const };
    const handshake = wrapTls(near, options);
    const failed = assert.rejects(within(handshake, 'its end'), (error: { code?: string }) => {
      assert.match(String(error.code), /^ERR_SSL_|^ECONNRESET$|^EPIPE$/);
      return true;
    });
    const bytes = chance.bytes(chance.integer(1, 20_000));
    // Half of them begin as a record does.
    if (i % 4 < 2) bytes.set([0x16, 3, 1].slice(0, bytes.length));
    await far.sendall(bytes).catch(() => {});
    far.close();
    await failed;
    assert.ok(near.closed);
  }
});

scene('the peer goes away in the midst of the handshake', async (s) => {
  const { ca, server: local } = await certificates();
  // As much of a real client's first message as `cut` says, and of a server's.
  const recorded = async (isServer: boolean): Promise<Buffer> => {
    const [near, far] = plain(s);
    const [relayNear, relayFar] = plain(s);
    const done = Promise.allSettled([
      wrapTls(near, { ca, servername: 'localhost' }),
      wrapTls(relayFar, { key: local.key, cert: local.cert, isServer: true }),
    ]);
    const hello = await far.recv(65536);
    await relayNear.sendall(hello);
    const answer = await relayNear.recv(65536);
    far.close();
    relayNear.close();
    await done;
    return isServer ? hello : answer;
  };
  for (const isServer of [false, true]) {
    const message = await recorded(isServer);
    for (const cut of [0, 1, 4, 5, 6, 60, message.length - 1]) {
      const [near, far] = plain(s);
      const handshake = wrapTls(
        near,
        isServer ? { key: local.key, cert: local.cert, isServer: true } : { ca, servername: 'localhost' },
      );
      const failed = assert.rejects(within(handshake, 'its end'), (error: { code?: string }) => {
        assert.match(String(error.code), /^ERR_SSL_|^ECONNRESET$/, `cut at ${cut}`);
        return true;
      });
      if (!isServer) await far.recv(65536);
      await far.sendall(message.subarray(0, cut));
      far.close();
      await failed;
      assert.ok(near.closed);
    }
  }
});

scene('a handshake has the time limit of its socket, and a signal', async (s) => {
  const { ca, server: local } = await certificates();
  const sides = [
    { ca, servername: 'localhost' },
    { key: local.key, cert: local.cert, isServer: true as const },
  ];
  for (const options of sides) {
    const [near] = plain(s);
    near.settimeout(0.1);
    await assert.rejects(within(wrapTls(near, options), 'the time limit'), TimeoutError);
    assert.ok(near.closed);

    const [aborted] = plain(s);
    const stop = new AbortController();
    const waiting = wrapTls(aborted, { ...options, signal: stop.signal });
    await sleep(0.02);
    stop.abort(new Error('enough'));
    await assert.rejects(waiting, { message: 'enough' });
    assert.ok(aborted.closed);

    const [closed] = plain(s);
    const ended = wrapTls(closed, options);
    await sleep(0.02);
    closed.close();
    await assert.rejects(ended, ClosedError);

    const [untouched] = plain(s);
    await assert.rejects(wrapTls(untouched, { ...options, signal: AbortSignal.abort(new Error('before')) }), {
      message: 'before',
    });
    assert.ok(!untouched.closed);
  }
  // The limit is one of the connection, too.
  const [near, far] = plain(s);
  near.settimeout(5);
  const [client] = await over(s, [near, far]);
  assert.equal(client.gettimeout(), 5);
});

scene('in a server, a client that never says hello costs its connection only', async (s) => {
  const { ca, server: local } = await certificates();
  const options = { key: local.key, cert: local.cert, isServer: true as const };
  const failures: unknown[] = [];
  await using server = serve(
    ['127.0.0.1', 0],
    async (conn) => {
      conn.settimeout(0.3);
      await using secure = await wrapTls(conn, options);
      for await (const chunk of secure) await secure.sendall(chunk);
    },
    { onerror: (error) => failures.push((error as { code?: string }).code), handshakeTimeout: 10 },
  );
  const silent = s.own(await createConnection(server.address));
  await silent.sendall('\x16\x03\x01');
  const client = s.own(await wrapTls(await createConnection(['localhost', server.address[1]]), { ca }));
  await client.sendall('echo');
  assert.equal(String(await client.recv(10)), 'echo');
  assert.equal((await within(silent.recv(10), 'its end')).length, 0);
  client.close();
  await eventually(() => server.connections === 0, 'the handlers to end');
  assert.deepEqual(failures, ['ETIMEDOUT']);
  assert.ok(server.bytesReceived > 0, `${server.bytesReceived} received`);
  assert.ok(server.bytesSent > 0, `${server.bytesSent} sent`);
});

scene('arguments are checked before anything is sent', async (s) => {
  const [near, far] = plain(s);
  const packets = socketpair(AF_UNIX, SOCK_SEQPACKET);
  for (const each of packets) s.own(each);
  const wrap = wrapTls as (...args: unknown[]) => Promise<unknown>;
  for (const [args, expected] of [
    [[undefined], TypeError],
    [[{}], TypeError],
    [[near, 1], TypeError],
    [[near, { isServer: 'yes' }], TypeError],
    [[near, { servername: 5 }], TypeError],
    [[near, { servername: '' }], TypeError],
    [[near, {}], /Expected servername/],
    [[near], /Expected servername/],
    [[near, { isServer: true, servername: 'x' }], TypeError],
    [[near, { isServer: true, secureContext: tls.createSecureContext() }], TypeError],
    [[near, { isServer: true, server: {} }], TypeError],
    [[near, { servername: 'x', ca: 5 }], TypeError],
    [[near, { servername: 'x', cert: 'no certificate' }], /PEM/],
    [[near, { servername: 'x', signal: 1 }], TypeError],
    [[s.own(socket(AF_INET, SOCK_DGRAM)), { servername: 'x' }], TypeError],
    [[packets[0], { servername: 'x' }], TypeError],
  ] as [unknown[], typeof TypeError | RegExp][])
    await assert.rejects(wrap(...args), expected, `wrapTls(${args.length} arguments)`);
  assert.equal(far.tryRecvInto(Buffer.alloc(1)), undefined);

  const reading = near.recv(1);
  await assert.rejects(wrapTls(near, { servername: 'x' }), { code: 'EBUSY' });
  await far.sendall('x');
  await reading;
  near.close();
  await assert.rejects(wrapTls(near, { servername: 'x' }), ClosedError);
});
