// AbortSignal: one call is called off, with the caller's own reason, and takes nothing.
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { type Socket, type SocketError, socketpair } from 'berkeley-sockets';
import { eventually, sleep, staysPending } from '../support/deadline.ts';
import { openSockets } from '../support/leaks.ts';
import { type Scene, scene } from '../support/scene.ts';
import { fullBacklog } from '../support/standstill.ts';
import {
  across,
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
} from '../support/transports.ts';

/** Every call that can wait, on sockets on which it would. */
async function waitingCalls(
  s: Scene,
  transport: Transport,
): Promise<[name: string, call: (signal: AbortSignal) => Promise<unknown>, on: Socket][]> {
  const [, reader] = await pair(s, transport);
  const calls: [string, (signal: AbortSignal) => Promise<unknown>, Socket][] = [
    ['recv', (signal) => reader.recv(1, { signal }), reader],
    ['recvInto', (signal) => reader.recvInto(new Uint8Array(1), { signal }), reader],
    ['recvfrom', (signal) => reader.recvfrom(1, { signal }), reader],
    ['recvfromInto', (signal) => reader.recvfromInto(new Uint8Array(1), { signal }), reader],
    ['wait', (signal) => reader.wait({ read: true }, { signal }), reader],
  ];
  if (datagrams.includes(transport)) {
    calls.push(['recvmany', (signal) => reader.recvmany(3, { signal }), reader]);
  } else {
    const listener = listening(s, transport);
    calls.push(['accept', (signal) => listener.accept({ signal }), listener]);
    calls.push([
      'accepted',
      (signal) => listener.accepted({ signal })[Symbol.asyncIterator]().next(),
      listener,
    ]);
  }
  if (streams.includes(transport)) {
    const [writer] = await pair(s, transport);
    while (writer.trySend(Buffer.alloc(1 << 20)) !== undefined);
    calls.push(['send', (signal) => writer.send('x', { signal }), writer]);
    calls.push(['sendall', (signal) => writer.sendall('x', { signal }), writer]);
    calls.push(['wait for writing', (signal) => writer.wait({ write: true }, { signal }), writer]);
  }
  return calls;
}

across(
  everything,
  'a signal that was aborted before: its reason, and no system call',
  async (s, transport) => {
    const reason = new RangeError('mine');
    for (const [name, call] of await waitingCalls(s, transport)) {
      await assert.rejects(call(AbortSignal.abort(reason)), (error) => error === reason, name);
    }
    const [a, b] = await pair(s, transport);
    await a.send('data');
    await b.wait({ read: true });
    await assert.rejects(b.recv(10, { signal: AbortSignal.abort(reason) }), (error) => error === reason);
    assert.equal(String(await b.recv(10)), 'data');
    await assert.rejects(a.send('never', { signal: AbortSignal.abort(reason) }), (error) => error === reason);
    await a.send('only this');
    assert.equal(String(await b.recv(10)), 'only this');
  },
);

across(everything, 'a call that waits: its reason', async (s, transport) => {
  for (const [name, call] of await waitingCalls(s, transport)) {
    const stop = new AbortController();
    const waiting = call(stop.signal);
    waiting.catch(() => {});
    await staysPending(waiting, name, 0.005);
    const reason = { any: 'value', may: 'be a reason' };
    stop.abort(reason);
    await assert.rejects(waiting, (error) => error === reason, name);
    assert.equal(getEventListeners(stop.signal, 'abort').length, 0, name);
  }
});

across(everything, 'without a reason: an AbortError', async (s, transport) => {
  for (const [name, call] of await waitingCalls(s, transport)) {
    const stop = new AbortController();
    const waiting = call(stop.signal);
    stop.abort();
    await assert.rejects(waiting, { name: 'AbortError' }, name);
    await assert.rejects(call(AbortSignal.timeout(5)), { name: 'TimeoutError', code: 23 }, name);
  }
});

