// settimeout: wait for ever, not at all, or so many seconds for the whole call.
import assert from 'node:assert/strict';
import {
  getdefaulttimeout,
  type Socket,
  SocketError,
  setdefaulttimeout,
  socket,
  socketpair,
  TimeoutError,
} from 'berkeley-sockets';
import { eventually, sleep, staysPending, timed, within } from '../support/deadline.ts';
import { scene } from '../support/scene.ts';
import { fullBacklog } from '../support/standstill.ts';
import {
  across,
  acrossBoth,
  bound,
  connections,
  datagrams,
  everything,
  listening,
  meet,
  open,
  pair,
  receive,
  streams,
  tcp4,
  tcp6,
} from '../support/transports.ts';

/** That `call` ends with the library's own timeout error, named after `syscall`, not before its time. */
async function timesOut(
  call: () => Promise<unknown>,
  syscall: string,
  seconds: number,
): Promise<TimeoutError & { bytesSent?: number }> {
  const [error, took] = await timed(() =>
    (async () => call())().then(
      () => assert.fail(`${syscall} did not time out`),
      (e: unknown) => e,
    ),
  );
  assert.ok(error instanceof TimeoutError, String(error));
  assert.ok(error instanceof SocketError && error instanceof Error);
  assert.match(error.message, /^timed out/);
  assert.equal(error.name, 'TimeoutError');
  assert.equal(error.code, 'ETIMEDOUT');
  assert.equal(error.errno, undefined);
  assert.equal(error.syscall, syscall);
  // A timer may be a few milliseconds early.
  assert.ok(took > seconds - 0.01, `${syscall} gave up after ${took} s of ${seconds}`);
  return error;
}

scene('the three modes', (s) => {
  const a = s.own(socket());
  assert.equal(a.gettimeout(), null);
  assert.equal(a.getblocking(), true);
  a.settimeout(2.5);
  assert.equal(a.gettimeout(), 2.5);
  assert.equal(a.getblocking(), true);
  a.settimeout(0);
  assert.equal(a.gettimeout(), 0);
  assert.equal(a.getblocking(), false);
  a.setblocking(true);
  assert.equal(a.gettimeout(), null);
  a.setblocking(false);
  assert.equal(a.gettimeout(), 0);
  a.settimeout(null);
  assert.equal(a.getblocking(), true);
});

acrossBoth(everything, 'receives time out, and nothing is lost by it', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  b.settimeout(0.03);
  await timesOut(() => b.recv(10), 'recv', 0.03);
  await timesOut(() => b.recvInto(new Uint8Array(10)), 'recv', 0.03);
  await timesOut(() => b.recvfrom(10), 'recvfrom', 0.03);
  await timesOut(() => b.recvfromInto(new Uint8Array(10)), 'recvfrom', 0.03);
  await a.send('in time');
  assert.equal(String(await b.recv(10)), 'in time');
  await timesOut(() => b.recv(10), 'recv', 0.03);
  assert.equal(b.tryRecvInto(new Uint8Array(10)), undefined);
});

acrossBoth(connections, 'accept times out, and the listener goes on', async (s, transport) => {
  const listener = listening(s, transport);
  listener.settimeout(0.03);
  await timesOut(() => listener.accept(), 'accept', 0.03);
  await meet(s, transport, listener);
  await timesOut(() => listener.accept(), 'accept', 0.03);
});

acrossBoth([tcp4, tcp6], 'connect times out', async (s, transport) => {
  const address = (await fullBacklog(s, transport)) as [string, number];
  const client = open(s, transport);
  client.settimeout(0.05);
  const error = await timesOut(() => client.connect(address), 'connect', 0.05);
  assert.equal(error.address, address[0]);
  assert.equal(error.port, address[1]);
  assert.ok(error.message.includes(String(address[1])), error.message);
});

across(streams, 'sendall: one time for the whole call, however many steps it takes', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  a.settimeout(0.3);
  let got = 0;
  let reading = true;
  // Progress all the time, far too slow: a limit for each step would never be reached.
  const trickle = (async () => {
    for (; reading; await sleep(0.02)) got += (await b.recv(2000)).length;
  })();
  const error = await timesOut(() => a.sendall(Buffer.alloc(64 << 20)), 'send', 0.3);
  reading = false;
  await trickle;
  assert.ok(
    error.bytesSent! >= got && error.bytesSent! < 64 << 20,
    `bytesSent ${error.bytesSent}, received ${got}`,
  );
  a.close();
  assert.equal((await receive(b, Number.POSITIVE_INFINITY)).length + got, error.bytesSent);
});

acrossBoth(streams, 'send times out', async (s, transport) => {
  const [a] = await pair(s, transport);
  while (a.trySend(Buffer.alloc(1 << 20)) !== undefined);
  a.settimeout(0.03);
  await timesOut(() => a.send('x'), 'send', 0.03);
});

