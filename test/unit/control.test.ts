// Control messages by name: what does not fit stays as it is, bytes of any kind never throw, and
// what is encoded is decoded to the same. The structs themselves: control-structs.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as api from 'berkeley-sockets';
import { type ControlInput, decodeControl, encodeControl } from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';

const { IP_TTL, IPPROTO_IP, SCM_RIGHTS, SOL_SOCKET } = api as unknown as Record<string, number>;

/** Every message that has a name, and some that have none. */
const kinds = [
  [
    'SOL_SOCKET',
    'SCM_RIGHTS',
    'SCM_CREDENTIALS',
    'SCM_SECURITY',
    'SCM_PIDFD',
    'SCM_TIMESTAMP',
    'SCM_TIMESTAMPNS',
  ],
  [
    'SOL_SOCKET',
    'SCM_TIMESTAMPING',
    'SO_TIMESTAMP_NEW',
    'SO_TIMESTAMPNS_NEW',
    'SO_TIMESTAMPING_NEW',
    'SO_RXQ_OVFL',
  ],
  ['SOL_SOCKET', 'SO_MARK', 'SO_PRIORITY', 'SCM_INQ', 'SCM_WIFI_STATUS', 'SCM_TXTIME'],
  [
    'IPPROTO_IP',
    'IP_PKTINFO',
    'IP_TTL',
    'IP_TOS',
    'IP_ORIGDSTADDR',
    'IP_RECVFRAGSIZE',
    'IP_RECVERR',
    'IP_CHECKSUM',
  ],
  ['IPPROTO_IPV6', 'IPV6_PKTINFO', 'IPV6_HOPLIMIT', 'IPV6_TCLASS', 'IPV6_ORIGDSTADDR', 'IPV6_RECVFRAGSIZE'],
  ['IPPROTO_IPV6', 'IPV6_RECVERR', 'IPV6_2292PKTINFO', 'IPV6_2292HOPLIMIT', 'IPV6_PATHMTU'],
  ['IPPROTO_UDP', 'UDP_GRO', 'UDP_SEGMENT'],
  ['IPPROTO_TCP', 'TCP_CM_INQ'],
  ['SOL_PACKET', 'PACKET_TX_TIMESTAMP', 'PACKET_AUXDATA'],
].flatMap(([level, ...types]) =>
  types.map((type) => {
    const { [level!]: a, [type]: b } = api as unknown as Record<string, number | undefined>;
    assert.ok(a !== undefined && b !== undefined, `${level} ${type}`);
    return [a, b] as const;
  }),
);

test('unknown types, and the second of a kind, stay as they are', () => {
  const int = (value: number): Buffer => Buffer.from(Int32Array.of(value).buffer);
  const odd: [number, number, Buffer] = [999, 1, Buffer.from('what')];
  const second: [number, number, Buffer] = [IPPROTO_IP!, IP_TTL!, int(2)];
  assert.deepEqual(decodeControl([[IPPROTO_IP!, IP_TTL!, int(1)], odd, second]), {
    fds: [],
    ttl: 1,
    rest: [odd, second],
  });
  // Descriptors may come in several messages.
  const rights = (fd: number): [number, number, Buffer] => [SOL_SOCKET!, SCM_RIGHTS!, int(fd)];
  assert.deepEqual(decodeControl([rights(3), rights(4)]).fds, [3, 4]);
  assert.deepEqual(decodeControl([]), { fds: [], rest: [] });
});

test('any bytes in any message are taken or left, never refused', () => {
  const chance = new Chance('control');
  for (let round = 0; round < 20_000; round++) {
    const list: [number, number, Buffer][] = [];
    for (let n = chance.integer(0, 4); n > 0; n--) {
      const [level, kind] = kinds[chance.integer(0, kinds.length - 1)]!;
      const wild = chance.integer(0, 9) === 0;
      list.push([
        wild ? chance.integer(-5, 300) : level,
        wild ? chance.integer(-5, 100) : kind,
        chance.bytes(chance.integer(0, 64)),
      ]);
    }
    const control = decodeControl(list);
    for (const message of control.rest) {
      assert.ok(
        list.some(
          ([level, type, data]) => message[0] === level && message[1] === type && message[2].equals(data),
        ),
      );
    }
    const named = Object.keys(control).length - 2 + (control.fds.length > 0 ? 1 : 0);
    assert.ok(named + control.rest.length <= list.length);
    assert.ok(named > 0 || control.rest.length === list.length, 'a message is lost');
  }
});

