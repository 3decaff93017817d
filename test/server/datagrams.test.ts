// A handler for each datagram: order, places, errors, the end.
import assert from 'node:assert/strict';
import { AF_INET, SOCK_DGRAM, type Socket, socket } from 'berkeley-sockets';
import { type DatagramErrorPlace, serve, serveDatagrams } from 'berkeley-sockets/server';
import { eventually, sleep, timed, within } from '../support/deadline.ts';
import { requirePeer, runPeer } from '../support/peer.ts';
import { evalPython } from '../support/python.ts';
import { type Scene, scene } from '../support/scene.ts';
import { across, bound, datagrams, open, udp4 } from '../support/transports.ts';

const at = ['127.0.0.1', 0] as const;
type Inet = readonly [string, number];

function client(s: Scene): Socket<typeof AF_INET> {
  const c = s.own(socket(AF_INET, SOCK_DGRAM)) as unknown as Socket<typeof AF_INET>;
  c.bind(at);
  return c;
}

across(datagrams, 'each datagram is answered to its sender', async (s, transport) => {
  const server = serveDatagrams(transport.free(s) as Inet, async (data, address, { socket: own }) => {
    await own.sendto(`echo ${data}`, address);
  });
  s.after(() => server.close());
  const clients = [bound(s, transport), bound(s, transport)];
  for (const [i, c] of clients.entries()) {
    for (let n = 0; n < 3; n++) {
      await c.sendto(`${i}.${n}`, server.address);
      const [data, from] = await c.recvfrom(100);
      assert.equal(String(data), `echo ${i}.${n}`);
      assert.deepEqual(from, server.address);
    }
  }
  assert.deepEqual([server.received, server.bytesReceived, server.handlers], [6, 18, 0]);
});

scene('handlers begin in order, never more than maxHandlers at once, and the rest waits', async (s) => {
  const begun: number[] = [];
  let most = 0;
  let running = 0;
  const ends: (() => void)[] = [];
  const server = serveDatagrams(
    at,
    async (data) => {
      begun.push(Number(data));
      most = Math.max(most, ++running);
      await new Promise<void>((resolve) => ends.push(resolve));
      running--;
    },
    { maxHandlers: 3 },
  );
  s.after(() => server.close());
  const c = client(s);
  for (let i = 0; i < 20; i++) await c.sendto(String(i), server.address);
  await eventually(() => running === 3, 'three handlers');
  await sleep(0.05);
  // What has no place yet is in the kernel's queue still.
  assert.deepEqual([running, server.handlers, server.received], [3, 3, 3]);
  while (begun.length < 20 || running > 0) {
    ends.pop()?.();
    await sleep(0.001);
  }
  assert.deepEqual(
    begun,
    Array.from({ length: 20 }, (_, i) => i),
  );
  assert.equal(most, 3);
});

scene(
  'with maxHandlers 1 each waits for the one before; handlers without a promise need no place',
  async (s) => {
    const done: number[] = [];
    const slow = serveDatagrams(
      at,
      async (data) => {
        await sleep(Number(data) % 3 === 0 ? 0.01 : 0.001);
        done.push(Number(data));
      },
      { maxHandlers: 1 },
    );
    s.after(() => slow.close());
    const c = client(s);
    for (let i = 0; i < 12; i++) await c.sendto(String(i), slow.address);
    await eventually(() => done.length === 12, 'all');
    assert.deepEqual(
      done,
      Array.from({ length: 12 }, (_, i) => i),
    );
    let count = 0;
    const quick = serveDatagrams(at, () => void count++, { maxHandlers: 1 });
    s.after(() => quick.close());
    for (let i = 0; i < 100; i++) await c.sendto('x', quick.address);
    await eventually(() => count === 100, 'all');
  },
);

scene('an error costs its own datagram, and what an answer met is told', async (s) => {
  const told: [string, DatagramErrorPlace['during']][] = [];
  const server = serveDatagrams(
    at,
    (data) => {
      if (String(data) === 'throw') throw new Error('thrown');
      if (String(data) === 'reject') return Promise.reject(new Error('rejected'));
      told.push([String(data), 'handler']);
      return undefined;
    },
    { onerror: (error, place) => told.push([(error as Error).message, place.during]) },
  );
  s.after(() => server.close());
  const c = client(s);
  for (const word of ['throw', 'reject', 'fine']) await c.sendto(word, server.address);
  await eventually(() => told.length === 3, 'three words');
  assert.deepEqual(told.map(([word]) => word).sort(), ['fine', 'rejected', 'thrown']);
  assert.equal(server.failed, 2);
});

