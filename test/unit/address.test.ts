// Address tuples and raw sockaddrs: layouts byte by byte, what is refused and how, and that
// every address survives the way there and back.
import assert from 'node:assert/strict';
import os from 'node:os';
import { test } from 'node:test';
import {
  AddressInfoError,
  AF_INET,
  AF_INET6,
  AF_UNIX,
  AF_UNSPEC,
  AF_XDP,
  if_nameindex,
  SocketError,
} from 'berkeley-sockets';
import {
  type Address,
  type AddressInput,
  decodeAddress,
  encodeAddress,
  type InetAddress,
  MAX_ADDRESS_LENGTH,
  NEEDS_LOOKUP,
  targetOf,
} from '../../dist/address.js';
import { Chance } from '../support/chance.ts';

const ROUNDS = 2000;

/** Into memory that is not clean: what the codec leaves unwritten shows. */
function encode(family: number, address: unknown): Buffer | typeof NEEDS_LOOKUP {
  const out = Buffer.alloc(MAX_ADDRESS_LENGTH, 0xee);
  const length = encodeAddress(family, address, out, 'address');
  return length === NEEDS_LOOKUP ? NEEDS_LOOKUP : out.subarray(0, length);
}

function encoded(family: number, address: unknown): Buffer {
  const bytes = encode(family, address);
  assert.ok(bytes !== NEEDS_LOOKUP, 'needs a look-up');
  return bytes;
}

/** Sixteen or thirty-two bits as the machine has them. */
function native(value: number, size: 2 | 4): string {
  const bytes = Buffer.alloc(size);
  if (os.endianness() === 'LE') bytes.writeUIntLE(value, 0, size);
  else bytes.writeUIntBE(value, 0, size);
  return bytes.toString('hex');
}

const inet = (rest: string) => native(AF_INET, 2) + rest + '00'.repeat(8);
const inet6 = (port: string, flow: string, host: string, scope = 0) =>
  native(AF_INET6, 2) + port + flow + host + native(scope, 4);
const unix = (path: string) => native(AF_UNIX, 2) + Buffer.from(path, 'latin1').toString('hex');

const zeros = '00'.repeat(16);
const loopback6 = `${'00'.repeat(15)}01`;