test('what is encoded is decoded to the same', () => {
  const chance = new Chance('round trip');
  for (let round = 0; round < 2000; round++) {
    const input: ControlInput = {};
    const some = (): boolean => chance.integer(0, 1) === 1;
    if (some()) input.fds = Array.from({ length: chance.integer(1, 5) }, () => chance.integer(0, 0x7fffffff));
    if (some()) {
      input.credentials = {
        pid: chance.integer(0, 0x7fffffff),
        uid: chance.integer(0, 0xffffffff),
        gid: chance.integer(0, 0xffffffff),
      };
    }
    if (some()) input.ttl = chance.integer(1, 255);
    if (some()) input.tos = chance.integer(0, 255);
    if (some()) input.hopLimit = chance.integer(-1, 255);
    if (some()) input.trafficClass = chance.integer(-1, 255);
    if (some()) input.mark = chance.integer(0, 0xffffffff);
    if (some()) input.priority = chance.integer(0, 0xffffffff);
    if (some()) input.rest = [[1234, chance.integer(0, 9), chance.bytes(5)]];
    const info = some() ? chance.bytes(4).join('.') : `2001:db8::${chance.integer(1, 9999).toString(16)}`;
    const index = chance.integer(0, 1000);
    const { packetInfo, ...others } = decodeControl(
      encodeControl({ ...input, packetInfo: { source: info, interface: index } }),
    );
    assert.deepEqual([packetInfo?.source, packetInfo?.interface], [info, index]);
    assert.deepEqual(others, { fds: [], rest: [], ...input });
    // What came answers as it stands.
    assert.deepEqual(
      encodeControl({ packetInfo: packetInfo! }),
      encodeControl({ packetInfo: { source: info, interface: index } }),
    );
  }
});

test('arguments are checked', () => {
  const bad: [message: RegExp, name: string, control: unknown][] = [
    [/object of control messages/, 'TypeError', 5],
    [/object of control messages/, 'TypeError', null],
    [/received hoplimit/, 'TypeError', { hoplimit: 3 }],
    [/received constructor/, 'TypeError', { constructor: 3 }],
    [/for fds/, 'TypeError', { fds: 3 }],
    [/for a descriptor/, 'RangeError', { fds: [-1] }],
    [/for a descriptor/, 'TypeError', { fds: ['1'] }],
    [/for ttl/, 'RangeError', { ttl: 0 }],
    [/for ttl/, 'RangeError', { ttl: 256 }],
    [/for tos/, 'TypeError', { tos: '1' }],
    [/for hopLimit/, 'RangeError', { hopLimit: -2 }],
    [/for segmentSize/, 'RangeError', { segmentSize: 0 }],
    [/for mark/, 'RangeError', { mark: -1 }],
    [/for transmitTime/, 'TypeError', { transmitTime: 5 }],
    [/for transmitTime/, 'RangeError', { transmitTime: -5n }],
    [/for transmitTime/, 'RangeError', { transmitTime: 2n ** 64n }],
    [/packetInfo.source/, 'TypeError', { packetInfo: { interface: 1 } }],
    [/packetInfo.source/, 'RangeError', { packetInfo: { source: 'eth0' } }],
    [/for packetInfo/, 'TypeError', { packetInfo: null }],
    [/for credentials/, 'TypeError', { credentials: 1 }],
    [/for op/, 'TypeError', { alg: { op: 'encrypt' } }],
    [/for iv/, 'TypeError', { alg: { iv: 5 } }],
    [/for alg/, 'TypeError', { alg: 1 }],
  ];
  for (const [message, name, control] of bad)
    assert.throws(() => encodeControl(control as ControlInput), { name, message }, String(message));
  for (const ancdata of [[1], [[1, 2]], [null], ['abc']])
    assert.throws(() => decodeControl(ancdata as never), {
      name: 'TypeError',
      message: /\[level, type, data\]/,
    });
  assert.throws(() => decodeControl([[1, 1, 5 as never]]), {
    name: 'TypeError',
    message: /the data of ancdata/,
  });
  for (const ancdata of [5, null, undefined])
    assert.throws(() => decodeControl(ancdata as never), { name: 'TypeError', message: /for ancdata/ });
});
