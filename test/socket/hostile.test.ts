// Arguments that run code when they are read, reasons that cannot be written to, and the wrong
// end of a call that fails: whatever happens, every call ends, with its own error.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import {
  AF_INET,
  createServer,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  MSG_OOB,
  MSG_PEEK,
  SO_PEEK_OFF,
  SOCK_DGRAM,
  SOL_SOCKET,
  type Socket,
  type SocketError,
  socket,
  type TransferOptions,
} from 'berkeley-sockets';
import { sleep, staysPending, within } from '../support/deadline.ts';
import { scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';
import {
  across,
  connections,
  listening,
  open,
  pair,
  streams,
  tcp4,
  tcp6,
  udp4,
} from '../support/transports.ts';

/** Lets `receiver` wait once, so that the engine is told of its events from then on. */
async function acquaint(sender: Socket, receiver: Socket): Promise<void> {
  const waiting = receiver.recv(10);
  await staysPending(waiting, 'recv', 0.005);
  await sender.send('hello');
  assert.equal(String(await waiting), 'hello');
}

across([udp4, tcp4], 'an empty error queue says nothing of the data', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  await acquaint(a, b);
  await a.send('data');
  // The event is told in a turn of its own, before the calls.
  await sleep(0.01);
  await assert.rejects(b.recv(10, { flags: MSG_ERRQUEUE! | MSG_DONTWAIT! }), { code: 'EAGAIN' });
  await assert.rejects(b.recvfrom(10, { flags: MSG_ERRQUEUE! | MSG_DONTWAIT! }), { code: 'EAGAIN' });
  assert.equal(String(await within(b.recv(10), 'the data')), 'data');
});

across(streams, 'nothing more to peek at says nothing of the data', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  try {
    b.setsockopt(SOL_SOCKET, SO_PEEK_OFF!, 0);
  } catch (error) {
    // TCP has it since Linux 6.9.
    if ((error as SocketError).code === 'ENOTSUP') return s.skip('this kernel has no SO_PEEK_OFF here');
    throw error;
  }
  await acquaint(a, b);
  await a.send('data');
  assert.equal(String(await b.recv(10, { flags: MSG_PEEK })), 'data');
  const more = b.recv(10, { flags: MSG_PEEK, signal: AbortSignal.timeout(20) });
  await assert.rejects(more, { name: 'TimeoutError' });
  assert.equal(String(await within(b.recv(10), 'the data')), 'data');
});

across([tcp4, tcp6], 'urgent data waits for room, as any other', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  while (a.trySend(Buffer.alloc(65536)) !== undefined);
  const sending = a.sendall('!', { flags: MSG_OOB });
  await staysPending(sending, 'sendall', 0.02);
  const memory = Buffer.alloc(1 << 20);
  while ((await Promise.race([sending, b.recvInto(memory)])) !== undefined);
  await sending;
});

across(streams, 'a reason that refuses to be told how much was sent', async (s, transport) => {
  const [a] = await pair(s, transport);
  const reasons = [
    Object.defineProperty(new Error('fixed'), 'bytesSent', { value: 'mine' }),
    Object.freeze(new Error('frozen')),
    new Proxy(new Error('trapped'), {
      set() {
        throw new Error('set');
      },
    }),
    'a string',
    null,
  ];
  for (const reason of reasons) {
    const abort = new AbortController();
    const sending = a.sendall(Buffer.alloc(32 << 20), { signal: abort.signal });
    await staysPending(sending, 'sendall', 0.005);
    abort.abort(reason);
    await within(
      sending.then(
        () => assert.fail('was sent'),
        (error: unknown) => assert.equal(error, reason),
      ),
      'the abort',
    );
  }
});

scene('wait on a socket that never waits, more often than a turn allows', async (s) => {
  const [a, b] = await pair(s, udp4);
  await a.send('!');
  await b.wait({ read: true });
  b.settimeout(0);
  const waits = Array.from({ length: 200 }, () => b.wait({ read: true }));
  assert.equal(b.tryRecvInto(Buffer.alloc(10)), 1);
  for (const ready of await within(Promise.all(waits), 'all of them'))
    assert.deepEqual(ready, { read: true, write: false });
  await assert.rejects(b.wait({ read: true }), { code: 'EAGAIN' });
});