/** An address, its bytes, and what they are read as if that is not the same. */
const layouts: [family: number, address: unknown, hex: string, back?: unknown][] = [
  [AF_INET, ['127.0.0.1', 80], inet('00507f000001')],
  [AF_INET, ['0.0.0.0', 0], inet('000000000000')],
  [AF_INET, ['255.255.255.255', 65535], inet('ffffffffffff')],
  [AF_INET, ['192.0.2.1', 0x1234], inet('1234c0000201')],
  [AF_INET, ['', 1], inet('000100000000'), ['0.0.0.0', 1]],
  [AF_INET, ['<broadcast>', 1], inet('0001ffffffff'), ['255.255.255.255', 1]],
  [AF_INET, ['localhost', 1], inet('00017f000001'), ['127.0.0.1', 1]],
  [AF_INET, ['LocalHost', 1], inet('00017f000001'), ['127.0.0.1', 1]],
  [AF_INET6, ['::', 0, 0, 0], inet6('0000', '00000000', zeros)],
  [AF_INET6, ['::1', 80], inet6('0050', '00000000', loopback6), ['::1', 80, 0, 0]],
  [AF_INET6, ['::1', 80, 5], inet6('0050', '00000005', loopback6), ['::1', 80, 5, 0]],
  [AF_INET6, ['', 1], inet6('0001', '00000000', zeros), ['::', 1, 0, 0]],
  [AF_INET6, ['localhost', 1], inet6('0001', '00000000', loopback6), ['::1', 1, 0, 0]],
  [
    AF_INET6,
    ['2001:db8::dead:beef', 443, 0xfffff, 0xffffffff],
    inet6('01bb', '000fffff', '20010db80000000000000000deadbeef', 0xffffffff),
  ],
  [AF_INET6, ['::ffff:192.0.2.1', 1, 0, 0], inet6('0001', '00000000', '00000000000000000000ffffc0000201')],
  [AF_INET6, ['::192.0.2.1', 1, 0, 0], inet6('0001', '00000000', '000000000000000000000000c0000201')],
  [
    AF_INET6,
    ['fe80::1%77', 1],
    inet6('0001', '00000000', 'fe800000000000000000000000000001', 77),
    ['fe80::1', 1, 0, 77],
  ],
  [
    AF_INET6,
    ['fe80::1%77', 1, 0, 77],
    inet6('0001', '00000000', 'fe800000000000000000000000000001', 77),
    ['fe80::1', 1, 0, 77],
  ],
  [AF_UNIX, '', unix('')],
  [AF_UNIX, Buffer.alloc(0), unix(''), ''],
  [AF_UNIX, '/run/s', unix('/run/s\0')],
  [AF_UNIX, 'relative', unix('relative\0')],
  [AF_UNIX, 'é', unix('\xc3\xa9\0')],
  [AF_UNIX, Buffer.from('/run/s'), unix('/run/s\0'), '/run/s'],
  [AF_UNIX, new Uint8Array([0x2f, 0xff]), unix('/\xff\0'), Buffer.from([0x2f, 0xff])],
  [AF_UNIX, '\0name', unix('\0name'), Buffer.from('\0name')],
  [AF_UNIX, Buffer.from('\0a\0b\0'), unix('\0a\0b\0')],
  [AF_UNIX, '\0', unix('\0'), Buffer.from('\0')],
  [AF_UNIX, '\ufeffx', unix('\xef\xbb\xbfx\0')],
  [AF_UNIX, 'p'.repeat(107), unix(`${'p'.repeat(107)}\0`)],
  [AF_UNIX, `\0${'a'.repeat(107)}`, unix(`\0${'a'.repeat(107)}`), Buffer.from(`\0${'a'.repeat(107)}`)],
  [
    AF_XDP,
    Buffer.from(`${native(AF_XDP, 2)}00000102030405060708`, 'hex'),
    `${native(AF_XDP, 2)}00000102030405060708`,
  ],
];

test('every family has its layout, and reads its own', () => {
  for (const [family, address, hex, back = address] of layouts) {
    const what = `family ${family} ${JSON.stringify(address)}`;
    const bytes = encoded(family, address);
    assert.equal(bytes.toString('hex'), hex, what);
    assert.deepEqual(decodeAddress(bytes, bytes.length), back, what);
    // The kernel writes into more room than it needs.
    const roomy = Buffer.concat([bytes, Buffer.alloc(100, 0xee)]);
    assert.deepEqual(decodeAddress(roomy, bytes.length), back, `${what} in a larger buffer`);
  }
});

test('a zone is an interface by name', () => {
  for (const [index, name] of if_nameindex()) {
    const bytes = encoded(AF_INET6, [`fe80::1%${name}`, 9]);
    assert.deepEqual(decodeAddress(bytes, bytes.length), ['fe80::1', 9, 0, index]);
  }
  assert.throws(
    () => encode(AF_INET6, ['fe80::1%no-such-if', 9]),
    (error: SocketError) => {
      assert.ok(error instanceof SocketError);
      assert.equal(error.code, 'ENODEV');
      assert.equal(error.syscall, 'if_nametoindex');
      assert.match(error.message, /no-such-if/);
      return true;
    },
  );
  assert.throws(() => encode(AF_INET6, ['fe80::1%', 9]), { code: 'ENODEV' });
});

