// sendmsg, recvmsg and recvmsgInto: several buffers as one message, its address, and the wait for it.
import assert from 'node:assert/strict';
import {
  AF_UNIX,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_EOR,
  MSG_PEEK,
  MSG_TRUNC,
  SCM_CREDENTIALS,
  SO_PASSCRED,
  SO_TIMESTAMP,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOL_SOCKET,
  type Socket,
  socketpair,
} from 'berkeley-sockets';
import * as blocking from 'berkeley-sockets/sync';
import { Chance } from '../support/chance.ts';
import { eventually, sleep, staysPending, within } from '../support/deadline.ts';
import { scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';
import {
  across,
  bound,
  datagrams,
  everything,
  messages,
  open,
  pair,
  streams,
  udp4,
  unixDatagram,
  unixStream,
} from '../support/transports.ts';

const CUT = MSG_TRUNC | MSG_CTRUNC;

// --- buffers --------------------------------------------------------------------------

across(everything, 'several buffers are one message', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const memory = new TextEncoder().encode('-memory-');
  const buffers = ['text', memory.subarray(0, 7), '', memory.buffer, new DataView(memory.buffer, 1, 3), 'é'];
  const expected = 'text-memory-memory-memé';
  assert.equal(await a.sendmsg(buffers), Buffer.byteLength(expected));
  const [data, ancdata, msgFlags, address] = await within(b.recvmsg(1000), 'the message');
  assert.equal(String(data), expected);
  assert.deepEqual(ancdata, []);
  assert.equal(msgFlags & ~MSG_EOR, 0);
  assert.deepEqual(address, transport.type === SOCK_DGRAM ? a.getsockname() : '');

  const views = [Buffer.alloc(3), new Uint16Array(2), new ArrayBuffer(0), new DataView(new ArrayBuffer(100))];
  await a.sendmsg([Buffer.from('abcdefghij')]);
  const [nbytes, none, flags, from] = await within(b.recvmsgInto(views), 'the second message');
  assert.deepEqual([nbytes, none, flags & ~MSG_EOR, from], [10, [], 0, address]);
  const bytes = views.map((view) => Buffer.from(ArrayBuffer.isView(view) ? view.buffer : view));
  assert.equal(String(views[0]), 'abc');
  assert.equal(String(bytes[1]), 'defg');
  assert.equal(String(bytes[3]!.subarray(0, 4)), 'hij\0');
});

across(streams, 'a stream in messages of any cut comes whole', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const chance = new Chance(`messages ${transport.name}`);
  const all = chance.bytes(3_000_000);
  const send = async () => {
    for (let at = 0; at < all.length; ) {
      const size = chance.integer(1, 300_000);
      const pieces = [...chance.pieces(all.subarray(at, at + size), 100_000)].slice(0, 1024);
      at += await a.sendmsg(pieces);
    }
    a.close();
  };
  const received: Buffer[] = [];
  const receive = async () => {
    for (;;) {
      let data: Buffer;
      if (chance.integer(0, 1) === 0) [data] = await b.recvmsg(chance.integer(1, 200_000));
      else {
        const views = Array.from({ length: chance.integer(1, 5) }, () =>
          Buffer.alloc(chance.integer(1, 50_000)),
        );
        const [nbytes] = await b.recvmsgInto(views);
        data = Buffer.concat(views).subarray(0, nbytes);
      }
      if (data.length === 0) return;
      received.push(data);
    }
  };
  await within(Promise.all([send(), receive()]), 'all of it', 20);
  assert.ok(Buffer.concat(received).equals(all));
});

across(messages, 'what was cut is told', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  await a.sendmsg(['hello ', 'world']);
  await a.send('next');
  const [data, , msgFlags] = await within(b.recvmsg(8), 'the first part');
  assert.equal(String(data), 'hello wo');
  assert.equal(msgFlags & CUT, MSG_TRUNC);
  const [next, , whole] = await within(b.recvmsg(4), 'the next message');
  assert.equal(String(next), 'next');
  assert.equal(whole & CUT, 0);
  // With MSG_TRUNC, the size that it had.
  await a.send('hello');
  const views = [Buffer.alloc(1), Buffer.alloc(2)];
  const [nbytes, , told] = await within(b.recvmsgInto(views, 0, { flags: MSG_TRUNC }), 'the size');
  assert.deepEqual([nbytes, told & MSG_TRUNC], [5, MSG_TRUNC]);
  assert.equal(String(Buffer.concat(views)), 'hel');
  await a.send('hello');
  const [cut] = await within(b.recvmsg(3, 0, { flags: MSG_TRUNC }), 'the data');
  assert.equal(String(cut), 'hel');
});

