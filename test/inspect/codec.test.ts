// The codecs of netlink messages and of the texts in /proc on bytes that no kernel sends: broken
// lengths, parts that are missing, answers to others, random ones. Without a kernel's answer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AF_INET,
  AF_NETLINK,
  AF_VSOCK,
  NLM_F_DUMP_INTR,
  NLM_F_MULTI,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_NOOP,
  NLMSG_OVERRUN,
  SocketError,
} from 'berkeley-sockets';
import type { Connection } from 'berkeley-sockets/inspect';
import { familyTables } from '../../dist/inspect/familydiag.js';
import { inetProtocols, inetRows } from '../../dist/inspect/inetdiag.js';
import {
  Attributes,
  Datagram,
  dumpRequest,
  HEADER,
  readAnswer,
  type Take,
} from '../../dist/inspect/netlink.js';
import { inetLines, netlinkLines, packetLines, unixLines } from '../../dist/inspect/procnet.js';
import {
  devices,
  inet6Addresses,
  inet6Routes,
  inetAddresses,
  inetRoutes,
} from '../../dist/inspect/procnetwork.js';
import { addressRows, linkRows, routeRows } from '../../dist/inspect/rtnetlink.js';
import { Chance } from '../support/chance.ts';

const question = { sequence: 7, port: 99, name: 'sock_diag' };

interface Message {
  type: number;
  flags?: number;
  sequence?: number;
  port?: number;
  /** What the header says, where that is not so. */
  length?: number;
  body?: Uint8Array;
}

/** A datagram with these messages, and its length. */
function datagramOf(...messages: Message[]): [Datagram, number] {
  const datagram = new Datagram(4096);
  let at = 0;
  let end = 0;
  for (const {
    type,
    flags = NLM_F_MULTI!,
    sequence = 7,
    port = 99,
    length,
    body = Buffer.alloc(0),
  } of messages) {
    datagram.words[at >> 2] = length ?? HEADER + body.length;
    datagram.shorts.set([type, flags], (at >> 1) + 2);
    datagram.words.set([sequence, port], (at >> 2) + 2);
    datagram.bytes.set(body, at + HEADER);
    end = at + HEADER + body.length;
    at = (end + 3) & ~3;
  }
  return [datagram, end];
}

/** What is taken of them: type and body of each, and how far the answer has come. */
function taken(...messages: Message[]) {
  const [datagram, length] = datagramOf(...messages);
  const progress = { done: false, interrupted: false };
  const list: [number, string][] = [];
  readAnswer(datagram, length, question, progress, (all, type, at, end) => {
    list.push([type, all.bytes.toString('latin1', at, end)]);
  });
  return { ...progress, list };
}

const int = (value: number) => Buffer.from(Int32Array.of(value).buffer);

test('messages begin at multiples of four, and the last one ends where it ends', () => {
  assert.deepEqual(taken({ type: 20, body: Buffer.from('a') }, { type: 21, body: Buffer.from('bcdef') }), {
    done: false,
    interrupted: false,
    list: [
      [20, 'a'],
      [21, 'bcdef'],
    ],
  });
  assert.deepEqual(taken(), { done: false, interrupted: false, list: [] });
});

test('the end of an answer, an acknowledgement, nothing at all, and what is no answer to us', () => {
  assert.equal(taken({ type: NLMSG_DONE!, body: int(0) }).done, true);
  assert.equal(taken({ type: NLMSG_DONE! }).done, true, 'without a number');
  assert.equal(taken({ type: NLMSG_ERROR!, body: int(0) }).done, true);
  assert.deepEqual(taken({ type: NLMSG_NOOP!, body: Buffer.from('xxxx') }).list, []);
  assert.deepEqual(taken({ type: 20, sequence: 6 }, { type: NLMSG_DONE!, port: 98 }), {
    done: false,
    interrupted: false,
    list: [],
  });
  const { done, list } = taken({ type: 20 }, { type: NLMSG_DONE!, body: int(0) }, { type: 21 });
  assert.deepEqual([done, list], [true, [[20, '']]], 'nothing comes behind the end');
});

