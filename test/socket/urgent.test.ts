// Urgent (out-of-band) data: a mark in the stream, and one byte beside it.
import assert from 'node:assert/strict';
import { MSG_OOB, MSG_WAITALL, SO_OOBINLINE, SOL_SOCKET, select } from 'berkeley-sockets';
import * as blocking from 'berkeley-sockets/sync';
import { eventually, staysPending, within } from '../support/deadline.ts';
import { startPython } from '../support/python.ts';
import { scene } from '../support/scene.ts';
import { across, listening, pair, receive, streams, tcp4, tcp6, udp4 } from '../support/transports.ts';

const oob = { flags: MSG_OOB };

across(streams, 'urgent data is read with MSG_OOB', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  assert.equal(await a.send('!', oob), 1);
  await within(select([], [], [b]), 'the news of it');
  assert.equal((await b.recv(1, oob)).toString(), '!');
  await assert.rejects(b.recv(1, oob), { code: 'EINVAL', syscall: 'recv' });
});

across(streams, 'an ordinary receive ends in front of it, and goes on behind it', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  await a.sendall('abc');
  await a.send('d!', oob);
  await a.sendall('efg');
  await within(select([], [], [b]), 'the news of it');
  assert.equal(b.sockatmark(), false);
  assert.equal((await receive(b, 4)).toString(), 'abcd');
  assert.equal(b.sockatmark(), true);
  assert.equal((await b.recv(1, oob)).toString(), '!');
  assert.equal((await b.recv(100)).toString(), 'efg');
  assert.equal(b.sockatmark(), false);
  // From here on as ever.
  const waiting = b.recv(100);
  await a.sendall('on');
  assert.equal((await waiting).toString(), 'on');
});

across(
  [tcp4, tcp6],
  'a receive that waits is not woken by it, nor loses what follows',
  async (s, transport) => {
    const [a, b] = await pair(s, transport);
    const waiting = b.recv(100);
    await a.send('!', oob);
    await staysPending(waiting, 'recv', 0.02);
    assert.equal((await b.recvfrom(1, oob))[0].toString(), '!');
    await a.sendall('abc');
    assert.equal((await waiting).toString(), 'abc');
  },
);

across([tcp4, tcp6], 'inline, it is a byte like others, with the mark in front', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  b.setsockopt(SOL_SOCKET, SO_OOBINLINE!, true);
  await a.sendall('abc');
  await a.send('!', oob);
  await a.sendall('def');
  await within(select([], [], [b]), 'the news of it');
  assert.equal((await receive(b, 3)).toString(), 'abc');
  assert.equal(b.sockatmark(), true);
  await assert.rejects(b.recv(1, oob), { code: 'EINVAL' });
  assert.equal((await receive(b, 4)).toString(), '!def');
});

across([tcp4, tcp6], 'MSG_WAITALL ends at the mark, as in the kernel', async (s, transport) => {
  for (const inline of [false, true]) {
    const [a, b] = await pair(s, transport);
    b.setsockopt(SOL_SOCKET, SO_OOBINLINE!, inline);
    const waiting = b.recv(10, { flags: MSG_WAITALL });
    await a.sendall('abc');
    await staysPending(waiting, 'recv', 0.01);
    await a.send('!', oob);
    if (!inline) {
      // Nothing to read came: more data, or the end, brings the news.
      await within(select([], [], [b]), 'the news of it');
    }
    await a.sendall('defg');
    assert.equal((await within(waiting, 'recv')).toString(), 'abc', `inline ${inline}`);
    assert.equal(b.sockatmark(), true);
    if (!inline) assert.equal((await b.recv(1, oob)).toString(), '!');
    const rest = inline ? '!defg' : 'defg';
    assert.equal((await b.recv(rest.length, { flags: MSG_WAITALL })).toString(), rest);
  }
});

across([udp4], 'datagrams have no mark', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  await assert.rejects(a.send('!', oob), { code: 'ENOTSUP' });
  assert.throws(() => b.sockatmark(), { syscall: 'sockatmark' });
  b.close();
  assert.throws(() => b.sockatmark(), { code: 'EBADF', syscall: 'sockatmark' });
});

scene('Python agrees about what is urgent', async (s) => {
  const listener = listening(s, tcp4);
  const peer = startPython(
    s,
    `
    import socket, sys
    s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
    print(s.recv(1, socket.MSG_OOB) if input() else None)
    s.sendall(b'abc'); s.send(b'?', socket.MSG_OOB); s.sendall(b'def')
    input()
    `,
    [String(listener.getsockname()[1 as never])],
  );
  const [conn] = await listener.accept();
  s.own(conn);
  await conn.send('!', oob);
  peer.write('now\n');
  assert.equal(await peer.line(), "b'!'");
  assert.equal((await receive(conn, 3)).toString(), 'abc');
  await eventually(() => conn.sockatmark(), 'the mark');
  assert.equal((await conn.recv(1, oob)).toString(), '?');
  assert.equal((await receive(conn, 3)).toString(), 'def');
});

scene('the blocking flavour', (s) => {
  const [a, b] = blocking.socketpair();
  s.own(a);
  s.own(b);
  a.sendall('abc');
  a.send('!', oob);
  assert.equal(b.recv(3).toString(), 'abc');
  assert.equal(b.sockatmark(), true);
  assert.equal(b.recv(1, oob).toString(), '!');
  assert.throws(() => b.recv(1, oob), { code: 'EINVAL' });
});
