// Where a datagram went and from where one is sent, its time to live and its traffic class,
// between two network namespaces, with Python at the other end.
import assert from 'node:assert/strict';
import {
  AF_INET,
  AF_INET6,
  type Control,
  type ControlInput,
  decodeControl,
  encodeControl,
  IP_MTU_DISCOVER,
  IP_PKTINFO,
  IP_PMTUDISC_DO,
  IP_RECVERR,
  IP_RECVORIGDSTADDR,
  IP_RECVTOS,
  IP_RECVTTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_RECVHOPLIMIT,
  IPV6_RECVORIGDSTADDR,
  IPV6_RECVPKTINFO,
  IPV6_RECVTCLASS,
  IPV6_V6ONLY,
  if_nametoindex,
  joinGroup,
  MSG_ERRQUEUE,
  SO_EE_ORIGIN_LOCAL,
  SOCK_DGRAM,
  type SocketError,
  socket,
} from 'berkeley-sockets';
import { atPeer, inOwnNetwork } from '../support/network.ts';
import { startPython } from '../support/python.ts';
import { type Scene, scene } from '../support/scene.ts';

/**
 * For each line of JSON on its input it sends the text with the control messages given, then
 * waits for the answer, and prints what came with it, and from where.
 */
const peerScript = `
  import array, json, socket, struct, sys
  six = sys.argv[1] == '6'
  s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
  s.bind(('', 0))
  if six:
      s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
      s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
  else:
      s.setsockopt(socket.IPPROTO_IP, 12, 1)
      s.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
  print(s.getsockname()[1])
  for line in sys.stdin:
      c = json.loads(line)
      if 'text' in c:
          if 'device' in c:
              s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack('8xi', socket.if_nametoindex(c['device'])))
          ancdata = [(level, kind, struct.pack('i', value)) for level, kind, value in c.get('ancdata', [])]
          s.sendmsg([c['text'].encode()], ancdata, 0, (c['to'], c['port']))
          continue
      data, ancdata, flags, address = s.recvmsg(1000, 500)
      numbers = {f'{level},{kind}': int.from_bytes(value, sys.byteorder) for level, kind, value in ancdata}
      print(json.dumps([data.decode(), address[0], numbers]))
`;

const versions = [
  { name: 'IPv4', family: AF_INET, here: ['10.7.0.1', '10.7.0.11'], there: '10.7.0.2' },
  { name: 'IPv6', family: AF_INET6, here: ['fd07::1', 'fd07::11'], there: 'fd07::2' },
] as const;

interface Talk {
  port: number;
  receive(): Promise<[text: string, control: Control, host: string]>;
  send(text: string, control: ControlInput): Promise<void>;
  /** Lets the peer send. */
  ask(text: string, to: string, more?: object): void;
  /** What came to the peer. */
  heard(): Promise<[text: string, host: string, numbers: Record<string, number>]>;
}

async function talk(stage: Scene, { family, there }: (typeof versions)[number]): Promise<Talk> {
  const s = stage.own(socket(family as AF_INET, SOCK_DGRAM));
  s.settimeout(10);
  if (family === AF_INET) {
    for (const name of [IP_PKTINFO, IP_RECVTTL, IP_RECVTOS, IP_RECVORIGDSTADDR])
      s.setsockopt(IPPROTO_IP, name!, true);
  } else {
    s.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, true);
    for (const name of [IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS, IPV6_RECVORIGDSTADDR])
      s.setsockopt(IPPROTO_IPV6, name!, true);
  }
  s.bind(['', 0]);
  const [, port] = s.getsockname();
  const peer = startPython(stage, peerScript, [family === AF_INET ? '4' : '6'], { wrap: atPeer });
  const away = Number(await peer.line());
  return {
    port,
    async receive() {
      const [data, ancdata, , [host]] = await s.recvmsg(1000, 500);
      return [data.toString(), decodeControl(ancdata), host];
    },
    async send(text, control) {
      await s.sendmsg([text], { ancdata: encodeControl(control), address: [there, away] });
    },
    ask: (text, to, more = {}) => peer.write(`${JSON.stringify({ text, to, port, ...more })}\n`),
    async heard() {
      peer.write('{}\n');
      return JSON.parse(await peer.line());
    },
  };
}