across(datagrams, 'empty messages', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  for (const buffers of [[], [''], ['', Buffer.alloc(0)]]) assert.equal(await a.sendmsg(buffers), 0);
  for (const view of [[], [Buffer.alloc(5)], [Buffer.alloc(0)]])
    assert.deepEqual((await within(b.recvmsgInto(view), 'an empty one'))[0], 0);
  await a.send('skipped');
  assert.deepEqual((await within(b.recvmsg(0), 'a message into nothing')).slice(0, 3), [
    Buffer.alloc(0),
    [],
    MSG_TRUNC,
  ]);
});

scene('as many buffers as the kernel takes, and one more', async (s) => {
  const [a, b] = socketpair(AF_UNIX, SOCK_DGRAM).map((each) => s.own(each)) as [Socket, Socket];
  const most = Array.from({ length: 1024 }, (_, i) => Uint8Array.of(i & 255));
  assert.equal(await a.sendmsg(most), 1024);
  const views = Array.from({ length: 1024 }, () => Buffer.alloc(1));
  assert.equal((await b.recvmsgInto(views))[0], 1024);
  assert.ok(Buffer.concat(views).equals(Buffer.concat(most)));
  const tooMany = { code: 'EMSGSIZE', syscall: 'sendmsg' };
  await assert.rejects(a.sendmsg([...most, Buffer.alloc(0)]), tooMany);
  await a.send('x');
  await assert.rejects(b.recvmsgInto([...views, Buffer.alloc(1)]), { ...tooMany, syscall: 'recvmsg' });
  assert.equal(String(await b.recv(10)), 'x');
});

scene('messages that were received stay as they are', async (s) => {
  const [a, b] = await pair(s, udp4);
  b.setsockopt(SOL_SOCKET, SO_TIMESTAMP, 1);
  const kept: (readonly [Buffer, Buffer])[] = [];
  for (let i = 0; i < 200; i++) {
    await a.send(`message ${i}`);
    const [data, [row]] = await b.recvmsg(1000, 100);
    kept.push([data, row![2]]);
  }
  const copies = kept.map(([, time]) => Buffer.from(time));
  await a.send('x'.repeat(1000));
  await b.recvmsg(1000, 100);
  for (const [i, [data, time]] of kept.entries()) {
    assert.equal(String(data), `message ${i}`);
    assert.ok(time.equals(copies[i]!));
  }
});

// --- waiting --------------------------------------------------------------------------

across(everything, 'a message is waited for, in the order of the calls', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const view = Buffer.alloc(3);
  const calls = [
    b.recvmsg(3),
    b.recv(3),
    b.recvmsgInto([view.subarray(0, 1), view.subarray(1)]),
    b.recvfrom(3),
  ];
  await staysPending(calls[0]!, 'recvmsg');
  for (const text of ['one', 'two', 'six', 'ten']) await a.sendmsg([text.slice(0, 1), text.slice(1)]);
  const [one, two, six, ten] = await within(Promise.all(calls), 'the four');
  assert.equal(String((one as unknown as [Buffer])[0]), 'one');
  assert.equal(String(two), 'two');
  assert.equal((six as unknown as [number])[0], 3);
  assert.equal(String(view), 'six');
  assert.equal(String((ten as unknown as [Buffer])[0]), 'ten');
});

across(streams, 'sendmsg waits until there is room, and sends in its turn', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const chunk = Buffer.alloc(65536, 'x');
  let before = 0;
  for (let r = a.trySend(chunk); r !== undefined; r = a.trySend(chunk)) before += r;
  const sends = [a.sendmsg(['first', ' ']), a.sendall('second '), a.sendmsg(['third'])];
  await staysPending(sends[0]!, 'sendmsg to a full stream');
  for (let left = before; left > 0; ) left -= (await b.recv(Math.min(left, 65536))).length;
  assert.deepEqual(await within(Promise.all(sends), 'the sends'), [6, undefined, 5]);
  let text = '';
  while (text.length < 18) text += String(await within(b.recv(100), 'the text'));
  assert.equal(text, 'first second third');
});

