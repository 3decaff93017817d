// Descriptors between sockets: what arrives works, is close-on-exec and as many as were asked for.
import assert from 'node:assert/strict';
import { closeSync, readFileSync, writeSync } from 'node:fs';
import { type FileHandle, open as openFile } from 'node:fs/promises';
import {
  AF_UNIX,
  CMSG_LEN,
  CMSG_SPACE,
  fromfd,
  MSG_CTRUNC,
  MSG_PEEK,
  recvFds,
  SCM_CREDENTIALS,
  SCM_PIDFD,
  SCM_RIGHTS,
  SO_PASSCRED,
  SO_PASSPIDFD,
  SOCK_DGRAM,
  SOL_SOCKET,
  type Socket,
  type SocketError,
  sendFds,
  socketpair,
} from 'berkeley-sockets';
import * as blocking from 'berkeley-sockets/sync';
import { staysPending, within } from '../support/deadline.ts';
import { content, count, fdsIn, file, overEach, rights, take } from '../support/descriptors.ts';
import { openDescriptors } from '../support/leaks.ts';
import { scene } from '../support/scene.ts';
import { bound, tcp4, unixDatagram } from '../support/transports.ts';

// --- passing --------------------------------------------------------------------------

overEach('files, sockets and pipes arrive, in their order', async (s, a, b) => {
  const [one, two] = [file(s, 'one'), file(s, 'two')];
  const [x, y] = socketpair();
  s.own(x);
  assert.equal(await sendFds(a, ['the ', 'files'], [one, y, two]), 9);
  y.close();
  const [data, fds, msgFlags, address] = await within(recvFds(b, 100, 3), 'the message');
  assert.equal(String(data), 'the files');
  assert.equal(msgFlags & MSG_CTRUNC, 0);
  assert.equal(address, '');
  assert.equal(fds.length, 3);
  take(s, fds);
  assert.deepEqual([content(fds[0]!), content(fds[2]!)], ['one', 'two']);
  // Another number for the same open file.
  assert.ok(!fds.includes(one));
  writeSync(one, '+', 0);
  assert.equal(content(fds[0]!), '+ne');
  const z = s.own(fromfd(fds[1]!));
  await x.send('through');
  assert.equal(String(await within(z.recv(100), 'what was sent')), 'through');
  for (const fd of fds) {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))![1]!;
    assert.equal(Number.parseInt(flags, 8) & 0o2000000, 0o2000000, 'close-on-exec');
  }
});

overEach('sockets and FileHandles instead of numbers', async (s, a, b) => {
  const fd = file(s);
  const handle: FileHandle = await openFile(readFileSync(`/proc/self/fd/${fd}`) && `/proc/self/fd/${fd}`);
  const sync = blocking.socket();
  s.own(sync);
  await sendFds(a, ['x'], new Set([fd, a, handle, sync]));
  await handle.close();
  const [, fds] = await within(recvFds(b, 1, 10), 'the message');
  assert.equal(fds.length, 4);
  take(s, fds);
  const all = openDescriptors();
  assert.equal(all.get(fds[1]!), all.get(a.fileno()));
  assert.equal(all.get(fds[2]!), all.get(fd));
  assert.equal(all.get(fds[3]!), all.get(sync.fileno()));
  // What is closed by now is refused before anything is sent.
  sync.close();
  await assert.rejects(sendFds(a, ['x'], [fd, sync]), {
    name: 'ClosedError',
    message: 'sendmsg EBADF: fds[1] is closed',
  });
  await assert.rejects(sendFds(a, ['x'], [handle]), { name: 'ClosedError' });
  b.settimeout(0);
  await assert.rejects(recvFds(b, 1, 10), { code: 'EAGAIN' });
});

overEach('as many as the kernel takes, and one more', async (s, a, b) => {
  const fd = file(s);
  await sendFds(a, ['x'], Array(253).fill(fd));
  const [, fds, msgFlags] = await within(recvFds(b, 10, 1000), 'the message');
  take(s, fds);
  assert.deepEqual([fds.length, new Set(fds).size, msgFlags & MSG_CTRUNC], [253, 253, 0]);
  await assert.rejects(sendFds(a, ['x'], Array(254).fill(fd)), {
    name: 'SocketError',
    code: 'EINVAL',
    syscall: 'sendmsg',
  });
  // Several control messages are one to the kernel.
  await a.sendmsg(['y'], { ancdata: [rights(fd), rights(fd, fd)] });
  const [, rows] = await within(b.recvmsg(10, 1000), 'the message');
  assert.equal(rows.length, 1);
  assert.equal(take(s, fdsIn(rows[0]![2])).length, 3);
  await assert.rejects(
    a.sendmsg(['y'], { ancdata: [rights(...Array(200).fill(fd)), rights(...Array(54).fill(fd))] }),
    {
      code: 'EINVAL',
    },
  );
});