test('a host that is a name needs a look-up, and nothing else does', () => {
  for (const host of [
    'example.org',
    '127.1',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '1.2.3.256',
    '1..2.3',
    '.1.2.3',
    '1.2.3.4 ',
    ' 1.2.3.4',
    '0x7f.1.1.1',
    '127.0.0.1\n',
    'localhost.',
    '1.2.3.4%lo',
    '١.2.3.4',
    'x',
  ]) {
    assert.equal(encode(AF_INET, [host, 1]), NEEDS_LOOKUP, JSON.stringify(host));
  }
  for (const host of [
    'example.org',
    ':',
    ':::',
    '1::2::3',
    '12345::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8',
    ':1::',
    '1:',
    '::1:',
    'g::',
    '::1.2.3',
    '::1.2.3.4.5',
    '::01.2.3.4',
    '1:2:3:4:5:6:7:1.2.3.4',
    '::1.2.3.4:5',
    '[::1]',
    ' ::1',
    '::1 ',
    '::-1',
  ]) {
    assert.equal(encode(AF_INET6, [host, 1]), NEEDS_LOOKUP, JSON.stringify(host));
  }
});

test("the other IP version's address is refused without a look-up", () => {
  for (const [family, host] of [
    [AF_INET, '::1'],
    [AF_INET, 'fe80::1%lo'],
    [AF_INET, '::ffff:127.0.0.1'],
    [AF_INET6, '127.0.0.1'],
    [AF_INET6, '<broadcast>'],
  ] as const) {
    assert.throws(
      () => encode(family, [host, 1]),
      (error: AddressInfoError) => {
        assert.ok(error instanceof AddressInfoError);
        assert.equal(error.code, 'EAI_ADDRFAMILY');
        assert.equal(error.syscall, 'getaddrinfo');
        assert.equal(error.address, host);
        assert.ok(error.message.includes(host));
        return true;
      },
    );
  }
});

