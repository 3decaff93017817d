// The TCP examples with the other side written by others: curl, nc, socat and Python.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sleep } from '../support/deadline.ts';
import { noLeaks } from '../support/leaks.ts';
import { requirePeer, runPeer, startPeer, unusedPort } from '../support/peer.ts';
import { runPython, startPython } from '../support/python.ts';
import type { Ending } from '../support/tempdir.ts';
import { assertLines, runExample, startExample, startServer } from './run.ts';

noLeaks();

/** A server in Python: prints its port, takes one connection as `c`, and runs `script`. */
async function pythonServer(t: Ending, script: string): Promise<number> {
  const server = startPython(
    t,
    `from socket import *\ns = create_server(('127.0.0.1', 0))\nprint(s.getsockname()[1])\nc, a = s.accept()\n${script}`,
  );
  return Number(await server.line());
}

/** A client in Python that connects `c` to the port in its arguments. */
const pythonClient = (script: string, port: number) =>
  runPython(
    `import sys\nfrom socket import *\nc = create_connection(('127.0.0.1', int(sys.argv[1])))\n${script}`,
    [String(port)],
  );

describe('clients', requirePeer('python3', 'socat'), () => {
  const page = [
    'HTTP/1.0 200 OK\r',
    'Content-type: text/html\r',
    'Content-length: 63\r',
    '\r',
    '<HTML><BODY>It works: served by berkeley-sockets</BODY></HTML>',
  ];

  test('02 telnet: both directions, to the end', async (t) => {
    const port = await pythonServer(
      t,
      `
c.sendall(b'220 ready\\n')
line = c.makefile().readline()
c.sendall(b'you said ' + line.encode() + b'and end with ' + repr(c.recv(10)).encode() + b'\\n')
c.close()
`,
    );
    const telnet = startExample(t, '02-telnet.ts', ['127.0.0.1', port]);
    assert.equal(await telnet.line(), 'Connected to 127.0.0.1.');
    assert.equal(await telnet.line(), '220 ready');
    telnet.write('QUIT\n');
    telnet.endInput();
    assert.equal(await telnet.line(), 'you said QUIT');
    assert.equal(await telnet.line(), "and end with b''");
    assert.equal(await telnet.line(), 'Connection closed by foreign host.');
    assert.equal((await telnet.succeed()).stderr, '');
  });

  test('02 telnet: ends with the server, though its input is open', async (t) => {
    const port = await pythonServer(t, "c.sendall(b'bye\\n')\nc.close()");
    const telnet = startExample(t, '02-telnet.ts', ['127.0.0.1', port]);
    assertLines((await telnet.succeed()).stdout.trimEnd().split('\n'), [
      'Connected to 127.0.0.1.',
      'bye',
      'Connection closed by foreign host.',
    ]);
  });

  test('04 TCP client: its own page', async () => {
    assertLines(await runExample('04-tcp-client.ts'), page);
  });

  test('04 TCP client: from a host given, by name, whole', async (t) => {
    const port = await pythonServer(
      t,
      `
import time
request = c.recv(10000)
c.sendall(b'HTTP/1.0 200 OK\\r\\n\\r\\n')
for i in range(3):
    time.sleep(0.05)
    c.sendall(b'%d' % i * 20000 + b'\\n')
c.sendall(repr(request).encode() + b'\\n')
c.close()
`,
    );
    assertLines(await runExample('04-tcp-client.ts', ['localhost', port]), [
      'HTTP/1.0 200 OK\r',
      '\r',
      '0'.repeat(20_000),
      '1'.repeat(20_000),
      '2'.repeat(20_000),
      String.raw`b'GET /index.html HTTP/1.0\r\nHost: localhost\r\n\r\n'`,
    ]);
  });

  test('19 client in four steps: its own page', async () => {
    const lines = await runExample('19-client.ts');
    assertLines(lines, [
      'Socket Created',
      'IP address of 127.0.0.1 is 127.0.0.1',
      'Socket Connected to 127.0.0.1 on ip 127.0.0.1',
      'Message sent successfully',
      'HTTP/1.0 200 OK\r',
      'Content-type: text/html\r',
      'Content-length: 63\r',
      '\r',
      /^<HTML>.*<\/HTML>$/,
      '',
    ]);
  });

  test('19 client in four steps: socat answers', async (t) => {
    const socat = startPeer(t, 'socat', ['-d', '-d', 'TCP-LISTEN:0,bind=127.0.0.1', 'EXEC:cat']);
    const port = /\d+$/.exec(await socat.line(/listening on/, { from: 'stderr' }))![0];
    const lines = await runExample('19-client.ts', ['localhost', port, 'an echo']);
    assertLines(lines, [
      'Socket Created',
      'IP address of localhost is 127.0.0.1',
      'Socket Connected to localhost on ip 127.0.0.1',
      'Message sent successfully',
      'an echo',
    ]);
  });

  test('19 client in four steps: a step that fails is named, and the status is 1', async (t) => {
    const unresolved = await startExample(t, '19-client.ts', ['no-such-host.invalid']).exit();
    assert.equal(unresolved.code, 1);
    assert.match(
      unresolved.stdout,
      /^Socket Created\nHostname could not be resolved\. Error code: EAI_\w+, message: .*\n$/,
    );

    const refused = await startExample(t, '19-client.ts', ['127.0.0.1', await unusedPort()]).exit();
    assert.equal(refused.code, 1);
    assert.match(
      refused.stdout,
      /\nConnect failed\. Error code: ECONNREFUSED, message: connect ECONNREFUSED 127\.0\.0\.1:\d+\n$/,
    );

    const port = await pythonServer(
      t,
      'import struct\nc.recv(1)\nc.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))\nc.close()',
    );
    const reset = await startExample(t, '19-client.ts', ['127.0.0.1', port]).exit();
    assert.equal(reset.code, 1);
    assert.match(reset.stdout, /\nMessage sent successfully\nReceive failed\. Error code: ECONNRESET, /);
  });
});