overEach('none at all', async (_, a, b) => {
  await sendFds(a, ['x'], []);
  await a.sendmsg(['y'], { ancdata: [rights()] });
  for (const text of ['x', 'y']) {
    const [data, fds, msgFlags] = await within(recvFds(b, 1, 10), text);
    assert.deepEqual([String(data), fds, msgFlags & MSG_CTRUNC], [text, [], 0]);
  }
});

overEach('recvmsg gives their numbers as they are', async (s, a, b) => {
  const fd = file(s);
  for (const [room, expected] of [
    [CMSG_LEN(4), 1],
    [CMSG_SPACE(4), 2], // the padding has room for one more
    [CMSG_LEN(12), 3],
    [1000, 3],
  ] as const) {
    await a.sendmsg(['x'], { ancdata: [rights(fd, fd, fd)] });
    const [, [[level, type, data]], msgFlags] = (await within(b.recvmsg(10, room), 'the message')) as [
      Buffer,
      [[number, number, Buffer]],
      number,
      string,
    ];
    assert.deepEqual([level, type], [SOL_SOCKET, SCM_RIGHTS]);
    const fds = take(s, fdsIn(data));
    assert.equal(fds.length, expected, `room of ${room}`);
    assert.equal(content(fds[0]!), 'content');
    assert.equal(msgFlags & MSG_CTRUNC, expected < 3 ? MSG_CTRUNC : 0);
  }
});

overEach('more than the receiver wants are closed, and it is told', async (s, a, b) => {
  const fd = file(s);
  for (const credentials of [0, 1]) {
    b.setsockopt(SOL_SOCKET, SO_PASSCRED, credentials);
    for (const maxfds of [0, 1, 2, 3, 5, 20]) {
      const before = count();
      await sendFds(a, ['x'], Array(20).fill(fd));
      const [data, fds, msgFlags] = await within(recvFds(b, 10, maxfds), 'the message');
      assert.equal(String(data), 'x');
      assert.equal(fds.length, maxfds);
      assert.equal(msgFlags & MSG_CTRUNC, maxfds < 20 ? MSG_CTRUNC : 0);
      assert.equal(count(), before + maxfds);
      for (const each of fds) closeSync(each);
    }
  }
});

overEach('each look at a message gives descriptors of its own', async (s, a, b) => {
  const fd = file(s);
  await sendFds(a, ['x'], [fd]);
  const looks: number[] = [];
  for (const flags of [MSG_PEEK, MSG_PEEK, 0]) {
    const [data, fds] = await within(recvFds(b, 10, 5, { flags }), 'a look');
    assert.equal(String(data), 'x');
    looks.push(...take(s, fds));
  }
  assert.equal(new Set(looks).size, 3);
  for (const look of looks) assert.equal(content(look), 'content');
});

overEach(
  'a descriptor of the sender (SCM_PIDFD) is recvmsg’s to give and recvFds’s to close',
  async (s, a, b) => {
    const fd = file(s);
    try {
      b.setsockopt(SOL_SOCKET, SO_PASSPIDFD!, 1);
    } catch (error) {
      assert.equal((error as SocketError).code, 'ENOPROTOOPT');
      return s.skip('SO_PASSPIDFD is newer than this kernel');
    }
    b.setsockopt(SOL_SOCKET, SO_PASSCRED, 1);
    const before = count();
    await sendFds(a, ['x'], [fd]);
    const [, fds, msgFlags] = await within(recvFds(b, 10, 1), 'the message');
    assert.deepEqual([fds.length, msgFlags & MSG_CTRUNC], [1, 0]);
    take(s, fds);
    assert.equal(count(), before + 1);
    await a.send('y');
    const [, rows] = await within(b.recvmsg(10, 1000), 'the message');
    assert.deepEqual(rows.map(([, type]) => type).sort(), [SCM_CREDENTIALS, SCM_PIDFD].sort());
    const [pidfd] = take(s, fdsIn(rows.find(([, type]) => type === SCM_PIDFD)![2]));
    assert.match(
      readFileSync(`/proc/self/fdinfo/${pidfd}`, 'utf8'),
      new RegExp(`^Pid:\\s+${process.pid}$`, 'm'),
    );
  },
);

scene('to an address', async (s) => {
  const [from, to] = [bound(s, unixDatagram), bound(s, unixDatagram)];
  await sendFds(from, ['x'], [file(s)], { address: to.getsockname() as string });
  const [data, fds, , address] = await within(recvFds(to, 10, 1), 'the message');
  assert.equal(content(take(s, fds)[0]!), 'content');
  assert.deepEqual([String(data), address], ['x', from.getsockname()]);
});

// --- what carries them ------------------------------------------------------------------

