// `sock netstat` over sockets of this process, against ss(8); the live view in tmux.
import assert from 'node:assert/strict';
import {
  AF_INET,
  AF_UNIX,
  createConnection,
  createServer,
  type InetAddress,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
} from 'berkeley-sockets';
import { eventually, sleep } from '../support/deadline.ts';
import { requirePeer, runPeer, unusedPort } from '../support/peer.ts';
import { type Scene, scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';
import { sock, sockFile } from './command.ts';
import { quoted, Terminal } from './terminal.ts';

interface Row {
  protocol: string;
  state: string;
  local: unknown;
  remote: unknown;
  recvQueue: number;
  pid: number | null;
  holders: { pid: number; name: string }[];
  tcpInfo: { bytesReceived: number } | null;
}

async function connected(s: Scene) {
  const listener = s.own(createServer(['127.0.0.1', 0] as InetAddress, { backlog: 7 }));
  const [, port] = listener.getsockname();
  const client = s.own(await createConnection(['127.0.0.1', port]));
  const [conn] = await listener.accept();
  s.own(conn);
  return { listener, client, conn, port, from: client.getsockname()[1] as number };
}

const json = async (...words: string[]): Promise<Row[]> => {
  const { code, stdout, stderr } = await sock(['netstat', '--json', ...words]);
  assert.deepEqual([code, stderr], [0, ''], stderr);
  return JSON.parse(stdout) as Row[];
};

scene('a port: the listener and both ends of its connection, as JSON', async (s) => {
  const { client, port, from } = await connected(s);
  await client.sendall('12345');
  const rows = await json('--port', String(port));
  const short = rows.map((row) => [row.protocol, row.state, row.local, row.remote, row.recvQueue, row.pid]);
  const at = (number: number) => ['127.0.0.1', number];
  const me = process.pid;
  assert.deepEqual(short.slice(0, 1), [['tcp', 'LISTEN', at(port), null, 0, me]]);
  assert.deepEqual(
    short.slice(1).sort((a, b) => Number(b[4]) - Number(a[4])),
    [
      ['tcp', 'ESTABLISHED', at(port), at(from), 5, me],
      ['tcp', 'ESTABLISHED', at(from), at(port), 0, me],
    ],
  );
  assert.ok(rows.every(({ tcpInfo }) => tcpInfo !== null));
  assert.ok(rows.some(({ tcpInfo }) => tcpInfo?.bytesReceived === 5));
});

scene('the table, its columns as wide as what is in them, and who holds the port', async (s) => {
  const { port } = await connected(s);
  const { code, stdout, stderr } = await sock(['netstat', '--port', String(port)]);
  assert.deepEqual([code, stderr], [0, '']);
  const [titles, first, ...rest] = stdout.split('\n');
  assert.match(titles!, /^Proto {2}State +Recv-Q {2}Send-Q {2}Local address +Remote address +Process$/);
  const name = new RegExp(`^tcp +LISTEN +0 +7 {2}127\\.0\\.0\\.1:${port} +\\* +\\S+/${process.pid}$`);
  assert.match(first!, name);
  assert.equal(titles!.indexOf('Remote'), first!.indexOf(' * ') + 1);
  assert.equal(rest.filter((line) => line.includes('ESTABLISHED')).length, 2);
  const who = new RegExp(
    `^tcp port ${port}: \\S+ \\(process ${process.pid}\\) listens on 127\\.0\\.0\\.1:${port}\\.$`,
    'm',
  );
  assert.match(stdout, who);
  assert.ok(!stdout.includes('\x1b'));
});

scene('a port that nobody holds: status 1, and a line that says so', async () => {
  const port = await unusedPort();
  assert.deepEqual(await sock(['netstat', '--port', String(port)]), {
    code: 1,
    signal: null,
    stdout: '',
    stderr: `sock: nobody holds port ${port}\n`,
  });
});

scene('a port that only TIME_WAIT holds has no process', async (s) => {
  const { client, conn, port } = await connected(s);
  // Whoever closes first keeps it: here the server's end.
  conn.close();
  await client.recv(1);
  client.close();
  await eventually(async () => {
    const { stdout } = await sock(['netstat', '--port', String(port), '--state', 'time-wait']);
    assert.match(stdout, /no process any more; the kernel keeps 127\.0\.0\.1:\d+ \(TIME_WAIT\)/);
  }, 'TIME_WAIT in the table');
});

scene('filters: what listens, protocols, families, states, processes', async (s) => {
  const { port, from } = await connected(s);
  const udp = s.own(socket(AF_INET, SOCK_DGRAM));
  udp.bind(['127.0.0.1', 0]);
  const six = s.own(createServer(['::1', 0]));
  const path = tempPath(s);
  const unix = s.own(socket(AF_UNIX, SOCK_STREAM));
  unix.bind(path);
  unix.listen();
  const abstract = s.own(socket(AF_UNIX, SOCK_DGRAM));
  abstract.bind(Buffer.from(`\0sock-netstat-${process.pid}`));
  const mine = async (...words: string[]) =>
    (await json('--process', String(process.pid), ...words)).map((row) => row.local);
  const inet = ([host, number]: readonly (string | number)[]) => [host, number];
  const here = (number: number) => ['127.0.0.1', number];
  const sorted = (list: unknown[]) => list.map((each) => JSON.stringify(each)).sort();

  const at6 = six.getsockname() as unknown as [string, number];
  const atUdp = udp.getsockname();
  assert.deepEqual(sorted(await mine('-tl')), sorted([here(port), at6]));
  assert.deepEqual(sorted(await mine('--listening')), sorted([here(port), at6, inet(atUdp)]));
  assert.deepEqual(sorted(await mine('--udp')), sorted([atUdp]));
  assert.deepEqual(sorted(await mine('-6')), sorted([at6]));
  assert.deepEqual(sorted(await mine('-t', '--state', 'estab')), sorted([here(port), here(from)]));
  const names = await mine('--unix', '--listening');
  assert.deepEqual(sorted(names), sorted([path, `\0sock-netstat-${process.pid}`]));

  const { stdout } = await sock(['netstat', '-x', '--process', String(process.pid)]);
  assert.match(stdout, new RegExp(`^unix stream +LISTEN .* ${path} +\\* `, 'm'));
  assert.match(stdout, new RegExp(`^unix dgram +UNCONNECTED .* @sock-netstat-${process.pid} `, 'm'));
  assert.equal((await sock(['netstat', '--process', 'no-such-program'])).code, 1);
});

scene(
  'the same sockets as ss(8)',
  async (s) => {
    const { port } = await connected(s);
    const ss = async () => {
      const { stdout } = await runPeer('ss', ['-Htan', `sport = :${port} or dport = :${port}`]);
      return stdout
        .trim()
        .split('\n')
        .map((line) => {
          const [, received, sent, local, remote] = line.split(/\s+/);
          return [received, sent, local, remote!.endsWith(':*') ? '*' : remote].join(' ');
        })
        .sort();
    };
    const { stdout } = await sock(['netstat', '-t', '--port', String(port)]);
    const ours = stdout
      .split('\n')
      .filter((line) => /^tcp +[A-Z]/.test(line))
      .map((line) => line.split(/\s+/).slice(2, 6).join(' '));
    assert.deepEqual(ours.sort(), await ss());
  },
  requirePeer('ss'),
);

scene('what makes no sense is told in a line, with status 2', async () => {
  for (const [words, message] of [
    [['--state', 'open'], /^sock: --state open: expected one of established, .*\nTry: sock help netstat\n$/],
    [['--port', '70000'], /^sock: port 70000: a port is a number from 0 to 65535\n/],
    [['--interval', '2'], /^sock: --interval is for --watch\n/],
    [['-4', '-6'], /^sock: --ipv4 and --ipv6: /],
    [['--watch', '--json'], /^sock: --watch shows a table: not with --json\n/],
    [['--listen'], /^sock: no option --listen: did you mean --listening\?\n/],
    [['extra'], /^sock: unexpected argument extra\n/],
  ] as const) {
    const { code, stdout, stderr } = await sock(['netstat', ...words]);
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, message);
  }
  const { code, stderr } = await sock(['netstat', '--watch']);
  assert.equal(code, 1);
  assert.match(stderr, /^sock: --watch needs a terminal[^\n]*\n$/);
});

