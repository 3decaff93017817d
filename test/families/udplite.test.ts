// UDP-Lite (RFC 3828, udplite(7)): datagrams whose checksum covers as much as the sender says.
import assert from 'node:assert/strict';
import {
  AF_INET,
  AF_INET6,
  IPPROTO_UDPLITE,
  SO_PROTOCOL,
  SOCK_DGRAM,
  SOL_SOCKET,
  socket,
  UDPLITE_RECV_CSCOV,
  UDPLITE_SEND_CSCOV,
} from 'berkeley-sockets';
import { flavours } from '../support/flavours.ts';
import { noOwnNetwork, ownNetwork, runNode } from '../support/node.ts';
import { requirePeer } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { scene } from '../support/scene.ts';
import { missing } from './kernel.ts';

const skip = missing(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
const python = requirePeer('python3').skip ?? false;

const cases = flavours.flatMap((flavour) => [
  [flavour, AF_INET, '127.0.0.1'] as const,
  [flavour, AF_INET6, '::1'] as const,
]);

for (const [flavour, family, host] of cases) {
  scene(
    `datagrams and batches, ${host} (${flavour.name})`,
    async (s) => {
      const { socket } = flavour.sockets;
      const a = s.own(socket<number, SOCK_DGRAM>(family, SOCK_DGRAM, IPPROTO_UDPLITE));
      const b = s.own(socket<number, SOCK_DGRAM>(family, SOCK_DGRAM, IPPROTO_UDPLITE));
      assert.equal(a.proto, IPPROTO_UDPLITE);
      assert.equal(a.getsockopt(SOL_SOCKET, SO_PROTOCOL), IPPROTO_UDPLITE);
      a.bind([host, 0]);
      b.bind([host, 0]);
      a.setsockopt(IPPROTO_UDPLITE, UDPLITE_SEND_CSCOV, 12);
      b.setsockopt(IPPROTO_UDPLITE, UDPLITE_RECV_CSCOV, 12);
      assert.equal(a.getsockopt(IPPROTO_UDPLITE, UDPLITE_SEND_CSCOV), 12);
      await a.sendto('hello', b.getsockname());
      assert.deepEqual(await b.recvfrom(100), [Buffer.from('hello'), a.getsockname()]);
      await a.sendmany([
        ['one', b.getsockname()],
        ['two', b.getsockname()],
      ]);
      const batch: string[] = [];
      while (batch.length < 2) batch.push(...(await b.recvmany(8)).map(([data]) => data.toString()));
      assert.deepEqual(batch, ['one', 'two']);
      // What less is covered of than the receiver asks for is dropped.
      b.setsockopt(IPPROTO_UDPLITE, UDPLITE_RECV_CSCOV, 100);
      await a.sendto('dropped', b.getsockname());
      a.setsockopt(IPPROTO_UDPLITE, UDPLITE_SEND_CSCOV, 0);
      await a.sendto('covered as a whole', b.getsockname());
      assert.equal((await b.recv(100)).toString(), 'covered as a whole');
    },
    { skip: missing(family, SOCK_DGRAM, IPPROTO_UDPLITE) },
  );
}

scene(
  "Python's socket and ours",
  async (s) => {
    const ours = s.own(socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE));
    ours.bind(['127.0.0.1', 0]);
    const peer = startPython(
      s,
      `
      import socket, sys
      s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDPLITE)
      s.setsockopt(socket.IPPROTO_UDPLITE, socket.UDPLITE_SEND_CSCOV, 8)
      s.sendto(b'hello', ('127.0.0.1', int(sys.argv[1])))
      print(s.recv(100).decode())
      `,
      [String(ours.getsockname()[1])],
    );
    const [data, from] = await ours.recvfrom(100);
    assert.equal(data.toString(), 'hello');
    await ours.sendto('and back', from);
    assert.equal(await peer.line(), 'and back');
  },
  { skip: skip || python },
);

scene(
  'the coverage stands in the header on the wire',
  async () => {
    const { stdout } = await runNode(
      `
      import { AF_INET, IPPROTO_UDPLITE, SOCK_DGRAM, SOCK_RAW, socket, UDPLITE_SEND_CSCOV } from 'berkeley-sockets';
      const wire = socket(AF_INET, SOCK_RAW, IPPROTO_UDPLITE);
      const s = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
      wire.settimeout(10);
      s.bind(['127.0.0.1', 0]);
      for (const coverage of [0, 20]) {
        s.setsockopt(IPPROTO_UDPLITE, UDPLITE_SEND_CSCOV, coverage);
        await s.sendto(Buffer.alloc(50), s.getsockname());
        // Behind the IP header: two ports, then what is UDP's length.
        const packet = await wire.recv(1500);
        console.log(packet.readUInt16BE((packet[0] & 15) * 4 + 4));
      }
      wire.close();
      s.close();
      `,
      { wrap: ownNetwork() },
    );
    // 0 is all of it, and the kernel writes the length then.
    assert.match(stdout.trim(), /^(0|58)\n20$/);
  },
  { skip: skip || noOwnNetwork() },
);
