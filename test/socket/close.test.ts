// Closing: waiting calls are told at once, later ones too, and nothing is reached by mistake.
import assert from 'node:assert/strict';
import { ClosedError, type Socket, SocketError, socket, socketpair } from 'berkeley-sockets';
import { eventually, staysPending, within } from '../support/deadline.ts';
import { openSockets } from '../support/leaks.ts';
import { type Scene, scene } from '../support/scene.ts';
import { fill } from '../support/standstill.ts';
import {
  across,
  acrossBoth,
  connections,
  datagrams,
  everything,
  listening,
  meet,
  open,
  pair,
  receive,
  streams,
  type Transport,
  tcp4,
  tcp6,
  unixDatagram,
} from '../support/transports.ts';

function isClosedError(error: unknown): true {
  assert.ok(error instanceof ClosedError, `not a ClosedError: ${error}`);
  assert.ok(error instanceof SocketError);
  assert.equal(error.code, 'EBADF');
  assert.equal(error.name, 'ClosedError');
  return true;
}

acrossBoth(everything, 'close is told by closed and fileno, and may be called again', (s, transport) => {
  const before = openSockets();
  const a = open(s, transport);
  assert.equal(a.closed, false);
  assert.ok(a.fileno() >= 0);
  assert.equal(openSockets(), before + 1);
  assert.equal(a.close(), undefined);
  assert.equal(a.closed, true);
  assert.equal(a.fileno(), -1);
  assert.equal(openSockets(), before);
  a.close();
  assert.equal(a.family, transport.family);
  assert.equal(a.type, transport.type);
});

async function waiting(
  s: Scene,
  transport: Transport,
): Promise<[name: string, on: Socket, call: Promise<unknown>][]> {
  const reader = async (): Promise<Socket> => (await pair(s, transport))[1];
  const calls: [string, Socket, Promise<unknown>][] = [];
  const add = (name: string, on: Socket, call: Promise<unknown>) => calls.push([name, on, call]);
  let r = await reader();
  add('recv', r, r.recv(1));
  add('a second recv', r, r.recv(1));
  add('a third, recvInto', r, r.recvInto(new Uint8Array(1)));
  add('wait', r, r.wait({ read: true }));
  r = await reader();
  add('recvfrom', r, r.recvfrom(1));
  r = await reader();
  add('recvfromInto', r, r.recvfromInto(new Uint8Array(1)));
  r = await reader();
  add('iteration', r, (r as AsyncIterable<unknown>)[Symbol.asyncIterator]().next());
  if (datagrams.includes(transport)) {
    r = await reader();
    add('recvmany', r, r.recvmany(2));
  } else {
    const listener = listening(s, transport);
    add('accept', listener, listener.accept());
    add('a second accept', listener, listener.accept());
  }
  if (streams.includes(transport)) {
    const [writer] = await pair(s, transport);
    add('sendall', writer, writer.sendall(Buffer.alloc(32 << 20)));
    add('a second sendall', writer, writer.sendall('x'));
    add('send', writer, writer.send('x'));
    add('recv beside them', writer, writer.recv(1));
  }
  return calls;
}

across(everything, 'every call that waits rejects at once', async (s, transport) => {
  const calls = await waiting(s, transport);
  for (const [name, , call] of calls) {
    call.catch(() => {});
    await staysPending(call, name, 0.002);
  }
  for (const [, on] of calls) on.close();
  for (const [name, , call] of calls) {
    await assert.rejects(within(call, `${name} after close`, 1), isClosedError, name);
  }
});

across([tcp4, tcp6], 'a connect that waits rejects at once', async (s, transport) => {
  const listener = listening(s, transport, 0);
  await fill(s, transport, listener);
  const client = open(s, transport);
  const connecting = client.connect(listener.getsockname());
  connecting.catch(() => {});
  await staysPending(connecting, 'connect', 0.01);
  client.close();
  await assert.rejects(within(connecting, 'connect after close', 1), isClosedError);
});

across([tcp4], 'a connect to a name that waits for its address rejects at once', async (s, transport) => {
  const client = open(s, transport);
  const connecting = client.connect(['some.name.invalid', 9]);
  client.close();
  await assert.rejects(within(connecting, 'connect after close', 1), isClosedError);
});

scene('a sender that waits for a full queue rejects at once', async (s) => {
  const receiver = open(s, unixDatagram);
  receiver.bind('');
  const sender = open(s, unixDatagram);
  const calls = Array.from({ length: 100 }, () => sender.sendto('x', receiver.getsockname()));
  const outcomes = Promise.allSettled(calls);
  await staysPending(calls.at(-1)!, 'the last send', 0.02);
  sender.close();
  const rejected = (await within(outcomes, 'all of them', 1)).filter((o) => o.status === 'rejected');
  assert.ok(rejected.length > 0);
  for (const outcome of rejected) isClosedError(outcome.reason);
});

