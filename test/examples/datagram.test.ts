// The UDP and AF_UNIX examples with the other side written by others.
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { noLeaks } from '../support/leaks.ts';
import { requirePeer, runPeer, unusedPort } from '../support/peer.ts';
import { runPython, startPython } from '../support/python.ts';
import { tempPath } from '../support/tempdir.ts';
import { assertLines, runExample, startExample, startServer } from './run.ts';

noLeaks();

describe('UDP', requirePeer('python3', 'socat', 'nc.openbsd'), () => {
  test('13 server: answers each datagram, an empty and a large one too', async (t) => {
    const [server, port] = await startServer(t, '13-udp-server.ts');
    const { stdout } = await runPython(
      `
        import sys
        from socket import *
        c = socket(AF_INET, SOCK_DGRAM)
        c.settimeout(5)
        for message in (b'Hello World', b'', b'x' * 60000):
            c.sendto(message, ('127.0.0.1', int(sys.argv[1])))
            print(*c.recvfrom(100))
      `,
      [String(port)],
    );
    assertLines(
      stdout.trimEnd().split('\n'),
      Array.from({ length: 3 }, () => `b'GET off my lawn' ('127.0.0.1', ${port})`),
    );
    assert.match(await server.line(), /^Received 'Hello World' from \[ '127\.0\.0\.1', \d+ \]$/);
    assert.match(await server.line(), /^Received '' from \[ '127\.0\.0\.1', \d+ \]$/);
    assert.match(await server.line(), /^Received 'x{60000}' from \[/);

    const socat = await runPeer('socat', ['-t2', '-,ignoreeof', `UDP:127.0.0.1:${port},readbytes=15`], {
      input: 'from socat',
    });
    assert.equal(socat.stdout, 'GET off my lawn');
    assert.match(await server.line(), /^Received 'from socat'/);

    const nc = await runPeer('nc.openbsd', ['-u', '-w1', '127.0.0.1', String(port)], { input: 'from nc' });
    assert.equal(nc.stdout, 'GET off my lawn');
    assert.match(await server.line(), /^Received 'from nc'/);
  });

  test('14 client: to a server in Python', async (t) => {
    const server = startPython(
      t,
      `
        from socket import *
        s = socket(AF_INET, SOCK_DGRAM)
        s.bind(('127.0.0.1', 0))
        print(s.getsockname()[1])
        data, addr = s.recvfrom(100)
        print(data, addr[1])
        s.sendto(b'and to you', addr)
      `,
    );
    const port = Number(await server.line());
    const lines = await runExample('14-udp-client.ts', ['localhost', port]);
    assertLines(lines, [
      /^Sent 'Hello World' from port \d+$/,
      `Received 'and to you' from [ '127.0.0.1', ${port} ]`,
    ]);
    assert.equal(await server.line(), `b'Hello World' ${/\d+$/.exec(lines[0]!)![0]}`);
  });

  test('14 client: nobody answers', async (t) => {
    const result = await startExample(t, '14-udp-client.ts', ['127.0.0.1', await unusedPort()]).exit();
    assert.equal(result.code, 1);
    assert.match(result.stdout, /^Sent 'Hello World' from port \d+\nNo response: timed out.*\n$/);
    assert.equal(result.stderr, '');
  });
});

describe('AF_UNIX', requirePeer('python3', 'socat', 'nc.openbsd'), () => {
  test('15 server: nc, socat and Python', async (t) => {
    const path = tempPath(t);
    const server = startExample(t, '15-unix-server.ts', [path]);
    assert.equal(await server.line(), `Listening on ${path}`);
    const hello = 'Hello from the same machine\n';
    assert.equal((await runPeer('nc.openbsd', ['-U', path])).stdout, hello);
    assert.equal((await runPeer('socat', ['-u', `UNIX-CONNECT:${path}`, '-'])).stdout, hello);
    const script =
      'import sys, socket\nc = socket.socket(socket.AF_UNIX)\nc.connect(sys.argv[1])\nprint(c.recv(100))';
    assert.equal((await runPython(script, [path])).stdout, `${"b'Hello from the same machine\\n'"}\n`);
    for (let i = 0; i < 3; i++) assert.equal(await server.line(), 'Received connection');
  });

  test('15 server: takes the name of one that is gone, and no other file', async (t) => {
    const path = tempPath(t);
    const first = startExample(t, '15-unix-server.ts', [path]);
    await first.line(/^Listening/);
    await first.stop();
    assert.ok(existsSync(path), 'the name outlives the server');
    const second = startExample(t, '15-unix-server.ts', [path]);
    assert.equal(await second.line(), `Listening on ${path}`);

    const file = tempPath(t);
    writeFileSync(file, 'precious');
    const result = await startExample(t, '15-unix-server.ts', [file]).exit();
    assert.equal(result.code, 1);
    assert.match(result.stderr, /bind EADDRINUSE/);
    assert.ok(existsSync(file));
  });

  test('16 client: to a server in Python', async (t) => {
    const path = tempPath(t);
    const server = startPython(
      t,
      `
        import sys
        from socket import *
        s = socket(AF_UNIX, SOCK_STREAM)
        s.bind(sys.argv[1])
        s.listen()
        print('ready')
        c, a = s.accept()
        c.sendall(b'one\\n')
        c.sendall(b'two\\n')
        c.close()
      `,
      [path],
    );
    await server.line();
    assertLines(await runExample('16-unix-client.ts', [path]), [`Connected to ${path}`, 'one', 'two']);
  });
});
