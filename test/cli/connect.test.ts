// `sock connect` against peers of others: what it sends, shows, says and ends with.
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { eventually } from '../support/deadline.ts';
import { requirePeer, runPeer, startPeer } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { type Ending, tempdir, tempPath } from '../support/tempdir.ts';
import { runSock, startSock } from './sockcommand.ts';

async function serverOf(t: Ending, handle: (socket: net.Socket) => void): Promise<number> {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    handle(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => void server.close());
  return (server.address() as net.AddressInfo).port;
}

const echo = (socket: net.Socket): void => void socket.pipe(socket);

test('what is read is sent, what comes is written: HOST PORT, HOST:PORT, PORT', async (t) => {
  const port = String(await serverOf(t, echo));
  for (const words of [['127.0.0.1', port], [`localhost:${port}`], [port]]) {
    const { code, stdout, stderr } = await runSock(t, ['connect', ...words], { input: 'hello\n' });
    assert.deepEqual([code, stdout.toString(), stderr], [0, 'hello\n', '']);
  }
});

test('10 MB both ways through socat, byte for byte', requirePeer('socat'), async (t) => {
  const file = path.join(tempdir(t), 'file');
  const data = Buffer.alloc(10_000_000);
  for (let i = 0; i < data.length; i += 4) data.writeUInt32LE((i * 2654435761) >>> 0, i);
  writeFileSync(file, data);
  const socket = tempPath(t);
  const peer = startPeer(t, 'socat', [`UNIX-LISTEN:${socket},fork`, 'EXEC:cat']);
  await eventually(() => statSync(socket).isSocket(), 'the socket');
  const { code, stdout } = await runSock(t, ['connect', `unix:${socket}`], { input: data });
  assert.equal(code, 0);
  assert.ok(stdout.equals(data));
  await peer.stop();
});

test('a file is sent to OpenBSD nc', requirePeer('nc.openbsd'), async (t) => {
  const socket = tempPath(t);
  const peer = startPeer(t, 'nc.openbsd', ['-l', '-U', socket]);
  await eventually(() => statSync(socket).isSocket(), 'the socket');
  const file = path.join(tempdir(t), 'file');
  writeFileSync(file, 'from a file\n');
  const { openSync } = await import('node:fs');
  const command = startSock(t, ['connect', `unix:${socket}`], { stdin: openSync(file, 'r') });
  assert.equal(await peer.line(), 'from a file');
  peer.endInput();
  assert.equal((await command.exit()).code, 0);
});

test('--send goes in front of the input; --crlf makes network line ends of both', async (t) => {
  const port = await serverOf(t, echo);
  const { stdout } = await runSock(t, ['connect', '--crlf', '--send', 'a\\nb\\x41\\\\\\n', `${port}`], {
    input: 'c\r\nd\n',
  });
  assert.equal(stdout.toString(), 'a\r\nbA\\\r\nc\r\nd\r\n');
});

test('--expect: status 0 as soon as it has come, over the border of pieces', async (t) => {
  const port = await serverOf(t, (socket) => {
    socket.write('+PO');
    setTimeout(() => socket.write('NG\r\n'), 50);
  });
  const command = startSock(t, ['connect', '--expect', 'PONG', `${port}`]);
  const { code, stdout } = await command.exit();
  assert.deepEqual([code, stdout.toString()], [0, '+PONG\r\n']);
});

test('--expect: status 1 when the peer ends before, and when the time is over', async (t) => {
  const port = await serverOf(t, (socket) => socket.end('no'));
  const ended = await runSock(t, ['connect', '--expect', 'yes', `${port}`]);
  assert.equal(ended.code, 1);
  assert.equal(ended.stderr, 'sock: "yes" did not come: the peer has ended\n');
  const quiet = await serverOf(t, () => {});
  const late = await runSock(t, ['connect', '--expect', 'yes', '--timeout', '0.3', `${quiet}`]);
  assert.deepEqual([late.code, late.stderr], [1, 'sock: "yes" did not come within 0.3 s\n']);
});

test('--timeout: silence ends it', async (t) => {
  const port = await serverOf(t, (socket) => socket.write('a'));
  const command = startSock(t, ['connect', '--timeout', '0.4', `${port}`]);
  const { code, stdout, stderr } = await command.exit();
  assert.deepEqual([code, stdout.toString()], [1, 'a']);
  assert.equal(stderr, 'sock: nothing came or went for 0.4 s\n');
});

