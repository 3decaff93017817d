// ICMP over IPv4 and IPv6: a ping by SOCK_RAW, where the program writes and sees whole packets, and by
// SOCK_DGRAM, where the kernel keeps the identifier and the checksum and the group must be allowed.
import assert from 'node:assert/strict';
import {
  AF_INET,
  AF_INET6,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  SOCK_DGRAM,
  SOCK_RAW,
  type Socket,
  SocketError,
  socket,
} from 'berkeley-sockets';
import { noOwnNetwork, ownNetwork, runNode } from '../support/node.ts';
import { type Scene, scene } from '../support/scene.ts';
import { echoRequest } from './echo.ts';

/** A raw socket; nothing, and the test skipped, where this process may not have one. */
function raw<F extends number>(s: Scene, family: F, proto: number): Socket<F> | undefined {
  try {
    const made = s.own(socket(family, SOCK_RAW, proto));
    assert.equal(made.type, SOCK_RAW);
    assert.equal(made.proto, proto);
    return made as Socket<F>;
  } catch (error) {
    assert.ok(error instanceof SocketError);
    if (error.code === 'EPERM') s.skip('raw sockets need CAP_NET_RAW');
    else if (error.code === 'EAFNOSUPPORT') s.skip('this machine has no IPv6');
    else throw error;
    return undefined;
  }
}

scene('a ping by SOCK_RAW, IPv4: packets come with their IP header', async (s) => {
  const socket = raw(s, AF_INET, IPPROTO_ICMP);
  if (socket === undefined) return;
  const id = process.pid & 0xffff;
  await socket.sendto(echoRequest(4, id, 1, 'payload!'), ['127.0.0.1', 0]);
  for (;;) {
    const [packet, [host]] = await socket.recvfrom(1500);
    const icmp = packet.subarray((packet[0]! & 15) * 4);
    // Every ICMP packet of the host comes by, our own request first.
    if (icmp[0] !== 0 || icmp.readUInt16BE(4) !== id) continue;
    assert.equal(host, '127.0.0.1');
    assert.equal(icmp.readUInt16BE(6), 1);
    assert.equal(icmp.subarray(8).toString(), 'payload!');
    break;
  }
});

scene('a ping by SOCK_RAW, IPv6: without, and the kernel writes the checksum', async (s) => {
  const socket = raw(s, AF_INET6, IPPROTO_ICMPV6);
  if (socket === undefined) return;
  const id = process.pid & 0xffff;
  try {
    await socket.sendto(echoRequest(6, id, 2, 'payload!'), ['::1', 0]);
  } catch (error) {
    assert.ok(error instanceof SocketError && error.code === 'EADDRNOTAVAIL', String(error));
    return s.skip('this machine has no ::1');
  }
  for (;;) {
    const [icmp, [host, port, flowinfo]] = await socket.recvfrom(1500);
    if (icmp[0] !== 129 || icmp.readUInt16BE(4) !== id) continue;
    assert.deepEqual([host, port, flowinfo], ['::1', 0, 0]);
    assert.notEqual(icmp.readUInt16BE(2), 0);
    assert.equal(icmp.readUInt16BE(6), 2);
    assert.equal(icmp.subarray(8).toString(), 'payload!');
    break;
  }
});

const ping = (family: string, proto: string, host: string, request: number, reply: number) => `
  import assert from 'node:assert/strict';
  import { ${family}, ${proto}, SOCK_DGRAM, socket } from 'berkeley-sockets';
  const s = socket(${family}, SOCK_DGRAM, ${proto});
  assert.equal(s.proto, ${proto});
  s.settimeout(5);
  // The identifier is the port of the socket.
  s.bind(['${host}', 0]);
  const [, id] = s.getsockname();
  assert.ok(id > 0);
  await s.sendto(Buffer.from([${request}, 0, 0, 0, 0, 0, 0, 7, 1, 2, 3, 4]), ['${host}', 0]);
  const [reply, from] = await s.recvfrom(100);
  assert.deepEqual([reply[0], reply.readUInt16BE(4), reply[7], ...reply.subarray(8)], [${reply}, id, 7, 1, 2, 3, 4]);
  assert.equal(from[0], '${host}');
  await s.connect(['${host}', 0]);
  await s.send(Buffer.from([${request}, 0, 0, 0, 0, 0, 0, 8]));
  assert.equal((await s.recv(100))[7], 8);
  s.close();
  console.log('passed');
`;

// The kernel grants it to the groups in ping_group_range, for both versions, per network.
const allowed = ownNetwork('echo 0 0 > /proc/sys/net/ipv4/ping_group_range');

scene(
  'a ping by SOCK_DGRAM, IPv4, where the group may',
  async () => {
    const script = ping('AF_INET', 'IPPROTO_ICMP', '127.0.0.1', 8, 0);
    assert.match((await runNode(script, { wrap: allowed })).stdout, /passed/);
  },
  { skip: noOwnNetwork() },
);

scene(
  'a ping by SOCK_DGRAM, IPv6, where the group may',
  async () => {
    const script = ping('AF_INET6', 'IPPROTO_ICMPV6', '::1', 128, 129);
    assert.match((await runNode(script, { wrap: allowed })).stdout, /passed/);
  },
  { skip: noOwnNetwork() },
);

for (const [family, proto, name] of [
  [AF_INET, IPPROTO_ICMP, 'IPv4'],
  [AF_INET6, IPPROTO_ICMPV6, 'IPv6'],
] as const) {
  scene(`and EACCES where it may not, ${name}`, (s) => {
    try {
      s.own(socket(family, SOCK_DGRAM, proto));
      s.skip('this machine grants it');
    } catch (error) {
      assert.ok(error instanceof SocketError);
      if (error.code === 'EAFNOSUPPORT') return s.skip('this machine has no IPv6');
      assert.equal(error.code, 'EACCES');
      assert.equal(error.syscall, 'socket');
    }
  });
}
