// Other people's TLS at the other end, in both roles: openssl, curl, Python's ssl.
import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { createConnection, SHUT_WR, type Socket, type TlsSocket, wrapTls } from 'berkeley-sockets';
import { serve } from 'berkeley-sockets/server';
import { Chance } from '../support/chance.ts';
import { eventually, within } from '../support/deadline.ts';
import { runNode } from '../support/node.ts';
import { requirePeer, runPeer, startPeer, unusedPort } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { type Scene, scene } from '../support/scene.ts';
import { certificates, openssl } from './certificate.ts';
import { receive } from './connection.ts';

const skip = (command: string): { skip: string | false } => ({
  skip: openssl.skip ?? requirePeer(command).skip ?? false,
});

/** Connects again and again until somebody listens. */
async function connected(s: Scene, port: number): Promise<Socket> {
  return s.own(await eventually(() => createConnection(['localhost', port]), `port ${port} to listen`));
}

scene(
  'openssl s_client, which changes its keys',
  async (s) => {
    const { server: identity, caFile } = await certificates();
    const lines: string[] = [];
    await using server = serve(['127.0.0.1', 0], async (conn) => {
      await using secure = await wrapTls(conn, { ...identity, isServer: true, ALPNProtocols: ['echo'] });
      await secure.sendall(`${secure.alpnProtocol} ${secure.servername}\n`);
      for await (const line of secure.reader().lines()) {
        lines.push(line);
        await secure.sendall(`got ${line}\n`);
      }
    });
    const client = startPeer(s, 'openssl', [
      ...['s_client', '-connect', `127.0.0.1:${server.address[1]}`, '-servername', 'localhost'],
      ...['-CAfile', caFile, '-verify_return_error', '-alpn', 'echo', '-tls1_3'],
    ]);
    await client.line(/^echo localhost$/);
    client.write('before\n');
    await client.line(/^got before$/);
    // K: a key update that asks the other side for one, too.
    client.write('K\n');
    await client.line(/KEYUPDATE/, { from: 'stderr' });
    client.write('after\n');
    await client.line(/^got after$/);
    client.write('k\n');
    // What it reads together with a command it drops.
    await client.line(/KEYUPDATE/, { from: 'stderr' });
    client.write('again\n');
    await client.line(/^got again$/);
    client.write('Q\n');
    await client.succeed();
    assert.deepEqual(lines, ['before', 'after', 'again']);
    await eventually(() => server.connections === 0, 'the end of the handler');
    assert.equal(server.failed, 0);
  },
  openssl,
);

scene(
  'openssl s_server: both versions, a client certificate, a session',
  async (s) => {
    const { server: identity, client: friend, ca, caFile } = await certificates();
    const port = await unusedPort();
    startPeer(s, 'openssl', [
      ...['s_server', '-accept', `127.0.0.1:${port}`, '-key', identity.keyFile, '-cert', identity.certFile],
      ...['-CAfile', caFile, '-Verify', '1', '-verify_return_error', '-rev'],
    ]);
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      let session: Buffer | undefined;
      for (const resumed of [false, true]) {
        const told = { ca, key: friend.key, cert: friend.cert, maxVersion };
        const secure = await wrapTls(await connected(s, port), session ? { ...told, session } : told);
        assert.equal(secure.getProtocol(), maxVersion);
        await secure.sendall('stressed\n');
        const reader = secure.reader();
        assert.equal(String(await within(reader.readline(), 'the line reversed')), 'desserts\n');
        assert.equal(secure.isSessionReused(), resumed, `${maxVersion}: resumed`);
        session = secure.session;
        secure.close();
      }
    }
    const stranger = await wrapTls(await connected(s, port), { ca });
    s.own(stranger);
    await assert.rejects(within(stranger.recv(1), 'the refusal'), {
      code: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
    });
  },
  { ...openssl, seconds: 60 },
);

scene(
  'openssl s_server, which changes its keys',
  async (s) => {
    const { server: identity, ca } = await certificates();
    const port = await unusedPort();
    const server = startPeer(s, 'openssl', [
      ...['s_server', '-accept', `127.0.0.1:${port}`, '-key', identity.keyFile, '-cert', identity.certFile],
    ]);
    const secure = s.own(await wrapTls(await connected(s, port), { ca }));
    await secure.sendall('one\n');
    await server.line(/^one$/);
    server.write('K\n');
    // What it reads together with a command it drops; of its two inputs it looks at this one first.
    await secure.sendall('with new keys\n');
    await server.line(/^with new keys$/);
    server.write('two\n');
    assert.equal(String(await within(secure.reader().readline(), 'a line')), 'two\n');
    await secure.sendall('three\n');
    await server.line(/^three$/);
    secure.shutdown(SHUT_WR);
    await server.line(/^DONE$/);
  },
  openssl,
);