across(everything, 'a call that is given up has taken nothing', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const stop = new AbortController();
  const reason = new Error('enough');
  const waiting = b.recvmsg(10, 100, { signal: stop.signal });
  const into = b.recvmsgInto([Buffer.alloc(10)], 0, { signal: stop.signal });
  stop.abort(reason);
  await assert.rejects(waiting, reason);
  await assert.rejects(into, reason);
  b.settimeout(0.01);
  await assert.rejects(b.recvmsg(10), { name: 'TimeoutError', syscall: 'recvmsg' });
  b.settimeout(0);
  await assert.rejects(b.recvmsg(10), { code: 'EAGAIN', syscall: 'recvmsg' });
  b.settimeout(null);
  await assert.rejects(b.recvmsg(10, 0, { flags: MSG_DONTWAIT }), { code: 'EAGAIN' });
  await a.send('data');
  assert.equal(String((await within(b.recvmsg(10), 'the data'))[0]), 'data');
  const closed = b.recvmsg(10);
  b.close();
  await assert.rejects(closed, { name: 'ClosedError', syscall: 'recvmsg' });
  await assert.rejects(b.recvmsg(10), { name: 'ClosedError' });
  await assert.rejects(b.sendmsg(['x']), { name: 'ClosedError', syscall: 'sendmsg' });
});

across(streams, 'a stream that ends, is reset or was never connected', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  await a.sendmsg(['last']);
  a.close();
  assert.equal(String((await within(b.recvmsg(100), 'the last'))[0]), 'last');
  for (let i = 0; i < 3; i++) assert.equal((await within(b.recvmsg(100), 'the end'))[0].length, 0);
  await eventually(
    () =>
      b.sendmsg(['x']).then(
        () => false,
        (error) => assert.equal(error.code, 'EPIPE'),
      ),
    'EPIPE',
  );
  const never = open(s, transport);
  await assert.rejects(never.sendmsg(['x']), { syscall: 'sendmsg', code: /^(EPIPE|ENOTCONN)$/ });
  await assert.rejects(never.recvmsg(10), { syscall: 'recvmsg', code: /^(EINVAL|ENOTCONN)$/ });
});

across(everything, 'looking at a message leaves it there', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  await a.send('data');
  for (let i = 0; i < 3; i++)
    assert.equal(String((await within(b.recvmsg(10, 0, { flags: MSG_PEEK }), 'a look'))[0]), 'data');
  assert.equal(String(await b.recv(10)), 'data');
  // Which says nothing of whether more comes.
  const waiting = b.recvmsg(10);
  await a.send('more');
  assert.equal(String((await within(waiting, 'more'))[0]), 'more');
});

scene('messages come behind the small sends that are gathered in a turn', async (s) => {
  const pairs = await Promise.all(Array.from({ length: 8 }, () => pair(s, unixStream)));
  const acting = pairs.map(async ([, server], i) => {
    await server.recv(1);
    // Gathered, since this turn serves several sockets.
    const sends = [
      server.send('one '),
      server.sendmsg(['two', ' ']),
      server.send('three '),
      server.sendmsg([`${i}`]),
    ];
    await Promise.all(sends);
  });
  for (const [client] of pairs) client.trySend('!');
  await within(Promise.all(acting), 'the sends');
  for (const [i, [client]] of pairs.entries())
    assert.equal(String(await client.recv(100)), `one two three ${i}`);
});

// --- addresses ------------------------------------------------------------------------

across(datagrams, 'a message goes where it is addressed', async (s, transport) => {
  const [a, b, c] = [bound(s, transport), bound(s, transport), bound(s, transport)];
  await a.sendmsg(['to ', 'b'], { address: b.getsockname() });
  await a.sendmsg(['to ', 'c'], { address: c.getsockname() });
  for (const [to, text] of [
    [b, 'to b'],
    [c, 'to c'],
  ] as const) {
    const [data, , , from] = await within(to.recvmsg(100), text);
    assert.equal(String(data), text);
    assert.deepEqual(from, a.getsockname());
    // The very tuple that came.
    await to.sendmsg(['back'], { address: from });
    assert.equal(String((await within(a.recvmsg(100), 'the answer'))[0]), 'back');
  }
  await assert.rejects(a.sendmsg(['x']), { syscall: 'sendmsg', code: /^(EDESTADDRREQ|ENOTCONN)$/ });
});

across([udp4], 'a message to a name goes out before those that were sent after it', async (s, transport) => {
  const b = bound(s, transport);
  const [, port] = b.getsockname() as [string, number];
  const a = open(s, transport);
  const sends = [
    a.sendmsg(['by ', 'name'], { address: ['127.1', port] }),
    a.sendmsg(['by number'], { address: ['127.0.0.1', port] }),
  ];
  assert.equal(String((await b.recvmsg(100))[0]), 'by name');
  assert.equal(String((await b.recvmsg(100))[0]), 'by number');
  assert.deepEqual(await Promise.all(sends), [7, 9]);
});

