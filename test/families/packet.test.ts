// AF_PACKET: frames over a pair of virtual Ethernet devices in a network of their own, whole
// (SOCK_RAW) and without their headers (SOCK_DGRAM), with Python's socket beside ours.
import assert from 'node:assert/strict';
import { noOwnNetwork, ownNetwork, runNode } from '../support/node.ts';
import { requirePeer } from '../support/peer.ts';
import { scene } from '../support/scene.ts';

const skip = noOwnNetwork();
const python = requirePeer('python3').skip ?? false;

const wrap = ownNetwork(`
  ip link add left type veth peer name right
  ip link set left address 02:00:00:00:00:01 up
  ip link set right address 02:00:00:00:00:02 up
`);

// 0x88b5: IEEE's number for local experiments.
const head = `
  import assert from 'node:assert/strict';
  import {
    AF_PACKET, ETH_P_ALL, htons, ARPHRD_ETHER, PACKET_AUXDATA, PACKET_BROADCAST, PACKET_HOST, PACKET_OUTGOING, SOCK_DGRAM, SOCK_RAW, SOL_PACKET, socket,
  } from 'berkeley-sockets';
  const PROTO = 0x88b5, ETHERNET = ARPHRD_ETHER;
  const left = Buffer.from('020000000001', 'hex'), right = Buffer.from('020000000002', 'hex');
  const broadcast = Buffer.alloc(6, 255);
  const open = (type, ifname, proto) => {
    // No protocol yet: until it is bound, a socket with one would take every interface's frames.
    const s = socket(AF_PACKET, type, 0);
    s.settimeout(10);
    s.bind([ifname, proto]);
    return s;
  };
`;

async function inside(body: string): Promise<string> {
  const { stdout } = await runNode(`${head}${body}`, { wrap, seconds: 20 });
  return stdout.trim();
}

scene(
  'a frame as it is, by SOCK_RAW',
  async () => {
    const out = await inside(`
      const sender = open(SOCK_RAW, 'left', PROTO);
      const receiver = open(SOCK_RAW, 'right', PROTO);
      assert.deepEqual(receiver.getsockname(), ['right', PROTO, 0, ETHERNET, right]);
      const frame = Buffer.concat([right, left, Buffer.from('88b5', 'hex'), Buffer.from('hello')]);
      // Bound, so send() knows the interface; sendto() says it again.
      await sender.send(frame);
      assert.deepEqual(await receiver.recvfrom(2000), [frame, ['right', PROTO, PACKET_HOST, ETHERNET, left]]);
      frame.set(broadcast);
      await sender.sendto(frame, ['left', 0]);
      const [data, from] = await receiver.recvfrom(2000);
      assert.deepEqual([data, from[2]], [frame, PACKET_BROADCAST]);
      assert.ok(Object.isFrozen(from));
      sender.close();
      receiver.close();
      console.log('passed');
    `);
    assert.equal(out, 'passed');
  },
  { skip },
);

scene(
  'what a frame carries, by SOCK_DGRAM: the kernel writes the header from the address',
  async () => {
    const out = await inside(`
      const sender = open(SOCK_DGRAM, 'left', PROTO);
      const receiver = open(SOCK_DGRAM, 'right', PROTO);
      await sender.sendto('one', ['left', PROTO, 0, 0, right]);
      const [data, from] = await receiver.recvfrom(2000);
      assert.equal(data.toString(), 'one');
      assert.deepEqual(from, ['right', PROTO, PACKET_HOST, ETHERNET, left]);
      // The tuple that came is one that can be answered to.
      await receiver.sendto('two', from);
      const [back, then] = await sender.recvfrom(2000);
      assert.equal(back.toString(), 'two');
      assert.deepEqual(then, ['left', PROTO, PACKET_HOST, ETHERNET, right]);
      // Control messages: struct tpacket_auxdata has the length at offset 4.
      receiver.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1);
      await sender.sendto('with more', ['left', PROTO, 0, 0, right]);
      const [more, [[level, type, aux]], , whose] = await receiver.recvmsg(2000, 100);
      assert.deepEqual([more.toString(), level, type, aux.length], ['with more', SOL_PACKET, PACKET_AUXDATA, 20]);
      assert.deepEqual(whose, ['right', PROTO, PACKET_HOST, ETHERNET, left]);
      await sender.sendmany([['a', ['left', PROTO, 0, 0, right]], ['b', ['left', PROTO, 0, 0, broadcast]]]);
      const batch = [];
      while (batch.length < 2) batch.push(...(await receiver.recvmany(8)));
      assert.deepEqual(batch.map(([data, from]) => [data.toString(), from[2]]), [['a', PACKET_HOST], ['b', PACKET_BROADCAST]]);
      sender.close();
      receiver.close();
      console.log('passed');
    `);
    assert.equal(out, 'passed');
  },
  { skip },
);

