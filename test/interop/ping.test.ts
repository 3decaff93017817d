// Pings between Python's sockets and ours, in a network whose kernel does not answer by itself: the
// one that is not asking is the responder, by a raw socket.
import assert from 'node:assert/strict';
import { noOwnNetwork, ownNetwork, runNode } from '../support/node.ts';
import { requirePeer } from '../support/peer.ts';
import { scene } from '../support/scene.ts';

const skip = noOwnNetwork() || (requirePeer('python3').skip ?? false);

const wrap = ownNetwork(`
  echo 0 0 > /proc/sys/net/ipv4/ping_group_range
  echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all
  echo 1 > /proc/sys/net/ipv6/icmp/echo_ignore_all
`);

interface Version {
  name: string;
  family: string;
  host: string;
  proto: number;
  request: number;
  reply: number;
}

const versions: Version[] = [
  { name: 'IPv4', family: 'AF_INET', host: '127.0.0.1', proto: 1, request: 8, reply: 0 },
  { name: 'IPv6', family: 'AF_INET6', host: '::1', proto: 58, request: 128, reply: 129 },
];

const start = `
  import assert from 'node:assert/strict';
  import { spawn } from 'node:child_process';
  import { AF_INET, AF_INET6, SOCK_DGRAM, SOCK_RAW, socket } from 'berkeley-sockets';
  function python(lines) {
    const child = spawn('python3', ['-I', '-u', '-c', lines.join('\\n')], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    const first = new Promise((resolve) => child.stdout.on('data', (text) => { said += text; resolve(); }));
    return { first, end: new Promise((resolve) => child.on('close', (status) => resolve([status, said.trim()]))) };
  }
  // RFC 1071, at offset 2; over IPv6 the kernel writes it.
  function summed(icmp) {
    icmp.writeUInt16BE(0, 2);
    let sum = 0;
    for (let i = 0; i < icmp.length; i += 2) sum += (icmp[i] << 8) | (icmp[i + 1] ?? 0);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    icmp.writeUInt16BE(~sum & 0xffff, 2);
    return icmp;
  }
`;

for (const { name, family, host, proto, request, reply } of versions) {
  scene(
    `we ping, and Python answers, ${name}`,
    async () => {
      const { stdout } = await runNode(
        `${start}
        const peer = python([
          'import socket, struct',
          's = socket.socket(socket.${family}, socket.SOCK_RAW, ${proto})',
          'print("ready")',
          'while True:',
          '  packet, address = s.recvfrom(1500)',
          '  icmp = bytearray(packet[(packet[0] & 15) * 4:] if ${proto} == 1 else packet)',
          '  if icmp[0] == ${request}: break',
          'icmp[0:4] = bytes([${reply}, 0, 0, 0])',
          'icmp[8:] = icmp[8:].upper()',
          'total = sum(struct.unpack("!%dH" % (len(icmp) // 2), icmp))',
          'while total > 65535: total = (total & 65535) + (total >> 16)',
          'icmp[2:4] = struct.pack("!H", ~total & 65535)',
          's.sendto(icmp, (address[0], 0))',
        ]);
        await peer.first;
        const s = socket(${family}, SOCK_DGRAM, ${proto});
        s.settimeout(10);
        await s.sendto(Buffer.concat([Buffer.from([${request}, 0, 0, 0, 0, 0, 0, 1]), Buffer.from('from us!')]), ['${host}', 0]);
        const [answer, from] = await s.recvfrom(1500);
        assert.deepEqual([answer[0], from[0]], [${reply}, '${host}']);
        s.close();
        assert.deepEqual(await peer.end, [0, 'ready']);
        console.log(answer.subarray(8).toString());
        `,
        { wrap },
      );
      assert.equal(stdout.trim(), 'FROM US!');
    },
    { skip },
  );

  scene(
    `Python pings, and we answer, ${name}`,
    async () => {
      const { stdout } = await runNode(
        `${start}
        const s = socket(${family}, SOCK_RAW, ${proto});
        s.settimeout(10);
        const peer = python([
          'import socket',
          's = socket.socket(socket.${family}, socket.SOCK_DGRAM, ${proto})',
          's.settimeout(10)',
          's.sendto(bytes([${request}, 0, 0, 0, 0, 0, 0, 9]) + b"from Python!", ("${host}", 0))',
          'data, address = s.recvfrom(1500)',
          'print(data[0], data[7], data[8:].decode(), address[0])',
        ]);
        for (;;) {
          const [packet, from] = await s.recvfrom(1500);
          const icmp = Buffer.from(${proto} === 1 ? packet.subarray((packet[0] & 15) * 4) : packet);
          if (icmp[0] !== ${request}) continue;
          icmp[0] = ${reply};
          icmp.write('FROM US', 8);
          await s.sendto(summed(icmp), from);
          break;
        }
        s.close();
        const [status, said] = await peer.end;
        assert.equal(status, 0);
        console.log(said);
        `,
        { wrap },
      );
      assert.equal(stdout.trim(), `${reply} 9 FROM USthon! ${host}`);
    },
    { skip },
  );
}