across(everything, 'one signal for many calls on many sockets', async (s, transport) => {
  const stop = new AbortController();
  const waiting: Promise<unknown>[] = [];
  for (const [, call] of await waitingCalls(s, transport)) waiting.push(call(stop.signal));
  stop.abort(new Error('all of you'));
  for (const outcome of await Promise.allSettled(waiting)) {
    assert.ok(outcome.status === 'rejected' && /all of you/.test(String(outcome.reason)));
  }
  assert.equal(getEventListeners(stop.signal, 'abort').length, 0);
});

across(everything, 'many calls that end well leave no listeners behind', async (s, transport) => {
  const stop = new AbortController();
  const { signal } = stop;
  const [a, b] = await pair(s, transport);
  let warned = false;
  const onWarning = () => {
    warned = true;
  };
  process.on('warning', onWarning);
  for (let i = 0; i < 200; i++) {
    const waiting = i % 2 === 0 ? b.recv(10, { signal }) : undefined;
    await a.send('x', { signal });
    assert.equal(String(await (waiting ?? b.recv(10, { signal }))), 'x');
  }
  await sleep(0);
  process.off('warning', onWarning);
  assert.equal(getEventListeners(signal, 'abort').length, 0);
  assert.equal(warned, false, 'a warning of too many listeners');
  // A signal that comes too late changes nothing.
  stop.abort();
  await a.send('y');
  assert.equal(String(await b.recv(10)), 'y');
});

across(everything, 'in the turn in which the data comes, nothing is lost', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  let aborted = 0;
  for (let round = 0; round < 300; round++) {
    const stop = new AbortController();
    const waiting = b.recv(100, { signal: stop.signal });
    // The byte is in b's queue, and the abort comes at every point of what follows from it.
    assert.ok(a.trySend(Buffer.from([round])) === 1);
    if (round % 3 === 0) stop.abort();
    else if (round % 3 === 1) queueMicrotask(() => stop.abort());
    else setImmediate(() => stop.abort());
    const got = await waiting.catch(() => undefined);
    if (got === undefined) aborted++;
    const all = got ?? (await b.recv(100));
    assert.deepEqual([...all], [round & 255], `round ${round}`);
  }
  assert.ok(aborted > 0, 'no round was aborted in time');
});

across(
  connections,
  'an accept that is aborted as the connection comes leaves it for the next',
  async (s, transport) => {
    const listener = listening(s, transport);
    for (let round = 0; round < 30; round++) {
      const stop = new AbortController();
      const waiting = listener.accept({ signal: stop.signal });
      const client = open(s, transport);
      const connecting = client.connect(listener.getsockname());
      if (round % 3 === 0) stop.abort();
      else if (round % 3 === 1) connecting.then(() => stop.abort());
      else setImmediate(() => stop.abort());
      const first = await waiting.catch(() => undefined);
      const [server] = first ?? (await listener.accept());
      await connecting;
      await client.sendall(`round ${round}`);
      assert.equal(String(await server.recv(100)), `round ${round}`);
      server.close();
      client.close();
    }
  },
);

across(streams, 'an aborted sendall tells how much went out', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const stop = new AbortController();
  const sending = a.sendall(Buffer.alloc(32 << 20, 'z'), { signal: stop.signal });
  sending.catch(() => {});
  await receive(b, 100_000);
  stop.abort(new Error('too slow'));
  const error = await sending.then(
    () => assert.fail('sent'),
    (e: SocketError) => e,
  );
  assert.match(error.message, /too slow/);
  assert.ok(error.bytesSent! >= 100_000 && error.bytesSent! < 32 << 20, `bytesSent ${error.bytesSent}`);
  const after = a.sendall('!').then(() => a.close());
  const rest = await receive(b, Number.POSITIVE_INFINITY);
  await after;
  assert.equal(rest.length + 100_000, error.bytesSent! + 1);
  assert.equal(rest.at(-1), 0x21);
});

