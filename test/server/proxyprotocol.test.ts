// The PROXY protocol's bytes: what is written is read again, the specification's own examples, and
// everything that is not quite a header is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC, SOCK_DGRAM, SOCK_STREAM } from 'berkeley-sockets';
import {
  encodeProxyHeader,
  PP2_SUBTYPE_SSL_CN,
  PP2_SUBTYPE_SSL_VERSION,
  PP2_TYPE_ALPN,
  PP2_TYPE_AUTHORITY,
  PP2_TYPE_CRC32C,
  PP2_TYPE_NOOP,
  PP2_TYPE_SSL,
  type ProxyHeaderInput,
  ProxyProtocolError,
  parseProxyHeader,
  proxyTls,
} from 'berkeley-sockets/server';
import { Chance } from '../support/chance.ts';

const chance = new Chance('proxy protocol');
const signature = '0d0a0d0a000d0a515549540a';
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const line = (text: string) => Buffer.from(text, 'latin1');
const refused = (bytes: Buffer, what: RegExp) =>
  assert.throws(
    () => parseProxyHeader(bytes),
    (error: Error) =>
      error instanceof ProxyProtocolError && error.code === 'EPROTO' && what.test(error.message),
    bytes.toString('latin1'),
  );

function randomHost(six: boolean): string {
  if (!six) return Array.from({ length: 4 }, () => chance.integer(0, 255)).join('.');
  const groups = Array.from({ length: 8 }, () => chance.integer(0x1000, 0xffff).toString(16));
  return groups.join(':');
}

function randomAddress(kind: number): readonly [string, number] | string {
  if (kind === 3) return `/tmp/${chance.bytes(chance.integer(0, 40)).toString('hex')}`;
  const port = chance.integer(0, 65535);
  return kind === 1
    ? [randomHost(false), port]
    : ([randomHost(true), port, 0, 0] as unknown as readonly [string, number]);
}

test('whatever is written is read again', () => {
  for (let i = 0; i < 2000; i++) {
    const kind = chance.integer(0, 3);
    const version = kind === 3 ? 2 : (chance.integer(1, 2) as 1 | 2);
    const type = version === 2 && kind > 0 && chance.integer(0, 1) === 1 ? SOCK_DGRAM : SOCK_STREAM;
    const tlvs =
      version === 1
        ? []
        : Array.from(
            { length: chance.integer(0, 4) },
            () => [chance.integer(0xe0, 0xef), chance.bytes(chance.integer(0, 300))] as [number, Buffer],
          );
    const input: ProxyHeaderInput = {
      version,
      type,
      source: kind === 0 ? undefined : randomAddress(kind),
      destination: kind === 0 ? undefined : randomAddress(kind),
      tlvs,
      checksum: version === 2 && chance.integer(0, 1) === 1,
    };
    const bytes = encodeProxyHeader(input);
    const header = parseProxyHeader(bytes);
    assert.deepEqual(
      { ...header, tlvs: header.tlvs.filter(([number]) => number !== PP2_TYPE_CRC32C) },
      {
        version,
        local: false,
        family: [AF_UNSPEC, AF_INET, AF_INET6, AF_UNIX][kind],
        type: kind === 0 ? 0 : type,
        source: input.source,
        destination: input.destination,
        tlvs,
      },
    );
    // No proper part of it is a header.
    const cut = chance.integer(0, bytes.length - 1);
    refused(bytes.subarray(0, cut), /incomplete/);
    // A changed byte is either noticed or leads to something else, and never to a crash.
    const changed = Buffer.from(bytes);
    changed[chance.integer(0, changed.length - 1)]! ^= chance.integer(1, 255);
    try {
      const other = parseProxyHeader(changed);
      if (input.checksum) {
        // Only within the checksum's own type or length could it go unnoticed.
        assert.ok(other.tlvs.every(([number]) => number !== PP2_TYPE_CRC32C) || other.local);
      }
    } catch (error) {
      assert.ok(error instanceof ProxyProtocolError, String(error));
    }
  }
});

test('random bytes never do harm', () => {
  for (let i = 0; i < 3000; i++) {
    const start = [Buffer.alloc(0), hex(signature), line('PROXY '), line('PROXY TCP4 ')][i % 4]!;
    const bytes = Buffer.concat([start, chance.bytes(chance.integer(0, 60))]);
    try {
      parseProxyHeader(bytes);
    } catch (error) {
      assert.ok(error instanceof ProxyProtocolError, String(error));
    }
  }
});

