// Many connections: open at once, and come and gone. Afterwards nothing may be left: no
// descriptor, no watch of the engine, no memory. A short run by default; SOAK=1 (see
// scripts/soak.mjs) opens ten thousand and goes through a hundred thousand.
import assert from 'node:assert/strict';
import {
  AF_INET,
  AF_UNIX,
  createConnection,
  SO_LINGER,
  SOCK_DGRAM,
  SOL_SOCKET,
  type Socket,
  socket,
  socketpair,
} from 'berkeley-sockets';
import { eventually, within } from '../support/deadline.ts';
import { openSockets } from '../support/leaks.ts';
import { descriptorLimit, heldBytes, residentBytes, watches } from '../support/memory.ts';
import { requirePeer } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { scene } from '../support/scene.ts';
import {
  across,
  bound,
  listening,
  open,
  type Transport,
  tcp4,
  tcp6,
  unixSeqpacket,
  unixStream,
} from '../support/transports.ts';

const long = process.env.SOAK === '1';
const seconds = long ? 1800 : 90;

/** Runs `step` `times` times, and checks that its second half has left nothing behind. */
async function leavesNothing(
  what: string,
  times: number,
  step: (i: number) => Promise<unknown>,
): Promise<void> {
  const warmUp = Math.floor(times / 2);
  for (let i = 0; i < warmUp; i++) await step(i);
  const before = {
    sockets: openSockets(),
    watches: watches(),
    held: await heldBytes(),
    resident: residentBytes(),
  };
  for (let i = warmUp; i < times; i++) await step(i);
  const held = (await heldBytes()) - before.held;
  assert.equal(openSockets(), before.sockets, `${what}: descriptors`);
  assert.equal(watches(), before.watches, `${what}: watches`);
  // One small object a round would be some hundred bytes each.
  assert.ok(held < Math.max(512 << 10, warmUp * 16), `${what}: ${held} bytes more are held after ${times}`);
  const resident = residentBytes() - before.resident;
  // What the allocators keep goes up and down by some MiB, more so in a process that is young.
  assert.ok(resident < (long ? 12 : 40) << 20, `${what}: ${resident} bytes more are resident after ${times}`);
}

/** Both ends of a connection, owned by nobody: a scene would hold on to all of them. */
async function connected(listener: Socket): Promise<[client: Socket, server: Socket]> {
  const client = socket(listener.family, listener.type) as Socket;
  const [[server]] = await Promise.all([listener.accept(), client.connect(listener.getsockname())]);
  return [client, server];
}

const rounds = (transport: Transport): number =>
  !long ? 10_000 : transport === tcp4 || transport === unixStream ? 100_000 : 20_000;

across(
  [tcp4, tcp6, unixStream, unixSeqpacket],
  'connections come and go',
  async (s, transport) => {
    const listener = listening(s, transport, 1000);
    const reset = Buffer.from(new Int32Array([1, 0]).buffer);
    await leavesNothing(transport.name, rounds(transport), async (i) => {
      const [client, server] = await connected(listener);
      if (i % 2 === 0) {
        // One end waits while the other closes.
        const waiting = client.recv(100);
        await server.send('x');
        server.close();
        await waiting;
      } else {
        await client.send('x');
        await server.recv(100);
      }
      // Without it the ports would be in TIME_WAIT for a minute each.
      if (transport.family !== AF_UNIX) client.setsockopt(SOL_SOCKET, SO_LINGER!, reset);
      client.close();
      server.close();
    });
  },
  { seconds },
);

scene(
  'connections by createConnection come and go',
  async (s) => {
    const listener = listening(s, tcp4, 1000);
    const address = listener.getsockname() as [string, number];
    const reset = Buffer.from(new Int32Array([1, 0]).buffer);
    const stop = new AbortController();
    await leavesNothing('createConnection', long ? 30_000 : 5000, async () => {
      const [client, [server]] = await Promise.all([
        createConnection(address, { timeout: 30, signal: stop.signal }),
        listener.accept({ signal: stop.signal }),
      ]);
      client.setsockopt(SOL_SOCKET, SO_LINGER!, reset);
      client.close();
      server.close();
    });
  },
  { seconds },
);