test('wrong types and values are refused with what was expected and what came', () => {
  const shape4 = /^Expected \[host, port\] for address but received /;
  const shape6 = /^Expected \[host, port\].*for address but received /;
  const port = /^Expected .* for the port of address but received /;
  const shapeUnix = /^Expected a path \(a string or a Buffer\) for address but received /;
  const rows: [
    family: number,
    address: unknown,
    kind: typeof TypeError | typeof RangeError,
    message: RegExp,
  ][] = [
    [AF_INET, undefined, TypeError, /received undefined$/],
    [AF_INET, null, TypeError, shape4],
    [AF_INET, '127.0.0.1', TypeError, /received the string "127\.0\.0\.1"$/],
    [AF_INET, { host: '127.0.0.1', port: 80 }, TypeError, shape4],
    [AF_INET, [], TypeError, shape4],
    [AF_INET, ['127.0.0.1'], TypeError, shape4],
    [AF_INET, ['127.0.0.1', 80, 0], TypeError, shape4],
    [AF_INET, ['127.0.0.1', '80'], TypeError, port],
    [AF_INET, ['127.0.0.1', undefined], TypeError, port],
    [AF_INET, ['127.0.0.1', 80n], TypeError, port],
    [AF_INET, ['127.0.0.1', -1], RangeError, port],
    [AF_INET, ['127.0.0.1', 65536], RangeError, /0 to 65535.*received 65536$/],
    [AF_INET, ['127.0.0.1', 1.5], RangeError, port],
    [AF_INET, ['127.0.0.1', Number.NaN], RangeError, port],
    [AF_INET, ['example.org', 65536], RangeError, port],
    [AF_INET, [127, 80], TypeError, /^Expected a string for the host of address but received number 127$/],
    [AF_INET, [null, 80], TypeError, /the host of address/],
    [AF_INET, [Buffer.from('127.0.0.1'), 80], TypeError, /the host of address/],
    [AF_INET, ['127.0.0.1\0', 80], RangeError, /without NUL/],
    [AF_INET, ['\0', 80], RangeError, /without NUL/],
    [AF_INET6, '::1', TypeError, shape6],
    [AF_INET6, ['::1'], TypeError, shape6],
    [AF_INET6, ['::1', 1, 0, 0, 0], TypeError, shape6],
    [AF_INET6, ['::1', 65536], RangeError, port],
    [AF_INET6, ['::1', 1, -1], RangeError, /the flowinfo of address/],
    [
      AF_INET6,
      ['::1', 1, 0x100000],
      RangeError,
      /0 to 1048575 for the flowinfo of address but received 1048576$/,
    ],
    [AF_INET6, ['::1', 1, '0'], TypeError, /the flowinfo of address/],
    [AF_INET6, ['::1', 1, 0, -1], RangeError, /the scopeId of address/],
    [AF_INET6, ['::1', 1, 0, 2 ** 32], RangeError, /the scopeId of address/],
    [
      AF_INET6,
      ['fe80::1%1', 1, 0, 2],
      RangeError,
      /^Expected one scope in address but received %1.*scopeId 2$/,
    ],
    [AF_INET6, ['fe80::1%4294967296', 1], RangeError, /the scope in the host of address/],
    [AF_INET6, ['::1\0', 1], RangeError, /without NUL/],
    [AF_INET6, ['fe80::1%lo\0', 1], RangeError, /without NUL/],
    [AF_UNIX, undefined, TypeError, shapeUnix],
    [AF_UNIX, ['/run/s'], TypeError, shapeUnix],
    [AF_UNIX, 5, TypeError, shapeUnix],
    [AF_UNIX, new ArrayBuffer(3), TypeError, shapeUnix],
    [
      AF_UNIX,
      'p'.repeat(108),
      RangeError,
      /^Expected a path of at most 107 bytes for address but received 108 bytes$/,
    ],
    [AF_UNIX, 'é'.repeat(54), RangeError, /received 108 bytes$/],
    [
      AF_UNIX,
      `\0${'a'.repeat(108)}`,
      RangeError,
      /^Expected an abstract name of at most 108 bytes .*received 109 bytes$/,
    ],
    [AF_UNIX, 'a\0b', RangeError, /^Expected a path without NUL/],
    [AF_UNIX, Buffer.from('a\0'), RangeError, /^Expected a path without NUL/],
    [AF_XDP, [0, 0], TypeError, /^Expected a Buffer with the raw sockaddr/],
    [AF_XDP, Buffer.alloc(1), RangeError, /2 to 128 bytes for address but received 1 bytes$/],
    [AF_XDP, Buffer.alloc(129), RangeError, /received 129 bytes$/],
    [AF_XDP, Buffer.alloc(12), RangeError, /one of family 0$/],
  ];
  for (const [family, address, kind, message] of rows) {
    assert.throws(
      () => encode(family, address),
      { name: kind.name, message },
      `family ${family} ${String(address)}`,
    );
  }
});

test('tuples are frozen', () => {
  for (const [family, address] of [
    [AF_INET, ['127.0.0.1', 1]],
    [AF_INET6, ['::1', 1]],
  ] as const) {
    const bytes = encoded(family, address);
    assert.ok(Object.isFrozen(decodeAddress(bytes, bytes.length)));
  }
});

test('what is no whole address is read as far as it goes', () => {
  const bytes = encoded(AF_INET6, ['2001:db8::1', 80, 1, 2]);
  assert.equal(decodeAddress(bytes, 0), '');
  assert.equal(decodeAddress(bytes, 1), '');
  assert.deepEqual(decodeAddress(bytes, 2), bytes.subarray(0, 2));
  assert.deepEqual(decodeAddress(bytes, 23), bytes.subarray(0, 23));
  // RFC 2133's form, without a scope.
  assert.deepEqual(decodeAddress(bytes, 24), ['2001:db8::1', 80, 1, 0]);
  // A length that the kernel reports for an address that it had to cut.
  assert.deepEqual(decodeAddress(bytes, 110), ['2001:db8::1', 80, 1, 2]);
  assert.equal(decodeAddress(new Uint8Array(0), 16), '');
  const unspecified = Buffer.from(`${native(AF_UNSPEC, 2)}0102030405060708`, 'hex');
  assert.equal(decodeAddress(unspecified, unspecified.length), '');
  const unterminated = Buffer.from(unix('p'.repeat(108)), 'hex');
  assert.equal(decodeAddress(unterminated, 110), 'p'.repeat(108));
});

