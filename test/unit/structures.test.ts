// Values of options that are structs, against what the C compiler makes of the same fields.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeCredentials,
  decodeFilter,
  decodeGroups,
  decodeLinger,
  decodeText,
  decodeTimeval,
  encodeCredentials,
  encodeFilter,
  encodeGroupRequest,
  encodeLinger,
  encodeMembership,
  encodePacketMembership,
  encodeTcpMd5Key,
  encodeTimeval,
  encodeTransmitClock,
  PACKET_MR_MULTICAST,
} from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';
import { type CStruct, structBytes } from '../support/cprogram.ts';
import { requirePeer } from '../support/peer.ts';

const headers = `
  #define _GNU_SOURCE
  #include <arpa/inet.h>
  #include <netinet/in.h>
  #include <sys/socket.h>
  #include <sys/time.h>
  #include <sys/types.h>
  #include <linux/filter.h>
  #include <linux/if_packet.h>
  #include <linux/net_tstamp.h>
  #include <linux/tcp.h>
`;

interface Row extends CStruct {
  bytes: Buffer;
  /** What the decoder makes of the compiler's bytes, and what that should be. */
  back?: (bytes: Buffer) => unknown;
  value?: unknown;
}

const inet = (to: string, address: string): string =>
  `((struct sockaddr_in *)${to})->sin_family = AF_INET; inet_pton(AF_INET, "${address}", &((struct sockaddr_in *)${to})->sin_addr);`;
const inet6 = (to: string, address: string): string =>
  `((struct sockaddr_in6 *)${to})->sin6_family = AF_INET6; inet_pton(AF_INET6, "${address}", &((struct sockaddr_in6 *)${to})->sin6_addr);`;

const program = [
  [0x28, 0, 0, 12],
  [0x15, 0, 1, 0x800],
  [6, 0, 0, 0xffffffff],
  [6, 0, 0, 0],
] as const;

