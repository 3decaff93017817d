// Multicast and broadcast between two network namespaces: joined by interface and by source, in
// both directions, over IPv4 and IPv6, with Python at the other end.
import assert from 'node:assert/strict';
import {
  AF_INET,
  AF_INET6,
  blockSource,
  encodeMembership,
  IP_ADD_MEMBERSHIP,
  IP_ADD_SOURCE_MEMBERSHIP,
  IP_DROP_MEMBERSHIP,
  IP_DROP_SOURCE_MEMBERSHIP,
  IP_MULTICAST_LOOP,
  IP_MULTICAST_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_JOIN_GROUP,
  IPV6_LEAVE_GROUP,
  IPV6_MULTICAST_HOPS,
  if_nametoindex,
  joinGroup,
  leaveGroup,
  SO_BINDTODEVICE,
  SO_BROADCAST,
  SO_REUSEADDR,
  SOCK_DGRAM,
  SOL_SOCKET,
  type Socket,
  setMulticastInterface,
  socket,
  unblockSource,
} from 'berkeley-sockets';
import { atPeer, inOwnNetwork } from '../support/network.ts';
import type { Peer } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { type Scene, scene } from '../support/scene.ts';

type Udp = Socket<AF_INET> | Socket<AF_INET6>;

/** One version of IP: what its groups and addresses are called here. */
interface Version {
  name: string;
  family: AF_INET | AF_INET6;
  group: string;
  /** A group for joining by source: 232/8 and ff3x::/32, RFC 4607. */
  sourceGroup: string;
  here: string;
  peers: readonly [string, string];
  otherPeer: string;
}

const versions: Version[] = [
  {
    name: 'IPv4',
    family: AF_INET,
    group: '239.1.2.3',
    sourceGroup: '232.1.2.3',
    here: '10.7.0.1',
    peers: ['10.7.0.2', '10.7.0.3'],
    otherPeer: '10.8.0.2',
  },
  {
    name: 'IPv6',
    family: AF_INET6,
    group: 'ff15::1:2:3',
    sourceGroup: 'ff35::1:2:3',
    here: 'fd07::1',
    peers: ['fd07::2', 'fd07::3'],
    otherPeer: 'fd08::2',
  },
];

/** Sends one datagram for each line of JSON, and says so. */
const sender = `
  import json, socket, struct, sys
  for line in sys.stdin:
      c = json.loads(line)
      six = ':' in c['to']
      s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
      s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
      s.bind((c['source'], 0))
      index = socket.if_nametoindex(c['device'])
      if six:
          s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
      else:
          s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack('8xi', index))
      s.setsockopt(socket.SOL_SOCKET, 25, c['device'].encode())
      s.sendto(c['text'].encode(), (c['to'], c['port']))
      s.close()
      print('sent')
`;

/** Joins a group, or none, and prints what comes, and from where. */
const receiver = `
  import json, socket, struct, sys
  device, group = sys.argv[1:]
  six = ':' in group
  s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
  s.bind(('', 0))
  index = socket.if_nametoindex(device)
  if six:
      s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, group) + struct.pack('i', index))
  elif group:
      s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack('4s4xi', socket.inet_aton(group), index))
  print(s.getsockname()[1])
  while True:
      data, address = s.recvfrom(1000)
      print(json.dumps([data.decode(), address[0]]))
`;

/** The peer's sender: each call returns when the datagram is on the cable. */
function sending(
  stage: Scene,
): (source: string, device: string, to: string, port: number, text: string) => Promise<void> {
  const peer = startPython(stage, sender, [], { wrap: atPeer });
  return async (source, device, to, port, text) => {
    peer.write(`${JSON.stringify({ source, device, to, port, text })}\n`);
    await peer.line(/^sent$/);
  };
}

async function receiving(stage: Scene, device: string, group: string): Promise<{ peer: Peer; port: number }> {
  const peer = startPython(stage, receiver, [device, group], { wrap: atPeer });
  return { peer, port: Number(await peer.line()) };
}

/** A socket that is bound to a port of its own, on every address. */
function open(stage: Scene, family: AF_INET | AF_INET6): { s: Udp; port: number } {
  const s = stage.own(socket(family as AF_INET, SOCK_DGRAM)) as Udp;
  s.settimeout(10);
  s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1);
  s.bind(['', 0] as never);
  return { s, port: (s.getsockname() as readonly [string, number])[1] };
}