across(everything, 'every call on a closed socket is refused', async (s, transport) => {
  const a = open(s, transport);
  a.close();
  const address = transport.free(s);
  const never: (() => unknown)[] = [
    () => a.bind(address),
    () => a.listen(),
    () => a.shutdown(0),
    () => a.getsockname(),
    () => a.getpeername(),
    () => a.getsockopt(1, 4),
    () => a.setsockopt(1, 2, 1),
    () => a.dup(),
    () => a.detach(),
    () => a.get_inheritable(),
    () => a.set_inheritable(true),
    () => a.trySend('x'),
    () => a.tryRecvInto(new Uint8Array(1)),
  ];
  for (const call of never) assert.throws(call, isClosedError, String(call));
  const waits: (() => Promise<unknown>)[] = [
    () => a.recv(1),
    () => a.recv(0),
    () => a.recvInto(new Uint8Array(1)),
    () => a.recvfrom(1),
    () => a.recvfromInto(new Uint8Array(1)),
    () => a.recvmany(1),
    () => a.send('x'),
    () => a.send(''),
    () => a.sendall('x'),
    () => a.sendall(''),
    () => a.sendto('x', address),
    () => a.sendmany([['x', address]]),
    () => a.connect(address),
    () => a.accept(),
    () => a.wait({ read: true }),
    () => (a as AsyncIterable<unknown>)[Symbol.asyncIterator]().next(),
    () => a.accepted()[Symbol.asyncIterator]().next(),
  ];
  for (const call of waits) {
    let promise: Promise<unknown> | undefined;
    assert.doesNotThrow(() => {
      promise = call();
    }, `${call} threw instead of rejecting`);
    await assert.rejects(promise!, isClosedError, String(call));
  }
});

across(
  connections,
  'closing a listener refuses the connections that it did not accept',
  async (s, transport) => {
    const listener = listening(s, transport);
    const client = open(s, transport);
    await client.connect(listener.getsockname());
    listener.close();
    const outcome = await client.recv(10).then(
      (data) => (data.length === 0 ? 'end' : 'data'),
      (error: SocketError) => error.code,
    );
    assert.match(outcome, /^(end|ECONNRESET)$/);
  },
);

across(connections, 'an accepted connection outlives its listener', async (s, transport) => {
  const listener = listening(s, transport);
  const [a, b] = await meet(s, transport, listener);
  listener.close();
  await a.send('still here');
  assert.equal(String(await b.recv(100)), 'still here');
});

across(streams, 'close in the turn in which data came: no data, no wait', async (s, transport) => {
  for (let round = 0; round < 50; round++) {
    const [a, b] = await pair(s, transport);
    const call = b.recv(10);
    a.trySend('x');
    if (round % 2 === 0) b.close();
    else setImmediate(() => b.close());
    const outcome = await call.then(String, (error: unknown) => isClosedError(error) && 'closed');
    assert.equal(outcome, round % 2 === 0 ? 'closed' : outcome);
    assert.match(outcome as string, /^(x|closed)$/);
    a.close();
    b.close();
  }
});

across(streams, 'close out of a continuation of the same socket', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const first = b.recv(1).then((data) => {
    b.close();
    return String(data);
  });
  const second = b.recv(1);
  second.catch(() => {});
  await a.sendall('xy');
  assert.equal(await first, 'x');
  // Both bytes may have been received in one turn, before anyone was told.
  const outcome = await second.then(String, (error: unknown) => isClosedError(error) && 'closed');
  assert.match(outcome as string, /^(y|closed)$/);
});

acrossBoth(streams, 'what was sent before the close still arrives', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  await a.sendall(Buffer.alloc(100_000, 'x'));
  a.close();
  assert.equal((await receive(b, Number.POSITIVE_INFINITY)).length, 100_000);
});

scene('closing in any order of a storm leaves nothing open', async (s) => {
  const before = openSockets();
  const calls: Promise<unknown>[] = [];
  for (let round = 0; round < 300; round++) {
    const [a, b] = socketpair();
    calls.push(a.recv(1).catch(isClosedError), b.recv(1).catch(isClosedError));
    a.trySend('x');
    if (round % 2 === 0) b.close();
    a.close();
    b.close();
  }
  const listener = s.own(socket());
  listener.bind(['127.0.0.1', 0]);
  listener.listen();
  calls.push(listener.accept().catch(isClosedError));
  listener.close();
  await within(Promise.all(calls), 'all of the calls');
  await eventually(() => openSockets() === before, 'all descriptors closed');
});