const rows: Row[] = [
  {
    type: 'struct linger',
    fill: 's.l_onoff = 1; s.l_linger = 77;',
    bytes: encodeLinger({ onoff: true, linger: 77 }),
    back: decodeLinger,
    value: { onoff: true, linger: 77 },
  },
  {
    type: 'struct linger',
    fill: 's.l_linger = 3;',
    bytes: encodeLinger({ onoff: false, linger: 3 }),
    back: decodeLinger,
    value: { onoff: false, linger: 3 },
  },
  {
    type: 'struct timeval',
    fill: 's.tv_sec = 123456789; s.tv_usec = 987654;',
    bytes: encodeTimeval(123456789.987654),
    back: decodeTimeval,
    value: 123456789.987654,
  },
  {
    type: 'int[2]',
    fill: 's[0] = 12; s[1] = 500000;',
    bytes: encodeTimeval(12.5, { bits: 32 }),
    back: decodeTimeval,
    value: 12.5,
  },
  {
    type: 'long long[2]',
    fill: 's[0] = 5000000000; s[1] = 250000;',
    bytes: encodeTimeval(5e9 + 0.25, { bits: 64 }),
    back: decodeTimeval,
    value: 5e9 + 0.25,
  },
  {
    type: 'struct ucred',
    fill: 's.pid = 4711; s.uid = 4000000000u; s.gid = 100;',
    bytes: encodeCredentials({ pid: 4711, uid: 4_000_000_000, gid: 100 }),
    back: decodeCredentials,
    value: { pid: 4711, uid: 4_000_000_000, gid: 100 },
  },
  {
    type: 'gid_t[3]',
    fill: 's[0] = 7; s[1] = 4000000000u;',
    bytes: Buffer.from(Uint32Array.of(7, 4_000_000_000, 0).buffer),
    back: decodeGroups,
    value: [7, 4_000_000_000, 0],
  },
  {
    type: 'struct packet_mreq',
    fill: 's.mr_ifindex = 5; s.mr_type = PACKET_MR_MULTICAST; s.mr_alen = 6; memcpy(s.mr_address, "\\1\\0\\x5e\\1\\2\\3", 6);',
    bytes: encodePacketMembership({
      interface: 5,
      type: PACKET_MR_MULTICAST!,
      address: Buffer.from('01005e010203', 'hex'),
    }),
  },
  {
    type: 'struct sock_txtime',
    fill: 's.clockid = 11; s.flags = 2;',
    bytes: encodeTransmitClock({ clockid: 11, flags: 2 }),
  },
  {
    type: 'struct ip_mreqn',
    fill: 'inet_pton(AF_INET, "239.1.2.3", &s.imr_multiaddr); s.imr_ifindex = 9;',
    bytes: encodeMembership({ group: '239.1.2.3', interface: 9 }),
  },
  {
    type: 'struct ip_mreqn',
    fill: 'inet_pton(AF_INET, "239.1.2.3", &s.imr_multiaddr); inet_pton(AF_INET, "10.0.0.1", &s.imr_address);',
    bytes: encodeMembership({ group: '239.1.2.3', interface: '10.0.0.1' }),
  },
  {
    type: 'struct ip_mreq_source',
    fill: 'inet_pton(AF_INET, "232.1.2.3", &s.imr_multiaddr); inet_pton(AF_INET, "10.0.0.1", &s.imr_interface); inet_pton(AF_INET, "10.0.0.9", &s.imr_sourceaddr);',
    bytes: encodeMembership({ group: '232.1.2.3', interface: '10.0.0.1', source: '10.0.0.9' }),
  },
  {
    type: 'struct ipv6_mreq',
    fill: 'inet_pton(AF_INET6, "ff15::1", &s.ipv6mr_multiaddr); s.ipv6mr_interface = 9;',
    bytes: encodeMembership({ group: 'ff15::1', interface: 9 }),
  },
  {
    type: 'struct group_req',
    fill: `s.gr_interface = 3; ${inet('&s.gr_group', '239.1.2.3')}`,
    bytes: encodeGroupRequest({ group: '239.1.2.3', interface: 3 }),
  },
  {
    type: 'struct group_req',
    fill: inet6('&s.gr_group', 'ff15::1'),
    bytes: encodeGroupRequest({ group: 'ff15::1' }),
  },
  {
    type: 'struct group_source_req',
    fill: `s.gsr_interface = 3; ${inet('&s.gsr_group', '232.1.2.3')} ${inet('&s.gsr_source', '10.0.0.9')}`,
    bytes: encodeGroupRequest({ group: '232.1.2.3', interface: 3, source: '10.0.0.9' }),
  },
  {
    type: 'struct group_source_req',
    fill: `${inet6('&s.gsr_group', 'ff35::1')} ${inet6('&s.gsr_source', '2001:db8::9')}`,
    bytes: encodeGroupRequest({ group: 'ff35::1', source: '2001:db8::9' }),
  },
  {
    type: 'struct tcp_md5sig',
    fill: `${inet('&s.tcpm_addr', '192.0.2.1')} s.tcpm_keylen = 6; memcpy(s.tcpm_key, "secret", 6);`,
    bytes: encodeTcpMd5Key({ address: '192.0.2.1', key: 'secret' }),
  },
  {
    type: 'struct tcp_md5sig',
    fill: `${inet6('&s.tcpm_addr', '2001:db8::')} s.tcpm_flags = TCP_MD5SIG_FLAG_PREFIX | TCP_MD5SIG_FLAG_IFINDEX; s.tcpm_prefixlen = 32; s.tcpm_ifindex = 4; s.tcpm_keylen = 1; s.tcpm_key[0] = 'k';`,
    bytes: encodeTcpMd5Key({ address: '2001:db8::', key: 'k', prefixLength: 32, interface: 4 }),
  },
  {
    type: 'struct sock_filter[4]',
    fill: program.map((row, i) => `s[${i}] = (struct sock_filter){${row.join(', ')}};`).join(' '),
    bytes: encodeFilter(program),
    back: decodeFilter,
    value: program,
  },
];

test('every struct is what the C compiler makes of it, and back', requirePeer('cc'), async (t) => {
  const compiled = await structBytes(t, headers, rows);
  assert.equal(compiled.length, rows.length);
  for (const [i, { type, fill, bytes, back, value }] of rows.entries()) {
    assert.equal(bytes.toString('hex'), compiled[i]!.toString('hex'), `${type}: ${fill}`);
    if (back) assert.deepEqual(back(compiled[i]!), value, type);
  }
});

test('a duration keeps its microseconds, and never becomes "no limit"', () => {
  const both: [seconds: number, back: number][] = [
    [0, 0],
    [1e-9, 0.000_001],
    [0.000_001_4, 0.000_001],
    [3.999_999_9, 4],
    [0.1, 0.1],
    [2 ** 53 - 1, 2 ** 53 - 1],
  ];
  for (const [seconds, back] of both)
    assert.equal(decodeTimeval(encodeTimeval(seconds)), back, String(seconds));
  const chance = new Chance('timeval');
  for (let i = 0; i < 1000; i++) {
    const micros = chance.integer(0, 2_000_000_000);
    assert.equal(decodeTimeval(encodeTimeval(micros / 1e6)), micros / 1e6);
  }
});

test('a text ends at its NUL', () => {
  assert.equal(decodeText(Buffer.from('cubic\0\0\0rest')), 'cubic');
  assert.equal(decodeText(Buffer.from('eth0')), 'eth0');
  assert.equal(decodeText(Buffer.alloc(0)), '');
});

