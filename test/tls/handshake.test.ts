// Handshakes between our own two sides: what they agree on, whom they trust, and every way to fail.
import assert from 'node:assert/strict';
import tls from 'node:tls';
import { createConnection, socketpair, TlsSocket, wrapTls } from 'berkeley-sockets';
import { serve } from 'berkeley-sockets/server';
import { within } from '../support/deadline.ts';
import { scene as plainScene, type Scene, type SceneOptions } from '../support/scene.ts';
import { pair, streams } from '../support/transports.ts';
import { certificates, openssl } from './certificate.ts';
import { failure, over, plain, receive, secured } from './connection.ts';

const scene = (name: string, body: (s: Scene) => Promise<void>, options: SceneOptions = {}): void =>
  plainScene(name, body, { ...openssl, ...options });

for (const transport of streams) {
  scene(
    `both sides meet (${transport.name})`,
    async (s) => {
      const [client, server] = await over(s, await pair(s, transport));
      assert.ok(client instanceof TlsSocket);
      assert.equal(client.getProtocol(), 'TLSv1.3');
      assert.deepEqual(client.getCipher(), server.getCipher());
      assert.equal(client.authorized, true);
      assert.equal(client.getPeerCertificate().subject.CN, 'localhost');
      assert.equal(client.getPeerX509Certificate()?.subject, 'CN=localhost');
      assert.equal(server.authorized, false);
      assert.equal(server.servername, 'localhost');
      assert.equal(client.alpnProtocol, undefined);
      assert.deepEqual(
        client.exportKeyingMaterial(32, 'EXPORTER-test'),
        server.exportKeyingMaterial(32, 'EXPORTER-test'),
      );
      assert.ok(client.fileno() > 0);
      assert.deepEqual(client.getpeername(), server.getsockname());
      await client.sendall('up');
      assert.equal(String(await server.recv(10)), 'up');
      await server.sendall('down');
      assert.equal(String(await client.recv(10)), 'down');
      client.close();
      assert.equal(client.fileno(), -1);
      assert.equal((await server.recv(10)).length, 0);
    },
    { skip: openssl.skip ?? transport.missing },
  );
}

scene('versions, ALPN and SNI', async (s) => {
  const { other } = await certificates();
  const asked: string[] = [];
  const SNICallback = (
    name: string,
    done: (error: Error | null, context?: tls.SecureContext) => void,
  ): void => {
    asked.push(name);
    // Later, as a server does that has to look.
    setTimeout(() => done(null, name === 'other.example' ? tls.createSecureContext(other) : undefined), 10);
  };
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const [client, server] = await secured(s, {
      client: { maxVersion: version, servername: 'other.example', ALPNProtocols: ['h2', 'http/1.1'] },
      server: { SNICallback, ALPNProtocols: ['http/1.1'] },
    });
    assert.equal(client.getProtocol(), version);
    assert.equal(client.getPeerCertificate().subject.CN, 'other.example');
    assert.equal(client.alpnProtocol, 'http/1.1');
    assert.equal(server.alpnProtocol, 'http/1.1');
    assert.equal(server.servername, 'other.example');
    await server.sendall('x'.repeat(100_000));
    assert.equal((await receive(client, 100_000)).length, 100_000);
  }
  assert.deepEqual(asked, ['other.example', 'other.example']);

  const offers: string[][] = [];
  const [client] = await secured(s, {
    client: { ALPNProtocols: ['a', 'b'] },
    server: {
      ALPNCallback: ({ protocols }) => {
        offers.push(protocols);
        return 'b';
      },
    },
  });
  assert.deepEqual([offers, client.alpnProtocol], [[['a', 'b']], 'b']);
});

scene('a server of node:tls lends its contexts', async (s) => {
  const { server: local, other } = await certificates();
  const server = tls.createServer({ key: local.key, cert: local.cert });
  server.addContext('other.example', other);
  for (const servername of ['localhost', 'other.example']) {
    const [client] = await secured(s, { client: { servername }, server: { server } });
    assert.equal(client.getPeerCertificate().subject.CN, servername);
  }
  // And is itself told nothing of them.
  assert.equal(server.listenerCount('secureConnection'), 0);
});

