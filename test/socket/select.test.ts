// select and waitAny: which of many sockets are ready, as POSIX's select and poll have it.
import assert from 'node:assert/strict';
import {
  ClosedError,
  MSG_OOB,
  SHUT_RDWR,
  SHUT_WR,
  SO_LINGER,
  SOL_SOCKET,
  type Socket,
  select,
  socketpair,
  waitAny,
} from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';
import { sleep, staysPending, timed, within } from '../support/deadline.ts';
import { runNode } from '../support/node.ts';
import { type Scene, scene } from '../support/scene.ts';
import {
  across,
  connections,
  everything,
  listening,
  open,
  pair,
  receive,
  streams,
  tcp4,
  unixStream,
} from '../support/transports.ts';

/** Fills the way from `a` until the kernel takes no more: how much it took. */
function fill(a: Socket): number {
  const filler = Buffer.alloc(65536);
  let filled = 0;
  for (let n = a.trySend(filler); n !== undefined; n = a.trySend(filler)) filled += n;
  return filled;
}

const own = (s: Scene): [Socket, Socket] => {
  const both = socketpair();
  for (const each of both) s.own(each);
  return both;
};

across(everything, 'what is ready is told at once, again and again', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  assert.deepEqual(await select([a, b], [], [a, b], 0), [[], [], []]);
  assert.deepEqual(await select([], [a, b], []), [[], [a, b], []]);
  await a.send('abc');
  for (let i = 0; i < 3; i++) assert.deepEqual(await select([a, b], [a], [], 5), [[b], [a], []]);
  await b.recv(10);
  assert.deepEqual(await select([a, b], [], [], 0), [[], [], []]);
});

across(everything, 'it waits for the first that is ready', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const waiting = select([a, b], [], []);
  await staysPending(waiting, 'select', 0.02);
  await a.send('abc');
  assert.deepEqual(await within(waiting, 'select'), [[b], [], []]);
  assert.equal((await b.recv(10)).toString(), 'abc');
});

across(streams, 'a queue that is full becomes writable', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const filled = fill(a);
  const waiting = select([a], [a], [a]);
  await staysPending(waiting, 'select on a full queue', 0.02);
  await receive(b, filled);
  assert.deepEqual(await within(waiting, 'select'), [[], [a], []]);
});

across(connections, 'a listener is readable when a connection is there', async (s, transport) => {
  const listener = listening(s, transport);
  const waiting = select([listener], [], []);
  const client = open(s, transport);
  await client.connect(listener.getsockname());
  assert.deepEqual(await within(waiting, 'select'), [[listener], [], []]);
  const [server] = await listener.accept();
  server.close();
});

across(streams, 'the end of a stream is readable', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const waiting = select([b], [], []);
  a.shutdown(SHUT_WR);
  assert.deepEqual(await within(waiting, 'select'), [[b], [], []]);
  assert.deepEqual(await select([b], [], [], 0), [[b], [], []]);
});

across([tcp4], 'an error is readable and writable; a refused connect too', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  a.setsockopt(SOL_SOCKET, SO_LINGER, new Uint8Array(new Int32Array([1, 0]).buffer));
  a.close();
  assert.deepEqual(await within(select([b], [], []), 'select'), [[b], [], []]);
  assert.deepEqual(await select([b], [b], []), [[b], [b], []]);
  const gone = listening(s, transport);
  const address = gone.getsockname();
  gone.close();
  const c = open(s, transport);
  c.settimeout(0);
  await assert.rejects(c.connect(address), /EINPROGRESS|ECONNREFUSED/);
  assert.deepEqual(await within(select([], [c], []), 'select'), [[], [c], []]);
});

across([tcp4], 'urgent data is exceptional, and nothing else is', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const waiting = select([], [], [a, b]);
  await a.sendall('abc');
  await staysPending(waiting, 'select for urgent data', 0.02);
  await b.recv(3);
  await a.send('!', { flags: MSG_OOB });
  assert.deepEqual(await within(waiting, 'select'), [[], [], [b]]);
  assert.deepEqual(await select([b], [], [b]), [[], [], [b]]);
  assert.equal((await b.recv(1, { flags: MSG_OOB })).toString(), '!');
  // Hung up, but nobody waits for that here.
  a.shutdown(SHUT_RDWR);
  b.shutdown(SHUT_RDWR);
  assert.deepEqual(await select([], [], [b], 0.05), [[], [], []]);
  const [readable] = await select([b], [], [b], 5);
  assert.deepEqual(readable, [b]);
});

scene('the very objects come back, in their order, as often as they were given', async (s) => {
  const [a, b] = own(s);
  const [c, d] = own(s);
  await Promise.all([b.send('x'), d.send('x')]);
  const [readable] = await select(new Set([c, a]), [], []);
  assert.ok(readable.length === 2 && readable[0] === c && readable[1] === a);
  assert.deepEqual(await select([a, b, a], [b], []), [[a, a], [b], []]);
  const wrapper = { fileno: () => a.fileno() };
  const [mixed] = await select([wrapper, c.fileno(), b], [], []);
  assert.ok(mixed.length === 2 && mixed[0] === wrapper && mixed[1] === c.fileno());
});