test('version 1 to the letter', () => {
  const header = parseProxyHeader(line('PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n'));
  assert.deepEqual(header.source, ['192.168.0.1', 56324]);
  assert.deepEqual(header.destination, ['192.168.0.11', 443]);
  assert.equal(
    String(
      encodeProxyHeader({ version: 1, source: ['192.168.0.1', 56324], destination: ['192.168.0.11', 443] }),
    ),
    'PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n',
  );
  const full = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff';
  assert.deepEqual(parseProxyHeader(line(`PROXY TCP6 ${full} ::1 65535 0\r\n`)).source, [full, 65535, 0, 0]);
  for (const unknown of ['', ` ${full} ${full} 65535 65535`, ' whatever it is']) {
    const { family, source, local } = parseProxyHeader(line(`PROXY UNKNOWN${unknown}\r\n`));
    assert.deepEqual([family, source, local], [AF_UNSPEC, undefined, false]);
  }
  assert.equal(String(encodeProxyHeader({ version: 1 })), 'PROXY UNKNOWN\r\n');
});

test('lines that are not quite one are refused', () => {
  for (const text of [
    'PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8\r1 2\r\n',
    'PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n',
    'PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 0x1 2\r\n',
    'PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n',
    'PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n',
    'PROXY TCP4 ::1 ::1 1 2\r\n',
    'PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n',
    'PROXY TCP6 ::1%lo ::1 1 2\r\n',
    'PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n',
    'PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n',
    'PROXY \r\n',
    'PROXY\tTCP4 1.2.3.4 5.6.7.8 1 2\r\n',
  ])
    refused(line(text), /malformed line|no header/);
  for (const text of ['GET / HTTP/1.1\r\n\r\n', 'proxy TCP4', '\x16\x03\x01', '\0', 'P\0'])
    refused(line(text), /no header, but/);
  refused(line(`PROXY UNKNOWN ${'x'.repeat(100)}\r\n`), /more than 107/);
  refused(line(`PROXY UNKNOWN ${'x'.repeat(200)}`), /more than 107/);
});

test('version 2 to the bit', () => {
  const tcp4 = hex(`${signature} 21 11 000c c0a80001 c0a8000b dc04 01bb`);
  const { source, destination, type } = parseProxyHeader(tcp4);
  assert.deepEqual([source, destination, type], [['192.168.0.1', 56324], ['192.168.0.11', 443], SOCK_STREAM]);
  assert.deepEqual(
    encodeProxyHeader({ source: ['192.168.0.1', 56324], destination: ['192.168.0.11', 443] }),
    tcp4,
  );
  const udp6 = hex(`${signature} 21 22 0024 ${'00'.repeat(15)}01 fe80${'00'.repeat(13)}02 0035 ffff`);
  const six = parseProxyHeader(udp6);
  assert.deepEqual(
    [six.source, six.destination, six.type],
    [['::1', 53, 0, 0], ['fe80::2', 65535, 0, 0], SOCK_DGRAM],
  );
  const unix = (source: string, destination: string) =>
    hex(`${signature} 21 31 00d8 ${source.padEnd(216, '0')} ${destination.padEnd(216, '0')}`);
  const there = parseProxyHeader(unix(line('/run/a').toString('hex'), ''));
  assert.deepEqual([there.family, there.source, there.destination], [AF_UNIX, '/run/a', '']);
  const odd = parseProxyHeader(unix('00616263', 'ff2f'));
  assert.deepEqual([odd.source, odd.destination], [line('\0abc'), hex('ff2f')]);
});

test('local, unspecified, and what comes with them', () => {
  const local = encodeProxyHeader({ local: true });
  assert.deepEqual(local, hex(`${signature} 20 00 0000`));
  assert.equal(parseProxyHeader(local).local, true);
  // "Receivers MUST always consider this field … and must not assume zero is presented for LOCAL"
  for (const text of ['20 11 000c c0a80001 c0a8000b dc04 01bb', '20 00 0005 0102030405', '20 ff 0001 00']) {
    const header = parseProxyHeader(hex(`${signature} ${text}`));
    assert.deepEqual([header.local, header.source, header.family], [true, undefined, AF_UNSPEC]);
  }
  for (const text of ['21 00 0000', '21 00 0004 01020304', '21 10 000c c0a80001 c0a8000b dc04 01bb']) {
    const header = parseProxyHeader(hex(`${signature} ${text}`));
    assert.deepEqual([header.local, header.source], [false, undefined]);
  }
});

