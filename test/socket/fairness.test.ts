// Nobody is starved: neither timers nor other sockets, by one that always has something to do.
// Counted in events, never in seconds: a starved loop makes the test run into its deadline.
import assert from 'node:assert/strict';
import { MSG_PEEK, SO_SNDBUF, SOL_SOCKET, type Socket, socketpair } from 'berkeley-sockets';
import { within } from '../support/deadline.ts';
import { requirePeer } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { type Scene, scene } from '../support/scene.ts';
import {
  across,
  bound,
  datagrams,
  listening,
  meet,
  open,
  pair,
  streams,
  type Transport,
  tcp4,
  unixStream,
} from '../support/transports.ts';

/** Resolves when a timer of 5 ms has fired `times` times: the event loop turns. */
function ticks(times: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      if (--times === 0) {
        clearInterval(timer);
        resolve();
      }
    }, 5);
  });
}

/** Runs `step` again and again until the event loop has turned, and fails if it never does. */
async function loopTurns(s: Scene, what: string, step: () => Promise<unknown>): Promise<void> {
  let stopped = false;
  let steps = 0;
  const turning = ticks(10).then(() => {
    stopped = true;
  });
  // A starved loop cannot run a deadline either: the steps themselves are counted.
  const limit = 3_000_000;
  s.after(() => {
    stopped = true;
  });
  while (!stopped) {
    await step();
    assert.ok(++steps < limit, `${what}: ${limit} steps, and a timer of 5 ms did not fire ten times`);
  }
  await turning;
  assert.ok(steps > 50, `${what}: only ${steps} steps in the time of ten timers`);
}

across(streams, 'a receive that always has data', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  await a.sendall('x');
  await b.wait({ read: true });
  await loopTurns(s, 'recv with MSG_PEEK', () => b.recv(1, { flags: MSG_PEEK }));
  await loopTurns(s, 'wait for reading', () => b.wait({ read: true }));
  await loopTurns(s, 'recvfrom with MSG_PEEK', () => b.recvfrom(1, { flags: MSG_PEEK }));
  const view = new Uint8Array(1);
  await loopTurns(s, 'recvInto with MSG_PEEK', () => b.recvInto(view, { flags: MSG_PEEK }));
  await loopTurns(s, 'wait for writing', () => a.wait({ write: true }));
});

across(streams, 'a stream that has ended', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  a.close();
  await b.recv(1);
  await loopTurns(s, 'recv at the end', () => b.recv(1));
  const view = new Uint8Array(10);
  await loopTurns(s, 'recvInto at the end', () => b.recvInto(view));
});

across(streams, 'a send and a receive that answer each other', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  await loopTurns(s, 'sendall and recv', async () => {
    await a.sendall('x');
    await b.recv(1);
  });
  await loopTurns(s, 'a large sendall and recv', async () => {
    await a.send(Buffer.alloc(20_000));
    await b.recv(1 << 20);
  });
});

across(datagrams, 'a socket that sends to itself', async (s, transport) => {
  const a = bound(s, transport);
  const self = a.getsockname();
  await loopTurns(s, 'sendto and recvfrom', async () => {
    await a.sendto('x', self);
    await a.recvfrom(1);
  });
  await loopTurns(s, 'sendmany and recvmany', async () => {
    await a.sendmany([['x', self]]);
    await a.recvmany(5);
  });
});

across([tcp4, unixStream], 'connections that come and go', async (s, transport) => {
  const listener = listening(s, transport);
  await loopTurns(s, 'connect and accept', async () => {
    const [client, server] = await meet(s, transport, listener);
    client.close();
    server.close();
  });
});

scene('a call that fails at once', async (s) => {
  const a = open(s, tcp4);
  await loopTurns(s, 'recv without a connection', () => a.recv(1).catch(() => {}));
  await loopTurns(s, 'send without a connection', () => a.send('x').catch(() => {}));
});