describe('servers', requirePeer('python3', 'socat', 'nc.openbsd', 'curl'), () => {
  test('05 hello server: one client after the other, of every make', async (t) => {
    const [server, port] = await startServer(t, '05-hello-server.ts');
    const hello = 'Hello 127.0.0.1\n';
    assert.equal((await pythonClient('print(c.makefile().read(), end="")', port)).stdout, hello);
    assert.match(await server.line(), /^Received connection from \[ '127\.0\.0\.1', \d+ \]$/);
    assert.equal((await runPeer('nc.openbsd', ['127.0.0.1', String(port)])).stdout, hello);
    assert.equal((await runPeer('socat', ['-u', `TCP:127.0.0.1:${port}`, '-'])).stdout, hello);
    assert.equal(
      (await runPeer('curl', ['--silent', '--no-buffer', `telnet://127.0.0.1:${port}`])).stdout,
      hello,
    );
    for (let i = 0; i < 3; i++) await server.line(/^Received connection/);
  });

  test('05 hello server: a client that is gone before it is greeted does not end it', async (t) => {
    const [server, port] = await startServer(t, '05-hello-server.ts');
    for (let i = 0; i < 5; i++) {
      await pythonClient(
        'import struct\nc.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))\nc.close()',
        port,
      );
    }
    assert.equal((await pythonClient('print(c.recv(100))', port)).stdout, "b'Hello 127.0.0.1\\n'\n");
    await server.stop();
    assert.equal((await server.exit()).signal, 'SIGTERM');
  });

  test('05 hello server: starts again at once on the port it had', async (t) => {
    const [server, port] = await startServer(t, '05-hello-server.ts');
    // The server closes first, so its side stays in TIME_WAIT.
    await pythonClient('c.makefile().read()', port);
    await server.stop();
    const second = startExample(t, '05-hello-server.ts', [port, '127.0.0.1']);
    assert.equal(await second.line(), `Listening on [ '127.0.0.1', ${port} ]`);
  });

  test('20 server in five steps: echoes one connection, and ends', async (t) => {
    const [server, port] = await startServer(t, '20-server.ts');
    assert.equal(
      (await pythonClient("c.sendall(b'Hello, server')\nprint(c.makefile().read())", port)).stdout,
      'Hello, server\n',
    );
    assertLines((await server.succeed()).stdout.trimEnd().split('\n'), [
      'Socket created',
      `Socket bind complete on [ '127.0.0.1', ${port} ]`,
      'Socket now listening',
      /^Connected with 127\.0\.0\.1:\d+$/,
    ]);
  });

  test('20 server in five steps: a port that is taken', async (t) => {
    const [, port] = await startServer(t, '05-hello-server.ts');
    const result = await startExample(t, '20-server.ts', [port, '127.0.0.1']).exit();
    assert.equal(result.code, 1);
    assert.equal(
      result.stdout,
      `Socket created\nBind failed. Error Code: EADDRINUSE, message: bind EADDRINUSE 127.0.0.1:${port}\n`,
    );
  });

  test('22 live server: answers each in turn, silent and broken ones too', async (t) => {
    const [server, port] = await startServer(t, '22-live-server.ts');
    const ask = (text: string) => runPeer('nc.openbsd', ['-N', '127.0.0.1', String(port)], { input: text });
    assert.equal((await ask('one\n')).stdout, 'OK...one\n');
    assert.equal((await ask('')).stdout, '');
    await pythonClient(
      'import struct\nc.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))\nc.close()',
      port,
    );
    assert.equal(
      (await runPeer('socat', ['-', `TCP:127.0.0.1:${port}`], { input: 'two\n' })).stdout,
      'OK...two\n',
    );
    // Bytes that are no text come back as they were.
    assert.equal(
      (await pythonClient("c.sendall(bytes([0, 255, 128]))\nprint(c.makefile('rb').read())", port)).stdout,
      "b'OK...\\x00\\xff\\x80'\n",
    );
    for (let i = 0; i < 5; i++) await server.line(/^Connected with 127\.0\.0\.1:\d+$/);
  });

  test('22 live server: one at a time, the others wait', async (t) => {
    const [, port] = await startServer(t, '22-live-server.ts');
    const silent = startPeer(t, 'nc.openbsd', ['127.0.0.1', String(port)]);
    await sleep(0.2);
    const other = startPeer(t, 'nc.openbsd', ['127.0.0.1', String(port)]);
    other.write('me first\n');
    await sleep(0.3);
    assert.equal(other.stdout, '');
    silent.write('no, me\n');
    assert.equal(await silent.line(), 'OK...no, me');
    assert.equal(await other.line(), 'OK...me first');
  });

  test('23 many connections: all are served at once, in any order', async (t) => {
    const [server, port] = await startServer(t, '23-many-connections.ts');
    const welcome = 'Welcome to the server. Type something and hit enter';
    const clients = Array.from({ length: 5 }, () =>
      startPeer(t, 'nc.openbsd', ['-N', '127.0.0.1', String(port)]),
    );
    for (const client of clients) assert.equal(await client.line(), welcome);
    // None of them has ended, and the last to come is the first to be answered.
    for (const [i, client] of [...clients.entries()].reverse()) {
      for (const text of ['hello', 'again']) {
        client.write(`${text} ${i}\n`);
        assert.equal(await client.line(), `OK... ${text} ${i}`);
      }
    }
    for (const client of clients) client.endInput();
    for (const client of clients) await client.succeed();
    for (let i = 0; i < 5; i++) await server.line(/^Connected with 127\.0\.0\.1:\d+$/);
  });

  test('23 many connections: one that is reset ends alone', async (t) => {
    const [server, port] = await startServer(t, '23-many-connections.ts');
    const other = startPeer(t, 'nc.openbsd', ['127.0.0.1', String(port)]);
    await other.line(/^Welcome/);
    await pythonClient(
      "import struct\nc.recv(100)\nc.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack('ii', 1, 0))\nc.close()",
      port,
    );
    assert.match(await server.line(/./, { from: 'stderr' }), /ECONNRESET/);
    other.write('still there?\n');
    assert.equal(await other.line(), 'OK... still there?');
  });
});