test('--hex shows both directions', async (t) => {
  const port = await serverOf(t, echo);
  const { stdout } = await runSock(t, ['connect', '--hex', `${port}`], { input: 'hello, world of hex\n' });
  const lines = stdout.toString().split('\n');
  const dump = [
    '00000000  68 65 6c 6c 6f 2c 20 77  6f 72 6c 64 20 6f 66 20  |hello, world of |',
    '00000010  68 65 78 0a                                       |hex.|',
  ];
  assert.deepEqual(
    lines.filter((line) => line.startsWith('>')),
    dump.map((line) => `> ${line}`),
  );
  assert.deepEqual(
    lines.filter((line) => line.startsWith('<')),
    dump.map((line) => `< ${line}`),
  );
});

test('--wait: tries again until somebody listens', async (t) => {
  const socket = tempPath(t);
  const command = startSock(t, ['connect', '--wait', '--timeout', '20', '--expect', 'hi', `unix:${socket}`]);
  await new Promise((resolve) => setTimeout(resolve, 700));
  const server = net.createServer((peer) => void peer.end('hi'));
  server.listen(socket);
  t.after(() => void server.close());
  const { code, stdout } = await command.exit();
  assert.deepEqual([code, stdout.toString()], [0, 'hi']);
});

test('--verbose: the addresses that were tried, and why each failed', async (t) => {
  // Nothing listens at this port of either address.
  const port = await serverOf(t, echo);
  const good = await runSock(t, ['connect', '--verbose', '127.0.0.1', `${port}`], { input: 'x' });
  assert.match(
    good.stderr,
    new RegExp(`connected to 127\\.0\\.0\\.1:${port} after .*\n127\\.0\\.0\\.1:\\d+ to 127`),
  );
  assert.match(good.stderr, /sent 1 B, received 1 B\n$/);
  const bad = await runSock(t, ['connect', '-v', '-4', 'localhost', '1']);
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /\ntried 127\.0\.0\.1:1: connect ECONNREFUSED 127\.0\.0\.1:1 \(after .*\)\n/);
});

const complaints: [words: string[], status: number, message: RegExp][] = [
  [['localhost', '99999'], 2, /port 99999: a port is a number from 0 to 65535/],
  [['localhost'], 2, /PORT is missing/],
  [['unix:'], 2, /a path is missing/],
  [['--nosuch', 'x', '1'], 2, /no option --nosuch/],
  [['--udp', 'unix:/tmp/x'], 2, /--udp is for hosts and ports/],
  [['--insecure', 'x', '1'], 2, /--insecure is for --tls/],
  [['--send', '\\q', '127.0.0.1', '1'], 1, /ECONNREFUSED/],
  [['127.0.0.1', '1'], 1, /ECONNREFUSED 127\.0\.0\.1:1/],
  [['name.invalid', '1'], 1, /EAI_(NONAME|AGAIN) name\.invalid/],
  [['unix:/nonexistent/socket'], 1, /ENOENT \/nonexistent\/socket/],
  [['localhost', 'no-such-service'], 1, /EAI_SERVICE/],
];

for (const [words, status, message] of complaints) {
  test(`a complaint of one line, and status ${status}: ${words.join(' ')}`, async (t) => {
    const { code, stderr, stdout } = await runSock(t, ['connect', ...words]);
    assert.equal(code, status);
    assert.equal(stdout.length, 0);
    assert.match(stderr, message);
    assert.equal(stderr.split('\n').length, status === 2 ? 3 : 2, stderr);
    assert.doesNotMatch(stderr, /\n {4}at /);
  });
}

test('--udp: datagrams both ways, until the time is over', async (t) => {
  const peer = startPython(
    t,
    `
    import socket
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(('127.0.0.1', 0))
    print(s.getsockname()[1])
    while True:
        d, a = s.recvfrom(100)
        s.sendto(b'got ' + d, a)
    `,
  );
  const port = await peer.line();
  const command = startSock(t, ['connect', '--udp', '--timeout', '1', '127.0.0.1', port], { input: 'one' });
  const { code, stdout, stderr } = await command.exit();
  assert.equal(stdout.toString(), 'got one');
  assert.deepEqual([code, stderr], [1, 'sock: nothing came or went for 1 s\n']);
  const expected = await runSock(t, ['connect', '-u', '--send', 'x', '--expect', 'got x', '127.0.0.1', port]);
  assert.equal(expected.code, 0);
});