acrossBoth(everything, 'not at all: EAGAIN where it would wait', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  b.settimeout(0);
  const again = { code: 'EAGAIN', name: 'SocketError' };
  await assert.rejects(async () => b.recv(10), { ...again, syscall: 'recv' });
  await assert.rejects(async () => b.recvInto(new Uint8Array(10)), again);
  await assert.rejects(async () => b.recvfrom(10), { ...again, syscall: 'recvfrom' });
  await assert.rejects(async () => b.recvfromInto(new Uint8Array(10)), again);
  await a.send('there');
  const came = await eventually(async () => b.recv(10), 'the message');
  assert.equal(String(came), 'there');
});

acrossBoth(connections, 'not at all: accept', async (s, transport) => {
  const listener = listening(s, transport);
  listener.settimeout(0);
  await assert.rejects(async () => listener.accept(), { code: 'EAGAIN', syscall: 'accept' });
  const client = open(s, transport);
  await client.connect(listener.getsockname());
  s.own((await listener.accept())[0]);
  await assert.rejects(async () => listener.accept(), { code: 'EAGAIN' });
});

acrossBoth(
  [tcp4, tcp6],
  'not at all: connect says EINPROGRESS and goes on by itself',
  async (s, transport) => {
    const listener = listening(s, transport);
    const client = open(s, transport);
    client.settimeout(0);
    await assert.rejects(async () => client.connect(listener.getsockname()), {
      code: 'EINPROGRESS',
      syscall: 'connect',
    });
    client.settimeout(null);
    await client.wait({ write: true });
    s.own((await listener.accept())[0]);
    assert.deepEqual(client.getpeername(), listener.getsockname());
  },
);

acrossBoth(streams, 'not at all: sendall of more than fits says what went out', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  a.settimeout(0);
  await assert.rejects(
    async () => a.sendall(Buffer.alloc(32 << 20)),
    (error: SocketError) => {
      assert.equal(error.code, 'EAGAIN');
      assert.ok(error.bytesSent! > 0 && error.bytesSent! < 32 << 20);
      return true;
    },
  );
  await assert.rejects(
    async () => {
      for (;;) await a.send(Buffer.alloc(1 << 20));
    },
    { code: 'EAGAIN' },
  );
  b.close();
});

acrossBoth(datagrams, 'recvmany times out', async (s, transport) => {
  const b = bound(s, transport);
  b.settimeout(0.03);
  await timesOut(() => b.recvmany(3), 'recvmmsg', 0.03);
  b.settimeout(0);
  await assert.rejects(async () => b.recvmany(3), { code: 'EAGAIN' });
});

across(streams, 'the time counts from the call, in a queue too', async (s, transport) => {
  const [, b] = await pair(s, transport);
  b.settimeout(0.05);
  const [outcomes, took] = await timed(() => Promise.allSettled([b.recv(1), b.recv(1), b.recv(1)]));
  for (const outcome of outcomes)
    assert.ok(outcome.status === 'rejected' && outcome.reason instanceof TimeoutError);
  assert.ok(took > 0.04);
});

across(streams, 'a short limit is not held up by a longer one before it', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  b.settimeout(60);
  const long = b.recv(1);
  b.settimeout(0.03);
  await assert.rejects(within(b.recv(1), 'the short one'), TimeoutError);
  await staysPending(long, 'the long one', 0.01);
  await a.send('x');
  assert.equal(String(await long), 'x');
});

across(streams, 'many limits of many lengths at once', async (s, transport) => {
  const limits = [0.08, 0.02, 0.05, 0.02, 0.09, 0.03];
  const order: number[] = [];
  const calls: Promise<void>[] = [];
  for (const limit of limits) {
    const [, b] = await pair(s, transport);
    b.settimeout(limit);
    calls.push(timesOut(() => b.recv(1), 'recv', limit).then(() => void order.push(limit)));
  }
  await Promise.all(calls);
  assert.equal(order.length, limits.length);
});

scene('a changed limit is for the calls that follow', async (s) => {
  const [a, b] = socketpair().map((x) => s.own(x)) as [Socket, Socket];
  const waiting = b.recv(1);
  b.settimeout(0.01);
  await staysPending(waiting, 'the call made before', 0.05);
  await a.send('x');
  assert.equal(String(await waiting), 'x');
});

scene('the default of new sockets', async (s) => {
  assert.equal(getdefaulttimeout(), null);
  const before = s.own(socket());
  setdefaulttimeout(0.02);
  try {
    assert.equal(getdefaulttimeout(), 0.02);
    assert.equal(before.gettimeout(), null);
    const [a, b] = socketpair().map((x) => s.own(x)) as [Socket, Socket];
    assert.equal(a.gettimeout(), 0.02);
    await assert.rejects(b.recv(1), TimeoutError);
    const listener = listening(s, tcp4);
    const [, server] = await meet(s, tcp4, listener);
    assert.equal(server.gettimeout(), 0.02);
    setdefaulttimeout(0);
    assert.equal(s.own(socket()).getblocking(), false);
  } finally {
    setdefaulttimeout(null);
  }
  assert.equal(s.own(socket()).gettimeout(), null);
});

scene('an accepted socket has the default time, not the listener’s', async (s) => {
  const listener = listening(s, tcp4);
  listener.settimeout(5);
  const [, server] = await meet(s, tcp4, listener);
  assert.equal(server.gettimeout(), null);
});