test('an interrupted answer says so, in its end too', () => {
  assert.equal(taken({ type: 20, flags: NLM_F_MULTI! | NLM_F_DUMP_INTR! }).interrupted, true);
  assert.equal(taken({ type: NLMSG_DONE!, flags: NLM_F_DUMP_INTR!, body: int(0) }).interrupted, true);
  assert.equal(taken({ type: 20, flags: NLM_F_DUMP_INTR!, sequence: 6 }).interrupted, false);
});

test('errors are those of the kernel, by name', () => {
  assert.throws(() => taken({ type: NLMSG_ERROR!, body: int(-2) }), {
    name: 'SocketError',
    code: 'ENOENT',
    errno: -2,
    syscall: 'sock_diag',
  });
  assert.throws(() => taken({ type: NLMSG_DONE!, body: int(-1) }), { code: 'EPERM' });
  assert.throws(() => taken({ type: NLMSG_OVERRUN! }), { code: 'ENOBUFS' });
});

test('lengths that lead nowhere are refused', () => {
  for (const length of [0, 1, 15, 17, 4096, 0xffffffff])
    assert.throws(() => taken({ type: 20, length }), { code: 'EBADMSG' }, String(length));
  const [datagram] = datagramOf({ type: 20 });
  for (let length = 1; length < HEADER; length++)
    assert.throws(
      () => readAnswer(datagram, length, question, { done: false, interrupted: false }, () => {}),
      { code: 'EBADMSG' },
    );
});

test('attributes: by type, the last of a kind, unknown ones passed over, none without its bytes', () => {
  const datagram = new Datagram(64);
  // Type 1 twice, type 9 that nobody knows, type 2 with the bit of a nested one, type 3 empty.
  datagram.shorts.set([8, 1], 0);
  datagram.words[1] = 11;
  datagram.shorts.set([8, 1], 4);
  datagram.words[3] = 12;
  datagram.shorts.set([6, 9], 8);
  datagram.shorts.set([9, 2 | 0x8000], 12);
  datagram.bytes.set(Buffer.from('four\0'), 28);
  datagram.shorts.set([4, 3], 18);
  const attributes = new Attributes(3).read(datagram, 0, 40);
  assert.equal(attributes.u32(1), 12);
  assert.equal(attributes.u32(1, 4), undefined);
  assert.equal(attributes.text(2), 'four');
  assert.deepEqual(attributes.bytes(3), Buffer.alloc(0));
  assert.deepEqual([attributes.u8(3), attributes.u32(3)], [undefined, undefined]);
  assert.deepEqual([attributes.size(0), attributes.bytes(0), attributes.text(9)], [-1, undefined, undefined]);
  assert.throws(() => attributes.read(datagram, 0, 6), { code: 'EBADMSG' });
  datagram.shorts[0] = 3;
  assert.throws(() => attributes.read(datagram, 0, 40), { code: 'EBADMSG' });
  assert.equal(attributes.read(datagram, 40, 40).size(1), -1, 'what was before is forgotten');
});

test('a request has its length, flags and attributes', () => {
  const { bytes, words, shorts } = dumpRequest(20, Buffer.from('abcde'), [[3, 262]]);
  assert.deepEqual([bytes.length, words[0], shorts[2], shorts[3]], [32, 32, 20, 0x301]);
  assert.equal(bytes.toString('latin1', 16, 24), 'abcde\0\0\0');
  assert.deepEqual([shorts[12], shorts[13], words[7]], [8, 3, 262]);
});

// This kernel may have no table of AF_VSOCK: a message as linux/vm_sockets_diag.h has it.
test('AF_VSOCK: addresses and states', () => {
  const [datagram, length] = datagramOf({ type: 20, body: Buffer.alloc(32) });
  datagram.bytes.set([AF_VSOCK!, 1, 1, 0], HEADER);
  datagram.words.set([2, 5000, 3, 6000, 777], (HEADER + 4) >> 2);
  const rows: Connection[] = [];
  const table = familyTables.find(({ family }) => family === AF_VSOCK)!;
  const take = table.rows(rows, String);
  readAnswer(datagram, length, question, { done: false, interrupted: false }, take);
  datagram.bytes[HEADER + 2] = 10;
  readAnswer(datagram, length, question, { done: false, interrupted: false }, take);
  assert.deepEqual(
    rows.map(({ protocol, state, local, remote, inode }) => [protocol, state, local, remote, inode]),
    [
      ['vsock', 'ESTABLISHED', [2, 5000], [3, 6000], 777],
      ['vsock', 'LISTEN', [2, 5000], null, 777],
    ],
  );
});

