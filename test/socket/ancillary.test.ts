// Ancillary data of messages as it is: what came, what was cut, what goes out; the error queue; and that
// a read which ended at ancillary data says nothing of what is behind. Descriptors have files of their own.
import assert from 'node:assert/strict';
import os from 'node:os';
import {
  AF_INET,
  CMSG_LEN,
  CMSG_SPACE,
  IP_PKTINFO,
  IP_RECVERR,
  IPPROTO_IP,
  type MessageOptions,
  MSG_CTRUNC,
  MSG_ERRQUEUE,
  MSG_TRUNC,
  SCM_CREDENTIALS,
  SCM_TIMESTAMP,
  SO_PASSCRED,
  SO_TIMESTAMP,
  SOCK_DGRAM,
  SOL_SOCKET,
  type Socket,
  socket,
  socketpair,
} from 'berkeley-sockets';
import { eventually, sleep, staysPending, within } from '../support/deadline.ts';
import { scene } from '../support/scene.ts';
import { across, bound, pair, streams, udp4 } from '../support/transports.ts';

const CUT = MSG_TRUNC | MSG_CTRUNC;

scene('ancillary data comes whole, cut, or not at all, and it is told', async (s) => {
  const [a, b] = await pair(s, udp4);
  b.setsockopt(SOL_SOCKET, SO_TIMESTAMP, 1);
  const receive = async (room?: number) => {
    await a.send('x');
    const [data, ancdata, msgFlags] = await within(b.recvmsg(10, room), 'the message');
    assert.equal(String(data), 'x');
    return [ancdata, msgFlags & CUT] as const;
  };
  const [[row, ...more], whole] = await receive(1000);
  assert.deepEqual(more, []);
  assert.deepEqual(row!.slice(0, 2), [SOL_SOCKET, SCM_TIMESTAMP]);
  assert.equal(whole, 0);
  const size = row![2].length;
  assert.equal((await receive(CMSG_LEN(size)))[1], 0);
  assert.equal((await receive(CMSG_SPACE(size)))[1], 0);
  // As Python gives it: what is there of it.
  for (const part of [size - 1, 4, 1, 0]) {
    const [[cut], told] = await receive(CMSG_LEN(part));
    assert.equal(cut![2].length, part);
    assert.equal(told, MSG_CTRUNC);
  }
  for (const room of [CMSG_LEN(0) - 1, 1, 0, undefined]) {
    assert.deepEqual(await receive(room), [[], MSG_CTRUNC], `room of ${room}`);
  }
  // More than is kept for all calls.
  for (const room of [65536, 65537, 10_000_000, 1000]) assert.equal((await receive(room))[0].length, 1);
});

// struct in_pktinfo, ip(7): interface, the local address, the destination in the header.
const packetInfo = (source: string): Buffer => {
  const bytes = Buffer.alloc(12);
  bytes.set(source.split('.').map(Number), 4);
  return bytes;
};

scene('ancillary data goes out: the source address of a datagram', async (s) => {
  const to = s.own(socket(AF_INET, SOCK_DGRAM));
  to.bind(['127.0.0.1', 0]);
  to.setsockopt(IPPROTO_IP, IP_PKTINFO!, 1);
  const from = s.own(socket(AF_INET, SOCK_DGRAM));
  from.bind(['', 0]);
  const [, port] = from.getsockname();
  for (const source of ['127.0.0.2', '127.9.9.9']) {
    const ancdata: [number, number, Buffer][] = [[IPPROTO_IP, IP_PKTINFO!, packetInfo(source)]];
    await from.sendmsg(['from ', source], { ancdata, address: to.getsockname() });
    const [data, rows, msgFlags, address] = await within(to.recvmsg(100, 100), 'the datagram');
    assert.equal(String(data), `from ${source}`);
    assert.deepEqual(address, [source, port]);
    assert.equal(msgFlags, 0);
    assert.deepEqual(rows[0]!.slice(0, 2), [IPPROTO_IP, IP_PKTINFO]);
    assert.equal([...rows[0]![2].subarray(8)].join('.'), '127.0.0.1');
  }
  // One that is none of this machine's.
  const ancdata: [number, number, Buffer][] = [[IPPROTO_IP, IP_PKTINFO!, packetInfo('192.0.2.1')]];
  await assert.rejects(from.sendmsg(['x'], { ancdata, address: to.getsockname() }), {
    // What it is depends on the machine's routes.
    code: /^(EINVAL|ENETUNREACH)$/,
    syscall: 'sendmsg',
    address: '127.0.0.1',
  });
});