inOwnNetwork(import.meta.url, () => {
  for (const version of versions) {
    const { name, family, here, there } = version;

    scene(`${name}: an answer comes from the address that was asked`, async (stage) => {
      const { ask, receive, send, heard, port } = await talk(stage, version);
      for (const address of here) {
        ask('question', address);
        const [text, { packetInfo, originalDestination, rest }] = await receive();
        assert.deepEqual([text, rest], ['question', []]);
        assert.deepEqual(packetInfo, { interface: if_nametoindex('v0'), address, source: address });
        assert.deepEqual(originalDestination?.slice(0, 2), [address, port]);
        await send('answer', { packetInfo: packetInfo! });
        assert.deepEqual((await heard()).slice(0, 2), ['answer', address]);
      }
    });

    scene(`${name}: the source and the interface are the sender's choice`, async (stage) => {
      const { send, heard } = await talk(stage, version);
      for (const source of here) {
        await send('chosen', { packetInfo: { source } });
        assert.deepEqual((await heard()).slice(0, 2), ['chosen', source]);
      }
      const any = family === AF_INET ? '0.0.0.0' : '::';
      await send('by name', { packetInfo: { interface: 'v0', source: any } });
      assert.equal((await heard())[0], 'by name');
      // The kernel refuses an address that is not this machine's, and an interface that is none.
      // IPv4 says one or the other, by the version of the kernel.
      await assert.rejects(
        send('stolen', { packetInfo: { source: there } }),
        ({ code }: SocketError) => code === 'EINVAL' || (family === AF_INET && code === 'ENETUNREACH'),
      );
      await assert.rejects(send('nowhere', { packetInfo: { interface: 12_345, source: any } }), {
        code: 'ENODEV',
      });
    });

    scene(`${name}: time to live and traffic class, both ways`, async (stage) => {
      const { ask, receive, send, heard } = await talk(stage, version);
      const [level, limit, traffic] = family === AF_INET ? [IPPROTO_IP, 2, 1] : [IPPROTO_IPV6, 52, 67];
      await send('marked', family === AF_INET ? { ttl: 7, tos: 0xb8 } : { hopLimit: 7, trafficClass: 0xb8 });
      const [, , numbers] = await heard();
      assert.deepEqual(numbers, { [`${level},${limit}`]: 7, [`${level},${traffic}`]: 0xb8 });
      ask('marked', here[0], {
        ancdata: [
          [level, limit, 9],
          [level, traffic, 0x20],
        ],
      });
      const [, control] = await receive();
      if (family === AF_INET) assert.deepEqual([control.ttl, control.tos], [9, 0x20]);
      else assert.deepEqual([control.hopLimit, control.trafficClass], [9, 0x20]);
    });
  }

  scene('a datagram to a group tells the group, and where to answer from', async (stage) => {
    const s = stage.own(socket(AF_INET, SOCK_DGRAM));
    s.settimeout(10);
    s.setsockopt(IPPROTO_IP, IP_PKTINFO!, true);
    s.bind(['', 0]);
    joinGroup(s, '239.1.2.3', { interface: 'v0' });
    const { ask } = await talk(stage, versions[0]);
    ask('to the group', '239.1.2.3', { device: 'v1', port: s.getsockname()[1] });
    const [, ancdata] = await s.recvmsg(1000, 500);
    assert.deepEqual(decodeControl(ancdata).packetInfo, {
      interface: if_nametoindex('v0'),
      address: '239.1.2.3',
      source: '10.7.0.1',
    });
  });

  scene('a datagram larger than the path takes: the error queue tells the size', async (stage) => {
    const s = stage.own(socket(AF_INET, SOCK_DGRAM));
    s.setsockopt(IPPROTO_IP, IP_RECVERR!, true);
    s.setsockopt(IPPROTO_IP, IP_MTU_DISCOVER!, IP_PMTUDISC_DO!);
    await assert.rejects(s.sendto(Buffer.alloc(2000), ['10.7.0.2', 9]), { code: 'EMSGSIZE' });
    const [, ancdata, , address] = await s.recvmsg(4000, 500, { flags: MSG_ERRQUEUE! });
    const { error } = decodeControl(ancdata);
    assert.deepEqual([address[0], error!.code, error!.info], ['10.7.0.2', 'EMSGSIZE', 1500]);
    // This host found it by itself.
    assert.equal(error!.origin, SO_EE_ORIGIN_LOCAL);
    await assert.rejects(s.recvmsg(4000, 500, { flags: MSG_ERRQUEUE! }), { code: 'EAGAIN' });
  });
});