scene(
  "every interface's frames, the socket's own going out among them",
  async () => {
    const out = await inside(`
      // The third argument of socket() is the kernel's: in network order.
      const all = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL));
      assert.equal(all.proto, htons(ETH_P_ALL));
      assert.equal(all.getsockname()[0], '');
      all.settimeout(10);
      const sender = open(SOCK_DGRAM, 'left', PROTO);
      await sender.sendto('seen twice', ['left', PROTO, 0, 0, right]);
      const seen = new Map();
      while (seen.size < 2) {
        const [data, [ifname, proto, pkttype]] = await all.recvfrom(2000);
        if (data.toString() === 'seen twice' && proto === PROTO) seen.set(ifname, pkttype);
      }
      assert.deepEqual(Object.fromEntries(seen), { left: PACKET_OUTGOING, right: PACKET_HOST });
      all.close();
      sender.close();
      console.log('passed');
    `);
    assert.equal(out, 'passed');
  },
  { skip },
);

scene(
  "Python's packet socket and ours",
  async () => {
    const out = await inside(`
      import { spawn } from 'node:child_process';
      const script = [
        'import socket',
        's = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)',
        's.bind(("right", 0x88b5))',
        'print(s.getsockname(), flush=True)',
        'data, address = s.recvfrom(2000)',
        'print(data, address, flush=True)',
        's.sendto(b"from Python", ("right", 0x88b5, 0, 0, address[4]))',
      ].join('\\n');
      const peer = spawn('python3', ['-I', '-u', '-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
      let said = '';
      const ready = new Promise((resolve) => peer.stdout.on('data', (text) => { said += text; resolve(); }));
      const ended = new Promise((resolve) => peer.on('close', resolve));
      await ready;
      const ours = open(SOCK_DGRAM, 'left', PROTO);
      await ours.sendto('from Node', ['left', PROTO, 0, 0, right]);
      const [data, from] = await ours.recvfrom(2000);
      assert.equal(data.toString(), 'from Python');
      assert.deepEqual(from, ['left', PROTO, PACKET_HOST, ETHERNET, right]);
      ours.close();
      assert.equal(await ended, 0);
      console.log(said);
    `);
    assert.equal(
      out,
      String.raw`('right', 34997, 0, 1, b'\x02\x00\x00\x00\x00\x02')
b'from Node' ('right', 34997, 0, 1, b'\x02\x00\x00\x00\x00\x01')`,
    );
  },
  { skip: skip || python },
);

scene('without the right it is EPERM', async () => {
  const { stdout } = await runNode(
    `
    import { AF_PACKET, SOCK_RAW, socket } from 'berkeley-sockets';
    try {
      socket(AF_PACKET, SOCK_RAW).close();
      console.log('opened');
    } catch (error) {
      console.log(error.message);
    }
    `,
    // Root's programs have the right unless it is taken from them.
    process.getuid?.() === 0
      ? { wrap: ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs'] }
      : {},
  );
  assert.match(stdout, /^socket EPERM/);
});