const next = async (s: Udp): Promise<[text: string, host: string]> => {
  const [data, address] = await s.recvfrom(1000);
  return [data.toString(), (address as readonly [string, number])[0]];
};

inOwnNetwork(import.meta.url, () => {
  for (const { name, family, group, sourceGroup, here, peers, otherPeer } of versions) {
    for (const [how, given] of [
      ['index', () => if_nametoindex('v0')],
      ['name', () => 'v0'],
      ['address', () => here],
    ] as const) {
      scene(`${name}: a group joined on an interface by ${how}, and left`, async (stage) => {
        const { s, port } = open(stage, family);
        const send = sending(stage);
        joinGroup(s, group, { interface: given() });
        assert.throws(() => joinGroup(s, group, { interface: given() }), { code: 'EADDRINUSE' });
        // The other interface has not joined, and so the first to come is the one of this.
        await send(otherPeer, 'w1', group, port, 'by the other cable');
        await send(peers[0], 'v1', group, port, 'hello');
        assert.deepEqual(await next(s), ['hello', peers[0]]);
        leaveGroup(s, group, { interface: given() });
        assert.throws(() => leaveGroup(s, group, { interface: given() }), { code: 'EADDRNOTAVAIL' });
        await send(peers[0], 'v1', group, port, 'too late');
        await send(peers[0], 'v1', here, port, 'to this host');
        assert.deepEqual(await next(s), ['to this host', peers[0]]);
      });
    }

    scene(`${name}: a group joined for one source`, async (stage) => {
      const { s, port } = open(stage, family);
      const send = sending(stage);
      const options = { interface: 'v0', source: peers[1] };
      joinGroup(s, sourceGroup, options);
      await send(peers[0], 'v1', sourceGroup, port, 'from another');
      await send(peers[1], 'v1', sourceGroup, port, 'from the one');
      assert.deepEqual(await next(s), ['from the one', peers[1]]);
      // A second source of the same group.
      joinGroup(s, sourceGroup, { interface: 'v0', source: peers[0] });
      await send(peers[0], 'v1', sourceGroup, port, 'from the second');
      assert.deepEqual(await next(s), ['from the second', peers[0]]);
      leaveGroup(s, sourceGroup, options);
      await send(peers[1], 'v1', sourceGroup, port, 'too late');
      await send(peers[0], 'v1', sourceGroup, port, 'still there');
      assert.deepEqual(await next(s), ['still there', peers[0]]);
    });

    scene(`${name}: a source that is blocked, and again not`, async (stage) => {
      const { s, port } = open(stage, family);
      const send = sending(stage);
      joinGroup(s, group, { interface: 'v0' });
      blockSource(s, group, peers[1], { interface: 'v0' });
      await send(peers[1], 'v1', group, port, 'blocked');
      await send(peers[0], 'v1', group, port, 'heard');
      assert.deepEqual(await next(s), ['heard', peers[0]]);
      unblockSource(s, group, peers[1], { interface: 'v0' });
      assert.throws(() => unblockSource(s, group, peers[1], { interface: 'v0' }), { code: 'EADDRNOTAVAIL' });
      await send(peers[1], 'v1', group, port, 'heard again');
      assert.deepEqual(await next(s), ['heard again', peers[1]]);
    });

    scene(`${name}: what is sent to a group goes out where it is told to`, async (stage) => {
      const { s } = open(stage, family);
      const { peer, port } = await receiving(stage, 'v1', group);
      const other = await receiving(stage, 'w1', group);
      for (const [given, at] of [
        ['v0', peer],
        ['w0', other.peer],
        [if_nametoindex('v0'), peer],
        [here, peer],
      ] as const) {
        setMulticastInterface(s, given);
        const text = `by ${given}`;
        await s.sendto(text, [group, at === peer ? port : other.port] as never);
        const [got, source] = JSON.parse(await at.line());
        assert.equal(got, text);
        // One of the two addresses of the interface.
        assert.ok(source.startsWith(at === peer ? here : here.replace('7', '8')), `from ${source}`);
      }
    });

    scene(`${name}: the sender's own machine hears it too`, async (stage) => {
      const { s, port } = open(stage, family);
      joinGroup(s, group, { interface: 'v0' });
      setMulticastInterface(s, 'v0');
      if (family === AF_INET) {
        s.setsockopt(IPPROTO_IP, IP_MULTICAST_LOOP, true);
        s.setsockopt(IPPROTO_IP, IP_MULTICAST_TTL, 0);
      } else {
        s.setsockopt(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 0);
      }
      await s.sendto('looped', [group, port] as never);
      assert.equal((await next(s))[0], 'looped');
    });

    scene(`${name}: interfaces and addresses that are none`, (stage) => {
      const { s } = open(stage, family);
      assert.throws(() => joinGroup(s, group, { interface: 'nowhere' }), { code: 'ENODEV' });
      assert.throws(() => joinGroup(s, group, { interface: 12_345 }), { code: 'ENODEV' });
      assert.throws(() => joinGroup(s, group, { interface: '192.0.2.1' }), {
        name: 'RangeError',
        message: /address of this machine/,
      });
      assert.throws(() => joinGroup(s, here, { interface: 'v0' }), { code: 'EINVAL' });
      assert.throws(() => joinGroup(s, 'group.example'), { name: 'RangeError', message: /for group/ });
      assert.throws(() => joinGroup(s, group, 'v0' as never), { name: 'TypeError', message: /for options/ });
      assert.throws(() => setMulticastInterface(s, null as never), {
        name: 'TypeError',
        message: /for interface/,
      });
      const wrong = family === AF_INET ? '::1' : '127.0.0.1';
      assert.throws(() => joinGroup(s, group, { source: wrong }), {
        name: 'RangeError',
        message: /source of the group's family/,
      });
    });
  }

  scene('the options of each version take the same memberships', async (stage) => {
    const send = sending(stage);
    const four = open(stage, AF_INET);
    const mreq = encodeMembership({ group: '239.9.9.9', interface: '10.7.0.1' });
    four.s.setsockopt(IPPROTO_IP, IP_ADD_MEMBERSHIP, mreq);
    await send('10.7.0.2', 'v1', '239.9.9.9', four.port, 'by its address');
    assert.equal((await next(four.s))[0], 'by its address');
    four.s.setsockopt(IPPROTO_IP, IP_DROP_MEMBERSHIP, mreq);
    const source = encodeMembership({ group: '232.9.9.9', interface: '10.7.0.1', source: '10.7.0.3' });
    four.s.setsockopt(IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP!, source);
    await send('10.7.0.2', 'v1', '232.9.9.9', four.port, 'from another');
    await send('10.7.0.3', 'v1', '232.9.9.9', four.port, 'from the one');
    assert.equal((await next(four.s))[0], 'from the one');
    four.s.setsockopt(IPPROTO_IP, IP_DROP_SOURCE_MEMBERSHIP!, source);
    const six = open(stage, AF_INET6);
    const mreq6 = encodeMembership({ group: 'ff15::9', interface: 'v0' });
    six.s.setsockopt(IPPROTO_IPV6, IPV6_JOIN_GROUP, mreq6);
    await send('fd07::2', 'v1', 'ff15::9', six.port, 'over IPv6');
    assert.equal((await next(six.s))[0], 'over IPv6');
    six.s.setsockopt(IPPROTO_IPV6, IPV6_LEAVE_GROUP, mreq6);
  });

  scene('broadcast, both ways', async (stage) => {
    const { s, port } = open(stage, AF_INET);
    const send = sending(stage);
    await send('10.7.0.2', 'v1', '10.7.0.255', port, 'to the network');
    assert.deepEqual(await next(s), ['to the network', '10.7.0.2']);
    await send('10.7.0.2', 'v1', '255.255.255.255', port, 'to everyone');
    assert.deepEqual(await next(s), ['to everyone', '10.7.0.2']);

    const { peer, port: there } = await receiving(stage, 'v1', '');
    await assert.rejects(s.sendto('forbidden', ['10.7.0.255', there]), { code: 'EACCES' });
    s.setsockopt(SOL_SOCKET, SO_BROADCAST, true);
    await s.sendto('to the network', ['10.7.0.255', there]);
    assert.deepEqual(JSON.parse(await peer.line()), ['to the network', '10.7.0.1']);
    s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE!, 'v0');
    await s.sendto('to everyone', ['<broadcast>', there]);
    assert.deepEqual(JSON.parse(await peer.line()), ['to everyone', '10.7.0.1']);
  });
});