scene('an ICMP error on a connected socket is not the end', async (s) => {
  const gone = open(s, udp4);
  gone.bind(at);
  const address = gone.getsockname();
  gone.close();
  const own = open(s, udp4) as Socket<typeof AF_INET, SOCK_DGRAM>;
  await own.connect(address as Inet);
  const errors: string[] = [];
  const words: string[] = [];
  const server = serveDatagrams(own, (data) => void words.push(String(data)), {
    onerror: (error) => errors.push((error as { code: string }).code),
  });
  s.after(() => server.close());
  await own.send('to nobody');
  await eventually(() => errors.length === 1, 'the error');
  assert.deepEqual(errors, ['ECONNREFUSED']);
  const back = open(s, udp4);
  back.bind(address);
  await back.sendto('somebody is there', own.getsockname());
  await eventually(() => words.length === 1, 'a datagram');
});

scene('close: with grace the handlers end, without they are aborted', async (s) => {
  const ended: string[] = [];
  const start = () =>
    serveDatagrams(at, async (data, _, { signal }) => {
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve());
        if (String(data) === 'short') setTimeout(resolve, 100);
      });
      ended.push(signal.aborted ? 'aborted' : 'finished');
    });
  const c = client(s);
  const graceful = start();
  await c.sendto('short', graceful.address);
  await eventually(() => graceful.handlers === 1, 'the handler');
  await within(graceful.close({ grace: 30 }), 'the close');
  const abrupt = start();
  await c.sendto('long', abrupt.address);
  await eventually(() => abrupt.handlers === 1, 'the handler');
  await within(abrupt.close(), 'the close');
  assert.deepEqual(ended, ['finished', 'aborted']);
  const never = serveDatagrams(at, () => new Promise(() => {}));
  await c.sendto('x', never.address);
  await eventually(() => never.handlers === 1, 'the handler');
  const [, seconds] = await timed(() => never.close({ grace: 0.1 }));
  assert.ok(seconds < 2);
  const stop = new AbortController();
  const stopped = serveDatagrams(at, () => {}, { signal: stop.signal });
  stop.abort();
  await within(stopped.closed, 'the end by signal');
});

scene('datagrams of any size, and those that are cut', async (s) => {
  const sizes: number[] = [];
  const whole = serveDatagrams(at, (data) => void sizes.push(data.length));
  s.after(() => whole.close());
  const cut = serveDatagrams(at, (data) => void sizes.push(data.length), { bufsize: 100 });
  s.after(() => cut.close());
  const c = client(s);
  for (const size of [0, 1, 65507]) await c.sendto(Buffer.alloc(size), whole.address);
  await eventually(() => sizes.length === 3, 'three');
  await c.sendto(Buffer.alloc(500), cut.address);
  await eventually(() => sizes.length === 4, 'four');
  assert.deepEqual(sizes, [0, 1, 65507, 100]);
});

scene('a socket of the wrong kind, and other mistakes', async (s) => {
  const stream = s.own(socket());
  assert.throws(() => serveDatagrams(stream, () => {}), TypeError);
  const udp = open(s, udp4);
  assert.throws(() => serve(udp, () => {}), /does not listen/);
  udp.close();
  assert.throws(() => serveDatagrams(udp, () => {}), { code: 'EBADF' });
  assert.throws(() => serveDatagrams(at, 1 as never), TypeError);
  assert.throws(() => serveDatagrams(at, () => {}, { maxHandlers: 0 }), RangeError);
  assert.throws(() => serveDatagrams(at, () => {}, { bufsize: 65537 }), RangeError);
  assert.throws(() => serveDatagrams(at, () => {}, { onerror: 1 as never }), TypeError);
  assert.throws(() => serveDatagrams(at, () => {}, 1 as never), TypeError);
  const server = serveDatagrams(at, () => {});
  s.after(() => server.close());
  assert.throws(() => serveDatagrams(server.address, () => {}), { code: 'EADDRINUSE' });
});

scene(
  'Python and socat as clients',
  async (s) => {
    const server = serveDatagrams(at, async (data, address, { socket: own }) => {
      await own.sendto(String(data).toUpperCase(), address);
    });
    s.after(() => server.close());
    const [host, port] = server.address;
    const answers = await evalPython(
      `
      import json, socket, sys
      s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
      s.settimeout(5)
      answers = []
      for i in range(100):
          s.sendto(b'hello %d' % i, (sys.argv[1], int(sys.argv[2])))
          answers.append(s.recv(100).decode())
      print(json.dumps(answers))
      `,
      [host, String(port)],
    );
    assert.deepEqual(
      answers,
      Array.from({ length: 100 }, (_, i) => `HELLO ${i}`),
    );
    const { stdout } = await runPeer('socat', ['-t', '1', '-', `UDP4:${host}:${port}`], {
      input: 'from socat',
    });
    assert.equal(stdout, 'FROM SOCAT');
  },
  requirePeer('python3', 'socat'),
);
