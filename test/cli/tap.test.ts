// `sock tap`: what it shows, the faults it makes, and its report in a real browser.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { eventually, sleep, timed, within } from '../support/deadline.ts';
import { requirePeer, runPeer } from '../support/peer.ts';
import { type Ending, tempdir, tempPath } from '../support/tempdir.ts';
import { type Command, runSock, startSock } from './sockcommand.ts';

interface Ends {
  command: Command;
  client: net.Socket;
  target: net.Socket;
  port: number;
}

const open = (t: Ending, socket: net.Socket): net.Socket => {
  socket.on('error', () => {});
  t.after(() => void socket.destroy());
  return socket;
};

async function tapped(t: Ending, ...args: string[]): Promise<Ends> {
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => void server.close());
  const accepted = new Promise<net.Socket>((resolve) => server.once('connection', resolve));
  const { port: behind } = server.address() as net.AddressInfo;
  const command = startSock(t, ['tap', '0', `127.0.0.1:${behind}`, ...args], { input: '' });
  command.read();
  const port = args.includes('--json')
    ? (JSON.parse((await command.prints(/\n/)).split('\n')[0]!) as { port: number }).port
    : await command.port();
  const client = open(t, net.connect({ port, host: '127.0.0.1', allowHalfOpen: true }));
  client.setNoDelay(true);
  return { command, client, target: open(t, await within(accepted, 'the connection', 20)), port };
}

const collected = (socket: net.Socket): { text: string; pieces: number; ended: boolean; error?: Error } => {
  const all: ReturnType<typeof collected> = { text: '', pieces: 0, ended: false };
  socket.on('data', (data) => {
    all.text += data.toString('latin1');
    all.pieces++;
  });
  socket.on('end', () => {
    all.ended = true;
  });
  socket.on('error', (error) => {
    all.error = error;
  });
  socket.resume();
  return all;
};

test('every chunk is shown with its direction and size, text as text, the rest in hexadecimal', async (t) => {
  const { command, client, target } = await tapped(t, '--once');
  const there = collected(target);
  const here = collected(client);
  client.write('GET / HTTP/1.1\r\nHo');
  await eventually(() => there.text.endsWith('Ho'), 'the first part', 20);
  client.write('st: x\r\n\r\n');
  await eventually(() => there.text.endsWith('\r\n\r\n'), 'the second part', 20);
  target.write(Buffer.from([0, 1, 2, 255]));
  await eventually(() => here.text.length === 4, 'the answer', 20);
  client.end();
  await eventually(() => there.ended, 'the end', 20);
  target.end();
  const { code, stdout } = await command.exit();
  assert.equal(code, 0);
  const lines = stdout
    .toString()
    .replace(/\+ *[0-9.]+ (µs|ms|s)/g, '+T')
    .replace(/ +/g, ' ')
    .split('\n');
  assert.match(lines[0]!, /^#1 open 127\.0\.0\.1:\d+ -> 127\.0\.0\.1:\d+$/);
  assert.deepEqual(lines.slice(1, -1), [
    '#1 > +T 18 B',
    ' GET / HTTP/1.1\\r\\n',
    ' Ho',
    '#1 > +T 9 B',
    ' st: x\\r\\n',
    ' \\r\\n',
    '#1 < +T 4 B',
    ' 00000000 00 01 02 ff |....|',
    "#1 > +T end of the client's data",
    "#1 < +T end of the target's data",
    '#1 close +T: 27 B to the target, 4 B to the client',
  ]);
});

test('--json: a line for each event; --from and --match choose', async (t) => {
  const { command, client, target } = await tapped(t, '--json', '--from', 'client', '--match', 'wa.ted');
  const there = collected(target);
  for (const text of ['boring', 'wanted', 'boring again']) {
    client.write(text);
    await eventually(() => there.text.endsWith(text), text, 20);
  }
  target.write('wanted, but of the target');
  client.end();
  await eventually(() => there.ended, 'the end', 20);
  target.end();
  await command.prints(/"event":"close"/);
  const events = command.output
    .toString()
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    events.map(({ event, from, size, text }) => [event, from, size, text]),
    [
      ['open', undefined, undefined, undefined],
      ['chunk', 'client', 6, 'wanted'],
      ['close', undefined, undefined, undefined],
    ],
  );
  for (const { at, since } of events) assert.ok(typeof at === 'number' && typeof since === 'number');
});

test('everything arrives, byte for byte, through unix sockets', requirePeer('socat'), async (t) => {
  const [outer, inner] = [tempPath(t), tempPath(t)];
  const echo = startSock(t, ['listen', '--echo', '--keep', `unix:${inner}`], { input: '' });
  await echo.says(/listening/);
  const tap = startSock(t, ['tap', `unix:${outer}`, `unix:${inner}`], { input: '' });
  tap.read();
  await tap.says(/listening/);
  const data = Buffer.alloc(3_000_000);
  for (let i = 0; i < data.length; i++) data[i] = (i * 31) ^ (i >> 8);
  const { stdout, code } = await runSock(t, ['connect', `unix:${outer}`], { input: data });
  assert.equal(code, 0);
  assert.ok(stdout.equals(data));
});

test('--delay: later, in order', async (t) => {
  const { client, target } = await tapped(t, '--delay', '0.5');
  const there = collected(target);
  const [, seconds] = await timed(async () => {
    for (let i = 0; i < 10; i++) client.write(`${i}`);
    client.end();
    await eventually(() => there.ended, 'the end', 20);
  });
  assert.equal(there.text, '0123456789');
  assert.ok(seconds >= 0.49, `${seconds}`);
});

