// Options whose values are structs, on real sockets: what is set is what the kernel says back.
import assert from 'node:assert/strict';
import {
  AF_INET,
  AF_UNIX,
  AF_VSOCK,
  attachFilter,
  attachReusePortFilter,
  ClosedError,
  createServer,
  decodeCredentials,
  decodeFilter,
  decodeGroups,
  decodeLinger,
  decodeTcpInfo,
  decodeText,
  decodeTimeval,
  encodeLinger,
  encodeTcpMd5Key,
  encodeTimeval,
  type FilterInstruction,
  IPPROTO_TCP,
  joinGroup,
  SO_BINDTODEVICE,
  SO_DETACH_FILTER,
  SO_GET_FILTER,
  SO_LINGER,
  SO_LOCK_FILTER,
  SO_PEERCRED,
  SO_PEERGROUPS,
  SO_RCVTIMEO,
  SO_REUSEPORT,
  SO_VM_SOCKETS_BUFFER_MAX_SIZE,
  SO_VM_SOCKETS_BUFFER_SIZE,
  SO_VM_SOCKETS_CONNECT_TIMEOUT,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
  type Socket,
  SocketError,
  setMulticastInterface,
  socket,
  socketpair,
  TCP_CONGESTION,
  TCP_ESTABLISHED,
  TCP_INFO,
  TCP_LISTEN,
  TCP_MD5SIG,
} from 'berkeley-sockets';
import { staysPending } from '../support/deadline.ts';
import { requirePeer } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { type Scene, scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';

function listener(stage: Scene, backlog = 1): Socket<AF_INET> {
  const server = stage.own(socket(AF_INET, SOCK_STREAM));
  server.bind(['127.0.0.1', 0]);
  server.listen(backlog);
  return server;
}

scene('linger, timeval and names', (stage) => {
  const s = stage.own(socket(AF_INET, SOCK_STREAM));
  s.setsockopt(SOL_SOCKET, SO_LINGER, encodeLinger({ onoff: true, linger: 12 }));
  assert.deepEqual(decodeLinger(s.getsockopt(SOL_SOCKET, SO_LINGER, 8)), { onoff: true, linger: 12 });
  s.setsockopt(SOL_SOCKET, SO_RCVTIMEO, encodeTimeval(2));
  assert.equal(decodeTimeval(s.getsockopt(SOL_SOCKET, SO_RCVTIMEO, 16)), 2);
  s.setsockopt(IPPROTO_TCP, TCP_CONGESTION!, 'reno');
  assert.equal(decodeText(s.getsockopt(IPPROTO_TCP, TCP_CONGESTION!, 16)), 'reno');
  assert.equal(decodeText(s.getsockopt(SOL_SOCKET, SO_BINDTODEVICE!, 16)), '');
});

scene('linger with 0 seconds resets the connection', async (stage) => {
  const server = listener(stage);
  const s = stage.own(socket(AF_INET, SOCK_STREAM));
  await s.connect(server.getsockname());
  const [c] = await server.accept();
  stage.own(c);
  s.setsockopt(SOL_SOCKET, SO_LINGER, encodeLinger({ onoff: true, linger: 0 }));
  s.close();
  await assert.rejects(c.recv(1), { code: 'ECONNRESET' });
});

scene('tcpInfo of a connection and of a listener', async (stage) => {
  const server = listener(stage, 7);
  const s = stage.own(socket(AF_INET, SOCK_STREAM));
  await s.connect(server.getsockname());
  assert.deepEqual([server.tcpInfo().state, server.tcpInfo().sacked], [TCP_LISTEN, 7]);
  assert.equal(server.tcpInfo().unacked, 1);
  const [c] = await server.accept();
  stage.own(c);
  assert.equal(server.tcpInfo().unacked, 0);
  await s.sendall(Buffer.alloc(100_000));
  for (let left = 100_000; left > 0; ) left -= (await c.recv(65_536)).length;
  await c.sendall('done');
  await s.recv(4);
  const info = s.tcpInfo();
  assert.equal(info.state, TCP_ESTABLISHED);
  // A round trip on this machine: more than nothing, and less than a second.
  assert.ok(info.rtt > 0 && info.rtt < 1, `rtt ${info.rtt}`);
  assert.ok(info.rto > info.rtt && info.rto < 10, `rto ${info.rto}`);
  assert.ok(info.cwnd > 0 && info.sndMss > 500);
  // The request for the connection counts as a byte.
  assert.ok(info.bytesAcked === 100_000 || info.bytesAcked === 100_001, `acked ${info.bytesAcked}`);
  assert.equal(info.bytesReceived, 4);
  assert.ok(info.dataSegsOut > 1 && info.deliveryRate > 0);
  assert.equal(c.tcpInfo().bytesReceived, 100_000);
  assert.deepEqual(Object.keys(decodeTcpInfo(s.getsockopt(IPPROTO_TCP, TCP_INFO, 512))), Object.keys(info));
});

scene('tcpInfo and peercred of sockets that have none', (stage) => {
  const udp = stage.own(socket(AF_INET, SOCK_DGRAM));
  assert.throws(() => udp.tcpInfo(), { code: 'ENOTSUP', syscall: 'getsockopt' });
  assert.throws(() => udp.peercred(), { code: 'ENOTSUP', syscall: 'getsockopt' });
  const alone = stage.own(socket(AF_UNIX, SOCK_STREAM));
  assert.throws(() => alone.tcpInfo(), { code: 'ENOTSUP' });
  assert.throws(() => alone.peercred(), { code: 'ENOTCONN', syscall: 'getsockopt' });
  alone.close();
  assert.throws(() => alone.peercred(), ClosedError);
  assert.throws(() => alone.tcpInfo(), ClosedError);
});

scene('peercred and the groups of this process', (stage) => {
  const [a, b] = socketpair();
  stage.own(a);
  stage.own(b);
  const self = { pid: process.pid, uid: process.getuid!(), gid: process.getgid!() };
  assert.deepEqual(a.peercred(), self);
  assert.deepEqual(decodeCredentials(b.getsockopt(SOL_SOCKET, SO_PEERCRED, 12)), self);
  const groups = decodeGroups(a.getsockopt(SOL_SOCKET, SO_PEERGROUPS!, 1024));
  // getgroups(2) may leave out the effective group, and the library behind it adds it.
  assert.deepEqual(new Set([...groups, self.gid]), new Set([...process.getgroups!(), self.gid]));
});

if (!requirePeer('python3').skip) {
  scene("peercred is the other process's", async (stage) => {
    const path = tempPath(stage);
    const server = stage.own(createServer(path));
    const peer = startPython(
      stage,
      `
      import os, socket, sys
      s = socket.socket(socket.AF_UNIX)
      s.connect(sys.argv[1])
      print(os.getpid(), os.getuid(), os.getgid())
      sys.stdin.read()
      `,
      [path],
    );
    const [c] = await server.accept();
    stage.own(c);
    const [pid, uid, gid] = (await peer.line()).split(' ').map(Number);
    assert.deepEqual(c.peercred(), { pid, uid, gid });
    await peer.stop();
  });
}

const pass: FilterInstruction[] = [[0x06, 0, 0, 0xffffffff]];
// What begins with 'y'. The data of a UDP socket begin with the header of 8 bytes.
const onlyY: FilterInstruction[] = [
  [0x30, 0, 0, 8],
  [0x15, 0, 1, 0x79],
  [0x06, 0, 0, 0xffffffff],
  [0x06, 0, 0, 0],
];

scene('a packet filter: attached, read, replaced, detached, locked', async (stage) => {
  const s = stage.own(socket(AF_INET, SOCK_DGRAM));
  const c = stage.own(socket(AF_INET, SOCK_DGRAM));
  s.bind(['127.0.0.1', 0]);
  attachFilter(s, onlyY);
  assert.deepEqual(decodeFilter(s.getsockopt(SOL_SOCKET, SO_GET_FILTER!, 1024)), onlyY);
  for (const text of ['no', 'yes', 'never', 'yellow']) await c.sendto(text, s.getsockname());
  assert.equal((await s.recv(100)).toString(), 'yes');
  assert.equal((await s.recv(100)).toString(), 'yellow');
  await staysPending(s.wait({ read: true }), 'a filtered datagram');
  attachFilter(s, pass);
  await c.sendto('no', s.getsockname());
  assert.equal((await s.recv(100)).toString(), 'no');
  s.setsockopt(SOL_SOCKET, SO_DETACH_FILTER!, 0);
  assert.throws(() => s.setsockopt(SOL_SOCKET, SO_DETACH_FILTER!, 0), { code: 'ENOENT' });
  assert.deepEqual(decodeFilter(s.getsockopt(SOL_SOCKET, SO_GET_FILTER!, 1024)), []);
  attachFilter(s, onlyY);
  s.setsockopt(SOL_SOCKET, SO_LOCK_FILTER!, true);
  assert.throws(() => attachFilter(s, pass), { code: 'EPERM', syscall: 'setsockopt' });
});

scene('a filter is read into no more room than there is', (stage) => {
  const s = stage.own(socket(AF_INET, SOCK_DGRAM));
  // The length of this option counts instructions: 100 of them are 800 bytes.
  const long: FilterInstruction[] = [...Array(99).fill([0x00, 0, 0, 1]), ...pass];
  attachFilter(s, long);
  for (const buflen of [1, 7, 8, 100, 128, 799])
    assert.throws(() => s.getsockopt(SOL_SOCKET, SO_GET_FILTER!, buflen), { code: 'EINVAL' }, String(buflen));
  assert.throws(() => s.getsockopt(SOL_SOCKET, SO_GET_FILTER!), { code: 'EINVAL' });
  for (const buflen of [800, 801, 1024])
    assert.deepEqual(decodeFilter(s.getsockopt(SOL_SOCKET, SO_GET_FILTER!, buflen)), long);
});

scene('a program that the kernel finds unsound', (stage) => {
  const s = stage.own(socket(AF_INET, SOCK_DGRAM));
  // No return at the end, a jump beyond it, an unknown operation.
  for (const program of [[[0, 0, 0, 1]], [[0x15, 200, 0, 0], ...pass], [[0xffff, 0, 0, 0], ...pass]])
    assert.throws(() => attachFilter(s, program as unknown as FilterInstruction[]), { code: 'EINVAL' });
  s.close();
  assert.throws(() => attachFilter(s, pass), ClosedError);
});

scene('a program that chooses among the sockets of a port', async (stage) => {
  const [first, second] = [0, 1].map(() => stage.own(socket(AF_INET, SOCK_DGRAM)));
  const c = stage.own(socket(AF_INET, SOCK_DGRAM));
  first!.setsockopt(SOL_SOCKET, SO_REUSEPORT!, true);
  first!.bind(['127.0.0.1', 0]);
  second!.setsockopt(SOL_SOCKET, SO_REUSEPORT!, true);
  second!.bind(first!.getsockname());
  // By the last bit of the first byte: here a program sees the data without the header.
  attachReusePortFilter(first!, [
    [0x30, 0, 0, 0],
    [0x54, 0, 0, 1],
    [0x16, 0, 0, 0],
  ]);
  for (let i = 0; i < 8; i++) await c.sendto(Buffer.from([i]), first!.getsockname());
  for (let i = 0; i < 8; i++) assert.equal((await [first, second][i % 2]!.recv(1))[0], i);
});

scene('a key for one peer', (stage) => {
  const s = stage.own(socket(AF_INET, SOCK_STREAM));
  const key = encodeTcpMd5Key({ address: '127.0.0.1', key: 'secret' });
  try {
    s.setsockopt(IPPROTO_TCP, TCP_MD5SIG!, key);
  } catch (error) {
    // CONFIG_TCP_MD5SIG is not in every kernel.
    assert.ok(error instanceof SocketError && error.code === 'ENOPROTOOPT', String(error));
    return stage.skip('the kernel has no TCP_MD5SIG');
  }
  s.setsockopt(IPPROTO_TCP, TCP_MD5SIG!, encodeTcpMd5Key({ address: '127.0.0.1', key: '' }));
  // A key that is gone cannot be taken away again.
  const none = encodeTcpMd5Key({ address: '127.0.0.1', key: '' });
  assert.throws(() => s.setsockopt(IPPROTO_TCP, TCP_MD5SIG!, none), { code: 'ENOENT' });
});

scene('options of AF_VSOCK have 64 bits', (stage) => {
  let s: ReturnType<typeof socket>;
  try {
    s = stage.own(socket(AF_VSOCK!, SOCK_STREAM));
  } catch (error) {
    assert.ok(error instanceof SocketError && error.code === 'EAFNOSUPPORT', String(error));
    return stage.skip('the kernel has no AF_VSOCK');
  }
  const most = s.getsockopt(AF_VSOCK!, SO_VM_SOCKETS_BUFFER_MAX_SIZE!);
  assert.ok(most > 0);
  s.setsockopt(AF_VSOCK!, SO_VM_SOCKETS_BUFFER_MAX_SIZE!, 2 * most);
  assert.equal(s.getsockopt(AF_VSOCK!, SO_VM_SOCKETS_BUFFER_MAX_SIZE!), 2 * most);
  // More than 32 bits.
  s.setsockopt(AF_VSOCK!, SO_VM_SOCKETS_BUFFER_MAX_SIZE!, 2 ** 40);
  assert.equal(s.getsockopt(AF_VSOCK!, SO_VM_SOCKETS_BUFFER_MAX_SIZE!), 2 ** 40);
  s.setsockopt(AF_VSOCK!, SO_VM_SOCKETS_BUFFER_SIZE!, 300_000);
  const bytes = s.getsockopt(AF_VSOCK!, SO_VM_SOCKETS_BUFFER_SIZE!, 8);
  assert.deepEqual(bytes, Buffer.from(BigUint64Array.of(300_000n).buffer));
  for (const value of [-1, 1.5, 2 ** 53])
    assert.throws(() => s.setsockopt(AF_VSOCK!, SO_VM_SOCKETS_BUFFER_SIZE!, value), { name: 'RangeError' });
  s.setsockopt(AF_VSOCK!, SO_VM_SOCKETS_CONNECT_TIMEOUT!, encodeTimeval(3.5));
  assert.equal(decodeTimeval(s.getsockopt(AF_VSOCK!, SO_VM_SOCKETS_CONNECT_TIMEOUT!, 16)), 3.5);
});

scene('what is no socket is refused by name', () => {
  for (const call of [
    () => joinGroup('x' as never, '239.1.2.3'),
    () => setMulticastInterface({} as never, 1),
    () => attachFilter(undefined as never, [[6, 0, 0, 0]]),
  ])
    assert.throws(call, /^TypeError: Expected a socket for sock but received /);
});