test('what is read does not change with the memory that it was read from', () => {
  for (const address of [Buffer.from('\0abstract'), Buffer.from([0xff, 0xfe])]) {
    const bytes = encoded(AF_UNIX, address);
    const read = decodeAddress(bytes, bytes.length);
    bytes.fill(0);
    assert.deepEqual(read, address);
  }
});

test('random bytes are read without an error', () => {
  const chance = new Chance('address: random bytes');
  for (let i = 0; i < ROUNDS; i++) {
    const bytes = chance.bytes(chance.integer(2, MAX_ADDRESS_LENGTH));
    const family = [AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC, AF_XDP, chance.integer(0, 0xffff)][i % 6]!;
    Buffer.from(native(family, 2), 'hex').copy(bytes);
    const address = decodeAddress(bytes, chance.integer(0, 140));
    assert.ok(typeof address === 'string' || Buffer.isBuffer(address) || Array.isArray(address));
    targetOf(family, address);
  }
});

test('every address comes back as it went', () => {
  const chance = new Chance('address: round trip');
  for (let i = 0; i < ROUNDS; i++) {
    // Bytes that a kernel might have written, so that reading them and writing what was read is the identity.
    const port = chance.bytes(2).toString('hex');
    const flow = `000${chance.bytes(4).toString('hex').slice(0, 5)}`;
    // Runs of zeros are what IPv6 text is about.
    const host = Array.from({ length: 8 }, () =>
      chance.integer(0, 1) ? '0000' : chance.bytes(2).toString('hex'),
    ).join('');
    const path = Buffer.from(chance.bytes(chance.integer(1, 107)).map((byte) => byte || 1));
    for (const [family, hex] of [
      [AF_INET, inet(port + chance.bytes(4).toString('hex'))],
      [AF_INET6, inet6(port, flow, host, chance.integer(0, 0xffffffff))],
      [AF_UNIX, `${native(AF_UNIX, 2)}00${chance.bytes(chance.integer(0, 107)).toString('hex')}`],
      [AF_UNIX, `${native(AF_UNIX, 2)}${path.toString('hex')}00`],
    ] as const) {
      const bytes = Buffer.from(hex, 'hex');
      const address = decodeAddress(bytes, bytes.length);
      assert.equal(encoded(family, address).toString('hex'), hex, JSON.stringify(address));
    }
  }
});

test('an error tells where a call was directed', () => {
  const rows: [family: number, address: unknown, target: object][] = [
    [AF_INET, ['127.0.0.1', 80], { address: '127.0.0.1', port: 80 }],
    [AF_INET, ['example.org', 80], { address: 'example.org', port: 80 }],
    [AF_INET6, ['::1', 80, 0, 0], { address: '::1', port: 80 }],
    [AF_UNIX, '/run/s', { path: '/run/s' }],
    [AF_UNIX, Buffer.from('\0name'), { path: '@name' }],
    [AF_UNIX, '', {}],
    [AF_XDP, Buffer.alloc(12), {}],
    [AF_INET, undefined, {}],
    [AF_INET, [1, '2'], {}],
    [AF_UNIX, undefined, {}],
    [12345, 'x', {}],
  ];
  for (const [family, address, target] of rows) assert.deepEqual(targetOf(family, address), target);
});

test('the types know the three families', () => {
  const known: Address<typeof AF_INET> = ['127.0.0.1', 80];
  const host: string = known[0];
  const short: AddressInput<typeof AF_INET6> = ['::1', 80];
  const any: Address<number> = known satisfies InetAddress;
  // @ts-expect-error a path is no address of AF_INET
  const wrong: AddressInput<typeof AF_INET> = '/run/s';
  assert.deepEqual([host, short.length, any, wrong], ['127.0.0.1', 2, known, '/run/s']);
});
