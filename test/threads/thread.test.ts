// startThread: what goes in, what comes out, and how it ends.
import assert from 'node:assert/strict';
import { MessageChannel } from 'node:worker_threads';
import { AF_UNIX, ClosedError, SOCK_STREAM, type Socket, socketpair, TimeoutError } from 'berkeley-sockets';
import { startThread } from 'berkeley-sockets/server';
import * as sync from 'berkeley-sockets/sync';
import { staysPending, timed, within } from '../support/deadline.ts';
import { openDescriptors, openSockets } from '../support/leaks.ts';
import { runNode } from '../support/node.ts';
import { type Scene, scene } from '../support/scene.ts';
import { across, connections, datagrams, listening, open, pair, streams } from '../support/transports.ts';

const module = (name: string) => new URL(`./modules/${name}`, import.meta.url);
const work = module('work.mjs');
const run = <R = unknown>(what: string, ...args: unknown[]) => startThread<R>(work, what, ...args);
const result = <R = unknown>(what: string, ...args: unknown[]): Promise<R> =>
  within(run<R>(what, ...args).join(), `${what} in a thread`, 30);

function awaitedPair(s: Scene): [Socket, Socket] {
  return socketpair(AF_UNIX, SOCK_STREAM).map((each) => s.own(each)) as [Socket, Socket];
}
function blockingPair(s: Scene): [sync.Socket, sync.Socket] {
  return sync.socketpair(AF_UNIX, SOCK_STREAM).map((each) => s.own(each)) as [sync.Socket, sync.Socket];
}

// --- arguments and results ------------------------------------------------------------------

across(streams, 'a connection goes into a thread, which blocks on it', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const [c, d] = blockingPair(s);
  await a.sendall('sent before');
  const handle = b.detach();
  const thread = run('echo', sync.fromHandle(handle));
  assert.equal(String(await within(a.recv(100), 'the echo', 20)), 'sent before');
  await a.sendall('sent after');
  assert.equal(String(await a.recv(100)), 'sent after');
  a.close();
  await within(thread.join(), 'the end', 10);
  c.close();
  d.close();
});

scene('a socket keeps its flavour, its timeout and its identity', async (s) => {
  const [a, b] = awaitedPair(s);
  const [c, d] = blockingPair(s);
  a.settimeout(1.5);
  assert.deepEqual(
    await Promise.all([
      result('timeout', a),
      result('flavour', b),
      result('flavour', c),
      result('same', d, { list: [d] }),
      result('flavour', 'no socket'),
    ]),
    [1.5, 'awaited', 'blocking', true, 'string'],
  );
  for (const each of [a, b, c, d]) assert.ok(each.closed);
});

scene('an awaited socket is awaited in the thread', async (s) => {
  const [a, b] = awaitedPair(s);
  const thread = run('echoAwaited', b);
  await a.sendall('and back');
  assert.equal(String(await within(a.recv(100), 'the echo', 20)), 'and back');
  a.close();
  await within(thread.join(), 'the end', 10);
});

across(connections, 'a listener goes in, a connection comes out', async (s, transport) => {
  const listener = listening(s, transport);
  const twin = sync.fromfd(listener.fileno());
  const thread = run<{ connection: sync.Socket }>('acceptOne', twin);
  const client = open(s, transport);
  await client.connect(listener.getsockname());
  assert.equal(String(await within(client.recv(100), 'the accepted one', 20)), 'accepted');
  const { connection } = await within(thread.join(), 'the result', 10);
  assert.ok(connection instanceof sync.Socket);
  assert.equal(connection.family, transport.family);
  connection.send('from here');
  assert.equal(String(await client.recv(100)), 'from here');
  connection.close();
});

across(datagrams, 'a datagram socket goes in', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const thread = run('answerDatagram', sync.fromHandle(b.detach()));
  await a.send('this');
  assert.equal(String(await within(a.recv(100), 'the answer', 20)), 'thread got this');
  await within(thread.join(), 'the end', 10);
});