test('headers of version 2 that are not quite one are refused', () => {
  refused(hex(`${signature} 11 11 000c`), /version 1 of the binary form/);
  refused(hex(`${signature} 31 11 000c`), /version 3 of the binary form/);
  refused(hex(`${signature} 22 11 0000`), /command 2/);
  refused(hex(`${signature} 21 41 0000`), /family and protocol 0x41/);
  refused(hex(`${signature} 21 13 000c ${'00'.repeat(12)}`), /family and protocol 0x13/);
  refused(hex(`${signature} 21 11 000b ${'00'.repeat(11)}`), /too short for its addresses/);
  refused(hex(`${signature} 21 21 000c ${'00'.repeat(12)}`), /too short for its addresses/);
  refused(hex(`${signature} 21 31 00d7 ${'00'.repeat(215)}`), /too short for its addresses/);
  refused(hex(`${signature} 21 11 000e ${'00'.repeat(12)} 0102`), /TLV that goes beyond/);
  refused(hex(`${signature} 21 11 0010 ${'00'.repeat(12)} 01000200`), /TLV that goes beyond/);
  refused(hex(`${signature} 21 11 000c ${'00'.repeat(13)}`), /more bytes/);
  refused(hex('0d0a0d0a000d0a515549540b'), /no header/);
});

test('TLVs, checksums and what the client’s TLS was', () => {
  const addresses = { source: ['10.0.0.1', 1], destination: ['10.0.0.2', 2] } as const;
  const ssl = Buffer.concat([
    hex('03 00000000'),
    hex(`${PP2_SUBTYPE_SSL_VERSION.toString(16)} 0007`),
    line('TLSv1.3'),
    hex(`${PP2_SUBTYPE_SSL_CN.toString(16)} 0006`),
    line('client'),
  ]);
  const bytes = encodeProxyHeader({
    ...addresses,
    tlvs: [
      [PP2_TYPE_ALPN, 'h2'],
      [PP2_TYPE_NOOP, '...'],
      [PP2_TYPE_AUTHORITY, 'example.org'],
      [PP2_TYPE_SSL, ssl],
    ],
    checksum: true,
  });
  const header = parseProxyHeader(bytes);
  assert.deepEqual(
    header.tlvs.map(([type]) => type),
    [PP2_TYPE_ALPN, PP2_TYPE_AUTHORITY, PP2_TYPE_SSL, PP2_TYPE_CRC32C],
  );
  assert.equal(String(header.tlvs[1]![1]), 'example.org');
  assert.deepEqual(proxyTls(header), {
    tls: true,
    certificate: true,
    verified: true,
    version: 'TLSv1.3',
    commonName: 'client',
    cipher: undefined,
    signatureAlgorithm: undefined,
    keyAlgorithm: undefined,
  });
  assert.equal(proxyTls(parseProxyHeader(encodeProxyHeader(addresses))), undefined);
  // Every single bit counts.
  for (let bit = 0; bit < 8 * 4; bit++) {
    const changed = Buffer.from(bytes);
    changed[16 + (bit >> 3)]! ^= 1 << (bit & 7);
    refused(changed, /checksum/);
  }
  refused(hex(`${signature} 21 11 0012 ${'00'.repeat(12)} 03 0003 010203`), /checksum/);
  const short = encodeProxyHeader({ ...addresses, tlvs: [[PP2_TYPE_SSL, 'abc']] });
  assert.throws(() => proxyTls(parseProxyHeader(short)), ProxyProtocolError);
});

test('what no header can say is refused before anything is written', () => {
  const source = ['10.0.0.1', 1] as const;
  const destination = ['10.0.0.2', 2] as const;
  const bad = (input: unknown, error: new (...args: never[]) => Error) =>
    assert.throws(() => encodeProxyHeader(input as ProxyHeaderInput), error, JSON.stringify(input));
  bad(null, TypeError);
  bad({ version: 3 }, RangeError);
  bad({ type: 7 }, RangeError);
  bad({ source }, TypeError);
  bad({ source, destination: ['::1', 1] }, TypeError);
  bad({ source, destination, local: true }, TypeError);
  bad({ source: ['example.org', 1], destination }, RangeError);
  bad({ source: ['10.0.0.1', 65536], destination }, RangeError);
  bad({ source: ['10.0.0.1', '1'], destination }, TypeError);
  bad({ source: [1, 1], destination }, TypeError);
  bad({ source: 1, destination: 2 }, TypeError);
  bad({ source: 'x'.repeat(109), destination: '' }, RangeError);
  bad({ tlvs: [[256, '']] }, RangeError);
  bad({ tlvs: [[1, Buffer.alloc(65536)]] }, RangeError);
  bad({ tlvs: Array(70).fill([1, Buffer.alloc(1000)]) }, RangeError);
  bad({ tlvs: [[1, 1]] }, TypeError);
  bad({ version: 1, source: '/a', destination: '/b' }, RangeError);
  bad({ version: 1, local: true }, RangeError);
  bad({ version: 1, type: SOCK_DGRAM }, RangeError);
  bad({ version: 1, tlvs: [[1, 'x']] }, RangeError);
  bad({ version: 1, checksum: true }, RangeError);
});