scene('client certificates', async (s) => {
  const { ca, client: friend, stranger } = await certificates();
  const asks = { requestCert: true, ca };
  const [, server] = await secured(s, { client: friend, server: asks });
  assert.equal(server.authorized, true);
  assert.equal(server.getPeerCertificate().subject.CN, 'friend');

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const [, without] = await failure(plain(s), { maxVersion: version }, asks);
    assert.equal(without, 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE', version);
    const [, wrong] = await failure(plain(s), { ...stranger, maxVersion: version }, asks);
    assert.equal(wrong, 'DEPTH_ZERO_SELF_SIGNED_CERT', version);
  }
  const [client, tolerant] = await secured(s, {
    client: stranger,
    server: { ...asks, rejectUnauthorized: false },
  });
  assert.equal(tolerant.authorized, false);
  assert.equal(tolerant.authorizationError, 'DEPTH_ZERO_SELF_SIGNED_CERT');
  await client.sendall('x');
  assert.equal(String(await tolerant.recv(1)), 'x');

  // In TLS 1.3 a client is done before its certificate is looked at: it hears of it when it reads.
  const [near, far] = plain(s);
  const refusing = wrapTls(far, { ...(await certificates()).server, ...asks, isServer: true });
  refusing.catch(() => {});
  const refused = s.own(await wrapTls(near, { ca, servername: 'localhost' }));
  await assert.rejects(within(refused.recv(1), 'the alert'), {
    code: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
  });
  await assert.rejects(refused.sendall('x'), { code: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED' });
});

scene('certificates that are refused', async (s) => {
  const known = await certificates();
  const cases: [server: object, client: object, code: string][] = [
    [known.other, {}, 'ERR_TLS_CERT_ALTNAME_INVALID'],
    [known.server, { servername: '127.0.0.2' }, 'ERR_TLS_CERT_ALTNAME_INVALID'],
    [known.expired, {}, 'CERT_HAS_EXPIRED'],
    [known.selfSigned, {}, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    [known.server, { ca: undefined }, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    [known.server, { ca: known.stranger.cert }, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    [{}, { checkServerIdentity: () => Object.assign(new Error('no'), { code: 'MINE' }) }, 'MINE'],
  ];
  for (const [server, client, code] of cases) {
    const [near, far] = plain(s);
    const [got] = await failure([near, far], client, server);
    assert.equal(got, code);
    assert.ok(near.closed, 'a handshake that failed has closed the socket');
  }
  const [anyway] = await secured(s, { client: { rejectUnauthorized: false }, server: known.expired });
  assert.deepEqual([anyway.authorized, anyway.authorizationError], [false, 'CERT_HAS_EXPIRED']);
  const [byAddress] = await secured(s, { client: { servername: '127.0.0.1' } });
  assert.equal(byAddress.authorized, true);
  const [, unnamed] = await secured(s, { client: { servername: '::1' } });
  assert.equal(unnamed.servername, undefined);
});

scene('the name comes from createConnection', async (s) => {
  const { ca, server: local, other } = await certificates();
  let identity = local;
  await using server = serve(
    ['127.0.0.1', 0],
    async (conn) => {
      await using secure = await wrapTls(conn, { ...identity, isServer: true });
      await secure.sendall(secure.servername ?? 'nobody');
    },
    { onerror: () => {} },
  );
  const [, port] = server.address;
  for (const [host, expected] of [
    ['localhost', 'localhost'],
    ['127.0.0.1', 'nobody'],
  ] as const) {
    const client = s.own(await wrapTls(await createConnection([host, port]), { ca }));
    assert.equal(String(await client.recv(100)), expected);
    assert.equal((await client.recv(100)).length, 0);
  }
  identity = other;
  const wrong = await createConnection(['localhost', port]);
  await assert.rejects(wrapTls(wrong, { ca }), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  assert.ok(wrong.closed);
});

scene('a session is resumed', async (s) => {
  const { ca, server: local } = await certificates();
  const serverOptions = { key: local.key, cert: local.cert };
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const told = { ...serverOptions, isServer: true as const };
    let session: Buffer | undefined;
    for (const resumed of [false, true]) {
      const [near, far] = plain(s);
      const [client, server] = await Promise.all([
        wrapTls(near, { ca, servername: 'localhost', maxVersion: version, ...(session && { session }) }),
        wrapTls(far, told),
      ]);
      s.own(client);
      s.own(server);
      assert.deepEqual([client.isSessionReused(), server.isSessionReused()], [resumed, resumed], version);
      await server.sendall('x');
      assert.equal(String(await client.recv(1)), 'x');
      session = client.session;
      assert.ok(session instanceof Buffer);
    }
    // Other contents are another context, whose sessions are its own.
    told.key = Buffer.from(told.key);
    const [near, far] = plain(s);
    const [client] = await Promise.all([
      wrapTls(near, { ca, servername: 'localhost', maxVersion: version, session: session! }),
      wrapTls(far, told).then((each) => s.own(each)),
    ]);
    s.own(client);
    assert.equal(client.isSessionReused(), false);
  }
});

scene(
  'many connections come and go',
  async () => {
    const { ca, server: local } = await certificates();
    const told = { key: local.key, cert: local.cert, isServer: true as const };
    const trust = { ca, servername: 'localhost' };
    const once = async (): Promise<void> => {
      const [near, far] = socketpair();
      const [client, server] = await Promise.all([wrapTls(near, trust), wrapTls(far, told)]);
      await client.sendall('question');
      assert.equal(String(await server.recv(100)), 'question');
      await server.sendall('answer');
      server.close();
      assert.equal(String(await client.recv(100)), 'answer');
      client.close();
    };
    for (let i = 0; i < 20; i++) await Promise.all(Array.from({ length: 10 }, once));
  },
  { seconds: 60 },
);