scene(
  'calls that fail, time out and are aborted leave nothing',
  async (s) => {
    const a = open(s, unixStream);
    const [b, c] = socketpair().map((x) => s.own(x)) as [Socket, Socket];
    const stop = new AbortController();
    const udp = bound(s, { ...tcp4, type: SOCK_DGRAM });
    await leavesNothing('failing calls', long ? 100_000 : 10_000, async () => {
      await a.recv(1).catch(() => {});
      const one = new AbortController();
      const waiting = [b.recv(1, { signal: one.signal }), b.recv(1, { signal: stop.signal })];
      one.abort();
      c.trySend('x');
      await Promise.allSettled(waiting);
      udp.settimeout(0);
      await udp.recvfrom(1).catch(() => {});
    });
  },
  { seconds },
);

scene(
  'pairs that are closed, detached and duplicated with calls waiting',
  async () => {
    const { fromHandle } = await import('berkeley-sockets');
    await leavesNothing('pairs', long ? 100_000 : 10_000, async (i) => {
      const [a, b] = socketpair(AF_UNIX, i % 2 === 0 ? 1 : SOCK_DGRAM);
      const calls = [a.recv(1), b.recv(1), a.recv(1)];
      const outcomes = Promise.allSettled(calls);
      const twin = a.dup();
      const moved = fromHandle(a.detach());
      if (i % 3 === 0) twin.trySend('x');
      for (const one of [twin, moved, b]) one.close();
      await outcomes;
    });
  },
  { seconds },
);

scene(
  'time limits of many lengths leave nothing once their calls are done',
  async (s) => {
    const [a, b] = socketpair().map((x) => s.own(x)) as [Socket, Socket];
    await leavesNothing('time limits', long ? 100_000 : 20_000, async (i) => {
      // What is left of a request's time is another number at each call.
      b.settimeout(60 + i / 1000);
      const waiting = b.recv(1);
      a.trySend('x');
      await waiting;
    });
  },
  { seconds },
);

const count = long ? 10_000 : 1000;

scene(
  `${count} connections open at once`,
  async (s) => {
    const sockets = openSockets();
    const watched = watches();
    const held = await heldBytes();
    const listener = listening(s, { ...tcp4, family: AF_INET }, 4096);
    const port = (listener.getsockname() as [string, number])[1];
    // The other ends live in a process of their own: a process has so many descriptors only.
    const peer = startPython(
      s,
      `
        import resource, socket, sys
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        port, count = int(sys.argv[1]), int(sys.argv[2])
        all = [socket.create_connection(('127.0.0.1', port)) for _ in range(count)]
        print('open')
        sys.stdin.readline()
        for i, s in enumerate(all): s.sendall(b'%d' % i)
        for i, s in enumerate(all):
            data = s.recv(100)
            assert data == b'echo %d' % i, data
        print('echoed')
        sys.stdin.readline()
        for s in all: s.close()
        print('closed')
      `,
      [String(port), String(count)],
    );
    // The child's standard streams are sockets too.
    const started = openSockets();
    const servers: Socket[] = [];
    while (servers.length < count) servers.push((await within(listener.accept(), 'a connection'))[0]);
    await peer.line(/open/, { seconds: 60 });
    // All wait, without anything to do.
    const echoes = servers.map(async (server) => {
      for await (const chunk of server) await server.sendall(`echo ${chunk}`);
      server.close();
    });
    assert.equal(openSockets(), started + count);
    assert.ok(watches() >= watched + count);
    peer.write('go\n');
    await peer.line(/echoed/, { seconds: 120 });
    peer.write('close\n');
    await Promise.all(echoes);
    listener.close();
    await peer.line(/closed/, { seconds: 60 });
    await peer.exit();
    await eventually(() => openSockets() === sockets, 'all descriptors to be closed', 20);
    await eventually(() => watches() === watched, 'all watches to be gone', 20);
    servers.length = 0;
    const more = (await heldBytes()) - held;
    assert.ok(more < 4 << 20, `${more} bytes more are held after ${count} connections`);
  },
  {
    seconds,
    skip:
      requirePeer('python3').skip ??
      (descriptorLimit() < count + 200 && `needs ${count + 200} descriptors (ulimit -n)`),
  },
);