test('bytes of another length are refused', () => {
  for (const decode of [decodeLinger, decodeCredentials, decodeTimeval, decodeGroups, decodeFilter]) {
    for (const length of [1, 3, 7, 9, 11, 13, 17, 1023])
      assert.throws(() => decode(Buffer.alloc(length)), { name: 'RangeError', message: /for bytes/ });
    assert.throws(() => decode(5 as never), { name: 'TypeError', message: /for bytes/ });
  }
  assert.deepEqual(decodeGroups(Buffer.alloc(0)), []);
  assert.deepEqual(decodeFilter(Buffer.alloc(0)), []);
});

test('arguments are checked', () => {
  const bad: [message: RegExp, name: string, call: () => unknown][] = [
    [/for onoff/, 'TypeError', () => encodeLinger({ onoff: 1 as never, linger: 1 })],
    [/for linger/, 'RangeError', () => encodeLinger({ onoff: true, linger: -1 })],
    [/for linger/, 'RangeError', () => encodeLinger({ onoff: true, linger: 1.5 })],
    [/\{onoff, linger\}/, 'TypeError', () => encodeLinger(5 as never)],
    [/for seconds/, 'RangeError', () => encodeTimeval(-1)],
    [/for seconds/, 'RangeError', () => encodeTimeval(Number.NaN)],
    [/for seconds/, 'RangeError', () => encodeTimeval(Number.POSITIVE_INFINITY)],
    [/for seconds/, 'RangeError', () => encodeTimeval(2 ** 31, { bits: 32 })],
    [/for seconds/, 'TypeError', () => encodeTimeval('1' as never)],
    [/for bits/, 'TypeError', () => encodeTimeval(1, { bits: 16 as never })],
    [/for pid/, 'RangeError', () => encodeCredentials({ pid: -1, uid: 0, gid: 0 })],
    [/for uid/, 'RangeError', () => encodeCredentials({ pid: 1, uid: 2 ** 32, gid: 0 })],
    [/for gid/, 'TypeError', () => encodeCredentials({ pid: 1, uid: 0 } as never)],
    [/for type/, 'RangeError', () => encodePacketMembership({ interface: 1, type: 65_536 })],
    [
      /8 bytes for address/,
      'RangeError',
      () => encodePacketMembership({ interface: 1, type: 1, address: '123456789' }),
    ],
    [/for clockid/, 'TypeError', () => encodeTransmitClock({} as never)],
    [/for group/, 'RangeError', () => encodeMembership({ group: 'all.example' })],
    [/for group/, 'TypeError', () => encodeMembership({ group: 5 as never })],
    [/for interface/, 'RangeError', () => encodeMembership({ group: '239.1.1.1', interface: -1 })],
    [/for interface/, 'TypeError', () => encodeMembership({ group: '239.1.1.1', interface: true as never })],
    [
      /for interface.*MCAST_JOIN_SOURCE_GROUP/,
      'TypeError',
      () => encodeMembership({ group: '232.1.1.1', interface: 1, source: '10.0.0.1' }),
    ],
    [/no source/, 'TypeError', () => encodeMembership({ group: 'ff35::1', source: '::1' })],
    [
      /source of the group's family, IPv4/,
      'RangeError',
      () => encodeGroupRequest({ group: '232.1.1.1', source: '::1' }),
    ],
    [
      /source of the group's family, IPv6/,
      'RangeError',
      () => encodeGroupRequest({ group: 'ff35::1', source: '10.0.0.1' }),
    ],
    [/for address/, 'RangeError', () => encodeTcpMd5Key({ address: 'x', key: 'k' })],
    [/at most 80 bytes/, 'RangeError', () => encodeTcpMd5Key({ address: '::1', key: Buffer.alloc(81) })],
    [
      /for prefixLength/,
      'RangeError',
      () => encodeTcpMd5Key({ address: '127.0.0.1', key: 'k', prefixLength: 33 }),
    ],
    [/1 to 4096 instructions/, 'RangeError', () => encodeFilter([])],
    [/for program/, 'TypeError', () => encodeFilter('x' as never)],
    [/program\[1\]/, 'TypeError', () => encodeFilter([[6, 0, 0, 0], [6, 0, 0] as never])],
    [/the jt of program\[0\]/, 'RangeError', () => encodeFilter([[6, 256, 0, 0]])],
    [/the k of program\[0\]/, 'RangeError', () => encodeFilter([[6, 0, 0, -1]])],
  ];
  for (const [message, name, call] of bad) assert.throws(call, { name, message }, String(message));
  assert.throws(() => encodeMembership({ group: '239.1.1.1', interface: 'no such if' }), { code: 'ENODEV' });
});