scene('ancillary data that the kernel refuses', async (s) => {
  const [a] = await pair(s, udp4);
  const refused = (ancdata: MessageOptions['ancdata'], code: string) =>
    assert.rejects(a.sendmsg(['x'], { ancdata }), { name: 'SocketError', code, syscall: 'sendmsg' });
  await refused([[IPPROTO_IP, 12345, '']], 'EINVAL');
  await refused([[IPPROTO_IP, IP_PKTINFO!, 'short']], 'EINVAL');
  await refused([[IPPROTO_IP, IP_PKTINFO!, Buffer.alloc(10_000_000)]], 'ENOBUFS');
});

scene('room for what comes with every message, and for what comes with some', async (s) => {
  const [a, b] = socketpair().map((each) => s.own(each)) as [Socket, Socket];
  b.setsockopt(SOL_SOCKET, SO_PASSCRED, 1);
  await a.send('x');
  const [, [row], told] = await b.recvmsg(10, CMSG_SPACE(12));
  assert.deepEqual(row!.slice(0, 2), [SOL_SOCKET, SCM_CREDENTIALS]);
  assert.equal(row![2].readInt32LE(0), process.pid);
  assert.equal(told & CUT, 0);
});

// --- readiness stays true ---------------------------------------------------------------

across(streams, 'a message that leaves something behind, and one that does not', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  for (let round = 0; round < 50; round++) {
    await a.send('abcdef');
    assert.equal(String((await within(b.recvmsg(4), 'a part'))[0]), 'abcd');
    assert.equal(String((await within(b.recvmsg(100), 'the rest'))[0]), 'ef');
    const waiting: Promise<readonly [Buffer, ...unknown[]]> =
      round % 2 === 0 ? b.recvmsg(100) : b.recv(100).then((data) => [data]);
    await a.send('next');
    assert.equal(String((await within(waiting, 'the next'))[0]), 'next');
  }
});

scene('a read of a stream that ends at ancillary data says nothing of what is behind', async (s) => {
  const [a, b] = socketpair().map((each) => s.own(each)) as [Socket, Socket];
  b.setsockopt(SOL_SOCKET, SO_PASSCRED, 1);
  const waiting = b.recvmsg(100, 100);
  await a.send('first');
  assert.equal(String((await within(waiting, 'the first'))[0]), 'first');
  for (const room of [0, 1000]) {
    await a.send('one');
    b.setsockopt(SOL_SOCKET, SO_PASSCRED, 0);
    // Credentials of before and none: the kernel does not join them.
    await a.send('two');
    b.setsockopt(SOL_SOCKET, SO_PASSCRED, 1);
    let text = '';
    while (text.length < 6) text += String((await within(b.recvmsg(100, room), `more than ${text}`))[0]);
    assert.equal(text, 'onetwo');
  }
});

scene('the error queue is read beside calls that wait, and says nothing of the data', async (s) => {
  const a = bound(s, udp4);
  const b = bound(s, udp4);
  const gone = bound(s, udp4);
  const nowhere = gone.getsockname();
  gone.close();
  a.setsockopt(IPPROTO_IP, IP_RECVERR!, 1);
  const look = () => a.recvmsg(100, 1000, { flags: MSG_ERRQUEUE! });
  const nothing = { code: 'EAGAIN', syscall: 'recvmsg' };
  await assert.rejects(look(), nothing);
  const waiting = [a.recv(100), a.recv(100)];
  await staysPending(waiting[0]!, 'recv');
  await assert.rejects(look(), nothing);
  await a.sendto('to nobody', nowhere);
  await assert.rejects(within(waiting[0]!, 'the error'), { code: 'ECONNREFUSED' });
  const [data, ancdata, msgFlags, address] = await eventually(look, 'the error queue');
  assert.equal(String(data), 'to nobody');
  assert.deepEqual(address, nowhere);
  assert.equal(msgFlags & (MSG_ERRQUEUE! | CUT), MSG_ERRQUEUE);
  // struct sock_extended_err, ip(7).
  const [[level, type, error], ...more] = ancdata as [[number, number, Buffer]];
  assert.deepEqual([level, type, more], [IPPROTO_IP, IP_RECVERR, []]);
  assert.equal(error.readUInt32LE(0), os.constants.errno.ECONNREFUSED);
  await assert.rejects(look(), nothing);
  await staysPending(waiting[1]!, 'the recv behind');
  await b.sendto('data', a.getsockname());
  assert.equal(String(await within(waiting[1]!, 'the data')), 'data');
  await b.sendto('more', a.getsockname());
  // The event is told in a turn of its own.
  await sleep(0.01);
  await assert.rejects(look(), nothing);
  assert.equal(String(await within(a.recv(100), 'more data')), 'more');
});