scene('the time limit', async (s) => {
  const [a] = own(s);
  for (const limit of [0.05, 0.0501]) {
    const [result, seconds] = await timed(() => select([a], [], [a], limit));
    assert.deepEqual(result, [[], [], []]);
    assert.ok(seconds >= limit - 0.002, `${seconds} s`);
  }
  const [nothing, seconds] = await timed(() => select([], [], [], 0.05));
  assert.deepEqual(nothing, [[], [], []]);
  assert.ok(seconds >= 0.048, `${seconds} s`);
  await staysPending(select([a], [], [], null), 'select without a limit', 0.02);
  a.close();
});

scene('a signal ends it, and takes nothing', async (s) => {
  const [a, b] = own(s);
  const stop = new AbortController();
  const waiting = select([a, b], [], [], 5, { signal: stop.signal });
  const any = waitAny([a, b], { signal: stop.signal });
  const empty = select([], [], [], undefined, { signal: stop.signal });
  stop.abort(new Error('enough'));
  for (const each of [waiting, any, empty]) await assert.rejects(each, /enough/);
  await assert.rejects(select([a], [a], [], 0, { signal: stop.signal }), /enough/);
  await b.send('x');
  assert.equal((await a.recv(5)).toString(), 'x');
});

scene('it stands beside calls that wait for the same sockets', async (s) => {
  const [a, b] = own(s);
  // The receive gets the byte; select, which asks, may find it gone and go on waiting.
  const reading = b.recv(1);
  const waiting = select([b], [], []);
  await a.send('x');
  assert.equal((await reading).toString(), 'x');
  await a.send('y');
  assert.deepEqual(await within(waiting, 'select'), [[b], [], []]);
  const several = [select([b], [], []), waitAny([b]), b.wait({ read: true })];
  await Promise.all(several);
  await b.recv(5);
  const late = [select([a, b], [], []), waitAny([a, b]), b.wait({ read: true })];
  await a.send('z');
  await within(Promise.all(late), 'all of them');
});

scene(
  'thousands of sockets',
  async (s) => {
    const chance = new Chance('thousands');
    const pairs = Array.from({ length: 2000 }, () => own(s));
    const ends = pairs.map(([end]) => end);
    for (let round = 0; round < 5; round++) {
      const chosen = new Set(Array.from({ length: 3 }, () => chance.integer(0, pairs.length - 1)));
      const waiting = select(ends, [], ends);
      await staysPending(waiting, 'select', 0.001);
      for (const i of chosen) await pairs[i]![1].send('x');
      await within(waiting, 'select');
      const [readable] = await select(ends, [], []);
      assert.deepEqual(
        readable.map((end) => ends.indexOf(end)),
        [...chosen].sort((x, y) => x - y),
      );
      for (const end of readable) await end.recv(1);
    }
    assert.deepEqual(await waitAny(ends, { timeout: 0 }), []);
  },
  { seconds: 60 },
);

scene('what is always ready does not starve the event loop', async (s) => {
  const [a, b] = own(s);
  await a.send('x');
  for (const call of [() => select([b], [], []), () => select([a], [], [], 0), () => waitAny([b])]) {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const end = performance.now() + 5000;
    while (ticks < 5 && performance.now() < end) await call();
    clearInterval(timer);
    assert.equal(ticks, 5);
  }
});

scene('a select that waits keeps the process alive, as any call', async () => {
  const { stdout } = await runNode(`
    import { select, socketpair } from 'berkeley-sockets';
    const [a, b] = socketpair();
    setTimeout(() => b.send('x'), 100).unref();
    const [readable] = await select([a], [], []);
    const nothing = await select([], [], [], 0.05);
    console.log(readable.length, nothing.flat().length);
  `);
  assert.equal(stdout, '1 0\n');
});

across([tcp4], 'a server of many clients in one loop', async (s, transport) => {
  const fresh = listening(s, transport);
  const sockets: Socket[] = [fresh];
  let served = 0;
  const serving = (async () => {
    while (served < 20) {
      const [readable] = await select(sockets, [], []);
      for (const each of readable) {
        if (each === fresh) {
          const [conn] = await each.accept();
          sockets.push(s.own(conn));
          continue;
        }
        const data = await each.recv(100);
        if (data.length > 0) await each.sendall(data);
        else {
          sockets.splice(sockets.indexOf(each), 1);
          each.close();
          served++;
        }
      }
    }
  })();
  await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      const client = open(s, transport);
      await client.connect(fresh.getsockname());
      for (let n = 0; n < 5; n++) {
        await client.sendall(`${i} ${n}`);
        assert.equal((await client.recv(100)).toString(), `${i} ${n}`);
        await sleep(0.001);
      }
      client.close();
    }),
  );
  await within(serving, 'the server');
});

across([unixStream], 'an unreferenced socket holds nothing up', async (s, transport) => {
  const [a] = await pair(s, transport);
  a.unref();
  const waiting = select([a], [], []);
  a.close();
  await assert.rejects(waiting, ClosedError);
});
