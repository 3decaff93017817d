// `sock serve`: its services as clients of others see them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { eventually } from '../support/deadline.ts';
import { type PeerResult, requirePeer, runPeer } from '../support/peer.ts';
import { runPython } from '../support/python.ts';
import { type Ending, tempdir } from '../support/tempdir.ts';
import { type Command, runSock, startSock } from './sockcommand.ts';

async function start(t: Ending, ...args: string[]): Promise<{ command: Command; port: string }> {
  const command = startSock(t, ['serve', ...args, '--host', '127.0.0.1', '--port', '0'], { input: '' });
  const [, port] = await command.says(/serving .*:([0-9]+)\n/);
  return { command, port: port! };
}

const ask = `
    import socket, sys, time
    port = int(sys.argv[1])
    def tcp(data=b'', half=True):
        s = socket.create_connection(('127.0.0.1', port), 10)
        s.sendall(data)
        if half: s.shutdown(socket.SHUT_WR)
        got = b''
        while True:
            d = s.recv(65536)
            if not d: return got
            got += d
    def udp(data=b''):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(10)
        s.sendto(data, ('127.0.0.1', port))
        return s.recv(65536)
`;

for (const threads of [[], ['--threads', '2']]) {
  const name = threads.length > 0 ? 'in threads' : 'in one thread';

  test(`echo, discard, daytime, time over TCP and UDP, ${name}`, { timeout: 120_000 }, async (t) => {
    const echo = await start(t, 'echo', ...threads);
    await runPython(
      `${ask}
    data = bytes(range(256)) * 4000
    assert tcp(data) == data
    assert udp(b'datagram') == b'datagram'
    assert udp(b'') == b''
    `,
      [echo.port],
    );
    const discard = await start(t, 'discard', ...threads);
    await runPython(`${ask}\n    assert tcp(b'x' * 1000000) == b''\n`, [discard.port]);
    const daytime = await start(t, 'daytime', ...threads);
    await runPython(
      `${ask}
    import datetime
    for got in [tcp(half=False), udp(b'')]:
        then = datetime.datetime.strptime(got.decode(), '%A, %B %d, %Y %H:%M:%S-UTC\\r\\n')
        now = datetime.datetime.utcnow()
        assert abs((now - then).total_seconds()) < 20, (now, then)
    `,
      [daytime.port],
    );
    const time = await start(t, 'time', ...threads);
    await runPython(
      `${ask}
    import struct
    for got in [tcp(half=False), udp(b'')]:
        seconds, = struct.unpack('>I', got)
        assert abs(seconds - 2208988800 - time.time()) < 20, seconds
    `,
      [time.port],
    );
    const hello = await start(t, 'hello', ...threads);
    const { stdout } = await runPython(
      `${ask}\n    print(tcp(b'something that is not read' * 1000, half=False))\n`,
      [hello.port],
    );
    assert.equal(stdout, "b'Hello, world!\\r\\n'\n");
  });
}

test('chargen: lines of 72 characters that move on, and datagrams of up to 512', async (t) => {
  const { port } = await start(t, 'chargen');
  await runPython(
    `${ask}
    s = socket.create_connection(('127.0.0.1', port), 10)
    got = b''
    while len(got) < 74 * 200: got += s.recv(65536)
    lines = got.split(b'\\r\\n')[:200]
    ring = bytes(range(32, 127)) * 3
    for i, line in enumerate(lines):
        assert line == ring[i % 95:i % 95 + 72], (i, line)
    for i in range(20): assert len(udp(b'x')) <= 512
    `,
    [port],
  );
});

test('--once ends after one connection, --max keeps the rest waiting', async (t) => {
  const { command, port } = await start(t, 'hello', '--once');
  await runPython(`${ask}\n    tcp()\n`, [port]);
  assert.equal((await command.exit()).code, 0);
  const limited = await start(t, 'echo', '--max', '1', '--tcp');
  await runPython(
    `${ask}
    a = socket.create_connection(('127.0.0.1', port), 10)
    a.sendall(b'a'); assert a.recv(1) == b'a'
    b = socket.create_connection(('127.0.0.1', port), 10)
    b.sendall(b'b'); b.settimeout(0.3)
    try:
        b.recv(1); assert False
    except socket.timeout: pass
    a.close(); b.settimeout(10)
    assert b.recv(1) == b'b'
    `,
    [limited.port],
  );
});