scene('createServer checks the backlog before it makes a file', (s) => {
  const path = tempPath(s);
  for (const backlog of ['5', 1.5, Number.NaN, {}]) {
    assert.throws(() => createServer(path, { backlog: backlog as number }), /backlog/);
    assert.equal(existsSync(path), false);
  }
});

across([tcp4, tcp6], 'a connect that fails tells why, also when a receive waits', async (s, transport) => {
  const listener = listening(s, transport);
  const address = listener.getsockname();
  listener.close();
  const client = open(s, transport);
  const connecting = client.connect(address);
  const receiving = client.recv(10);
  const [connected, received] = await within(Promise.allSettled([connecting, receiving]), 'both');
  assert.equal(connected.status === 'rejected' && connected.reason.code, 'ECONNREFUSED');
  assert.equal(received.status, 'rejected');
});

across(connections, 'a receive that was begun while the socket was connecting', async (s, transport) => {
  const listener = listening(s, transport);
  const client = open(s, transport);
  const connecting = client.connect(listener.getsockname());
  const receiving = [client.recv(5), client.recv(5)];
  // An AF_UNIX connection is there at once; for the others the receives wait.
  const [server] = await within(listener.accept(), 'accept');
  s.own(server);
  await connecting;
  await server.send('first');
  assert.equal(String(await within(receiving[0]!, 'the first')), 'first');
  await server.send('other');
  assert.equal(String(await within(receiving[1]!, 'the second')), 'other');
});

scene('what waits behind an aborted connect is not tried', async (s) => {
  const client = open(s, tcp4);
  const abort = new AbortController();
  // No numeric address as inet_pton has it, so that the resolver is asked.
  const connecting = client.connect(['127.1', 9], { signal: abort.signal });
  const sending = client.sendall('after');
  abort.abort();
  await assert.rejects(connecting, { name: 'AbortError' });
  await assert.rejects(sending, { name: 'ClosedError', bytesSent: 0 });
  assert.ok(client.closed);
});

/** An address that closes its socket when it is read. */
function trap(s: Socket, host: string): [string, number] {
  return new Proxy<[string, number]>([host, 9], {
    get(target, key) {
      s.close();
      return Reflect.get(target, key);
    },
  });
}

scene('an argument that closes the socket while it is read', async (s) => {
  const fresh = () => s.own(socket(AF_INET, SOCK_DGRAM));
  const closing = (on: Socket): TransferOptions => ({
    get signal() {
      on.close();
      return undefined;
    },
  });
  const calls: ((on: Socket) => unknown)[] = [
    (on) => on.bind(trap(on, '127.0.0.1')),
    (on) => on.sendto('x', trap(on, '127.0.0.1')),
    (on) => on.sendto('x', trap(on, '127.1')),
    (on) => on.connect(trap(on, '127.0.0.1')),
    (on) => on.connect(trap(on, '127.1')),
    (on) => on.sendmany([['x', trap(on, '127.0.0.1')]]),
    (on) => on.recv(10, closing(on)),
    (on) => on.recvInto(Buffer.alloc(10), closing(on)),
    (on) => on.recvfrom(10, closing(on)),
    (on) => on.recvmany(10, closing(on)),
    (on) => on.send('x', closing(on)),
    (on) => on.sendall('x', closing(on)),
    (on) => on.accept(closing(on)),
    (on) => on.wait({ read: true }, closing(on)),
    (on) => on.tryRecvInto(Buffer.alloc(10), closing(on)),
    (on) => on.trySend('x', closing(on)),
  ];
  for (const call of calls) {
    const on = fresh();
    await assert.rejects(async () => call(on), { code: 'EBADF' }, String(call));
    assert.ok(on.closed, String(call));
  }
});