scene('a queue that others have filled makes sendmsg wait, although no event tells of room', async (s) => {
  const receiver = bound(s, unixDatagram);
  const address = receiver.getsockname();
  const other = open(s, unixDatagram);
  other.settimeout(0);
  let count = 0;
  await assert.rejects(async () => {
    for (;;) count += await other.sendmsg(['x'], { address });
  });
  const sender = open(s, unixDatagram);
  const waiting = [sender.sendmsg(['first'], { address }), sender.sendmsg(['second'], { address })];
  await staysPending(waiting[0]!, 'sendmsg to a full queue');
  // It is tried again by and by: each attempt raises an event, and to follow those would be to spin.
  const start = process.cpuUsage();
  await sleep(0.3);
  const { user, system } = process.cpuUsage(start);
  assert.ok(user + system < 200_000, `${user + system} µs of 300 ms`);
  for (let i = 0; i < count; i++) assert.equal(String((await receiver.recvmsg(10))[0]), 'x');
  for (const text of ['first', 'second'])
    assert.equal(String((await within(receiver.recvmsg(10), text))[0]), text);
  assert.deepEqual(await Promise.all(waiting), [5, 6]);
});

for (const connected of [true, false]) {
  const kind = connected ? 'connected' : 'unconnected';
  scene(`a full AF_UNIX queue makes sendmsg wait (${kind})`, async (s) => {
    const receiver = bound(s, unixDatagram);
    const sender = open(s, unixDatagram);
    const address = receiver.getsockname();
    if (connected) await sender.connect(address);
    const options = connected ? {} : { address };
    sender.settimeout(0);
    let count = 0;
    const full = { code: 'EAGAIN', syscall: 'sendmsg' };
    await assert.rejects(async () => {
      for (;;) {
        await sender.sendmsg([`${count}`], options);
        count++;
      }
    }, full);
    sender.settimeout(null);
    const waiting = [sender.sendmsg([`${count}`], options), sender.sendmsg([`${count + 1}`], options)];
    await staysPending(waiting[0]!, 'sendmsg to a full queue');
    for (let i = 0; i < count + 2; i++)
      assert.equal(String((await within(receiver.recvmsg(10), `message ${i}`))[0]), `${i}`);
    assert.deepEqual(
      await within(Promise.all(waiting), 'the sends'),
      waiting.map((_, i) => `${count + i}`.length),
    );
  });
}

// --- the blocking flavour -----------------------------------------------------------------

scene('the same calls in the blocking flavour', (s) => {
  const [a, b] = blocking.socketpair(AF_UNIX, SOCK_SEQPACKET);
  s.own(a);
  s.own(b);
  b.setsockopt(SOL_SOCKET, SO_PASSCRED, 1);
  assert.equal(a.sendmsg(['one ', 'message']), 11);
  const [data, [row], msgFlags, address] = b.recvmsg(100, 100);
  assert.equal(String(data), 'one message');
  assert.deepEqual(row!.slice(0, 2), [SOL_SOCKET, SCM_CREDENTIALS]);
  assert.deepEqual([msgFlags & CUT, address], [0, '']);
  a.sendmsg(['abc']);
  const views = [Buffer.alloc(1), Buffer.alloc(5)];
  assert.deepEqual(b.recvmsgInto(views).slice(0, 2), [3, []]);
  assert.equal(String(Buffer.concat(views)), 'abc\0\0\0');
  b.settimeout(0.01);
  assert.throws(() => b.recvmsg(1), { name: 'TimeoutError', syscall: 'recvmsg' });
  b.settimeout(0);
  assert.throws(() => b.recvmsg(1), { code: 'EAGAIN' });
  assert.throws(() => b.recvmsg(-1), RangeError);
  assert.throws(() => a.sendmsg('text' as never), TypeError);
  const u = s.own(blocking.socket(AF_UNIX, SOCK_DGRAM));
  u.bind(tempPath(s));
  const v = s.own(blocking.socket(AF_UNIX, SOCK_DGRAM));
  v.settimeout(0.02);
  let count = 0;
  assert.throws(
    () => {
      for (;;) count += v.sendmsg(['x'], { address: u.getsockname() });
    },
    { name: 'TimeoutError', syscall: 'sendmsg' },
  );
  for (let i = 0; i < count; i++) assert.equal(String(u.recvmsg(10)[0]), 'x');
});