scene('values go in and come out as by postMessage, cycles and ports included', async () => {
  const value: { date: Date; map: Map<string, number>; self?: unknown } = {
    date: new Date(5),
    map: new Map([['one', 1]]),
  };
  value.self = value;
  assert.deepEqual(await result('give', value), value);
  assert.equal(await result('give'), undefined);
  const { port1, port2 } = new MessageChannel();
  const back = await result<typeof port2>('give', port2);
  port1.postMessage('through');
  assert.equal(
    await within(new Promise((resolve) => back.once('message', resolve)), 'a message', 5),
    'through',
  );
  port1.close();
});

scene('what cannot be copied is refused, and the sockets beside it stay', (s) => {
  const [a, b] = awaitedPair(s);
  assert.throws(() => run('give', a, () => {}), { name: 'DataCloneError' });
  for (const held of [
    new Map([['a', a]]),
    new Set([a]),
    new (class {
      a = a;
    })(),
  ])
    assert.throws(() => run('give', held), TypeError);
  b.close();
  assert.throws(() => run('give', a, b), ClosedError);
  assert.equal(a.closed, false);
});

scene('a TypeScript module runs where the process runs TypeScript', async (s) => {
  const [a, b] = blockingPair(s);
  const thread = startThread<number>(module('typed.ts'), b, { text: 'typed' });
  assert.equal(await within(thread.join(), 'the thread', 30), 5);
  assert.equal(String(a.recv(10)), 'typed');
  assert.equal(a.recv(10).length, 0);
});

scene('names of modules: URLs and absolute paths', async () => {
  assert.equal(await within(startThread(work.href, 'give', 1).join(), 'by text', 20), 1);
  assert.equal(await within(startThread(work.pathname, 'give', 2).join(), 'by path', 20), 2);
  assert.equal(
    await within(startThread('data:text/javascript,export default (x) => x', 3).join(), 'data', 20),
    3,
  );
  for (const name of ['./work.mjs', 'work.mjs', '', 5, null, undefined])
    assert.throws(() => startThread(name as string), TypeError, String(name));
});

// --- how it ends ------------------------------------------------------------------------------

for (const [name, message] of [
  ['missing.mjs', /missing\.mjs could not be loaded: Cannot find module/],
  ['throws.mjs', /throws\.mjs could not be loaded: broken on purpose/],
  ['nothing.mjs', /nothing\.mjs has to export a function by default/],
  ['object.mjs', /object\.mjs has to export a function by default/],
] as const) {
  scene(`a module that is no use is named, and the sockets are closed: ${name}`, async (s) => {
    const [a, b] = awaitedPair(s);
    await assert.rejects(within(startThread(module(name), b).join(), 'the failure', 20), { message });
    assert.equal((await within(a.recv(1), 'the end', 5)).length, 0);
  });
}

scene('errors come out as they were thrown', async () => {
  await assert.rejects(result('timesOut'), (error: TimeoutError) => {
    assert.ok(error instanceof TimeoutError);
    assert.deepEqual([error.code, error.syscall, error.errno], ['ETIMEDOUT', 'recv', undefined]);
    assert.match(String(error.stack), /work\.mjs/);
    return true;
  });
  await assert.rejects(result('throwCause'), (error: RangeError) => {
    assert.ok(error instanceof RangeError);
    assert.equal(error.message, 'out of it');
    assert.equal((error.cause as NodeJS.ErrnoException).code, 'EWHY');
    return true;
  });
  await assert.rejects(result('throwText'), (error) => error === 'just text');
  await assert.rejects(result('throwLater'), { message: 'in a timer' });
  await assert.rejects(result('rejectLater'), { message: 'later' });
  await assert.rejects(result('unclonable'), { name: 'DataCloneError' });
  await assert.rejects(result('exit', 3), { message: 'the thread has ended with process.exit(3)' });
  assert.equal(await result('exit', 0), undefined);
});

scene('a thread ends with its function, and takes with it what it left open', async () => {
  const before = openDescriptors().size;
  await result('leaveOpen');
  await result('leaveTimer');
  assert.equal(openDescriptors().size, before);
});