test('AF_NETLINK: ports that belong to the kernel are left out', () => {
  const rows: Connection[] = [];
  const take = familyTables.find(({ family }) => family === AF_NETLINK)!.rows(rows, String);
  const [datagram, length] = datagramOf({ type: 20, body: Buffer.alloc(28) });
  readAnswer(datagram, length, question, { done: false, interrupted: false }, take);
  assert.deepEqual(rows, []);
});

const tables: [name: string, taker: () => [Take, unknown[]]][] = [
  ...inetProtocols.map((protocol): [string, () => [Take, unknown[]]] => [
    protocol.name,
    () => {
      const rows: Connection[] = [];
      return [inetRows(protocol, true, rows), rows];
    },
  ]),
  ...familyTables.map((table): [string, () => [Take, unknown[]]] => [
    table.name,
    () => {
      const rows: Connection[] = [];
      return [table.rows(rows, String), rows];
    },
  ]),
  ['links', () => rowsOf(linkRows)],
  ['addresses', () => rowsOf(addressRows)],
  ['routes', () => rowsOf((rows: Parameters<typeof routeRows>[1]) => routeRows(0, rows))],
];

function rowsOf<R>(taker: (rows: R[]) => Take): [Take, unknown[]] {
  const rows: R[] = [];
  return [taker(rows), rows];
}

test('random bytes make rows or EBADMSG, and nothing else', () => {
  const chance = new Chance('inspect');
  const outcomes = { rows: 0, refused: 0 };
  for (let round = 0; round < 20_000; round++) {
    const [, taker] = tables[round % tables.length]!;
    const [take, rows] = taker();
    const size = chance.integer(0, 300) & ~3;
    const [datagram, length] = datagramOf({
      // Of the messages that routes, links and addresses come in.
      type: [16, 20, 24][chance.integer(0, 2)]!,
      body: chance.bytes(size),
    });
    // Small numbers now and then, so that attributes are met.
    for (let at = HEADER; at + 4 <= length; at += 4) {
      if (chance.integer(0, 2) > 0)
        datagram.words[at >> 2] = chance.integer(0, 30) | (chance.integer(0, 25) << 16);
    }
    if (chance.integer(0, 1) === 1) datagram.bytes[HEADER] = [0, 2, 10, 1][chance.integer(0, 3)]!;
    // What is behind the message is not its.
    datagram.bytes.fill(0xee, length);
    try {
      readAnswer(datagram, length, question, { done: false, interrupted: false }, take);
      outcomes.rows += rows.length;
      assert.ok(!JSON.stringify(rows).includes('eeeeee'), 'bytes from behind the message');
    } catch (error) {
      if (!(error instanceof SocketError) || error.code !== 'EBADMSG') throw error;
      outcomes.refused++;
    }
  }
  assert.ok(outcomes.rows > 500, `${outcomes.rows} rows`);
  assert.ok(outcomes.refused > 500, `${outcomes.refused} refused`);
});

test('random lines of text make rows or none', () => {
  const chance = new Chance('text');
  const word = () =>
    [
      () => chance.integer(0, 0xffff).toString(16),
      () => '0100007F:1F90',
      () => chance.bytes(chance.integer(0, 20)).toString('hex'),
      () => chance.bytes(chance.integer(0, 6)).toString('latin1'),
      () => ':',
      () => '',
    ][chance.integer(0, 5)]!();
  for (let round = 0; round < 3000; round++) {
    const lines = Array.from({ length: chance.integer(0, 4) }, () =>
      Array.from({ length: chance.integer(0, 18) }, word).join(' '),
    );
    const text = lines.join('\n');
    for (const protocol of inetProtocols) inetLines(protocol, AF_INET, text);
    for (const parse of [unixLines, netlinkLines, inetRoutes, inet6Routes, devices, inet6Addresses])
      parse(text);
    packetLines(text, String);
    inetAddresses(text, []);
  }
});