scene('colours where they are forced, none where they are not wanted', async (s) => {
  const { port } = await connected(s);
  const words = ['netstat', '--port', String(port)];
  const forced = await sock(words, { env: { FORCE_COLOR: '1' } });
  assert.ok(forced.stdout.includes('\x1b[32mLISTEN\x1b[39m'));
  assert.ok(!(await sock(words, { env: { NO_COLOR: '1' } })).stdout.includes('\x1b'));
});

const needsTmux = requirePeer('tmux');
const watching = (words: string, env = '') =>
  `clear; ${env} ${quoted(process.execPath)} ${quoted(sockFile)} netstat --watch --interval 0.2 ${words}; echo "status $?"`;

scene(
  'the live view: rates, a course, keys; and the terminal as it was',
  async (s) => {
    const { client, conn, port } = await connected(s);
    let sending = true;
    const drained = (async () => {
      for await (const _ of conn);
    })();
    const flooded = (async () => {
      while (sending) {
        await client.sendall(Buffer.alloc(20_000));
        await sleep(0.02);
      }
    })();
    const terminal = await Terminal.open(s, { width: 180, height: 20 });
    await terminal.type(watching(`--port ${port}`));
    const moving = await terminal.shows(/\d (?:K|M)iB\/s .*[▂▃▄▅▆▇█]{3}/);
    assert.match(moving, /sock netstat {2}\d\d:\d\d:\d\d {2}3 sockets {2}in [\d.]+ \wiB\/s/);
    assert.match(moving, new RegExp(`tcp +ESTABLISHED +127\\.0\\.0\\.1:${port} .*/${process.pid}\\b`));
    assert.equal(await terminal.state('alternate_on'), '1');
    assert.equal(await terminal.state('cursor_flag'), '0');

    await terminal.press('p');
    const paused = await terminal.shows(/PAUSED/);
    await sleep(0.7);
    assert.equal((await terminal.lines()).join('\n').trimEnd(), paused.trimEnd());
    await terminal.press('p');
    await eventually(
      async () => assert.doesNotMatch((await terminal.lines()).join('\n'), /PAUSED/),
      'going on',
    );

    await terminal.press('l');
    await terminal.shows(/1 of 3 sockets/);
    await terminal.press('l');
    await terminal.shows(/ {2}3 sockets/);
    await terminal.press('s');
    await terminal.shows(/by total/);
    await terminal.press('r');
    await terminal.shows(/by total, turned/);
    await terminal.press('/', 'l', 'i', 's', 't', 'e', 'n');
    await terminal.shows(/1 of 3 sockets .*\/listen_/);
    await terminal.press('Enter');
    await terminal.shows(/1 of 3 sockets .*\/listen(?!_)/);
    await terminal.press('u');
    await terminal.shows(/0 of 3 sockets/);
    await terminal.press('Escape');
    await terminal.shows(/ {2}3 sockets/);
    // A screen that is too small for all of it.
    await terminal.resize(60, 5);
    await eventually(async () => {
      const lines = await terminal.lines();
      assert.match(lines[4] ?? '', /^q quit {2}p pause/);
    }, 'the smaller screen');
    await terminal.press('Down');
    await eventually(
      async () => assert.doesNotMatch((await terminal.lines())[2]!, /LISTEN/),
      'the second row first',
    );
    await terminal.resize(180, 20);

    await terminal.press('q');
    await terminal.shows(/^status 0$/m);
    assert.equal(await terminal.state('alternate_on'), '0');
    assert.equal(await terminal.state('cursor_flag'), '1');
    await terminal.type('stty -a | grep -ow -e "-\\?icanon" -e "-\\?echo"');
    await terminal.shows(/^icanon\necho$/m);
    sending = false;
    await flooded;
    client.close();
    await drained;
  },
  { ...needsTmux, seconds: 90 },
);

