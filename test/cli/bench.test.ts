// `sock bench` against echo servers of socat's, and against servers that are none.
import assert from 'node:assert/strict';
import { AF_INET, createServer, type InetAddress, SOCK_DGRAM, socket } from 'berkeley-sockets';
import { requirePeer, startPeer, unusedPort } from '../support/peer.ts';
import { type Scene, scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';
import { sock } from './command.ts';

const needsSocat = requirePeer('socat');

/** An echo server of socat's; `address` as socat has it. */
async function echo(s: Scene, address: string): Promise<void> {
  const peer = startPeer(s, 'socat', ['-dd', address, 'PIPE']);
  await peer
    .line(/listening on|starting data transfer loop|successfully prepared/, { from: 'stderr' })
    .catch(() => {});
}

scene(
  'over TCP: figures that agree with each other',
  async (s) => {
    const port = await unusedPort();
    await echo(s, `TCP-LISTEN:${port},bind=127.0.0.1,fork,reuseaddr,nodelay`);
    const words = [
      'bench',
      '127.0.0.1',
      String(port),
      '--secs',
      '0.5',
      '--size',
      '1k',
      '--conns',
      '3',
      '--json',
    ];
    const { code, stdout, stderr } = await sock(words);
    assert.deepEqual([code, stderr], [0, '']);
    const told = JSON.parse(stdout);
    assert.deepEqual([told.connections, told.size, told.lost], [3, 1024, 0]);
    assert.ok(told.rounds >= 3 && told.seconds >= 0.5);
    assert.ok(Math.abs(told.bytesPerSecond / told.roundsPerSecond / 1024 - 1) < 0.01);
    const { min, mean, p50, p90, p99, max } = told.latency;
    assert.ok(0 < min && min <= p50 && p50 <= p90 && p90 <= p99 && p99 <= max);
    assert.ok(min <= mean && mean <= max);
    const counted = told.histogram.reduce((sum: number, { count }: { count: number }) => sum + count, 0);
    assert.equal(counted, told.rounds);
    assert.equal(told.course.length, 60);
  },
  needsSocat,
);

scene(
  'drawn, over AF_UNIX',
  async (s) => {
    const path = tempPath(s);
    await echo(s, `UNIX-LISTEN:${path},fork`);
    const { code, stdout } = await sock(['bench', `unix:${path}`, '--secs', '0.3', '--size', '100000']);
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`^unix:${path}: one connection, 97\\.7 KiB there and back$`, 'm'));
    assert.match(stdout, /^Rounds {6}[\d,]+ in \S+ \S+: [\d,]+ a second$/m);
    assert.match(stdout, /^Throughput {2}[\d.]+ \wiB\/s each way$/m);
    assert.match(stdout, /^Latency {5}least .*, mean .*, p50 .*, p90 .*, p99 .*, p99\.9 .*, most /m);
    const shares = [...stdout.matchAll(/^ .* – .* [▏▎▍▌▋▊▉█ ]* ([\d.]+) %$/gm)].map(([, share]) =>
      Number(share),
    );
    assert.ok(shares.length >= 1 && shares.length <= 16);
    assert.ok(Math.abs(shares.reduce((a, b) => a + b) - 100) < 1);
    assert.match(stdout, /^ {2}[▁▂▃▄▅▆▇█]{60} {2}up to [\d,]+$/m);
  },
  needsSocat,
);

scene('over UDP, where some are lost', async (s) => {
  const server = s.own(socket(AF_INET, SOCK_DGRAM));
  server.bind(['127.0.0.1', 0]);
  const [, port] = server.getsockname();
  const serving = (async () => {
    for (let number = 0; ; number++) {
      const [data, from] = await server.recvfrom(65536);
      if (number !== 5) await server.sendto(data, from);
    }
  })();
  const { code, stdout } = await sock([
    'bench',
    '-u',
    '127.0.0.1',
    String(port),
    '-t',
    '1.5',
    '-s',
    '10',
    '--json',
  ]);
  assert.equal(code, 0);
  const told = JSON.parse(stdout);
  assert.equal(told.lost, 1);
  assert.ok(told.rounds > 5);
  server.close();
  await assert.rejects(serving, { code: 'EBADF' });
});

scene('servers that do not echo', async (s) => {
  const told = async (say: string | null, message: RegExp): Promise<void> => {
    const listener = s.own(createServer(['127.0.0.1', 0] as InetAddress));
    const serving = (async () => {
      const [conn] = await listener.accept();
      s.own(conn);
      if (say === null) return;
      await conn.recv(64);
      await conn.sendall(say);
      if (say.length < 64) conn.close();
    })();
    const { code, stdout, stderr } = await sock([
      'bench',
      '127.0.0.1',
      String(listener.getsockname()[1]),
      '-t',
      '0.2',
    ]);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, message);
    await serving;
  };
  await told('x'.repeat(64), /^sock: what comes back is not what was sent: it needs an echo server\n$/);
  await told('half of it', /^sock: the server ended the connection after 10 of 64 bytes\n$/);
  await told(null, /^sock: 127\.0\.0\.1:\d+: no answer: it needs an echo server\n$/);
});

scene('what makes no sense, and nobody there', async () => {
  const port = String(await unusedPort());
  for (const [words, code, message] of [
    [[port, '-s', '0'], 2, /^sock: --size 0: expected 1 to 1073741824\n/],
    [[port, '-u', '-s', '64k'], 2, /^sock: --size 65536: expected 1 to 65507\n/],
    [[port, '-c', '0'], 2, /^sock: --conns 0: expected 1 to 10000\n/],
    [[port, '-t', '0'], 2, /^sock: --secs 0: expected more\n/],
    [['127.0.0.1', port, '-t', '0.1'], 1, /^sock: .*ECONNREFUSED 127\.0\.0\.1:\d+\n$/],
  ] as const) {
    const result = await sock(['bench', ...words]);
    assert.deepEqual([result.code, result.stdout], [code, ''], words.join(' '));
    assert.match(result.stderr, message);
  }
});