scene(
  'curl fetches by https',
  async () => {
    const { server: identity, caFile } = await certificates();
    const body = new Chance('page').bytes(3_000_000);
    await using server = serve(['127.0.0.1', 0], async (conn) => {
      await using secure = await wrapTls(conn, {
        ...identity,
        isServer: true,
        ALPNProtocols: ['http/1.1'],
      });
      const request = String(await secure.reader().readuntil('\r\n\r\n'));
      assert.match(request, /^GET \/page HTTP\/1.1\r\n/);
      // Without a length: the end of the stream is the end of the page, and curl insists on a clean one.
      await secure.sendall('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n');
      await secure.sendall(body);
    });
    const url = `https://localhost:${server.address[1]}/page`;
    const args = ['--silent', '--show-error', '--max-time', '10', '--cacert', caFile, '--noproxy', '*'];
    for (const version of [['--tls-max', '1.2'], ['--tlsv1.3']]) {
      const file = `${caFile}.page`;
      await runPeer('curl', [...args, ...version, '--output', file, url]);
      assert.ok(readFileSync(file).equals(body));
      rmSync(file);
    }
    assert.equal(server.failed, 0);
  },
  skip('curl'),
);

/** Ten MiB to the peer and back, then the end. */
async function echoed(secure: TlsSocket): Promise<void> {
  const data = new Chance('echo').bytes(10 << 20);
  const back = receive(secure, data.length);
  await secure.sendall(data);
  secure.shutdown(SHUT_WR);
  assert.ok((await within(back, 'the echo', 20)).equals(data));
  assert.equal((await secure.recv(1)).length, 0);
}

scene(
  'Python echoes as a server, and as a client',
  async (s) => {
    const { server: identity, ca, caFile } = await certificates();
    const echo = `
      def echo(secure):
          total = 0
          while True:
              data = secure.recv(65536)
              if not data: break
              secure.sendall(data)
              total += len(data)
          secure.unwrap()
          return total
    `;
    const server = startPython(
      s,
      `
      import socket, ssl, sys
      ${echo.trim()}
      context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
      context.load_cert_chain(sys.argv[1], sys.argv[2])
      with socket.create_server(('127.0.0.1', 0)) as listener:
          print(listener.getsockname()[1])
          for _ in range(2):
              conn, _ = listener.accept()
              with context.wrap_socket(conn, server_side=True, suppress_ragged_eofs=False) as secure:
                  print(echo(secure))
      `,
      [identity.certFile, identity.keyFile],
    );
    const port = Number(await server.line());
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const secure = s.own(await wrapTls(await connected(s, port), { ca, maxVersion }));
      await echoed(secure);
      assert.equal(await server.line(), String(10 << 20));
      secure.close();
    }
    await server.succeed();

    const client = startPython(
      s,
      `
      import socket, ssl, sys
      ${echo.trim()}
      print('ready')
      context = ssl.create_default_context(cafile=sys.argv[1])
      with socket.create_connection(('localhost', int(input()))) as conn:
          with context.wrap_socket(conn, server_hostname='localhost', suppress_ragged_eofs=False) as secure:
              print(secure.version(), echo(secure))
      `,
      [caFile],
    );
    await client.line(/^ready$/);
    await using listener = serve(['127.0.0.1', 0], async (conn) => {
      await using secure = await wrapTls(conn, { ...identity, isServer: true });
      await echoed(secure);
    });
    client.write(`${listener.address[1]}\n`);
    await client.line(new RegExp(`^TLSv1.3 ${10 << 20}$`), { seconds: 20 });
    await client.succeed();
    assert.equal(listener.failed, 0);
  },
  { ...skip('python3'), seconds: 60 },
);

scene(
  'an idle connection does not keep the process alive',
  async () => {
    const { server: identity, caFile } = await certificates();
    const { stdout } = await runNode(
      `
      import { readFileSync } from 'node:fs';
      import { socketpair, wrapTls } from 'berkeley-sockets';
      const [near, far] = socketpair();
      const [key, cert, ca] = [process.env.KEY, process.env.CERT, process.env.CA].map((file) => readFileSync(file));
      const both = await Promise.all([
        wrapTls(near, { ca, servername: 'localhost' }),
        wrapTls(far, { key, cert, isServer: true }),
      ]);
      await both[0].sendall('hello');
      console.log(String(await both[1].recv(100)));
      process.on('exit', () => console.log(both.map((each) => each.closed).join()));
      `,
      { env: { ...process.env, KEY: identity.keyFile, CERT: identity.certFile, CA: caFile } },
    );
    assert.equal(stdout, 'hello\nfalse,false\n');
  },
  openssl,
);
