// Control messages end to end on this machine: what the kernel says of a message that came, and
// what a message that is sent says to the kernel.
import assert from 'node:assert/strict';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  type Control,
  decodeControl,
  encodeControl,
  encodeTransmitClock,
  fromHandle,
  IP_RECVERR,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPV6_RECVERR,
  MSG_CTRUNC,
  MSG_ERRQUEUE,
  MSG_ZEROCOPY,
  SCM_TIMESTAMPNS,
  SO_EE_ORIGIN_ICMP,
  SO_EE_ORIGIN_ICMP6,
  SO_MARK,
  SO_PASSCRED,
  SO_PASSPIDFD,
  SO_RCVBUF,
  SO_RXQ_OVFL,
  SO_TIMESTAMP,
  SO_TIMESTAMPING,
  SO_TIMESTAMPNS,
  SO_TXTIME,
  SO_ZEROCOPY,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOF_TIMESTAMPING_OPT_ID,
  SOF_TIMESTAMPING_OPT_TSONLY,
  SOF_TIMESTAMPING_RX_SOFTWARE,
  SOF_TIMESTAMPING_SOFTWARE,
  SOF_TIMESTAMPING_TX_SOFTWARE,
  SOL_SOCKET,
  type Socket,
  SocketError,
  socket,
  socketpair,
  TCP_INQ,
  UDP_GRO,
} from 'berkeley-sockets';
import { eventually } from '../support/deadline.ts';
import { requirePeer } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { type Scene, scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';

const python = requirePeer('python3').skip ?? false;

function udp(stage: Scene, host = '127.0.0.1'): Socket<AF_INET> {
  const s = stage.own(socket((host.includes(':') ? AF_INET6 : AF_INET) as AF_INET, SOCK_DGRAM));
  s.settimeout(10);
  s.bind([host, 0]);
  return s;
}

async function receive(s: Socket<AF_INET>): Promise<[text: string, control: Control]> {
  const [data, ancdata, flags] = await s.recvmsg(70_000, 1000);
  assert.equal(flags & MSG_CTRUNC, 0);
  return [data.toString(), decodeControl(ancdata)];
}

/** What is in the error queue, waiting for it. */
function nextError(s: Socket<AF_INET>): Promise<[data: Buffer, control: Control, host: string]> {
  return eventually(async () => {
    try {
      const [data, ancdata, flags, address] = await s.recvmsg(1000, 1000, { flags: MSG_ERRQUEUE! });
      assert.ok(flags & MSG_ERRQUEUE!);
      return [data, decodeControl(ancdata), address[0]] as [Buffer, Control, string];
    } catch (error) {
      if (error instanceof SocketError && error.code === 'EAGAIN') return false as never;
      throw error;
    }
  }, 'an entry in the error queue');
}

for (const [name, option, unit] of [
  ['SO_TIMESTAMP', SO_TIMESTAMP, 1000n],
  ['SO_TIMESTAMPNS', SO_TIMESTAMPNS, 1n],
] as const) {
  scene(`${name}: when a datagram came`, async (stage) => {
    const s = udp(stage);
    s.setsockopt(SOL_SOCKET, option!, true);
    const before = Date.now() / 1000;
    await s.sendto('now', s.getsockname());
    const [text, { timestamp, rest }] = await receive(s);
    const after = Date.now() / 1000;
    assert.deepEqual([text, rest], ['now', []]);
    // Date.now() cuts what is less than a millisecond.
    assert.ok(timestamp!.seconds > before - 0.002 && timestamp!.seconds < after + 0.002);
    assert.equal(timestamp!.nanoseconds % unit, 0n);
    assert.ok(Math.abs(Number(timestamp!.nanoseconds) / 1e9 - timestamp!.seconds) < 1e-6);
  });
}

scene('SO_TIMESTAMPING: when a datagram came, and when one went', async (stage) => {
  const s = udp(stage);
  const flags =
    SOF_TIMESTAMPING_RX_SOFTWARE! |
    SOF_TIMESTAMPING_SOFTWARE! |
    SOF_TIMESTAMPING_OPT_ID! |
    SOF_TIMESTAMPING_OPT_TSONLY!;
  s.setsockopt(SOL_SOCKET, SO_TIMESTAMPING!, flags);
  // Only of the second message.
  await s.sendto('one', s.getsockname());
  const ancdata = encodeControl({ timestamping: SOF_TIMESTAMPING_TX_SOFTWARE! });
  await s.sendmsg(['two'], { ancdata, address: s.getsockname() });
  for (const expected of ['one', 'two']) {
    const [text, { timestamps }] = await receive(s);
    assert.equal(text, expected);
    assert.ok(Math.abs(timestamps!.software!.seconds - Date.now() / 1000) < 10);
    assert.equal(timestamps!.hardware, undefined);
  }
  const [, { timestamps, error }] = await nextError(s);
  assert.ok(Math.abs(timestamps!.software!.seconds - Date.now() / 1000) < 10);
  assert.equal(error!.code, 'ENOMSG');
});

scene('UDP_SEGMENT cuts, UDP_GRO puts together', async (stage) => {
  const s = udp(stage);
  const c = udp(stage);
  const data = Buffer.from(Array.from({ length: 3500 }, (_, i) => i & 0xff));
  const options = { ancdata: encodeControl({ segmentSize: 1000 }), address: s.getsockname() };
  assert.equal(await c.sendmsg([data.subarray(0, 10), data.subarray(10)], options), 3500);
  const got: number[] = [];
  for (let i = 0; i < 4; i++) got.push((await s.recvmsg(5000, 100))[0].length);
  assert.deepEqual(got, [1000, 1000, 1000, 500]);

  s.setsockopt(IPPROTO_UDP, UDP_GRO!, true);
  await c.sendmsg([data], options);
  const [together, ancdata] = await s.recvmsg(5000, 100);
  assert.deepEqual(together, data);
  assert.equal(decodeControl(ancdata).segmentSize, 1000);
});

for (const [name, host, level, option, origin] of [
  ['IPv4', '127.0.0.1', IPPROTO_IP, IP_RECVERR, SO_EE_ORIGIN_ICMP],
  ['IPv6', '::1', IPPROTO_IPV6, IPV6_RECVERR, SO_EE_ORIGIN_ICMP6],
] as const) {
  scene(`${name}: a port that nobody listens to, in the error queue`, async (stage) => {
    const s = udp(stage, host);
    const nobody = udp(stage, host);
    const [, port] = nobody.getsockname();
    nobody.close();
    s.setsockopt(level, option!, true);
    await s.sendto('is anybody there?', [host, port]);
    const [data, { error, rest }, to] = await nextError(s);
    // What had been sent, and to whom.
    assert.deepEqual([data.toString(), to, rest], ['is anybody there?', host, []]);
    const { code, errno, offender } = error!;
    assert.deepEqual([code, errno, error!.origin, offender![0]], ['ECONNREFUSED', -111, origin, host]);
    // Destination unreachable, port unreachable: RFC 792, RFC 4443.
    assert.deepEqual([error!.icmpType, error!.icmpCode], level === IPPROTO_IP ? [3, 3] : [1, 4]);
    assert.equal(error!.zerocopy, undefined);
  });
}

scene('MSG_ZEROCOPY: which sends are done', async (stage) => {
  const server = stage.own(socket(AF_INET, SOCK_STREAM));
  server.bind(['127.0.0.1', 0]);
  server.listen();
  const s = stage.own(socket(AF_INET, SOCK_STREAM));
  s.settimeout(10);
  await s.connect(server.getsockname());
  const [c] = await server.accept();
  stage.own(c);
  try {
    s.setsockopt(SOL_SOCKET, SO_ZEROCOPY!, true);
  } catch (error) {
    assert.ok(error instanceof SocketError && error.code === 'ENOTSUP', String(error));
    return stage.skip('the kernel has no MSG_ZEROCOPY');
  }
  const data = Buffer.alloc(20_000, 'z');
  for (let i = 0; i < 3; i++) {
    let sent = 0;
    // Each call is counted.
    sent += await s.send(data, { flags: MSG_ZEROCOPY! });
    for (let left = sent; left > 0; ) left -= (await c.recv(65_536)).length;
  }
  let done = -1;
  while (done < 2) {
    const [, { error }] = await nextError(s);
    assert.equal(error!.code, '');
    assert.equal(error!.zerocopy!.first, done + 1);
    // The loopback interface copies.
    assert.equal(error!.zerocopy!.copied, true);
    done = error!.zerocopy!.last;
  }
  assert.equal(done, 2);
});

scene('SO_RXQ_OVFL: how many datagrams found no room', async (stage) => {
  const s = udp(stage);
  s.setsockopt(SOL_SOCKET, SO_RXQ_OVFL!, true);
  s.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096);
  const c = udp(stage);
  for (let i = 0; i < 200; i++) await c.sendto(Buffer.alloc(1000), s.getsockname());
  let kept = 0;
  while (s.tryRecvInto(Buffer.alloc(1000)) !== undefined) kept++;
  await c.sendto('last', s.getsockname());
  const [text, { dropped }] = await receive(s);
  assert.equal(text, 'last');
  assert.ok(kept < 200);
  assert.equal(dropped, 200 - kept);
});

