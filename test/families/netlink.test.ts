// AF_NETLINK: asking the kernel, hearing of changes in its groups, and messages among programs.
import assert from 'node:assert/strict';
import os from 'node:os';
import {
  AF_NETLINK,
  if_nametoindex,
  NETLINK_KOBJECT_UEVENT,
  NETLINK_ROUTE,
  NETLINK_USERSOCK,
  NLM_F_DUMP,
  NLM_F_REQUEST,
  NLMSG_DONE,
  SOCK_DGRAM,
  SOCK_RAW,
  socket,
} from 'berkeley-sockets';
import { flavours } from '../support/flavours.ts';
import { noOwnNetwork, ownNetwork, runNode } from '../support/node.ts';
import { requirePeer } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { scene } from '../support/scene.ts';
import { missing } from './kernel.ts';

const skip = missing(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
const python = requirePeer('python3').skip ?? false;

const little = os.endianness() === 'LE';
const u16 = (bytes: Buffer, at: number) => (little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at));
const u32 = (bytes: Buffer, at: number) => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));

// linux/rtnetlink.h.
const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const IFLA_IFNAME = 3;
const HEADER = 16;
const IFINFO = 16;

/** A dump request: struct nlmsghdr and an empty struct ifinfomsg. */
function linkRequest(sequence: number): Buffer {
  const words = new DataView(new ArrayBuffer(HEADER + IFINFO));
  words.setUint32(0, HEADER + IFINFO, little);
  words.setUint16(4, RTM_GETLINK, little);
  words.setUint16(6, NLM_F_REQUEST | NLM_F_DUMP, little);
  words.setUint32(8, sequence, little);
  return Buffer.from(words.buffer);
}

/** The messages of one datagram: type and body of each. */
function* messages(datagram: Buffer): Generator<[type: number, body: Buffer]> {
  for (let at = 0; at < datagram.length; ) {
    const length = u32(datagram, at);
    assert.ok(length >= HEADER && at + length <= datagram.length, `a message of ${length} bytes`);
    yield [u16(datagram, at + 4), datagram.subarray(at + HEADER, at + length)];
    at += (length + 3) & ~3;
  }
}

/** Index and name of the link that a RTM_NEWLINK tells of. */
function linkOf(body: Buffer): [index: number, name: string] {
  let name = '';
  for (let at = IFINFO; at < body.length; at += (u16(body, at) + 3) & ~3) {
    if (u16(body, at + 2) === IFLA_IFNAME) name = body.toString('latin1', at + 4, at + u16(body, at) - 1);
  }
  return [u32(body, 4), name];
}

for (const { name: flavour, sockets } of flavours) {
  scene(
    `the kernel tells of its interfaces (${flavour})`,
    async (s) => {
      const { socket } = sockets;
      const netlink = s.own(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
      netlink.bind([0, 0]);
      const [pid, groups] = netlink.getsockname();
      assert.ok(pid > 0);
      assert.equal(groups, 0);
      await netlink.sendto(linkRequest(7), [0, 0]);
      const links: [number, string][] = [];
      for (let done = false; !done; ) {
        const [datagram, from] = await netlink.recvfrom(65536);
        assert.deepEqual(from, [0, 0], 'the kernel has number 0');
        for (const [type, body] of messages(datagram)) {
          if (type === RTM_NEWLINK) links.push(linkOf(body));
          if (type === NLMSG_DONE) done = true;
        }
      }
      assert.ok(
        links.some(([index, name]) => name === 'lo' && index === if_nametoindex('lo')),
        JSON.stringify(links),
      );
    },
    { skip },
  );

  scene(
    `two sockets have two numbers, and one number is taken once (${flavour})`,
    async (s) => {
      const { socket } = sockets;
      const a = s.own(socket(AF_NETLINK, SOCK_DGRAM, NETLINK_USERSOCK));
      const b = s.own(socket(AF_NETLINK, SOCK_DGRAM, NETLINK_USERSOCK));
      a.bind([0, 0]);
      const [pid] = a.getsockname();
      assert.throws(() => b.bind([pid, 0]), {
        code: 'EADDRINUSE',
        address: `pid ${pid}`,
        message: `bind EADDRINUSE pid ${pid}`,
      });
      b.bind([0, 0]);
      await b.sendto('from b', a.getsockname());
      assert.deepEqual(await a.recvfrom(100), [Buffer.from('from b'), b.getsockname()]);
      // The answer goes to the very tuple that came.
      await a.sendmany([['from a', b.getsockname()]]);
      const [[data, from]] = (await b.recvmany(5)) as [[Buffer, unknown]];
      assert.equal(data.toString(), 'from a');
      assert.deepEqual(from, a.getsockname());
      await b.connect(a.getsockname());
      assert.deepEqual(b.getpeername(), a.getsockname());
      a.close();
      await assert.rejects(async () => await b.send('nobody there'), { code: 'ECONNREFUSED' });
    },
    { skip: skip || missing(AF_NETLINK, SOCK_DGRAM, NETLINK_USERSOCK) },
  );
}

scene(
  "Python's netlink socket and ours",
  async (s) => {
    const ours = s.own(socket(AF_NETLINK, SOCK_DGRAM, NETLINK_USERSOCK));
    ours.bind([0, 0]);
    const [pid] = ours.getsockname();
    const peer = startPython(
      s,
      `
      import socket, sys
      s = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 2)
      s.bind((0, 0))
      s.sendto(b'hello', (int(sys.argv[1]), 0))
      data, address = s.recvfrom(100)
      print(data.decode(), address, s.getsockname()[0])
      `,
      [String(pid)],
    );
    const [data, from] = await ours.recvfrom(100);
    assert.equal(data.toString(), 'hello');
    await ours.sendto('and back', from);
    assert.equal(await peer.line(), `and back (${pid}, 0) ${from[0]}`);
  },
  { skip: skip || missing(AF_NETLINK, SOCK_DGRAM, NETLINK_USERSOCK) || python },
);

// Both groups have the number 1: RTMGRP_LINK, and what the kernel itself sends to (lib/kobject_uevent.c).
const changes = `
  import assert from 'node:assert/strict';
  import { execFileSync } from 'node:child_process';
  import { AF_NETLINK, NETLINK_KOBJECT_UEVENT, NETLINK_ROUTE, RTMGRP_LINK, SOCK_DGRAM, socket } from 'berkeley-sockets';
  const links = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE);
  links.bind([0, RTMGRP_LINK]);
  assert.equal(links.getsockname()[1], RTMGRP_LINK);
  const events = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_KOBJECT_UEVENT);
  events.bind([0, 1]);
  execFileSync('ip', ['link', 'add', 'seen0', 'type', 'veth', 'peer', 'name', 'seen1']);
  links.settimeout(10);
  events.settimeout(10);
  const told = async (s, text) => {
    for (;;) {
      const [data, from] = await s.recvfrom(65536);
      if (data.includes(text)) return from;
    }
  };
  assert.equal((await told(links, 'seen0\\0'))[0], 0);
  console.log('links');
  console.log('event', ...(await told(events, 'INTERFACE=seen0')));
  links.close();
  events.close();
`;

scene(
  'changes come to those who joined the group: links, and events of devices',
  async () => {
    const { stdout } = await runNode(changes, { wrap: ownNetwork() });
    assert.equal(stdout.trim(), 'links\nevent 0 1');
  },
  { skip: skip || missing(AF_NETLINK, SOCK_DGRAM, NETLINK_KOBJECT_UEVENT) || noOwnNetwork() },
);