test('SIGINT ends it with status 0; --json tells each protocol', async (t) => {
  const command = startSock(t, ['serve', 'echo', '--port', '0', '--json'], { input: '' });
  const lines = (await command.prints(/\n.*\n/))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    lines.map(({ service, protocol }) => [service, protocol]),
    [
      ['echo', 'tcp'],
      ['echo', 'udp'],
    ],
  );
  assert.equal(lines[0]!.port, lines[1]!.port);
  command.child.kill('SIGINT');
  assert.equal((await command.exit()).code, 0);
});

class Guest {
  readonly socket: net.Socket;
  text = '';

  constructor(t: Ending, port: string) {
    this.socket = net.connect(Number(port), '127.0.0.1');
    this.socket.setNoDelay(true);
    this.socket.on('data', (data) => {
      // The end of it is enough: some guests hear a lot.
      this.text = (this.text + data.toString()).slice(-20_000);
    });
    this.socket.on('error', () => {});
    t.after(() => void this.socket.destroy());
  }

  say(line: string): void {
    this.socket.write(`${line}\r\n`);
  }

  hears(text: string): Promise<unknown> {
    return eventually(
      () => this.text.includes(text),
      `${JSON.stringify(text)} in ${JSON.stringify(this.text)}`,
      20,
    ).catch((error: Error) => {
      error.message += ` ${JSON.stringify(this.text)}`;
      throw error;
    });
  }
}

test('chat: names, who joins and leaves, lines for the others', async (t) => {
  const { port } = await start(t, 'chat');
  const ann = new Guest(t, port);
  await ann.hears('What is your name?\r\n');
  ann.say('ann');
  await ann.hears('Hello, ann. Nobody else is here');
  const bob = new Guest(t, port);
  await bob.hears('name?');
  bob.say('ANN');
  await bob.hears('ANN is here already');
  bob.say('not a name');
  await bob.hears('A name has up to');
  bob.say('bob');
  await bob.hears('Here: ann');
  await ann.hears('* bob has joined\r\n');
  bob.say('héllo \x1b[31meverybody');
  await ann.hears('<bob> héllo \\x1b[31meverybody\r\n');
  // One line in pieces, two lines in one.
  ann.socket.write('one li');
  setTimeout(() => ann.socket.write('ne\ntwo\n'), 50);
  await bob.hears('<ann> one line\r\n<ann> two\r\n');
  assert.ok(!ann.text.includes('<ann>'));
  bob.say('/nick rob');
  await ann.hears('* bob is now rob');
  bob.say('/me waves');
  await ann.hears('* rob waves');
  ann.say('/who');
  await ann.hears('Here: ann, rob');
  // Telnet's words are no text of a guest's.
  ann.socket.write(Buffer.from([255, 253, 31, 255, 251, 24]));
  ann.say('after telnet');
  await bob.hears('<ann> after telnet\r\n');
  bob.socket.destroy();
  await ann.hears('* rob has left');
  ann.say('/quit');
  await ann.hears('Good bye.');
  await eventually(() => ann.socket.readableEnded, 'the end', 10);
});

test('chat: a guest that does not read holds up nobody, and is shown out', {
  timeout: 120_000,
}, async (t) => {
  const { port } = await start(t, 'chat');
  const slow = new Guest(t, port);
  await slow.hears('name?');
  slow.say('slow');
  await slow.hears('Hello');
  slow.socket.pause();
  const ann = new Guest(t, port);
  const bob = new Guest(t, port);
  ann.say('ann');
  bob.say('bob');
  await bob.hears('Hello');
  await ann.hears('Hello');
  const line = 'x'.repeat(900);
  // In rounds, so that it is not bob who is behind.
  for (let round = 1; round <= 200 && !ann.text.includes('* slow has left'); round++) {
    for (let i = 0; i < 100; i++) ann.say(line);
    ann.say(`end of ${round}.`);
    await eventually(() => bob.text.includes(`<ann> end of ${round}.`), `round ${round}`, 60);
  }
  await ann.hears('* slow has left');
});

// --- http ------------------------------------------------------------------------------------

function site(t: Ending): { folder: string; secret: string } {
  const outer = tempdir(t);
  const folder = path.join(outer, 'site');
  mkdirSync(path.join(folder, 'sub', 'deep'), { recursive: true });
  mkdirSync(path.join(folder, 'with index'));
  writeFileSync(path.join(outer, 'secret'), 'secret');
  mkdirSync(path.join(outer, 'site-next'));
  writeFileSync(path.join(outer, 'site-next', 'file'), 'secret');
  writeFileSync(path.join(folder, 'a.txt'), '0123456789');
  writeFileSync(path.join(folder, 'empty'), '');
  writeFileSync(path.join(folder, 'sub', 'b.html'), '<p>b</p>');
  writeFileSync(path.join(folder, 'with index', 'index.html'), 'the index');
  writeFileSync(path.join(folder, '<i>&"\'.txt'), 'strange');
  writeFileSync(path.join(folder, '.hidden'), 'secret');
  symlinkSync(path.join(outer, 'secret'), path.join(folder, 'out'));
  symlinkSync(outer, path.join(folder, 'outer'));
  symlinkSync('a.txt', path.join(folder, 'in'));
  execFileSync('mkfifo', [path.join(folder, 'fifo')]);
  return { folder, secret: path.join(outer, 'secret') };
}

