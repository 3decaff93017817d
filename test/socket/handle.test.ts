// Giving a descriptor away and taking one over: in this thread, in another one, from a number.
import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import {
  AF_INET,
  AF_UNIX,
  ClosedError,
  fromfd,
  fromHandle,
  SO_PROTOCOL,
  SOCK_STREAM,
  SOL_SOCKET,
  Socket,
  type SocketHandle,
  socket,
  socketpair,
} from 'berkeley-sockets';
import { staysPending, within } from '../support/deadline.ts';
import { openSockets } from '../support/leaks.ts';
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

across(everything, 'detach gives up the descriptor, fromHandle adopts it', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const number = b.fileno();
  const sockets = openSockets();
  await a.send('unread');
  const handle = b.detach();
  assert.deepEqual(handle, { fd: number, family: transport.family, type: transport.type, proto: b.proto });
  assert.deepEqual(structuredClone(handle), handle);
  assert.equal(b.closed, true);
  assert.equal(b.fileno(), -1);
  assert.equal(openSockets(), sockets, 'detach closes nothing');
  b.close();
  assert.equal(openSockets(), sockets, 'nor does a close after it');
  const c = s.own(fromHandle(handle));
  assert.ok(c instanceof Socket);
  assert.equal(c.fileno(), number);
  assert.equal(c.family, transport.family);
  assert.equal(c.type, transport.type);
  assert.equal(String(await c.recv(100)), 'unread');
  const waiting = c.recv(100);
  await a.send('later');
  assert.equal(String(await waiting), 'later');
});

across(everything, 'detach ends the calls that wait, and takes nothing', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const waiting = b.recv(10);
  waiting.catch(() => {});
  await staysPending(waiting, 'recv', 0.005);
  const handle = b.detach();
  await assert.rejects(within(waiting, 'recv after detach', 1), ClosedError);
  await a.send('kept');
  const c = s.own(fromHandle(handle));
  assert.equal(String(await c.recv(10)), 'kept');
  await assert.rejects(b.recv(1), ClosedError);
  assert.throws(() => b.detach(), ClosedError);
});

across(streams, 'small sends of the same turn go out before a detach', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const sending = a.sendall('on its way').then(
    () => 10,
    (error: { bytesSent: number }) => error.bytesSent,
  );
  const c = s.own(fromHandle(a.detach()));
  const sent = await sending;
  await c.sendall('!');
  c.close();
  let all = '';
  for await (const chunk of b) all += chunk;
  assert.equal(all, sent === 10 ? 'on its way!' : '!');
});

across(connections, 'a listener moves with its backlog', async (s, transport) => {
  const listener = listening(s, transport);
  const client = open(s, transport);
  await client.connect(listener.getsockname());
  await client.sendall('early');
  const moved = s.own(fromHandle(listener.detach()));
  const [server] = await moved.accept();
  assert.equal(String(await s.own(server).recv(10)), 'early');
  await meet(s, transport, moved);
});

across(everything, 'fromfd duplicates, and finds out what it is not told', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const known = b.getsockopt(SOL_SOCKET, SO_PROTOCOL!);
  for (const [twin, proto] of [
    [fromfd(b.fileno()), known],
    [fromfd(b.fileno(), transport.family), known],
    [fromfd(b.fileno(), transport.family, transport.type, 0), 0],
  ] as const) {
    assert.equal(twin.proto, proto);
    assert.notEqual(twin.fileno(), b.fileno());
    assert.equal(twin.family, transport.family);
    assert.equal(twin.type, transport.type);
    assert.deepEqual(twin.getsockname(), b.getsockname());
    await a.send('hello');
    assert.equal(String(await twin.recv(10)), 'hello');
    twin.close();
  }
  await a.send('hello');
  assert.equal(String(await b.recv(10)), 'hello');
});

scene('fromfd knows a listener for what it is', async (s) => {
  const listener = s.own(socket(AF_INET, SOCK_STREAM));
  listener.bind(['127.0.0.1', 0]);
  listener.listen();
  const twin = s.own(fromfd(listener.fileno()));
  listener.close();
  const client = s.own(socket());
  const [[server]] = await Promise.all([
    twin.accept(),
    client.connect(twin.getsockname() as [string, number]),
  ]);
  server.close();
});