for (const type of ['SOCK_SEQPACKET', 'SOCK_DGRAM', 'SOCK_STREAM'] as const) {
  test(`unix: a ${type} in the abstract namespace`, async (t) => {
    const name = `sock-test-${process.pid}-${type}`;
    const peer = startPython(
      t,
      `
      import socket, sys
      s = socket.socket(socket.AF_UNIX, socket.${type})
      s.bind('\\0' + sys.argv[1])
      print('ready')
      if s.type == socket.SOCK_DGRAM:
          d, a = s.recvfrom(100)
          s.sendto(b'you said ' + d, a)
      else:
          s.listen()
          c, a = s.accept()
          c.sendall(b'you said ' + c.recv(100))
          c.close()
      `,
      [name],
    );
    await peer.line(/ready/);
    const kind = { SOCK_SEQPACKET: ['--seqpacket'], SOCK_DGRAM: ['--dgram'], SOCK_STREAM: [] }[type];
    const args = ['connect', ...kind, '--expect', 'you said hello', '--timeout', '10', `unix:@${name}`];
    const { code, stderr } = await runSock(t, args, { input: 'hello' });
    assert.deepEqual([code, stderr], [0, '']);
  });
}

test('--telnet: commands are answered and not shown, 255 and line ends are escaped', async (t) => {
  const came: Buffer[] = [];
  const port = await serverOf(t, (socket) => {
    // WILL ECHO, DO TERMINAL-TYPE, WILL SUPPRESS-GO-AHEAD, a subnegotiation; then data with an escaped 255.
    socket.write(Buffer.from([255, 251, 1, 255, 253, 24, 255, 251, 3, 255, 250, 31, 1, 255, 240]));
    socket.write(Buffer.from('hi\r\0\xff\xff!\r\n', 'latin1'));
    socket.on('data', (data) => came.push(data));
    socket.on('end', () => socket.end());
  });
  const command = startSock(t, ['connect', '--telnet', `${port}`]);
  command.stdin.write(Buffer.from('a\xffb\n', 'latin1'));
  const all = (): Buffer => Buffer.concat(came);
  // No terminal: DONT ECHO, WONT TERMINAL-TYPE, DO SUPPRESS-GO-AHEAD.
  for (const answer of [
    [255, 254, 1],
    [255, 252, 24],
    [255, 253, 3],
  ])
    await eventually(() => all().includes(Buffer.from(answer)), `the answer ${answer}`, 20);
  await eventually(() => all().includes(Buffer.from('a\xff\xffb\r\n', 'latin1')), 'the data', 20);
  command.stdin.end();
  const { code, stdout } = await command.exit();
  assert.equal(code, 0);
  assert.equal(stdout.toString('latin1'), 'hi\r\xff!\r\n');
});

test('--progress tells how far a transfer is', async (t) => {
  const port = await serverOf(t, (socket) => {
    socket.pause();
    setTimeout(() => socket.resume(), 1500);
    socket.on('end', () => socket.end());
  });
  const file = path.join(tempdir(t), 'file');
  writeFileSync(file, Buffer.alloc(20_000_000));
  const { openSync } = await import('node:fs');
  const command = startSock(t, ['connect', '--progress', `${port}`], { stdin: openSync(file, 'r') });
  const { code, stderr } = await command.exit();
  assert.equal(code, 0);
  assert.match(stderr, /sent [0-9.]+ [KM]iB of 19\.1 MiB, [0-9]+ %, [^\r]*\/s, /);
  assert.match(stderr, /sent 19\.1 MiB of 19\.1 MiB, 100 %, [^\r]*\n$/);
});

test('the certificate is shown and checked with --tls', requirePeer('openssl'), async (t) => {
  const folder = tempdir(t);
  const key = path.join(folder, 'key.pem');
  const cert = path.join(folder, 'cert.pem');
  await runPeer('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...[
      '-subj',
      '/CN=test.example',
      '-addext',
      'subjectAltName=DNS:test.example',
      '-keyout',
      key,
      '-out',
      cert,
    ],
  ]);
  const { createServer } = await import('node:tls');
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (s) => {
    s.on('error', () => {});
    s.pipe(s);
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => void server.close());
  const port = String((server.address() as net.AddressInfo).port);
  const connect = (...args: string[]) =>
    runSock(t, ['connect', '--tls', ...args, '127.0.0.1', port], { input: 'over TLS' });
  const good = await connect('--ca', cert, '--servername', 'test.example');
  assert.deepEqual([good.code, good.stdout.toString()], [0, 'over TLS'], good.stderr);
  assert.match(good.stderr, /certificate checked\n {2}subject {3}CN=test\.example\n/);
  const unknown = await connect('--servername', 'test.example');
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /DEPTH_ZERO_SELF_SIGNED_CERT; --ca FILE trusts it/);
  const other = await connect('--ca', cert, '--servername', 'other.example');
  assert.equal(other.code, 1);
  assert.match(other.stderr, /ERR_TLS_CERT_ALTNAME_INVALID/);
  const insecure = await connect('--insecure');
  assert.deepEqual([insecure.code, insecure.stdout.toString()], [0, 'over TLS']);
  assert.match(insecure.stderr, /certificate not trusted/);
});