test('--rate: no faster', async (t) => {
  const { client, target } = await tapped(t, '--rate', '20k');
  const there = collected(target);
  const [, seconds] = await timed(async () => {
    client.end(Buffer.alloc(20_480, 'x'));
    await eventually(() => there.ended, 'the end', 20);
  });
  assert.equal(there.text.length, 20_480);
  assert.ok(seconds >= 0.9, `${seconds}`);
});

test('--chunk: small pieces at the other end', async (t) => {
  const { client, target } = await tapped(t, '--chunk', '2');
  const there = collected(target);
  client.end('0123456789');
  await eventually(() => there.ended, 'the end', 20);
  assert.equal(there.text, '0123456789');
  assert.ok(there.pieces > 1, `${there.pieces} pieces`);
});

test('--reset-after: both ends are reset after so many bytes', async (t) => {
  const { command, client, target } = await tapped(t, '--reset-after', '5');
  const there = collected(target);
  const here = collected(client);
  client.write('0123456789');
  // libuv tells a reset that comes together with data as the end (uv__stream_io, POLLHUP after a partial read).
  await eventually(
    () => (there.error !== undefined || there.ended) && here.error !== undefined,
    'the resets',
    20,
  );
  assert.equal((here.error as NodeJS.ErrnoException).code, 'ECONNRESET');
  assert.equal(there.text, '01234');
  await command.prints('reset after 5 bytes');
});

test('--drop-after: nothing arrives any more, not even the end', async (t) => {
  const { command, client, target } = await tapped(t, '--drop-after', '5');
  const there = collected(target);
  client.write('0123456789');
  await command.prints('dropped after 5 bytes');
  client.end('more');
  await sleep(0.3);
  assert.deepEqual([there.text, there.ended], ['01234', false]);
});

test('a target that refuses: the client is told so by a reset, and the tap goes on', async (t) => {
  const command = startSock(t, ['tap', '0', '127.0.0.1:1'], { input: '' });
  command.read();
  const port = await command.port();
  for (let i = 1; i <= 2; i++) {
    const here = collected(open(t, net.connect(port, '127.0.0.1')));
    await eventually(() => here.error !== undefined || here.ended, 'the reset', 20);
    await command.prints(new RegExp(`#${i} connect .*ECONNREFUSED 127.0.0.1:1`));
  }
});

test('complaints', async (t) => {
  for (const [words, status, message] of [
    [['1'], 2, /TARGET is missing/],
    [['0', 'localhost:1', '--match', '('], 2, /--match \(/],
    [['0', 'localhost:1', '--chunk', '0'], 2, /--chunk 0/],
    [['0', 'localhost:1', '--report', '/nonexistent/x.html'], 1, /ENOENT.*\/nonexistent\/x\.html/],
  ] as [string[], number, RegExp][]) {
    const { code, stderr } = await runSock(t, ['tap', ...words]);
    assert.equal(code, status, stderr);
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /\n {4}at /);
  }
});

test('--report: a page that a browser draws: to scale, with its reads, and searched', {
  ...requirePeer('chromium'),
  timeout: 180_000,
}, async (t) => {
  const folder = tempdir(t);
  const file = path.join(folder, 'out.html');
  const { command, client, target } = await tapped(t, '--once', '--report', file);
  const there = collected(target);
  const here = collected(client);
  for (const part of ['SELECT * FR', 'OM users; </script><img src=x onerror="document.title=1">']) {
    client.write(part);
    await eventually(() => there.text.endsWith(part), part, 20);
    await sleep(0.1);
  }
  target.write(Buffer.alloc(5000, 'row '));
  await eventually(() => here.text.length === 5000, 'the answer', 20);
  client.end();
  await eventually(() => there.ended, 'the end', 20);
  target.end();
  const { code, stderr } = await command.exit();
  assert.equal(code, 0);
  assert.match(stderr, /report: .*out\.html\n/);

  const page = readFileSync(file, 'utf8');
  // Nothing is fetched from anywhere, and nothing of a stranger's is markup.
  assert.doesNotMatch(page, /(?:src|href)\s*=\s*["']?(?:https?:)?\/\//);
  assert.ok(!page.includes('<img'));
  const dom = async (hash: string): Promise<string> => {
    const args = [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      `--user-data-dir=${path.join(folder, 'profile')}`,
    ];
    const url = `${pathToFileURL(file)}${hash}`;
    return (await runPeer('chromium', [...args, '--dump-dom', url], { seconds: 60 })).stdout;
  };
  const all = await dom('');
  assert.match(all, /data-ready="yes"/);
  const bands = [...all.matchAll(/<polygon points="([^"]*)" class="band (client|target)"/g)].map(
    ([, points, side]) => ({ side, points: points!.split(' ').map((point) => point.split(',').map(Number)) }),
  );
  assert.deepEqual(
    bands.map(({ side }) => side),
    ['client', 'client', 'target'],
  );
  // The heights are the sizes: 11, 52 and 5000 bytes; the places are the times.
  const heights = bands.map(({ points }) => points.at(-1)![1]! - points[0]![1]!);
  assert.ok(heights[2]! > 50 && heights[0]! < 3, `${heights}`);
  const places = bands.map(({ points }) => points[0]![1]!);
  assert.ok(places[1]! - places[0]! > 20 && places[2]! > places[1]!, `${places}`);
  assert.match(all, /read 1 of 2/);
  assert.match(all, /2 reads/);
  // What is searched for may be spread over two reads.
  const found = await dom('#search=from%20users');
  assert.match(found, /<mark>FR<\/mark>/);
  assert.match(found, /<mark>OM users<\/mark>/);
  assert.match(found, />1 match</);
  assert.equal([...found.matchAll(/class="row[^"]*hidden"/g)].length, 5);
});
