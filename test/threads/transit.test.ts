// moveSocket and fromHandle: one owner at any time, and none is lost.
import assert from 'node:assert/strict';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import {
  AF_UNIX,
  ClosedError,
  fromHandle,
  SOCK_STREAM,
  type Socket,
  type SocketHandle,
  socketpair,
} from 'berkeley-sockets';
import { type MovedSocket, moveSocket } from 'berkeley-sockets/server';
import * as sync from 'berkeley-sockets/sync';
import { eventually, staysPending, within } from '../support/deadline.ts';
import { openSockets } from '../support/leaks.ts';
import { runNode } from '../support/node.ts';
import { type Scene, scene } from '../support/scene.ts';
import {
  across,
  connections,
  everything,
  listening,
  meet,
  open,
  pair,
  streams,
} from '../support/transports.ts';

// The package as this process knows it: a worker made of text has no place to resolve it from.
const urls = {
  awaited: import.meta.resolve('berkeley-sockets'),
  blocking: import.meta.resolve('berkeley-sockets/sync'),
  server: import.meta.resolve('berkeley-sockets/server'),
};

function worker(s: Scene, script: string, flavour: 'awaited' | 'blocking' = 'awaited'): Worker {
  const w = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
     Promise.all([import(workerData.${flavour}), import(workerData.server)]).then(async ([bs, { moveSocket }]) => {
       ${script}
     });`,
    { eval: true, workerData: urls, execArgv: [] },
  );
  s.after(async () => void (await w.terminate()));
  w.on('error', (error) => {
    throw error;
  });
  return w;
}

const message = <T>(w: Worker): Promise<T> =>
  within(new Promise<T>((resolve) => w.once('message', resolve)), 'a message of the worker', 20);

const unixPair = (): [Socket, Socket] => socketpair(AF_UNIX, SOCK_STREAM) as unknown as [Socket, Socket];

across(everything, 'to a thread and back, in the middle of what it does', async (s, transport) => {
  const w = worker(
    s,
    `parentPort.on('message', (handle) => {
       const s = bs.fromHandle(handle);
       s.send('worker got ' + s.recv(100));
       parentPort.postMessage({ deep: [moveSocket(s)] });
     });`,
    'blocking',
  );
  const [a, b] = await pair(s, transport);
  let here = b;
  for (const text of ['this', 'that']) {
    const waiting = here.recv(100);
    waiting.catch(() => {});
    const handle = moveSocket(here);
    assert.equal(here.closed, true);
    await assert.rejects(waiting, ClosedError);
    await a.send(text);
    w.postMessage(handle);
    const { deep } = await message<{ deep: [MovedSocket] }>(w);
    assert.equal(String(await a.recv(100)), `worker got ${text}`);
    here = s.own(fromHandle(deep[0]));
  }
  await a.send('home again');
  assert.equal(String(await here.recv(100)), 'home again');
});

across(connections, 'a listener moves with its backlog', async (s, transport) => {
  const listener = listening(s, transport);
  const client = open(s, transport);
  await client.connect(listener.getsockname());
  const moved = s.own(fromHandle(moveSocket(listener)));
  const [server] = await moved.accept();
  s.own(server);
  await meet(s, transport, moved);
});

across(streams, 'small sends of the same turn go out before', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const sending = a.sendall('on its way').then(
    () => 'on its way',
    () => '',
  );
  const c = fromHandle(moveSocket(a));
  const sent = await sending;
  await c.sendall('!');
  c.close();
  let all = '';
  for await (const chunk of b) all += chunk;
  assert.equal(all, `${sent}!`);
});

scene('a handle goes from one flavour to the other', async (s) => {
  const [a, b] = unixPair();
  s.own(a);
  const c = sync.fromHandle(moveSocket(b));
  c.sendall('blocking');
  assert.equal(String(await a.recv(100)), 'blocking');
  const d = s.own(fromHandle(moveSocket(c)));
  await d.sendall('awaited');
  assert.equal(String(await a.recv(100)), 'awaited');
});

scene('the first who adopts a handle has the socket; its number is nobody else’s to touch', async (s) => {
  const [a, b] = unixPair();
  s.own(a);
  const handle = moveSocket(b);
  assert.deepEqual(structuredClone(handle), handle);
  const first = s.own(fromHandle(structuredClone(handle)));
  for (const adopt of [fromHandle, sync.fromHandle])
    assert.throws(
      () => adopt(handle),
      (error: ClosedError) => {
        assert.ok(error instanceof ClosedError);
        assert.match(error.message, /adopted before/);
        return true;
      },
    );
  await a.send('still there');
  assert.equal(String(await first.recv(100)), 'still there');
  first.close();
  // The number is given out again.
  const [c, d] = unixPair().map((each) => s.own(each)) as [Socket, Socket];
  assert.ok([c, d].some((each) => each.fileno() === handle.fd));
  assert.throws(() => fromHandle(handle), ClosedError);
  await c.send('unharmed');
  assert.equal(String(await d.recv(100)), 'unharmed');
});

scene('two threads want one handle: one gets it', async (s) => {
  const [a, b] = unixPair();
  s.own(a);
  const script = `parentPort.on('message', (handle) => {
    try { bs.fromHandle(handle).close(); parentPort.postMessage('got it'); }
    catch (error) { parentPort.postMessage(error.code); }
  });`;
  const workers = [worker(s, script), worker(s, script)];
  const handle = moveSocket(b);
  const said = Promise.all(workers.map((w) => message<string>(w)));
  for (const w of workers) w.postMessage(handle);
  assert.deepEqual((await said).sort(), ['EBADF', 'got it']);
  assert.equal((await a.recv(1)).length, 0);
});

scene('a worker that moves a socket and has nothing else to do waits until it is adopted', async (s) => {
  const w = worker(s, `const [a, b] = bs.socketpair(); parentPort.postMessage([a, b].map(moveSocket));`);
  const exit = new Promise((resolve) => w.once('exit', resolve));
  const handles = await message<MovedSocket[]>(w);
  await staysPending(exit, 'the worker', 0.3);
  const [a, b] = handles.map((handle) => s.own(fromHandle(handle))) as [Socket, Socket];
  await within(exit, 'its end', 5);
  await a.send('outlived it');
  assert.equal(String(await b.recv(100)), 'outlived it');
});

scene('what nobody has adopted is closed with its thread', async (s) => {
  const before = openSockets();
  const w = worker(
    s,
    `const [a, b] = bs.socketpair(); parentPort.postMessage([a, b].map(moveSocket)); setInterval(() => {}, 1000);`,
  );
  const [one, other] = await message<[MovedSocket, MovedSocket]>(w);
  const kept = s.own(fromHandle(one));
  assert.equal(openSockets(), before + 2);
  await within(w.terminate(), 'its end', 5);
  assert.equal((await within(kept.recv(1), 'the end', 5)).length, 0);
  assert.throws(() => fromHandle(other), ClosedError);
  await eventually(() => openSockets() === before + 1, 'the other is closed');
});

scene('a handle that was moved can be taken back', async (s) => {
  const { port1, port2 } = new MessageChannel();
  const [a, b] = unixPair();
  s.own(a);
  const handle = moveSocket(b);
  port1.postMessage(handle);
  const back = s.own(fromHandle(handle));
  await a.send('x');
  assert.equal(String(await back.recv(1)), 'x');
  const received = receiveMessageOnPort(port2) as { message: SocketHandle };
  assert.throws(() => fromHandle(received.message), ClosedError);
  port1.close();
});

scene(
  'a handle that is forgotten is warned of; a process does not wait for it',
  async () => {
    const script = `import { socketpair } from 'berkeley-sockets';
      import { moveSocket } from 'berkeley-sockets/server';
      const [a, b] = socketpair();
      moveSocket(b);`;
    assert.equal((await runNode(script)).stderr, '');
    const { stderr } = await runNode(
      `${script} await a.recv(1, { signal: AbortSignal.timeout(11000) }).catch(() => {});`,
      {
        seconds: 25,
      },
    );
    assert.match(stderr, /ResourceWarning: moved socket: fd \d+ has not been adopted for 10 s/);
  },
  { seconds: 60 },
);

scene('what is no socket is refused', (s) => {
  for (const what of [undefined, null, 5, {}, { move: () => ({}) }])
    assert.throws(() => moveSocket(what as unknown as Socket), TypeError);
  const [a, b] = unixPair();
  s.own(a);
  b.close();
  assert.throws(() => moveSocket(b), ClosedError);
  const { fd, family, type, proto, ticket } = moveSocket(a);
  for (const wrong of ['1', 0, -1, 1.5, null, Number.NaN])
    assert.throws(
      () => fromHandle({ fd, family, type, proto, ticket: wrong as number }),
      /^(Type|Range)Error/,
      String(wrong),
    );
  assert.throws(() => fromHandle({ fd, family, type, proto, ticket: ticket + 1 }), ClosedError);
  assert.throws(() => fromHandle({ fd: fd + 1, family, type, proto, ticket }), ClosedError);
  s.own(fromHandle({ fd, family, type, proto, ticket }));
});