scene('a stream carries them with bytes, and the reads end behind them', async (s) => {
  const [a, b] = socketpair().map((each) => s.own(each)) as [Socket, Socket];
  const fd = file(s);
  for (const buffers of [[], [''], [Buffer.alloc(0), '']]) {
    await assert.rejects(sendFds(a, buffers, [fd]), { name: 'RangeError', message: /at least one byte/ });
    await assert.rejects(a.sendmsg(buffers, { ancdata: [rights(fd)] }), { name: 'RangeError' });
    assert.equal(await sendFds(a, buffers, []), 0);
  }
  for (const waits of [false, true]) {
    const first = waits ? recvFds(b, 1000, 9) : undefined;
    if (first !== undefined) await staysPending(first, 'recvFds', 0.005);
    await a.send('before ');
    await sendFds(a, ['with'], [fd]);
    await sendFds(a, [' and with'], [fd, fd]);
    await a.send(' behind');
    let text = '';
    const pattern: number[] = [];
    const note = ([data, fds]: readonly [Buffer, readonly number[], ...unknown[]]) => {
      text += String(data);
      if (fds.length > 0) pattern.push(take(s, fds).length);
    };
    if (first !== undefined) note(await within(first, 'the first'));
    while (!text.endsWith(' behind')) note(await within(recvFds(b, 1000, 9), `what follows ${text}`));
    assert.equal(text, 'before with and with behind');
    assert.deepEqual(pattern, [1, 2]);
  }
});

scene('a datagram carries them without a byte', async (s) => {
  const [a, b] = socketpair(AF_UNIX, SOCK_DGRAM).map((each) => s.own(each)) as [Socket, Socket];
  assert.equal(await sendFds(a, [], [file(s)]), 0);
  const [data, fds] = await within(recvFds(b, 0, 1), 'the message');
  assert.equal(data.length, 0);
  assert.equal(content(take(s, fds)[0]!), 'content');
});

scene('other families carry none', async (s) => {
  const listener = bound(s, tcp4);
  const message = /^Expected a socket of AF_UNIX/;
  await assert.rejects(sendFds(listener, ['x'], [1]), { name: 'TypeError', message });
  await assert.rejects(recvFds(listener, 1, 1), { name: 'TypeError', message });
});

// --- arguments ---------------------------------------------------------------------------------

overEach('what is no descriptor', async (s, a, b) => {
  const fd = file(s);
  const any = (value: unknown) => value as never;
  for (const fds of [null, undefined, 1, 'text', Int32Array.of(fd)])
    await assert.rejects(sendFds(a, ['x'], any(fds)), { name: 'TypeError', message: /for fds but received/ });
  for (const each of [null, undefined, '1', {}, [fd], true, 1n, { fd: '1' }, { fileno: () => 'x' }])
    await assert.rejects(sendFds(a, ['x'], [fd, any(each)]), {
      name: 'TypeError',
      message: /^Expected a descriptor, a socket or a FileHandle for fds\[1\] but received/,
    });
  for (const each of [-2, 0.5, 2 ** 31, Number.NaN, -1])
    await assert.rejects(sendFds(a, ['x'], [each]), {
      name: 'RangeError',
      message: /for fds\[0\] but received/,
    });
  await assert.rejects(sendFds(a, ['x'], [0x7ffffff0]), { code: 'EBADF', syscall: 'sendmsg' });
  await assert.rejects(sendFds(a, any('x'), [fd]), { name: 'TypeError' });
  for (const maxfds of [-1, 0.5, Number.NaN])
    await assert.rejects(recvFds(b, 1, maxfds), { name: 'RangeError', message: /for maxfds/ });
  await assert.rejects(recvFds(b, -1, 1), { name: 'RangeError', message: /for bufsize/ });
  const [send, receive] = [sendFds, recvFds] as unknown as ((...given: unknown[]) => unknown)[];
  for (const sock of [null, undefined, {}, 1]) {
    assert.throws(() => send!(sock, ['x'], [fd]), {
      name: 'TypeError',
      message: /^Expected a socket for sock/,
    });
    assert.throws(() => receive!(sock, 1, 1), { name: 'TypeError' });
  }
  b.settimeout(0);
  await assert.rejects(recvFds(b, 1, 1), { code: 'EAGAIN', syscall: 'recvmsg' });
});

// --- the blocking flavour -----------------------------------------------------------------

scene('the same functions in the blocking flavour', (s) => {
  assert.equal(blocking.sendFds, sendFds);
  const [a, b] = blocking.socketpair();
  s.own(a);
  s.own(b);
  const fd = file(s);
  const before = count();
  assert.equal(blocking.sendFds(a, ['x'], [fd, b]), 1);
  const [data, fds, msgFlags, address] = blocking.recvFds(b, 10, 1);
  assert.equal(String(data), 'x');
  assert.deepEqual([fds.length, msgFlags & MSG_CTRUNC, address], [1, MSG_CTRUNC, '']);
  assert.equal(content(take(s, fds)[0]!), 'content');
  assert.equal(count(), before + 1);
  b.settimeout(0.01);
  assert.throws(() => blocking.recvFds(b, 1, 1), { name: 'TimeoutError' });
  a.settimeout(0.01);
  const late = () => {
    for (;;) a.sendall(Buffer.alloc(65536));
  };
  assert.throws(late, { name: 'TimeoutError' });
  assert.throws(() => blocking.sendFds(a, ['x'], [fd]), { name: 'TimeoutError' });
  assert.equal(count(), before + 1);
  assert.throws(() => blocking.sendFds(a, ['x'], [fd, null as never]), TypeError);
});
