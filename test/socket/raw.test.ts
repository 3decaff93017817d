// Sockets below the transport: ICMP by SOCK_RAW and by SOCK_DGRAM, where the kernel grants them.
import assert from 'node:assert/strict';
import {
  AF_INET,
  IPPROTO_ICMP,
  SOCK_DGRAM,
  SOCK_RAW,
  type Socket,
  SocketError,
  socket,
} from 'berkeley-sockets';
import { noOwnNetwork, ownNetwork, runNode } from '../support/node.ts';
import { scene } from '../support/scene.ts';

/** RFC 1071. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += bytes.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** An echo request, RFC 792. */
function echoRequest(id: number, sequence: number): Buffer {
  const packet = Buffer.from([8, 0, 0, 0, 0, 0, 0, 0, ...Buffer.from('payload!')]);
  packet.writeUInt16BE(id, 4);
  packet.writeUInt16BE(sequence, 6);
  packet.writeUInt16BE(checksum(packet), 2);
  return packet;
}

scene('a ping by SOCK_RAW', async (s) => {
  let raw: Socket<typeof AF_INET>;
  try {
    raw = s.own(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
  } catch (error) {
    assert.ok(error instanceof SocketError && error.code === 'EPERM', String(error));
    return s.skip('raw sockets need CAP_NET_RAW');
  }
  assert.equal(raw.type, SOCK_RAW);
  assert.equal(raw.proto, IPPROTO_ICMP);
  const id = process.pid & 0xffff;
  await raw.sendto(echoRequest(id, 1), ['127.0.0.1', 0]);
  for (;;) {
    const [packet, [host]] = await raw.recvfrom(1500);
    const icmp = packet.subarray((packet[0]! & 15) * 4);
    // Every ICMP packet of the host comes by, our own request first.
    if (icmp[0] !== 0 || icmp.readUInt16BE(4) !== id) continue;
    assert.equal(host, '127.0.0.1');
    assert.equal(icmp.readUInt16BE(6), 1);
    assert.equal(icmp.subarray(8).toString(), 'payload!');
    break;
  }
});

const ping = `
  import assert from 'node:assert/strict';
  import { AF_INET, IPPROTO_ICMP, SOCK_DGRAM, socket } from 'berkeley-sockets';
  const s = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
  await s.connect(['127.0.0.1', 0]);
  const request = Buffer.from([8, 0, 0, 0, 0, 0, 0, 7, 1, 2, 3, 4]);
  await s.send(request);
  s.settimeout(5);
  const [reply, from] = await s.recvfrom(100);
  assert.deepEqual([reply[0], reply[7], ...reply.subarray(8)], [0, 7, 1, 2, 3, 4]);
  assert.equal(from[0], '127.0.0.1');
  s.close();
  console.log('passed');
`;

// The kernel grants it to the groups in ping_group_range, per network.
scene(
  'a ping by SOCK_DGRAM, where the group may',
  async () => {
    const wrap = ownNetwork('echo 0 0 > /proc/sys/net/ipv4/ping_group_range');
    const { stdout } = await runNode(ping, { wrap });
    assert.match(stdout, /passed/);
  },
  { skip: noOwnNetwork() },
);

scene('and EACCES where it may not', (s) => {
  try {
    s.own(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
    s.skip('this machine grants it');
  } catch (error) {
    assert.ok(error instanceof SocketError);
    assert.equal(error.code, 'EACCES');
    assert.equal(error.syscall, 'socket');
  }
});