const curl = (...args: string[]): Promise<PeerResult> =>
  runPeer('curl', ['-s', '--path-as-is', '--max-time', '10', ...args]);

test('http: files, types, folders', requirePeer('curl'), async (t) => {
  const { port } = await start(t, 'http', site(t).folder);
  const at = (place: string): string => `http://127.0.0.1:${port}${place}`;
  const { stdout } = await curl('-i', at('/a.txt'));
  assert.match(stdout, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(stdout, /Content-Type: text\/plain; charset=utf-8\r\n/);
  assert.match(stdout, /Content-Length: 10\r\n/);
  assert.match(stdout, /\r\n\r\n0123456789$/);
  assert.equal((await curl(at('/in'))).stdout, '0123456789');
  assert.equal((await curl(at('/empty'))).stdout, '');
  assert.equal((await curl(at('/with%20index/'))).stdout, 'the index');
  assert.equal((await curl('-L', at('/with%20index'))).stdout, 'the index');
  assert.equal((await curl(at('/%3Ci%3E%26%22%27.txt?query#part'))).stdout, 'strange');
  const head = (await curl('-I', at('/a.txt'))).stdout;
  assert.match(head, /200 OK[\s\S]*Content-Length: 10\r\n[\s\S]*\r\n\r\n$/);
  const list = (await curl(at('/'))).stdout;
  assert.match(list, /<a href="%3Ci%3E%26%22%27\.txt">&lt;i&gt;&amp;&quot;&#39;\.txt<\/a>/);
  assert.doesNotMatch(list, /hidden|<i>/);
  // Two requests on one connection.
  const two = await curl('-v', at('/a.txt'), at('/sub/b.html'));
  assert.equal(two.stdout, '0123456789<p>b</p>');
  assert.match(two.stderr, /Re-using existing connection/);
});

test('http: ranges and conditions', requirePeer('curl'), async (t) => {
  const { port } = await start(t, 'http', site(t).folder, '--threads', '2');
  const at = `http://127.0.0.1:${port}/a.txt`;
  const part = async (range: string, ...args: string[]): Promise<[string, string]> => {
    const { stdout } = await curl('-i', '-H', `Range: ${range}`, ...args, at);
    const [head = '', body = ''] = stdout.split('\r\n\r\n');
    return [`${head.split(' ')[1]} ${/content-range: (.*)/i.exec(head)?.[1]?.trim() ?? '-'}`, body];
  };
  assert.deepEqual(await part('bytes=2-4'), ['206 bytes 2-4/10', '234']);
  assert.deepEqual(await part('bytes=7-'), ['206 bytes 7-9/10', '789']);
  assert.deepEqual(await part('bytes=-3'), ['206 bytes 7-9/10', '789']);
  assert.deepEqual(await part('bytes=-99'), ['206 bytes 0-9/10', '0123456789']);
  assert.deepEqual(await part('bytes=0-0'), ['206 bytes 0-0/10', '0']);
  assert.deepEqual(await part('bytes=5-99'), ['206 bytes 5-9/10', '56789']);
  assert.equal((await part('bytes=10-'))[0], '416 bytes */10');
  for (const ignored of ['bytes=4-2', 'lines=1-2', 'bytes=a-b', 'bytes=1-2,4-5'])
    assert.deepEqual(await part(ignored), ['200 -', '0123456789'], ignored);
  const head = (await curl('-I', at)).stdout;
  const tag = /ETag: (.*)\r/.exec(head)![1]!;
  const date = /Last-Modified: (.*)\r/.exec(head)![1]!;
  const status = async (...headers: string[]): Promise<string> =>
    (await curl('-o', '/dev/null', '-w', '%{http_code}', ...headers.flatMap((each) => ['-H', each]), at))
      .stdout;
  assert.equal(await status(`If-None-Match: ${tag}`), '304');
  assert.equal(await status(`If-None-Match: "x", W/${tag}`), '304');
  assert.equal(await status('If-None-Match: "x"'), '200');
  assert.equal(await status(`If-Modified-Since: ${date}`), '304');
  assert.equal(await status('If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT'), '200');
  assert.equal((await part('bytes=2-4', '-H', `If-Range: ${tag}`))[0], '206 bytes 2-4/10');
  assert.equal((await part('bytes=2-4', '-H', 'If-Range: "old"'))[0], '200 -');
});

test('http: nothing outside of the folder, whatever the path', requirePeer('curl'), async (t) => {
  const { folder, secret } = site(t);
  const { port } = await start(t, 'http', folder);
  const wicked = [
    '/../secret',
    '/..%2fsecret',
    '/%2e%2e/secret',
    '/%2e%2e%2fsecret',
    '/sub/../../secret',
    '/out',
    '/outer/secret',
    '/outer/site-next/file',
    '/../site-next/file',
    '/.hidden',
    '/%2ehidden',
    `/${secret}`,
    `//${secret}`,
    '/a.txt%00.html',
    '/%00',
    '/..%5csecret',
    '/%c0%ae%c0%ae/secret',
    '/fifo',
    '/a.txt/',
    '/%',
    '/sub/deep/../../../secret',
    '/proc/self/environ',
  ];
  for (const each of wicked) {
    const { stdout } = await curl('-w', '\n%{http_code}', `http://127.0.0.1:${port}${each}`);
    assert.doesNotMatch(stdout, /secret\n/, each);
    assert.match(stdout, /\n(400|404)$/, each);
  }
  const { stdout } = await curl('-o', '/dev/null', '-w', '%{redirect_url}', `http://127.0.0.1:${port}//sub`);
  assert.equal(stdout, `http://127.0.0.1:${port}/sub/`);
});

const requests: [name: string, request: string, status: RegExp][] = [
  ['no request', 'hello\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['another version', 'GET / HTTP/2.0\r\n\r\n', /^HTTP\/1\.1 505 /],
  ['no host', 'GET / HTTP/1.1\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['two hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', /^HTTP\/1\.1 400 /],
  [
    'another method',
    'DELETE /a.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    /^HTTP\/1\.1 405 [\s\S]*Allow: GET, HEAD\r\n/,
  ],
  ['a space in front of the colon', 'GET / HTTP/1.1\r\nHost : a\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['a long line', `GET /${'a'.repeat(20000)} HTTP/1.1\r\nHost: a\r\n\r\n`, /^HTTP\/1\.1 414 /],
  ['a long field', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(20000)}\r\n\r\n`, /^HTTP\/1\.1 431 /],
  ['many fields', `GET / HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(200)}\r\n`, /^HTTP\/1\.1 431 /],
  [
    'the form for proxies',
    'GET http://a/a.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    /200 OK[\s\S]*0123456789$/,
  ],
  ['version 1.0', 'GET /a.txt HTTP/1.0\r\n\r\n', /200 OK[\s\S]*Connection: close[\s\S]*0123456789$/],
  [
    'a body that hides a request',
    'GET /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\nGET /in HTTP/1.1\r\nHost: a\r\n\r\n',
    /^HTTP\/1\.1 200 OK[^H]*(?:(?!HTTP\/)[\s\S])*0123456789$/,
  ],
];

test('http: requests that are wrong, or unusual', async (t) => {
  const { port } = await start(t, 'http', site(t).folder);
  for (const [name, request, status] of requests) {
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = net.connect(Number(port), '127.0.0.1');
      let text = '';
      socket.on('data', (data) => {
        text += data.toString('latin1');
      });
      socket.on('end', () => resolve(text));
      socket.on('error', reject);
      socket.setTimeout(10_000, () => socket.destroy(new Error(`${name}: no answer`)));
      socket.write(request);
    });
    assert.match(answer, status, name);
  }
});

test('complaints', async (t) => {
  for (const [words, status, message] of [
    [['nosuch'], 2, /SERVICE nosuch: expected hello, echo/],
    [['http'], 2, /http needs a folder/],
    [['echo', 'x'], 2, /unexpected argument x/],
    [['chat', '--udp'], 2, /chat has no UDP/],
    [['chat', '--threads', '2'], 2, /--threads/],
    [['http', '/nonexistent', '--port', '0'], 1, /ENOENT/],
    [['http', program, '--port', '0'], 1, /ENOTDIR/],
  ] as [string[], number, RegExp][]) {
    const { code, stderr } = await runSock(t, ['serve', ...words]);
    assert.equal(code, status, stderr);
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /\n {4}at /);
  }
});

const program = new URL(import.meta.url).pathname;