for (const [what, others] of [
  ['blockInAccept', 0],
  ['blockInRecv', 2],
] as const) {
  scene(`terminate ends a thread that blocks: ${what}`, async (s) => {
    const before = openSockets();
    const ends = Array.from({ length: others }, () => blockingPair(s));
    const state = new Int32Array(new SharedArrayBuffer(4));
    const thread = run(what, state, ...ends.map(([, b]) => b));
    const ended = assert.rejects(thread.join(), { message: 'the thread was terminated' });
    while (Atomics.load(state, 0) === 0) await staysPending(ended, 'the thread', 0.01);
    await staysPending(ended, 'the thread', 0.05);
    const [, seconds] = await timed(() => within(thread.terminate(), 'its end', 5));
    assert.ok(seconds < 2, `ended after ${seconds} s`);
    await ended;
    for (const [a] of ends) {
      a.settimeout(5);
      assert.equal(a.recv(1).length, 0);
      a.close();
    }
    assert.equal(openSockets(), before);
    await thread.terminate();
  });
}

scene('terminate before it has begun closes what went in', async (s) => {
  const [a, b] = awaitedPair(s);
  await using thread = run('echo', b);
  const joined = assert.rejects(thread.join(), /terminated/);
  await thread.terminate();
  await joined;
  assert.equal((await within(a.recv(1), 'the end', 5)).length, 0);
});

// --- a parent that blocks ---------------------------------------------------------------------

scene('joinSync: the result, the error, the time limit', async (s) => {
  const [a, b] = blockingPair(s);
  assert.equal(run('give', 5).joinSync(30), 5);
  assert.throws(() => run('timesOut').joinSync(30), TimeoutError);
  assert.throws(() => run('exit', 4).joinSync(30), /process\.exit\(4\)/);
  assert.throws(() => run('throwLater').joinSync(30), /in a timer/);
  const back = run<sync.Socket>('answer', b, 'x').joinSync(30);
  assert.equal(String(a.recv(1)), 'x');
  back.close();
  const thread = run('echo', blockingPair(s)[0]);
  assert.throws(() => thread.joinSync(0.05), TimeoutError);
  assert.throws(() => thread.joinSync(-1), RangeError);
  await within(thread.terminate(), 'its end', 5);
  assert.throws(() => thread.joinSync(), /terminated/);
});

scene('where the parent blocks, threads that are done serve again', async () => {
  const numbers = new Set<number>();
  const runs: number[] = [];
  for (let i = 0; i < 5; i++) {
    const thread = run<number>('runs');
    runs.push(thread.joinSync(30));
    // It takes leave in its own time: the next one may come a little too early for it.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    numbers.add(thread.threadId);
  }
  assert.deepEqual([[...numbers].length, runs], [1, [1, 2, 3, 4, 5]]);
});

scene('a main thread that never returns to its event loop: threads run, and print', async () => {
  const { stdout, stderr } = await runNode(
    `import { startThread } from 'berkeley-sockets/server';
     import { socketpair } from 'berkeley-sockets/sync';
     const [a, b] = socketpair();
     startThread(${JSON.stringify(work.href)}, 'echo', b);
     startThread(${JSON.stringify(work.href)}, 'print', 'from the thread').joinSync();
     a.sendall('x');
     console.log(String(a.recv(1)));
     process.exit(0);`,
    { seconds: 30 },
  );
  assert.equal(stdout, 'from the thread\nx\n');
  assert.equal(stderr, 'from the thread\n');
});

scene('an error that nobody joins for is warned of; nobody else is harmed', async () => {
  const { stdout, stderr } = await runNode(
    `import { startThread } from 'berkeley-sockets/server';
     startThread(${JSON.stringify(work.href)}, 'throwCause');
     startThread(${JSON.stringify(work.href)}, 'throwLater');
     process.on('exit', (code) => console.log('status', code));`,
    { seconds: 30 },
  );
  assert.equal(stdout, 'status 0\n');
  assert.match(
    stderr,
    /ThreadWarning: a thread ended with an error that nobody waits for: RangeError: out of it/,
  );
  assert.match(stderr, /ThreadWarning: .*Error: in a timer/);
});

scene('a process ends when its threads have, and not before', async () => {
  const { stdout } = await runNode(
    `import { startThread } from 'berkeley-sockets/server';
     const thread = startThread('data:text/javascript,export default () => new Promise((done) => setTimeout(done, 300, 5))');
     thread.join().then((value) => console.log('joined', value));`,
    { seconds: 30 },
  );
  assert.equal(stdout, 'joined 5\n');
});