scene('what is no socket is not taken', (s) => {
  const file = openSync('/dev/null', 'r');
  s.after(() => closeSync(file));
  const before = openSockets();
  assert.throws(() => fromfd(file), { code: 'ENOTSOCK' });
  assert.throws(() => fromHandle({ fd: file, family: AF_INET, type: SOCK_STREAM, proto: 0 }), {
    code: 'ENOTSOCK',
  });
  assert.throws(() => fromfd(1_000_000), { code: 'EBADF' });
  assert.throws(() => fromHandle({ fd: 1_000_000, family: AF_INET, type: SOCK_STREAM, proto: 0 }), {
    code: 'EBADF',
  });
  assert.throws(() => fromfd(-1), RangeError);
  for (const fd of ['3', null, undefined, {}, 1.5, Number.NaN]) {
    assert.throws(() => fromfd(fd as number), /^(Type|Range)Error/, String(fd));
  }
  for (const handle of [null, undefined, 3, 'x', {}, { fd: 'x' }, { fd: -1, family: 2, type: 1, proto: 0 }]) {
    assert.throws(
      () => fromHandle(handle as unknown as SocketHandle),
      /^(Type|Range)Error/,
      JSON.stringify(handle),
    );
  }
  assert.equal(openSockets(), before);
});

scene('descriptors are not inherited unless asked for', (s) => {
  const [a, b] = socketpair().map((x) => s.own(x)) as [Socket, Socket];
  const handle = b.detach();
  for (const one of [
    s.own(socket()),
    a,
    s.own(a.dup()),
    s.own(fromfd(a.fileno())),
    s.own(fromHandle(handle)),
  ]) {
    assert.equal(one.get_inheritable(), false);
    one.set_inheritable(true);
    assert.equal(one.get_inheritable(), true);
    one.set_inheritable(false);
    assert.equal(one.get_inheritable(), false);
  }
});

// The package as this process knows it: a worker made of text has no place to resolve it from.
const packageUrl = import.meta.resolve('berkeley-sockets');

function worker(s: Scene, script: string): Worker {
  const w = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
     import(workerData).then(async (bs) => { ${script} });`,
    { eval: true, workerData: packageUrl, execArgv: [] },
  );
  s.after(async () => void (await w.terminate()));
  w.on('error', (error) => {
    throw error;
  });
  return w;
}

const message = <T>(w: Worker): Promise<T> =>
  within(new Promise<T>((resolve) => w.once('message', resolve)), 'a message of the worker', 15);

across(everything, 'to a worker thread and back', async (s, transport) => {
  const w = worker(
    s,
    `parentPort.on('message', async (handle) => {
       const s = bs.fromHandle(handle);
       const data = await s.recv(100);
       await s.send('worker got ' + data);
       parentPort.postMessage(s.detach());
     });`,
  );
  const [a, b] = await pair(s, transport);
  let here = b;
  for (const text of ['this', 'that']) {
    w.postMessage(here.detach());
    await a.send(text);
    assert.equal(String(await a.recv(100)), `worker got ${text}`);
    here = s.own(fromHandle(await message<SocketHandle>(w)));
  }
  await a.send('home again');
  assert.equal(String(await here.recv(100)), 'home again');
});

scene('a server in the main thread, its connections in workers', async (s) => {
  const workers = [0, 1].map((i) =>
    worker(
      s,
      `parentPort.on('message', async (handle) => {
         const s = bs.fromHandle(handle);
         for await (const chunk of s) await s.sendall('worker ${i}: ' + chunk);
         s.close();
         parentPort.postMessage('closed');
       });`,
    ),
  );
  const listener = listening(s, connections[0]!);
  for (let i = 0; i < 6; i++) {
    const [client, server] = await meet(s, connections[0]!, listener);
    const w = workers[i % 2]!;
    w.postMessage(server.detach());
    await client.sendall(`hello ${i}`);
    assert.equal(String(await client.recv(100)), `worker ${i % 2}: hello ${i}`);
    const closed = message(w);
    client.close();
    assert.equal(await closed, 'closed');
  }
});

scene('a handle that was posted and not yet taken keeps the connection', async (s) => {
  const [a, b] = socketpair(AF_UNIX, SOCK_STREAM).map((x) => s.own(x)) as [Socket, Socket];
  const { port1, port2 } = new MessageChannel();
  port1.postMessage(b.detach());
  await a.send('x');
  const received = receiveMessageOnPort(port2) as { message: SocketHandle };
  const c = s.own(fromHandle(received.message));
  assert.equal(String(await c.recv(1)), 'x');
  port1.close();
});