scene('a sendall that never waits for long does not hold up the loop', async (s) => {
  const [a, b] = socketpair().map((x) => s.own(x)) as [Socket, Socket];
  a.setsockopt(SOL_SOCKET, SO_SNDBUF!, 4096);
  let stopped = false;
  const sending = a.sendall(Buffer.alloc(256 << 20)).catch(() => {});
  const draining = (async () => {
    const view = new Uint8Array(1 << 20);
    while (!stopped) await b.recvInto(view);
  })();
  await ticks(10);
  stopped = true;
  a.close();
  await Promise.all([sending, draining]);
});

// Eight threads that send as fast as they can, until they are cut off.
const flood = `
  import socket, sys, threading
  family, address = int(sys.argv[1]), eval(sys.argv[2])
  data = bytes(262144)
  def run():
      s = socket.socket(family, socket.SOCK_STREAM)
      s.connect(address)
      try:
          while True: s.sendall(data)
      except OSError: pass
  threads = [threading.Thread(target=run) for _ in range(8)]
  for t in threads: t.start()
  for t in threads: t.join()
`;

async function flooded(s: Scene, transport: Transport): Promise<Socket[]> {
  const listener = listening(s, transport);
  const address = listener.getsockname();
  const text =
    typeof address === 'string'
      ? JSON.stringify(address)
      : `(${JSON.stringify((address as readonly unknown[])[0])}, ${(address as readonly unknown[])[1]})`;
  startPython(s, flood, [String(transport.family), text]);
  const sockets: Socket[] = [];
  while (sockets.length < 8)
    sockets.push(s.own((await within(listener.accept(), 'a flooding client', 10))[0]));
  listener.close();
  return sockets;
}

for (const transport of streams) {
  const options = requirePeer('python3');
  for (const [how, receive] of [
    ['recv', (b: Socket) => b.recv(65536).then((data) => data.length)],
    ['recv of small pieces', (b: Socket) => b.recv(512).then((data) => data.length)],
    [
      'recvInto',
      (() => {
        const view = new Uint8Array(65536);
        return (b: Socket) => b.recvInto(view);
      })(),
    ],
  ] as const) {
    scene(
      `eight floods hold up neither timers nor a quiet connection: ${how} (${transport.name})`,
      async (s) => {
        const [client, server] = await pair(s, transport);
        const floods = await flooded(s, transport);
        const received = floods.map(() => 0);
        let stopped = false;
        const reading = floods.map(async (b, i) => {
          while (!stopped) received[i]! += await receive(b);
        });
        const echo = (async () => {
          for await (const chunk of server as AsyncIterable<Buffer>) await server.sendall(chunk);
        })();
        await within(ticks(40), 'forty timers of 5 ms');
        for (let i = 0; i < 40; i++) {
          await client.sendall(`ping ${i}`);
          assert.equal(String(await within(client.recv(100), `echo ${i}`)), `ping ${i}`);
        }
        // Among themselves too: each got on.
        await within(
          (async () => {
            while (received.some((bytes) => bytes < 1 << 20)) await ticks(1);
          })(),
          'a MiB of each flood',
        );
        stopped = true;
        await Promise.all(reading);
        client.close();
        await echo;
      },
      { ...options, skip: options.skip ?? transport.missing, seconds: 60 },
    );
  }
}

scene(
  'a flood of datagrams holds up neither timers nor a quiet connection',
  async (s) => {
    const b = bound(s, { ...tcp4, type: 2 });
    const [client, server] = await pair(s, unixStream);
    startPython(
      s,
      `
        import socket, sys
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.connect(('127.0.0.1', int(sys.argv[1])))
        while True:
            try: s.send(bytes(100))
            except ConnectionRefusedError: break
      `,
      [String((b.getsockname() as [string, number])[1])],
    );
    for (const receive of [
      () => b.recvfrom(2048),
      () => b.recv(2048),
      () => b.recvmany(64),
      () => b.recvfromInto(new Uint8Array(2048)),
    ]) {
      let stopped = false;
      let count = 0;
      const reading = (async () => {
        for (; !stopped; count++) await receive();
      })();
      await within(ticks(20), 'twenty timers of 5 ms');
      for (let i = 0; i < 20; i++) {
        await client.sendall('x');
        await within(server.recv(1), 'a byte on the quiet connection');
      }
      stopped = true;
      await reading;
      assert.ok(count > 20, `${receive}: ${count}`);
    }
  },
  requirePeer('python3'),
);
