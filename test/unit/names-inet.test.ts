// inet_pton and its relatives, and byte order: against Python's, which are the C library's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  htonl,
  htons,
  inet_aton,
  inet_ntoa,
  inet_ntop,
  inet_pton,
  ntohl,
  ntohs,
  SocketError,
} from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';
import { evalPython } from '../support/python.ts';

/** What a call of `function` gives in Python for each of the arguments: a value, or null for OSError. */
function python<T>(name: string, calls: unknown[][]): Promise<(T | null)[]> {
  return evalPython(
    `
    import binascii, json, socket, sys
    def plain(value):
        return value.hex() if isinstance(value, bytes) else value
    def call(arguments):
        try:
            return plain(getattr(socket, sys.argv[1])(*[binascii.unhexlify(a[4:]) if isinstance(a, str) and a.startswith('hex:') else a for a in arguments]))
        except OSError:
            return None
    print(json.dumps([call(arguments) for arguments in json.loads(sys.argv[2])]))
    `,
    [name, JSON.stringify(calls)],
  );
}

/** The value of `call`, or null for the error that malformed text gives. */
function attempt<T>(call: () => T, syscall: string): T | null {
  try {
    return call();
  } catch (error) {
    assert.ok(error instanceof SocketError, String(error));
    assert.equal(error.code, 'EINVAL');
    assert.equal(error.syscall, syscall);
    assert.match(error.message, new RegExp(`illegal IP address string passed to ${syscall}`));
    return null;
  }
}

const texts4 = [
  '0.0.0.0',
  '127.0.0.1',
  '255.255.255.255',
  '1.2.3.4',
  '256.1.1.1',
  '1.2.3',
  '1.2.3.4.5',
  '01.2.3.4',
  '00.0.0.0',
  '1.2.3.',
  '.1.2.3',
  '1..2.3',
  '',
  ' 1.2.3.4',
  '1.2.3.4 ',
  '1.2.3.4x',
  '-1.2.3.4',
  '+1.2.3.4',
  '1.2.3.0x4',
  '127.1',
  '127',
  '0x7f000001',
  '017700000001',
  '4294967295',
  '4294967296',
  '1.16777215',
  '1.16777216',
  '0x7f.1',
  '08.1.1.1',
  '1.2.65535',
  '1.2.65536',
  '1.2.3.4 trailing',
  '1.2.3.4\ttrailing',
  '1.2.3.4\n',
  'localhost',
  '1.2.3.4.',
  '0X7F.1',
];
const texts6 = [
  '::',
  '::1',
  '1::',
  '1::2',
  '2001:db8::1',
  '2001:DB8::A',
  '1:2:3:4:5:6:7:8',
  '1:2:3:4:5:6:7::',
  '::2:3:4:5:6:7:8',
  '1:2:3:4:5:6:7:8:9',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7::8',
  '1::2::3',
  ':::',
  ':',
  '',
  ':1',
  '1:',
  '::1:',
  '12345::',
  '0001::',
  '00001::',
  'g::',
  '::1.2.3.4',
  '::ffff:1.2.3.4',
  '1:2:3:4:5:6:1.2.3.4',
  '1:2:3:4:5:1.2.3.4',
  '1:2:3:4:5:6:7:1.2.3.4',
  '::1.2.3',
  '::1.2.3.4.5',
  '::01.2.3.4',
  '::1.2.3.256',
  '1.2.3.4::',
  '::1.2.3.4:1',
  '::1%lo',
  'fe80::1%1',
  ' ::1',
  '::1 ',
  '[::1]',
  '::12.34.56.78',
  '1:2:3:4:5::1.2.3.4',
  '1:2:3:4:5:6::1.2.3.4',
  '::.1.2.3',
  '::1.2.3.4.',
  '1:::2',
  '::a.b.c.d',
];

test('inet_pton takes what the C library takes, and nothing else', async () => {
  const chance = new Chance('inet_pton');
  const alphabet = ['0', '1', 'f', ':', '::', '.', '255', '10', 'abcd', '1.2.3.4', 'g', '%'];
  const random = Array.from({ length: 1500 }, () =>
    Array.from(
      { length: chance.integer(1, 12) },
      () => alphabet[chance.integer(0, alphabet.length - 1)],
    ).join(''),
  );
  for (const [family, texts] of [
    [AF_INET, [...texts4, ...random]],
    [AF_INET6, [...texts6, ...random]],
  ] as const) {
    const expected = await python<string>(
      'inet_pton',
      texts.map((text) => [family, text]),
    );
    texts.forEach((text, i) => {
      const bytes = attempt(() => inet_pton(family, text), 'inet_pton');
      assert.equal(bytes?.toString('hex') ?? null, expected[i], JSON.stringify(text));
      if (bytes !== null) assert.ok(Buffer.isBuffer(bytes));
    });
  }
});