across(streams, 'a sendall that is aborted in the queue sends nothing', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const big = 8 << 20;
  const first = a.sendall(Buffer.alloc(big, 'a'));
  const stop = new AbortController();
  const second = a.sendall('bbb', { signal: stop.signal });
  const third = a.sendall('ccc');
  stop.abort();
  await assert.rejects(second, { name: 'AbortError' });
  const got = await receive(b, big + 3);
  assert.equal(got.subarray(big).toString(), 'ccc');
  await Promise.all([first, third]);
});

across(
  streams,
  'a small sendall that is aborted in its turn: sent whole or not at all, and told',
  async (s, transport) => {
    const [a, b] = await pair(s, transport);
    let expected = '';
    for (let round = 0; round < 20; round++) {
      const stop = new AbortController();
      const sending = a.sendall(`(${round})`, { signal: stop.signal }).then(
        () => true,
        (error: SocketError) => {
          assert.ok(error.bytesSent === 0 || error.bytesSent === undefined, `bytesSent ${error.bytesSent}`);
          return false;
        },
      );
      if (round % 2 === 0) stop.abort();
      else queueMicrotask(() => stop.abort());
      if (await sending) expected += `(${round})`;
    }
    a.close();
    assert.equal(String(await receive(b, Number.POSITIVE_INFINITY)), expected);
  },
);

across([tcp4, tcp6], 'an aborted connect closes the socket', async (s, transport) => {
  const address = await fullBacklog(s, transport);
  const sockets = openSockets();
  const client = open(s, transport);
  const stop = new AbortController();
  const connecting = client.connect(address, { signal: stop.signal });
  connecting.catch(() => {});
  await staysPending(connecting, 'connect', 0.02);
  const reason = new Error('enough');
  stop.abort(reason);
  await assert.rejects(connecting, (error) => error === reason);
  assert.equal(client.closed, true);
  assert.equal(client.fileno(), -1);
  assert.equal(openSockets(), sockets);
});

scene('an aborted connect to a name closes the socket', async (s) => {
  const client = open(s, tcp4);
  const stop = new AbortController();
  const connecting = client.connect(['some.name.invalid', 9], { signal: stop.signal });
  stop.abort();
  await assert.rejects(connecting, { name: 'AbortError' });
  assert.equal(client.closed, true);
});

across(
  [tcp4, tcp6],
  'a signal that was aborted before the connect leaves no connection',
  async (s, transport) => {
    const listener = listening(s, transport);
    const client = open(s, transport);
    await assert.rejects(client.connect(listener.getsockname(), { signal: AbortSignal.abort() }), {
      name: 'AbortError',
    });
    listener.settimeout(0.02);
    await assert.rejects(listener.accept(), { name: 'TimeoutError' });
  },
);

across(connections, 'after an abort the socket is as good as before', async (s, transport) => {
  const listener = listening(s, transport);
  await assert.rejects(listener.accept({ signal: AbortSignal.timeout(5) }));
  const [a, b] = await meet(s, transport, listener);
  await assert.rejects(b.recv(1, { signal: AbortSignal.timeout(5) }));
  await a.send('fine');
  assert.equal(String(await b.recv(10)), 'fine');
});

scene('what is no signal is refused', async (s) => {
  const [a] = socketpair().map((x) => s.own(x)) as [Socket, Socket];
  for (const signal of [{}, 'now', 5, { aborted: false }]) {
    await assert.rejects(a.recv(1, { signal: signal as AbortSignal }), TypeError);
  }
});

scene('an abort and a timeout at once: one of them', async (s) => {
  const [a, b] = socketpair().map((x) => s.own(x)) as [Socket, Socket];
  b.settimeout(0.02);
  const outcome = await b.recv(1, { signal: AbortSignal.timeout(20) }).catch((e: Error) => e.name);
  assert.match(String(outcome), /^TimeoutError$/);
  await a.send('x');
  b.settimeout(null);
  assert.equal(String(await eventually(() => b.recv(1), 'the byte')), 'x');
});