scene(
  'however the live view ends, the terminal is given back',
  async (s) => {
    const { port } = await connected(s);
    const terminal = await Terminal.open(s);
    const whole = async (status: RegExp) => {
      await terminal.shows(status);
      assert.equal(await terminal.state('alternate_on'), '0');
      assert.equal(await terminal.state('cursor_flag'), '1');
      await terminal.type('clear; stty -a | grep -ow -e "-\\?icanon" -e "-\\?echo"');
      await terminal.shows(/^icanon\necho$/m);
    };
    const shown = /3 sockets/;

    await terminal.type(watching(`--port ${port}`));
    await terminal.shows(shown);
    await terminal.press('C-c');
    await whole(/^status 0$/m);

    // Stopped like any program, and on again.
    await terminal.type(watching(`--port ${port}`));
    await terminal.shows(shown);
    await terminal.press('C-z');
    await terminal.shows(/Stopped/);
    assert.equal(await terminal.state('alternate_on'), '0');
    await terminal.type('fg');
    await terminal.shows(shown);
    assert.equal(await terminal.state('alternate_on'), '1');
    await terminal.press('q');
    await whole(/ready>/);

    const killing = `data:text/javascript,setTimeout(()=>process.kill(process.pid,'SIGTERM'),2000)`;
    await terminal.type(watching(`--port ${port}`, `NODE_OPTIONS=--import=${quoted(killing)}`));
    await terminal.shows(shown);
    await whole(/^status 143$/m);

    const crashing = `data:text/javascript,setTimeout(()=>{throw${'%20'}new${'%20'}Error('boom')},2000)`;
    await terminal.type(watching(`--port ${port}`, `NODE_OPTIONS=--import=${quoted(crashing)}`));
    await terminal.shows(shown);
    await whole(/boom.*^status 1$/ms);
  },
  { ...needsTmux, seconds: 90 },
);
