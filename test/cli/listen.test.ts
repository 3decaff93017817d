// `sock listen` against clients of others.
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { requirePeer, runPeer, startPeer } from '../support/peer.ts';
import { runPython } from '../support/python.ts';
import { tempdir, tempPath } from '../support/tempdir.ts';
import { runSock, startSock } from './sockcommand.ts';

test('it takes one connection, talks, and ends', requirePeer('nc.openbsd'), async (t) => {
  const command = startSock(t, ['listen', '127.0.0.1:0']);
  const port = await command.port();
  const client = startPeer(t, 'nc.openbsd', ['-N', '127.0.0.1', `${port}`], { input: 'from nc\n' });
  await command.prints('from nc\n');
  command.stdin.end('to nc\n');
  assert.equal(await client.line(), 'to nc');
  const { code, stdout } = await command.exit();
  assert.deepEqual([code, stdout.toString()], [0, 'from nc\n']);
  // Nobody listens any more.
  const { code: late } = await runSock(t, ['connect', '127.0.0.1', `${port}`]);
  assert.equal(late, 1);
});

test('--json: where it listens, on standard output; IPv4 and IPv6 alike', requirePeer('socat'), async (t) => {
  const command = startSock(t, ['listen', '--json', '--keep', '0'], { input: '' });
  const { port, address } = JSON.parse((await command.prints(/^.*\n/)).split('\n')[0]!) as {
    port: number;
    address: string;
  };
  assert.ok(port > 0);
  assert.ok(['::', '0.0.0.0'].includes(address));
  await runPeer('socat', ['-u', '-', `TCP4:127.0.0.1:${port}`], { input: 'four\n' });
  await command.prints('four\n');
  if (address === '::') {
    await runPeer('socat', ['-u', '-', `TCP6:[::1]:${port}`], { input: 'six\n' });
    await command.prints('six\n');
  }
});

test('--keep: one after the other, and the input goes to whoever is there', async (t) => {
  const command = startSock(t, ['listen', '--keep', '127.0.0.1:0']);
  const port = await command.port();
  for (const name of ['first', 'second', 'third']) {
    const client = startSock(t, ['connect', '127.0.0.1', `${port}`]);
    client.read();
    client.stdin.write(`${name} asks\n`);
    await command.prints(`${name} asks\n`);
    command.stdin.write(`${name} is answered\n`);
    await client.prints(`${name} is answered\n`);
    await client.kill();
  }
  assert.equal(command.child.exitCode, null);
});

test('--echo --keep: all at once', async (t) => {
  const command = startSock(t, ['listen', '--echo', '--keep', '127.0.0.1:0'], { input: '' });
  const port = await command.port();
  const { stdout } = await runPython(
    `
    import socket, sys
    all = [socket.create_connection(('127.0.0.1', int(sys.argv[1]))) for i in range(50)]
    for i, s in enumerate(all): s.sendall(b'%d' % i * 1000)
    for i, s in enumerate(all):
        want = b'%d' % i * 1000
        got = b''
        while len(got) < len(want): got += s.recv(4096)
        assert got == want
        s.shutdown(socket.SHUT_WR)
        assert s.recv(1) == b''
    print('good')
    `,
    [`${port}`],
  );
  assert.equal(stdout, 'good\n');
});

test('--udp: answers go to whoever sent last; --echo sends back', async (t) => {
  const echo = startSock(t, ['listen', '--udp', '--echo', '127.0.0.1:0'], { input: '' });
  const talk = startSock(t, ['listen', '--udp', '127.0.0.1:0']);
  const [a, b] = [await echo.port(), await talk.port()];
  const script = `
    import socket, sys
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(10)
    s.sendto(b'ping', ('127.0.0.1', int(sys.argv[1])))
    print(s.recv(100).decode())
  `;
  assert.equal((await runPython(script, [`${a}`])).stdout, 'ping\n');
  talk.stdin.write('pong');
  assert.equal((await runPython(script, [`${b}`])).stdout, 'pong\n');
  assert.equal((await talk.prints('ping')).toString(), 'ping');
});

test('unix: a dead server gives its path up, a living one does not; the file is removed', async (t) => {
  const socket = tempPath(t);
  await runPython(
    `
    import socket, sys
    socket.socket(socket.AF_UNIX).bind(sys.argv[1])
    `,
    [socket],
  );
  assert.ok(existsSync(socket));
  const command = startSock(t, ['listen', '--unix', socket]);
  await command.says(/listening on unix:/);
  const second = await runSock(t, ['listen', `unix:${socket}`]);
  assert.equal(second.code, 1);
  assert.match(second.stderr, /EADDRINUSE .*somebody else listens there/);
  const client = await runSock(t, ['connect', '--send', 'x', '--expect', 'y', `unix:${socket}`], {}).catch(
    (error: Error) => error,
  );
  assert.ok(!(client instanceof Error));
  command.stdin.end();
  await command.exit();
  assert.equal(existsSync(socket), false);
});

test('a file that is no socket stays', async (t) => {
  const file = path.join(tempdir(t), 'precious');
  writeFileSync(file, 'data');
  const { code, stderr } = await runSock(t, ['listen', `unix:${file}`]);
  assert.equal(code, 1);
  assert.match(stderr, /EADDRINUSE/);
  assert.ok(existsSync(file));
});

test('SIGTERM removes the file of the socket, and ends it as a signal does', async (t) => {
  const socket = tempPath(t);
  const command = startSock(t, ['listen', `unix:${socket}`]);
  await command.says(/listening on/);
  command.child.kill('SIGTERM');
  const { signal } = await command.exit();
  assert.equal(signal, 'SIGTERM');
  assert.equal(existsSync(socket), false);
});

test('complaints: a port that is taken, one that is none', async (t) => {
  const command = startSock(t, ['listen', '127.0.0.1:0']);
  const port = await command.port();
  const taken = await runSock(t, ['listen', `127.0.0.1:${port}`]);
  assert.deepEqual([taken.code, taken.stderr.split('\n').length], [1, 2]);
  assert.match(taken.stderr, /EADDRINUSE .*sock netstat --listening tells who/);
  const none = await runSock(t, ['listen', '70000']);
  assert.equal(none.code, 2);
});