scene('TCP_INQ: how much is left to receive', async (stage) => {
  const server = stage.own(socket(AF_INET, SOCK_STREAM));
  server.bind(['127.0.0.1', 0]);
  server.listen();
  const s = stage.own(socket(AF_INET, SOCK_STREAM));
  s.settimeout(10);
  await s.connect(server.getsockname());
  const [c] = await server.accept();
  stage.own(c);
  s.setsockopt(IPPROTO_TCP, TCP_INQ!, true);
  await c.sendall(Buffer.alloc(100));
  await eventually(() => s.tcpInfo().bytesReceived === 100, 'all bytes');
  const [data, ancdata] = await s.recvmsg(30, 100);
  assert.equal(data.length, 30);
  assert.equal(decodeControl(ancdata).inq, 70);
});

scene('SO_TXTIME: a message with the time at which to send it', async (stage) => {
  const s = udp(stage);
  // CLOCK_MONOTONIC, which needs no capability.
  s.setsockopt(SOL_SOCKET, SO_TXTIME!, encodeTransmitClock({ clockid: 1 }));
  const ancdata = encodeControl({ transmitTime: process.hrtime.bigint() });
  await s.sendmsg(['at once'], { ancdata, address: s.getsockname() });
  // The loopback interface has no queue that would hold it back.
  assert.equal((await s.recv(100)).toString(), 'at once');
});

