// The codecs of addresses, control messages and structures with random values and random bytes.
// What is asked of each: a decoder gives a value for any bytes, or refuses them in the library's own
// words; an encoder stays within its bounds, and refuses likewise; what was encoded comes back the
// same; and decoding, encoding and decoding again changes nothing.
import assert from 'node:assert/strict';
import * as library from 'berkeley-sockets';
import {
  decodeAddress,
  encodeAddress,
  MAX_ADDRESS_LENGTH,
  NEEDS_LOOKUP,
  targetOf,
} from '../../dist/address.js';
import { decodeAncillary, encodeAncillary } from '../../dist/ancillary.js';
import type { Chance } from '../support/chance.ts';
import { anyBytes, anyInt, anyNumber, anySize, anyText, anything, Hostility, once, pick } from './hostile.ts';

const SIZE = MAX_ADDRESS_LENGTH;
const littleEndian = library.htons(1) !== 1;
// Bytes behind what an encoder may write, which stay as they are.
const MARGIN = 32;

const families = [
  library.AF_UNIX,
  library.AF_INET,
  library.AF_INET6,
  library.AF_NETLINK,
  library.AF_PACKET,
  library.AF_VSOCK,
  library.AF_CAN,
  library.AF_ALG,
  library.AF_TIPC,
  library.AF_QIPCRTR,
  library.AF_BLUETOOTH,
  library.AF_RDS,
  library.AF_SMC,
  0,
  44,
  200,
] as (number | undefined)[];

/** V8's own words for a mistake in the code, which no refusal may have. */
const mistake =
  /is not (a function|iterable|a constructor|defined)|Cannot (read|set|convert|destructure)|undefined or null/;

/** Whether an error is one of the library's refusals, or the value's own doing. */
export function isRefusal(error: unknown): boolean {
  if (error instanceof Hostility) return true;
  if (error instanceof library.SocketError) return true;
  return (error instanceof TypeError || error instanceof RangeError) && !mistake.test(error.message);
}

/** The result, or nothing where the library refused. */
function allowed<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw error;
  }
}

/** Bytes that begin as a sockaddr of the family. */
function familyBytes(chance: Chance, family: number): Uint8Array {
  const bytes = anyBytes(chance, anySize(chance, 200));
  if (bytes.length >= 2) new DataView(bytes.buffer).setUint16(0, family, littleEndian);
  return bytes;
}

/** An address: one that is right, one with a part that is not, a tuple of anything, or anything. */
function anyAddress(chance: Chance, family: number, proto: number): unknown {
  const part = () =>
    pick(chance, [
      () => anyText(chance),
      () => anyNumber(chance),
      () => chance.integer(0, 70_000),
      () => anything(chance, 1),
      () => 'lo',
      () => '00:11:22:aa:bb:cc',
      () => '127.0.0.1',
      () => '::1',
      () => anyBytes(chance, anySize(chance, 20)),
    ])();
  switch (chance.integer(1, 6)) {
    case 1:
      return anyText(chance);
    case 2:
      return anyBytes(chance, anySize(chance, 140));
    case 3:
      return anything(chance);
    case 4:
      return Array.from({ length: chance.integer(0, 6) }, part);
    default: {
      const bytes = familyBytes(chance, family);
      const address: unknown = decodeAddress(bytes, bytes.length, proto);
      if (!Array.isArray(address) || once(chance, 3)) return address;
      const changed: unknown[] = [...address];
      changed[chance.integer(0, changed.length)] = part();
      return changed;
    }
  }
}

function addressProperties(chance: Chance): void {
  const family = pick(chance, families);
  const proto = chance.integer(0, 8);
  if (family === undefined) return;
  const out = new Uint8Array(new ArrayBuffer(SIZE + MARGIN)).fill(0xa5);

  const address = anyAddress(chance, family, proto);
  const length = allowed(() => encodeAddress(family, address, out, 'address', proto));
  assert.ok(
    out.subarray(SIZE).every((byte) => byte === 0xa5),
    'an encoder wrote behind its room',
  );
  if (length !== undefined && length !== NEEDS_LOOKUP) {
    assert.ok(Number.isInteger(length) && length >= 0 && length <= SIZE, `a length of ${length}`);
    settles(out.subarray(0, SIZE), length, family, proto);
  }
  allowed(() => targetOf(family, address, proto));

  const bytes = once(chance, 4) ? anyBytes(chance, anySize(chance, 200)) : familyBytes(chance, family);
  // Never throws, whatever the length says.
  const given = once(chance, 4) ? Math.abs(anyInt(chance)) : bytes.length;
  decodeAddress(bytes, given, proto);
  settles(bytes, Math.min(bytes.length, SIZE), family, proto);
}

/** What is decoded can be encoded, if it is of that family, and is then decoded to the same. */
function settles(bytes: Uint8Array, length: number, family: number, proto: number): void {
  const own =
    length >= 2 && new DataView(bytes.buffer, bytes.byteOffset).getUint16(0, littleEndian) === family;
  const first = decodeAddress(bytes, length, proto);
  // An address of another family, or none at all, is not this one's to give back.
  if (!own || first === '') return;
  const out = new Uint8Array(SIZE);
  const again = allowed(() => encodeAddress(family, first, out, 'address', proto));
  if (again === undefined || again === NEEDS_LOOKUP) return;
  assert.deepEqual(decodeAddress(out, again, proto), first);
}

