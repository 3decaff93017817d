// From a plain protocol to TLS on the same connection, as SMTP's STARTTLS (RFC 3207) has it.
import assert from 'node:assert/strict';
import { createConnection, type Reader, type Socket, startTls, TlsSocket } from 'berkeley-sockets';
import { serve } from 'berkeley-sockets/server';
import { sleep } from '../support/deadline.ts';
import { requirePeer } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { scene as plainScene, type Scene, type SceneOptions } from '../support/scene.ts';
import { certificates, openssl } from './certificate.ts';
import { plain } from './connection.ts';

const scene = (name: string, body: (s: Scene) => Promise<void>, options: SceneOptions = {}): void =>
  plainScene(name, body, { ...openssl, ...options });
const python = { skip: openssl.skip ?? requirePeer('python3').skip ?? (false as const) };

/** A mail server that insists on TLS; what it is given is put into `mail`. */
async function mailServer(
  conn: Socket,
  identity: { key: Buffer; cert: Buffer },
  mail: string[],
): Promise<void> {
  let stream: Socket | TlsSocket = conn;
  let reader: Reader = conn.reader();
  await stream.sendall('220 ready\r\n');
  for (;;) {
    const line = (await reader.readline()).toString().trimEnd();
    const command = line.slice(0, 4).toUpperCase();
    if (line === '') return;
    if (line.toUpperCase() === 'STARTTLS') {
      await stream.sendall('220 go ahead\r\n');
      stream = await startTls(reader, { ...identity, isServer: true });
      reader = stream.reader();
    } else if (command === 'EHLO') {
      await stream.sendall(
        stream instanceof TlsSocket ? '250 localhost\r\n' : '250-localhost\r\n250 STARTTLS\r\n',
      );
    } else if (command === 'DATA') {
      await stream.sendall('354 go on\r\n');
      mail.push(`${stream instanceof TlsSocket} ${await reader.readuntil('\r\n.\r\n')}`);
      await stream.sendall('250 taken\r\n');
    } else if (command === 'QUIT') {
      await stream.sendall('221 bye\r\n');
      stream.close();
      return;
    } else await stream.sendall('250 fine\r\n');
  }
}

scene(
  'Python sends mail through STARTTLS',
  async (s) => {
    const { server: identity, caFile } = await certificates();
    const mail: string[] = [];
    const errors: unknown[] = [];
    await using server = serve(['127.0.0.1', 0], (conn) => mailServer(conn, identity, mail), {
      onerror: (error) => errors.push(error),
    });
    const client = startPython(
      s,
      `
      import smtplib, ssl, sys
      context = ssl.create_default_context(cafile=sys.argv[2])
      with smtplib.SMTP('localhost', int(sys.argv[1])) as smtp:
          smtp.starttls(context=context)
          smtp.sendmail('a@localhost', ['b@localhost'], 'Subject: hello\\n\\nthe text')
      print('sent')
      `,
      [String(server.address[1]), caFile],
    );
    await client.line(/^sent$/);
    await client.succeed();
    assert.deepEqual(errors, []);
    assert.equal(mail.length, 1);
    assert.match(mail[0]!, /^true Subject: hello\r\n\r\nthe text\r\n\.\r\n$/);
  },
  python,
);

scene(
  'STARTTLS towards Python',
  async (s) => {
    const { server: identity, ca } = await certificates();
    const server = startPython(
      s,
      `
      import socket, ssl, sys
      context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
      context.load_cert_chain(sys.argv[1], sys.argv[2])
      with socket.create_server(('127.0.0.1', 0)) as listener:
          print(listener.getsockname()[1])
          conn, _ = listener.accept()
          assert conn.recv(100) == b'STARTTLS\\r\\n'
          conn.sendall(b'220 go ahead\\r\\n')
          with context.wrap_socket(conn, server_side=True) as secure:
              secure.sendall(secure.recv(100).upper())
      `,
      [identity.certFile, identity.keyFile],
    );
    const sock = await createConnection(['localhost', Number(await server.line())]);
    const reader = sock.reader();
    await sock.sendall('STARTTLS\r\n');
    assert.match(String(await reader.readline()), /^220/);
    // By the name that createConnection was given.
    const secure = s.own(await startTls(reader, { ca }));
    assert.equal(reader.buffered, 0);
    await secure.sendall('quiet');
    assert.equal(String(await secure.recv(100)), 'QUIET');
    await server.succeed();
  },
  python,
);

scene('plain text that came before TLS is refused', async (s) => {
  const { server: identity, ca } = await certificates();
  // A server whose client's command was followed by one that somebody put there (CVE-2011-0411).
  const [client, server] = plain(s);
  await client.sendall('STARTTLS\r\nRCPT TO:<eve@example.com>\r\n');
  const reader = server.reader();
  assert.equal(String(await reader.readline()), 'STARTTLS\r\n');
  await assert.rejects(startTls(reader, { ...identity, isServer: true }), {
    name: 'SocketError',
    code: 'EPROTO',
    message: 'handshake EPROTO: 27 bytes of plain text came before TLS was begun: they may be injected',
  });
  // Nothing was done: it is the caller's to end this.
  assert.ok(!server.closed);
  assert.match(String(await reader.readline()), /^RCPT/);

  // What the kernel has is no handshake.
  const [near, far] = plain(s);
  await far.sendall('220 go ahead\r\n');
  const answers = near.reader();
  await answers.readline();
  await far.sendall('250 fine, never mind\r\n');
  await sleep(0.01);
  await assert.rejects(startTls(answers, { ca, servername: 'localhost' }), /ERR_SSL_|wrong version/);
  assert.ok(near.closed);
});

scene('what a reader reads from must be a plain socket', async (s) => {
  const [near, far] = plain(s);
  const { server: identity, ca } = await certificates();
  const [a, b] = await Promise.all([
    startTls(near, { ca, servername: 'localhost' }),
    startTls(far, { ...identity, isServer: true }),
  ]);
  for (const each of [a, b]) s.own(each);
  await assert.rejects(startTls(a.reader(), { ca, servername: 'localhost' }), TypeError);
  await assert.rejects(startTls({} as Socket, { servername: 'x' }), TypeError);
});