scene('a mark takes a capability, or is refused', async (stage) => {
  const s = udp(stage);
  const send = s.sendmsg(['marked'], { ancdata: encodeControl({ mark: 5 }), address: s.getsockname() });
  if (process.getuid!() === 0) {
    await send;
    s.setsockopt(SOL_SOCKET, SO_MARK!, 6);
    assert.equal((await s.recv(100)).toString(), 'marked');
  } else {
    await assert.rejects(send, { code: 'EPERM' });
  }
});

scene('control messages that a family has no use for', async (stage) => {
  const s = udp(stage);
  const address = s.getsockname();
  const bad = encodeControl({ packetInfo: { source: '::1' } });
  await assert.rejects(s.sendmsg(['x'], { ancdata: [[IPPROTO_IP, 9999, Buffer.alloc(4)]], address }), {
    code: 'EINVAL',
    syscall: 'sendmsg',
  });
  await assert.rejects(s.sendmsg(['x'], { ancdata: [[IPPROTO_IP, 2, Buffer.alloc(1)]], address }), {
    code: 'EINVAL',
  });
  // Linux takes no notice of another protocol's level; what is sent goes out as if it were not there.
  await s.sendmsg(['x'], { ancdata: bad, address });
  assert.equal((await s.recv(10)).toString(), 'x');
});

scene('ancillary data that is cut is not misread', async (stage) => {
  const s = udp(stage);
  s.setsockopt(SOL_SOCKET, SO_TIMESTAMPNS!, true);
  await s.sendto('cut', s.getsockname());
  const [, ancdata, flags] = await s.recvmsg(100, 24);
  assert.ok(flags & MSG_CTRUNC);
  const { timestamp, rest } = decodeControl(ancdata);
  assert.equal(timestamp, undefined);
  for (const [level, type, data] of rest) {
    assert.deepEqual([level, type], [SOL_SOCKET, SCM_TIMESTAMPNS]);
    assert.ok(data.length < 16);
  }
});