function anyRows(chance: Chance): unknown {
  if (once(chance, 10)) return anything(chance);
  return Array.from({ length: chance.integer(0, 5) }, () =>
    once(chance, 20)
      ? anything(chance)
      : [
          row(chance),
          row(chance),
          once(chance, 8) ? anything(chance) : anyBytes(chance, anySize(chance, 300)),
        ],
  );
}
const row = (chance: Chance): unknown =>
  once(chance, 12)
    ? anything(chance)
    : pick(chance, [0, 1, 2, 6, 17, 41, 263, 279, chance.integer(0, 80), anyInt(chance)]);

function ancillaryProperties(chance: Chance): void {
  const rows = anyRows(chance);
  const control = allowed(() => encodeAncillary(rows));
  if (control) {
    const back = decodeAncillary(control, control.length);
    const given = (rows as [number, number, Uint8Array][]).map(([level, type]) => [level | 0, type | 0]);
    assert.deepEqual(
      back.map(([level, type]) => [level, type]),
      given,
    );
    assert.deepEqual(encodeAncillary(back), control);
    control[chance.integer(0, control.length - 1)]! ^= 1 << chance.integer(0, 7);
    for (const [, , data] of decodeAncillary(control, chance.integer(0, control.length + 40)))
      assert.ok(data.length <= control.length);
  }
  const bytes = anyBytes(chance, anySize(chance, 400));
  const found = decodeAncillary(bytes, once(chance, 3) ? anySize(chance, 1000) : bytes.length);
  const total = found.reduce((sum, [, , data]) => sum + data.length, 0);
  assert.ok(total <= bytes.length, 'control data of more bytes than there are');
  allowed(() => library.decodeControl(found));
}

function controlProperties(chance: Chance): void {
  // Rows of any kind are decoded, and nothing of them is lost.
  const rows = anyRows(chance);
  const control = allowed(() => library.decodeControl(rows as never));
  if (control && Array.isArray(rows)) assert.ok(control.rest.length <= rows.length);
  const names = [
    'fds',
    'credentials',
    'packetInfo',
    'ttl',
    'tos',
    'hopLimit',
    'trafficClass',
    'segmentSize',
    'mark',
    'priority',
    'transmitTime',
    'timestamping',
    'alg',
    'rest',
    anyText(chance),
  ];
  const input = once(chance, 10)
    ? anything(chance)
    : Object.fromEntries(
        Array.from({ length: chance.integer(0, 4) }, () => [
          pick(chance, names),
          pick(chance, [
            () => anything(chance),
            () => chance.integer(0, 300),
            () => ({
              source: pick(chance, ['127.0.0.1', '::1', anyText(chance)]),
              interface: pick(chance, [0, 1, 'lo', anyNumber(chance)]),
            }),
            () => ({ pid: anyNumber(chance), uid: anyNumber(chance), gid: chance.integer(0, 70_000) }),
            () => [chance.integer(0, 100), anyNumber(chance)],
            () => ({ op: anyNumber(chance), iv: anyBytes(chance, 16), assoclen: anyNumber(chance) }),
          ])(),
        ]),
      );
  const made = allowed(() => library.encodeControl(input as never));
  if (!made) return;
  const buffer = allowed(() => encodeAncillary(made));
  if (buffer) library.decodeControl(decodeAncillary(buffer, buffer.length));
}

function structureProperties(chance: Chance): void {
  const bytes = anyBytes(chance, anySize(chance, 600));
  for (const decode of [
    library.decodeTcpInfo,
    library.decodeTimeval,
    library.decodeLinger,
    library.decodeCredentials,
    library.decodeGroups,
    library.decodeText,
    library.decodeFilter,
  ])
    allowed(() => decode(bytes as never));
  const value = once(chance, 3)
    ? anything(chance)
    : {
        onoff: anything(chance),
        linger: anyNumber(chance),
        pid: anyNumber(chance),
        uid: anyNumber(chance),
        gid: anyNumber(chance),
        seconds: anyNumber(chance),
      };
  for (const [encode, decode] of [
    [library.encodeLinger, library.decodeLinger],
    [library.encodeCredentials, library.decodeCredentials],
  ] as const) {
    const made = allowed(() => encode(value as never));
    if (made) assert.deepEqual(encode(decode(made) as never), made);
  }
  const program = once(chance, 4)
    ? anything(chance)
    : Array.from({ length: chance.integer(0, 6) }, () =>
        Array.from({ length: once(chance, 9) ? 3 : 4 }, () =>
          once(chance, 6) ? anything(chance) : chance.integer(0, 255),
        ),
      );
  const made = allowed(() => library.encodeFilter(program as never));
  if (made) assert.deepEqual(library.encodeFilter(library.decodeFilter(made)), made);
}

function textProperties(chance: Chance): void {
  const { AF_INET, AF_INET6, inet_pton, inet_ntop, inet_aton, inet_ntoa } = library;
  for (const family of [AF_INET, AF_INET6, anything(chance) as number]) {
    const packed = allowed(() => inet_pton(family, anyText(chance)));
    if (packed) assert.deepEqual(inet_pton(family, inet_ntop(family, packed)), packed);
    const bytes = anyBytes(chance, pick(chance, [4, 16, anySize(chance, 20)]));
    const text = allowed(() => inet_ntop(family, bytes));
    if (text !== undefined) assert.deepEqual(inet_pton(family, text), Buffer.from(bytes));
  }
  const address = allowed(() => inet_aton(anyText(chance)));
  if (address) assert.deepEqual(inet_aton(inet_ntoa(address)), address);
}

export const properties = [
  addressProperties,
  ancillaryProperties,
  controlProperties,
  structureProperties,
  textProperties,
];