test('inet_ntop writes what the C library writes', async () => {
  const chance = new Chance('inet_ntop');
  const four = Array.from({ length: 300 }, () => chance.bytes(4));
  const sixteen = Array.from({ length: 1500 }, (_, i) => {
    const bytes = chance.bytes(16);
    // Mostly zeros, in groups and in bytes; every eighth one mapped or compatible.
    for (let at = 0; at < 16; at += 2) if (chance.integer(0, 2) > 0) bytes.fill(0, at, at + 2);
    if (chance.integer(0, 2) === 0) bytes[chance.integer(0, 15)] = 0;
    if (i % 8 === 0) bytes.fill(0, 0, 10);
    if (i % 16 === 0) bytes.fill(0xff, 10, 12);
    else if (i % 8 === 0) bytes.fill(0, 10, 12);
    return bytes;
  });
  for (const [family, list] of [
    [AF_INET, four],
    [AF_INET6, sixteen],
  ] as const) {
    const expected = await python<string>(
      'inet_ntop',
      list.map((bytes) => [family, `hex:${bytes.toString('hex')}`]),
    );
    for (const [i, bytes] of list.entries()) {
      assert.equal(inet_ntop(family, bytes), expected[i], bytes.toString('hex'));
    }
  }
  const view = new DataView(Uint8Array.of(9, 127, 0, 0, 1, 9).buffer, 1, 4);
  assert.equal(inet_ntop(AF_INET, view), '127.0.0.1');
  assert.equal(inet_ntop(AF_INET, Uint8Array.of(10, 0, 0, 1).buffer), '10.0.0.1');
});

test('inet_aton takes short forms, octal and hexadecimal, as the C library does', async () => {
  const expected = await python<string>(
    'inet_aton',
    texts4.map((text) => [text]),
  );
  texts4.forEach((text, i) => {
    assert.equal(
      attempt(() => inet_aton(text), 'inet_aton')?.toString('hex') ?? null,
      expected[i],
      JSON.stringify(text),
    );
  });
  assert.equal(
    attempt(() => inet_aton('1.2.3.4\0'), 'inet_aton'),
    null,
  );
  assert.deepEqual(inet_aton('255.255.255.255'), Buffer.alloc(4, 255));
});

test('inet_ntoa is the dotted quad', () => {
  assert.equal(inet_ntoa(Buffer.from([192, 0, 2, 255])), '192.0.2.255');
});

test('wrong arguments are refused', () => {
  assert.throws(() => inet_pton(AF_UNIX, 'x'), {
    name: 'SocketError',
    code: 'EAFNOSUPPORT',
    syscall: 'inet_pton',
  });
  assert.throws(() => inet_ntop(99, Buffer.alloc(4)), {
    name: 'SocketError',
    code: 'EAFNOSUPPORT',
    syscall: 'inet_ntop',
  });
  for (const text of [undefined, null, 1, Buffer.from('1.2.3.4')] as unknown as string[]) {
    assert.throws(() => inet_pton(AF_INET, text), {
      name: 'TypeError',
      message: /^Expected a string for text/,
    });
    assert.throws(() => inet_aton(text), { name: 'TypeError', message: /^Expected a string for text/ });
  }
  assert.throws(() => inet_pton('4' as unknown as number, '1.2.3.4'), {
    name: 'TypeError',
    message: /family/,
  });
  for (const packed of [undefined, null, '\x7f\0\0\x01', 5, [127, 0, 0, 1]] as unknown as Uint8Array[]) {
    assert.throws(() => inet_ntop(AF_INET, packed), { name: 'TypeError', message: /packed/ });
    assert.throws(() => inet_ntoa(packed), { name: 'TypeError', message: /packed/ });
  }
  assert.throws(() => inet_ntop(AF_INET, Buffer.alloc(5)), {
    name: 'RangeError',
    message: 'Expected 4 bytes for packed but received 5',
  });
  assert.throws(() => inet_ntop(AF_INET6, Buffer.alloc(4)), {
    name: 'RangeError',
    message: 'Expected 16 bytes for packed but received 4',
  });
  assert.throws(() => inet_ntoa(Buffer.alloc(0)), { name: 'RangeError' });
});

test('byte order is the machine’s on one side and the network’s on the other', async () => {
  const shorts = [0, 1, 0x1234, 0x8000, 0xff, 0xff00, 0xffff];
  const longs = [...shorts, 0x12345678, 0x7fffffff, 0x80000000, 0xff000000, 0xffffffff];
  assert.deepEqual(
    shorts.map(htons),
    await python(
      'htons',
      shorts.map((n) => [n]),
    ),
  );
  assert.deepEqual(
    shorts.map(ntohs),
    await python(
      'ntohs',
      shorts.map((n) => [n]),
    ),
  );
  assert.deepEqual(
    longs.map(htonl),
    await python(
      'htonl',
      longs.map((n) => [n]),
    ),
  );
  assert.deepEqual(
    longs.map(ntohl),
    await python(
      'ntohl',
      longs.map((n) => [n]),
    ),
  );
  for (const convert of [htons, ntohs]) {
    for (const value of [-1, 0x10000, 1.5, Number.NaN])
      assert.throws(() => convert(value), RangeError, String(value));
  }
  for (const convert of [htonl, ntohl]) {
    for (const value of [-1, 2 ** 32, 0.1, Number.POSITIVE_INFINITY])
      assert.throws(() => convert(value), RangeError, String(value));
  }
  for (const convert of [htons, ntohs, htonl, ntohl])
    assert.throws(() => convert('1' as unknown as number), TypeError);
});