scene('credentials of a message within this process, and those that are not true', async (stage) => {
  const [a, b] = socketpair(AF_UNIX, SOCK_DGRAM);
  stage.own(a);
  stage.own(b);
  b.setsockopt(SOL_SOCKET, SO_PASSCRED, true);
  const self = { pid: process.pid, uid: process.getuid!(), gid: process.getgid!() };
  await a.send('by the kernel');
  await a.sendmsg(['by hand'], { ancdata: encodeControl({ credentials: self }) });
  for (const text of ['by the kernel', 'by hand']) {
    const [data, ancdata] = await b.recvmsg(100, 100);
    assert.equal(data.toString(), text);
    assert.deepEqual(decodeControl(ancdata), { fds: [], credentials: self, rest: [] });
  }
  // No such process: ESRCH for those who may say so, EPERM for the others.
  const lie = encodeControl({ credentials: { ...self, pid: 0x7ffffff } });
  await assert.rejects(a.sendmsg(['lie'], { ancdata: lie }), ({ code }: SocketError) =>
    ['ESRCH', 'EPERM'].includes(code),
  );
});

scene('descriptors by name', async (stage) => {
  const [a, b] = socketpair();
  const [c, d] = socketpair();
  for (const s of [a, b, c, d]) stage.own(s);
  await a.sendmsg(['take these'], { ancdata: encodeControl({ fds: [c.fileno(), c.fileno()] }) });
  const [, ancdata] = await b.recvmsg(100, 100);
  const { fds, rest } = decodeControl(ancdata);
  assert.deepEqual([fds.length, rest], [2, []]);
  const copies = fds.map((fd) => stage.own(fromHandle({ fd, family: AF_UNIX, type: SOCK_STREAM, proto: 0 })));
  await copies[1]!.sendall('through the copy');
  assert.equal((await d.recv(100)).toString(), 'through the copy');
});

if (SO_PASSPIDFD !== undefined) {
  scene('a pidfd of the sender', async (stage) => {
    const [a, b] = socketpair(AF_UNIX, SOCK_DGRAM);
    stage.own(a);
    stage.own(b);
    try {
      b.setsockopt(SOL_SOCKET, SO_PASSPIDFD!, true);
    } catch (error) {
      assert.ok(error instanceof SocketError && error.code === 'ENOPROTOOPT', String(error));
      return stage.skip('the kernel has no SO_PASSPIDFD (Linux 6.5)');
    }
    await a.send('me');
    const [, ancdata] = await b.recvmsg(100, 100);
    const { pidfd, rest } = decodeControl(ancdata);
    assert.deepEqual(rest, []);
    const { closeSync, readFileSync } = await import('node:fs');
    assert.match(
      readFileSync(`/proc/self/fdinfo/${pidfd}`, 'utf8'),
      new RegExp(`^Pid:\t${process.pid}$`, 'm'),
    );
    closeSync(pidfd!);
  });
}

scene(
  'credentials between processes, both ways',
  async (stage) => {
    const path = tempPath(stage);
    const s = stage.own(socket(AF_UNIX, SOCK_DGRAM));
    s.settimeout(10);
    s.bind(path);
    s.setsockopt(SOL_SOCKET, SO_PASSCRED, true);
    const peer = startPython(
      stage,
      `
      import os, socket, struct, sys
      s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
      s.bind(sys.argv[1] + '.peer')
      s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
      me = (os.getpid(), os.getuid(), os.getgid())
      print(*me)
      s.sendto(b'as the kernel says', sys.argv[1])
      s.sendmsg([b'as I say'], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, struct.pack('iII', *me))], 0, sys.argv[1])
      data, ancdata, flags, address = s.recvmsg(100, 100)
      print(*struct.unpack('iII', ancdata[0][2]))
      `,
      [path],
    );
    const [pid, uid, gid] = (await peer.line()).split(' ').map(Number);
    for (const expected of ['as the kernel says', 'as I say']) {
      const [data, ancdata] = await s.recvmsg(100, 100);
      assert.equal(data.toString(), expected);
      assert.deepEqual(decodeControl(ancdata).credentials, { pid, uid, gid });
    }
    const self = { pid: process.pid, uid: process.getuid!(), gid: process.getgid!() };
    await s.sendmsg(['me'], { ancdata: encodeControl({ credentials: self }), address: `${path}.peer` });
    assert.equal(await peer.line(), Object.values(self).join(' '));
    await peer.succeed();
  },
  { skip: python },
);
