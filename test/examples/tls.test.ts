// The program that serves inside TLS, to openssl and to somebody who speaks none.
import assert from 'node:assert/strict';
import { createConnection, wrapTls } from 'berkeley-sockets';
import { within } from '../support/deadline.ts';
import { startPeer } from '../support/peer.ts';
import { scene } from '../support/scene.ts';
import { certificates, openssl } from '../tls/certificate.ts';
import { startExample } from './run.ts';

scene(
  'an echo inside TLS',
  async (s) => {
    const { server: identity, ca, caFile } = await certificates();
    const usage = await startExample(s, '52-tls-echo.ts').exit(30);
    assert.equal(usage.code, 2);
    assert.match(usage.stderr, /openssl req/);

    const server = startExample(s, '52-tls-echo.ts', [identity.keyFile, identity.certFile, 0, '127.0.0.1']);
    const port = Number(/(\d+) \]$/.exec(await server.line(/^Listening/, { seconds: 30 }))![1]);
    const client = startPeer(s, 'openssl', [
      ...['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'localhost'],
      ...['-CAfile', caFile, '-verify_return_error', '-quiet'],
    ]);
    client.write('round\n');
    await client.line(/^round$/);
    await server.line(/^127\.0\.0\.1 speaks TLSv1\.3$/);

    const plain = s.own(await createConnection(['127.0.0.1', port]));
    await plain.sendall('GET / HTTP/1.1\r\n\r\n');
    await server.line(/^No TLS: ERR_SSL_HTTP_REQUEST$/);

    const secure = s.own(await wrapTls(await createConnection(['localhost', port]), { ca }));
    await secure.sendall('still there');
    assert.equal(String(await within(secure.recv(100), 'the echo')), 'still there');
  },
  { ...openssl, seconds: 60 },
);
