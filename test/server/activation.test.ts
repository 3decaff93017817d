// The service manager: sockets that systemd-socket-activate hands over, and notifications that a real
// receiver reads, beside those of systemd-notify.
import assert from 'node:assert/strict';
import { createConnection, SOCK_DGRAM, type Socket, socket } from 'berkeley-sockets';
import { activationSockets, notifyReady, watchdogInterval } from 'berkeley-sockets/server';
import { eventually, within } from '../support/deadline.ts';
import { runNode, startNode } from '../support/node.ts';
import { requirePeer, runPeer, unusedPort } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { type Scene, scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';

const systemd = requirePeer('systemd-socket-activate');

// `wrap` puts systemd-socket-activate in front of Node, which it becomes (execve) when a client comes.
const activate = (...args: string[]) => ['systemd-socket-activate', '-E', 'PATH', ...args];

const program = `
  import { readFileSync } from 'node:fs';
  import { SO_ACCEPTCONN, SOL_SOCKET } from 'berkeley-sockets';
  import { activationSockets, serve, serveDatagrams } from 'berkeley-sockets/server';
  const flagsOf = (s) => /^flags:\\t(\\d+)$/m.exec(readFileSync('/proc/self/fdinfo/' + s.fileno(), 'utf8'))[1];
  const O_CLOEXEC = 0o2000000, O_NONBLOCK = 0o4000;
`;

scene(
  'sockets of every kind, in their order, each once',
  async (s) => {
    const path = tempPath(s);
    const [tcp, tcp2] = [await unusedPort(), await unusedPort()];
    const node = startNode(
      s,
      `${program}
      const pid = process.env.LISTEN_PID === String(process.pid);
      const sockets = activationSockets();
      console.log(JSON.stringify({
        pid,
        numbers: sockets.map((s) => s.fileno()),
        names: sockets.map((s) => s.getsockname()),
        types: sockets.map((s) => s.type),
        listening: sockets.map((s) => s.getsockopt(SOL_SOCKET, SO_ACCEPTCONN)),
        closed: sockets.every((s) => (parseInt(flagsOf(s), 8) & O_CLOEXEC) !== 0 && !s.get_inheritable()),
        waits: sockets.every((s) => (parseInt(flagsOf(s), 8) & O_NONBLOCK) !== 0),
        again: activationSockets().length,
        environment: Object.keys(process.env).filter((name) => name.startsWith('LISTEN_')),
      }));
      const servers = sockets.map((s) => serve(s, async (conn) => {
        await conn.sendall('activated');
        for (const server of servers) server.close();
      }));
      `,
      { wrap: activate('-l', `127.0.0.1:${tcp}`, '-l', path, '-l', `127.0.0.1:${tcp2}`) },
    );
    const c = await eventually(
      () => createConnection(['127.0.0.1', tcp2]),
      'systemd-socket-activate to listen',
    );
    s.own(c);
    const seen = JSON.parse(await node.line(/^\{/));
    assert.deepEqual(seen, {
      pid: true,
      numbers: [3, 4, 5],
      names: [['127.0.0.1', tcp], path, ['127.0.0.1', tcp2]],
      types: [1, 1, 1],
      listening: [1, 1, 1],
      closed: true,
      waits: true,
      again: 0,
      environment: [],
    });
    assert.equal(String(await within(c.recv(100), 'the answer')), 'activated');
    await node.succeed();
  },
  systemd,
);

scene(
  'names, and what is left for another call',
  async (s) => {
    const ports = [await unusedPort(), await unusedPort(), await unusedPort()];
    const node = startNode(
      s,
      `${program}
      const ports = (options) => activationSockets(options).map((s) => s.getsockname()[1]);
      console.log(JSON.stringify([
        ports({ name: 'admin' }), ports({ name: 'nobody' }), ports({ name: 'http', unset: false }), ports(), ports(),
      ]));
      process.exit();
      `,
      {
        wrap: activate(...ports.flatMap((port) => ['-l', `127.0.0.1:${port}`]), '--fdname=http:admin:other'),
      },
    );
    s.own(
      await eventually(() => createConnection(['127.0.0.1', ports[0]!]), 'systemd-socket-activate to listen'),
    );
    const [http, admin, other] = ports;
    assert.deepEqual(JSON.parse(await node.line(/^\[/)), [[admin], [], [http], [other], []]);
    await node.exit();
  },
  systemd,
);

scene(
  'datagram sockets',
  async (s) => {
    const port = await unusedPort();
    const node = startNode(
      s,
      `${program}
      const [socket] = activationSockets();
      const server = serveDatagrams(socket, async (data, address) => {
        await socket.sendto('activated by ' + data, address);
        server.close();
      });
      `,
      { wrap: activate('--datagram', '-l', `127.0.0.1:${port}`) },
    );
    const c = s.own(socket(2, SOCK_DGRAM)) as Socket;
    c.settimeout(0.2);
    const answer = await eventually(async () => {
      await c.sendto('a datagram', ['127.0.0.1', port]);
      return c.recv(100);
    }, 'the answer');
    assert.equal(String(answer), 'activated by a datagram');
    await node.succeed();
  },
  systemd,
);

scene('no sockets: nothing there, somebody else’s, nonsense, and no socket among them', async () => {
  assert.deepEqual(activationSockets(), []);
  assert.throws(() => activationSockets(1 as never), TypeError);
  assert.throws(() => activationSockets({ name: 1 as never }), TypeError);
  const script = (pid: string, fds: string) => `
    import { activationSockets } from 'berkeley-sockets/server';
    process.env.LISTEN_PID = ${pid};
    process.env.LISTEN_FDS = '${fds}';
    console.log(activationSockets().length);
  `;
  for (const [pid, fds] of [
    ["'1'", '1'],
    ["'x'", '1'],
    ['String(process.pid)', '0'],
    ['String(process.pid)', '-1'],
    ['String(process.pid)', 'many'],
    // Whatever the numbers from 3 on are: epoll descriptors and pipes of Node's, or nothing.
    ['String(process.pid)', '5'],
  ]) {
    const { stdout } = await runNode(script(pid!, fds!));
    assert.equal(stdout, '0\n', `${pid} ${fds}`);
  }
  const { stdout } = await runNode(`
    import { Worker } from 'node:worker_threads';
    new Worker(\`
      import('berkeley-sockets/server').then(({ activationSockets }) => {
        try { activationSockets(); } catch (error) { console.log(error.code, error.message); }
      });
    \`, { eval: true });
  `);
  assert.match(stdout, /^EPERM activationSockets belongs to the main thread/);
});

// --- notifications --------------------------------------------------------------------------

/** A receiver as a service manager has one: Python, a datagram socket, a line a message. */
async function receiver(s: Scene, address: string) {
  const python = startPython(
    s,
    `
    import json, os, socket, struct, sys
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    s.bind(sys.argv[1].replace('@', '\\0', 1))
    print('ready')
    while True:
        data, anc, flags, address = s.recvmsg(4096, 1024)
        pid = struct.unpack('iii', anc[0][2])[0]
        print(json.dumps([data.decode(), pid]))
    `,
    [address],
  );
  await python.line(/ready/);
  return async (): Promise<[string, number]> => JSON.parse(await python.line(/^\[/));
}

function environment(s: Scene, variables: Record<string, string | undefined>): void {
  for (const [name, value] of Object.entries(variables)) {
    const before = process.env[name];
    s.after(() => {
      if (before === undefined) delete process.env[name];
      else process.env[name] = before;
    });
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
}

for (const abstract of [false, true]) {
  scene(
    `notifications arrive, and are this process’s: ${abstract ? 'an abstract name' : 'a path'}`,
    async (s) => {
      const address = abstract ? `@bsd-notify-${process.pid}-${Math.random()}` : tempPath(s);
      const next = await receiver(s, address);
      environment(s, { NOTIFY_SOCKET: address });
      assert.equal(await notifyReady(), true);
      assert.deepEqual(await next(), ['READY=1', process.pid]);
      for (const [state, text] of [
        ['STOPPING=1', 'STOPPING=1'],
        ['STATUS=raw\nERRNO=2', 'STATUS=raw\nERRNO=2'],
        [{ WATCHDOG: 1 }, 'WATCHDOG=1'],
        [
          { READY: true, STATUS: 'größer: 5', MAINPID: 42n, ERRNO: undefined },
          'READY=1\nSTATUS=größer: 5\nMAINPID=42',
        ],
        [{ EXTEND_TIMEOUT_USEC: 5_000_000, STOPPING: false }, 'EXTEND_TIMEOUT_USEC=5000000'],
      ] as const) {
        assert.equal(await notifyReady(state), true);
        assert.deepEqual(await next(), [text, process.pid]);
      }
      const before = process.hrtime.bigint() / 1000n;
      await notifyReady({ RELOADING: 1 });
      const [, usec] = /^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec((await next())[0])!;
      assert.ok(BigInt(usec!) >= before && BigInt(usec!) <= process.hrtime.bigint() / 1000n);
      await notifyReady({ RELOADING: 1, MONOTONIC_USEC: 7 });
      assert.equal((await next())[0], 'RELOADING=1\nMONOTONIC_USEC=7');
    },
    requirePeer('python3'),
  );
}

scene(
  'the same bytes as systemd-notify sends',
  async (s) => {
    const address = tempPath(s);
    const next = await receiver(s, address);
    environment(s, { NOTIFY_SOCKET: address });
    const theirs = async (...args: string[]) => {
      await runPeer('systemd-notify', ['--no-block', ...args], {
        env: { ...process.env, NOTIFY_SOCKET: address },
      });
      return (await next())[0];
    };
    const ours = async (state: Record<string, string | number>) => {
      await notifyReady(state);
      return (await next())[0];
    };
    assert.equal(
      await ours({ READY: 1, STATUS: 'up and running' }),
      await theirs('--ready', '--status=up and running'),
    );
    assert.equal(await ours({ WATCHDOG: 1 }), await theirs('WATCHDOG=1'));
    assert.equal(await ours({ STOPPING: 1 }), await theirs('STOPPING=1'));
  },
  requirePeer('python3', 'systemd-notify'),
);

scene('nobody asked, nobody listens, and what cannot be said', async (s) => {
  environment(s, { NOTIFY_SOCKET: undefined });
  assert.equal(await notifyReady(), false);
  for (const bad of [{ READY: 'a\nb' }, { READY: '\0' }, { 'a b': 1 }, { ready: 1 }])
    await assert.rejects(notifyReady(bad), RangeError);
  for (const bad of [1, null]) await assert.rejects(notifyReady(bad as never), TypeError);
  const path = tempPath(s);
  environment(s, { NOTIFY_SOCKET: path });
  await assert.rejects(notifyReady(), { code: 'ENOENT', path });
  environment(s, { NOTIFY_SOCKET: 'relative/path' });
  await assert.rejects(notifyReady(), { code: 'EAFNOSUPPORT' });
  environment(s, { NOTIFY_SOCKET: '' });
  assert.equal(await notifyReady(), false);
});

scene('watchdogInterval', (s) => {
  for (const [usec, pid, seconds] of [
    [undefined, undefined, undefined],
    ['30000000', undefined, 30],
    ['1500000', String(process.pid), 1.5],
    ['30000000', '1', undefined],
    ['0', undefined, undefined],
    ['soon', undefined, undefined],
  ] as const) {
    environment(s, { WATCHDOG_USEC: usec, WATCHDOG_PID: pid });
    assert.equal(watchdogInterval(), seconds);
  }
});
