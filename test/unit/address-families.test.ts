// The tuples of the special families: what is read of bytes that are no whole address, that every
// address survives the way there and back, and what errors show of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AF_ALG,
  AF_BLUETOOTH,
  AF_CAN,
  AF_NETLINK,
  AF_PACKET,
  AF_QIPCRTR,
  AF_SMC,
  AF_TIPC,
  AF_VSOCK,
  AF_XDP,
  BTPROTO_BNEP,
  BTPROTO_HCI,
  BTPROTO_L2CAP,
  BTPROTO_RFCOMM,
  BTPROTO_SCO,
  CAN_BCM,
  CAN_ISOTP,
  CAN_J1939,
  CAN_RAW,
  TIPC_ADDR_ID,
  TIPC_ADDR_NAME,
  TIPC_ADDR_NAMESEQ,
} from 'berkeley-sockets';
import { decodeAddress, encodeAddress, MAX_ADDRESS_LENGTH, targetOf } from '../../dist/address.js';
import { Chance } from '../support/chance.ts';

const ROUNDS = 3000;

function encode(family: number, address: unknown, proto = 0): Buffer {
  const out = Buffer.alloc(MAX_ADDRESS_LENGTH, 0xee);
  return out.subarray(0, encodeAddress(family, address, out, 'address', proto));
}

/** Every family and protocol that has a codec of its own here, and two that have none. */
const kinds: readonly (readonly [family: number, proto: number])[] = [
  [AF_NETLINK, 0],
  [AF_PACKET, 0],
  [AF_VSOCK, 0],
  [AF_CAN, CAN_RAW],
  [AF_CAN, CAN_BCM],
  [AF_CAN, CAN_ISOTP],
  [AF_CAN, CAN_J1939],
  [AF_ALG, 0],
  [AF_TIPC, 0],
  [AF_QIPCRTR, 0],
  [AF_BLUETOOTH, BTPROTO_L2CAP],
  [AF_BLUETOOTH, BTPROTO_RFCOMM],
  [AF_BLUETOOTH, BTPROTO_HCI],
  [AF_BLUETOOTH, BTPROTO_SCO],
  [AF_BLUETOOTH, BTPROTO_BNEP],
  [AF_XDP, 0],
];

test('a raw sockaddr goes in as it is, of the right family and size', () => {
  for (const [family, proto] of kinds) {
    const sockaddr = new Chance(`raw ${family}`).bytes(24);
    sockaddr.writeUInt16LE(0);
    new Uint16Array(sockaddr.buffer, sockaddr.byteOffset, 1)[0] = family;
    assert.deepEqual(encode(family, sockaddr, proto), sockaddr);
    assert.throws(() => encode(family, Buffer.alloc(24), proto), {
      name: 'RangeError',
      message: /family 0$/,
    });
    assert.throws(() => encode(family, Buffer.alloc(1), proto), {
      name: 'RangeError',
      message: /2 to 128 bytes/,
    });
    assert.throws(() => encode(family, Buffer.alloc(129), proto), {
      name: 'RangeError',
      message: /129 bytes$/,
    });
  }
});

test('tuples are frozen, and their Buffers are copies', () => {
  const bytes = encode(AF_PACKET, ['', 3, 0, 1, Buffer.from([1, 2, 3])]);
  const address = decodeAddress(bytes, bytes.length) as readonly unknown[];
  bytes.fill(0);
  assert.ok(Object.isFrozen(address));
  assert.deepEqual(address[4], Buffer.from([1, 2, 3]));
});

test('an address that is shorter than its family needs comes back raw', () => {
  const whole: [family: number, proto: number, address: unknown, least: number][] = [
    [AF_NETLINK, 0, [1, 2], 12],
    [AF_VSOCK, 0, [1, 2], 12],
    [AF_QIPCRTR, 0, [1, 2], 12],
    [AF_PACKET, 0, ['', 3], 12],
    [AF_CAN, CAN_RAW, [''], 8],
    [AF_CAN, CAN_ISOTP, ['', 1, 2], 16],
    [AF_CAN, CAN_J1939, ['', 1n, 2, 3], 24],
    [AF_ALG, 0, ['hash', 'sha256'], 24],
    [AF_TIPC, 0, [TIPC_ADDR_ID, 1, 2, 0], 16],
    [AF_BLUETOOTH, BTPROTO_L2CAP, ['', 1], 13],
    [AF_BLUETOOTH, BTPROTO_RFCOMM, ['', 1], 9],
    [AF_BLUETOOTH, BTPROTO_HCI, 1, 6],
    [AF_BLUETOOTH, BTPROTO_SCO, '', 8],
  ];
  for (const [family, proto, address, least] of whole) {
    const bytes = encode(family, address, proto);
    for (let length = 2; length <= bytes.length; length++) {
      const read = decodeAddress(bytes, length, proto);
      assert.equal(Buffer.isBuffer(read), length < least, `family ${family}: ${length} bytes`);
      if (length < least) assert.deepEqual(read, bytes.subarray(0, length));
    }
  }
});

test('a hardware address that claims to be longer than its sockaddr is cut', () => {
  const bytes = encode(AF_PACKET, ['', 3, 0, 32, Buffer.from('0102030405060708', 'hex')]);
  bytes[11] = 255;
  assert.deepEqual(decodeAddress(bytes, 20), ['', 3, 0, 32, Buffer.from('0102030405060708', 'hex')]);
  // getsockname(2) of a packet socket gives no more bytes than the hardware has.
  assert.deepEqual(decodeAddress(bytes, 14), ['', 3, 0, 32, Buffer.from('0102', 'hex')]);
});

test('a hardware address of InfiniBand goes both ways', () => {
  const hwaddr = new Chance('InfiniBand').bytes(20);
  const bytes = encode(AF_PACKET, ['lo', 0x800, 0, 32, hwaddr]);
  assert.equal(bytes.length, 32);
  assert.deepEqual(decodeAddress(bytes, 32), ['lo', 0x800, 0, 32, hwaddr]);
});

test('an interface that is gone has no name', () => {
  const bytes = encode(AF_PACKET, ['', 3]);
  new DataView(bytes.buffer, bytes.byteOffset).setInt32(4, 0x7fff_0000, true);
  assert.deepEqual(decodeAddress(bytes, bytes.length), ['', 3, 0, 0, Buffer.alloc(0)]);
});

test('random bytes are read without an error, and what was read can be written', () => {
  const chance = new Chance('families: random bytes');
  for (let i = 0; i < ROUNDS; i++) {
    const [family, proto] = kinds[i % kinds.length]!;
    const bytes = chance.bytes(chance.integer(2, MAX_ADDRESS_LENGTH));
    new Uint16Array(bytes.buffer, bytes.byteOffset, 1)[0] = family;
    const address = decodeAddress(
      bytes,
      chance.integer(0, 140),
      chance.integer(0, 9) === 0 ? chance.integer(0, 300) : proto,
    );
    targetOf(family, address, proto);
    if (address === '') continue;
    const again = decodeAddress(bytes, bytes.length, proto);
    // What a codec gives, it takes; but for what no kernel gives: hardware addresses beyond 32 bytes,
    // and names of algorithms that leave no room for their NUL, or that are no UTF-8.
    try {
      encode(family, again, proto);
    } catch (error) {
      assert.match(String(error), /bytes for the (type|name|hwaddr) of address/);
    }
  }
});

test('every address comes back as it went', () => {
  const chance = new Chance('families: round trip');
  const u8 = () => chance.integer(0, 0xff);
  const u16 = () => chance.integer(0, 0xffff);
  const u32 = () => chance.integer(0, 0xffff_ffff);
  const u64 = () => (BigInt(u32()) << 32n) | BigInt(u32());
  const ifname = () => ['', 'lo'][chance.integer(0, 1)];
  const text = (most: number) => chance.bytes(chance.integer(0, most)).toString('hex').slice(0, most);
  const bdaddr = () =>
    chance
      .bytes(6)
      .toString('hex')
      .toUpperCase()
      .replace(/..(?=.)/g, '$&:');
  const name = () => u32();
  for (let i = 0; i < ROUNDS / 10; i++) {
    const instance = name();
    const made: [family: number, proto: number, address: unknown][] = [
      [AF_NETLINK, 0, [u32(), u32()]],
      [AF_PACKET, 0, [ifname(), u16(), u8(), u16(), chance.bytes(chance.integer(0, 32))]],
      [AF_VSOCK, 0, [u32(), u32()]],
      [AF_CAN, CAN_RAW, [ifname()]],
      [AF_CAN, CAN_BCM, [ifname()]],
      [AF_CAN, CAN_ISOTP, [ifname(), u32(), u32()]],
      [AF_CAN, CAN_J1939, [ifname(), u64(), u32(), u8()]],
      [AF_ALG, 0, [text(13), text(103), u32(), u32()]],
      [AF_TIPC, 0, [TIPC_ADDR_NAMESEQ, u32(), u32(), u32(), u8() - 128]],
      [AF_TIPC, 0, [TIPC_ADDR_NAME, u32(), instance, instance, u8() - 128]],
      [AF_TIPC, 0, [TIPC_ADDR_ID, u32(), u32(), 0, u8() - 128]],
      [AF_QIPCRTR, 0, [u32(), u32()]],
      [AF_BLUETOOTH, BTPROTO_L2CAP, [bdaddr(), u16()]],
      [AF_BLUETOOTH, BTPROTO_L2CAP, [bdaddr(), u16(), chance.integer(1, 0xffff)]],
      [AF_BLUETOOTH, BTPROTO_L2CAP, [bdaddr(), u16(), u16(), chance.integer(1, 255)]],
      [AF_BLUETOOTH, BTPROTO_RFCOMM, [bdaddr(), u8()]],
      [AF_BLUETOOTH, BTPROTO_HCI, u16()],
      [AF_BLUETOOTH, BTPROTO_HCI, [u16(), chance.integer(1, 0xffff)]],
      [AF_BLUETOOTH, BTPROTO_SCO, bdaddr()],
    ];
    for (const [family, proto, address] of made) {
      const bytes = encode(family, address, proto);
      assert.deepEqual(decodeAddress(bytes, bytes.length, proto), address, `family ${family}`);
    }
  }
});

test('an error tells where a call was directed', () => {
  const rows: [family: number, proto: number, address: unknown, target: object][] = [
    [AF_NETLINK, 0, [5, 0], { address: 'pid 5' }],
    [AF_NETLINK, 0, [0, 0x11], { address: 'pid 0 groups 0x11' }],
    [AF_PACKET, 0, ['eth0', 3], { address: 'eth0' }],
    [AF_PACKET, 0, ['', 3], {}],
    [AF_VSOCK, 0, [2, 1024], { address: '2', port: 1024 }],
    [AF_QIPCRTR, 0, [1, 7], { address: '1', port: 7 }],
    [AF_CAN, CAN_ISOTP, ['can0', 1, 2], { address: 'can0' }],
    [AF_ALG, 0, ['hash', 'sha256'], { address: 'hash sha256' }],
    [AF_TIPC, 0, [TIPC_ADDR_NAMESEQ, 1000, 0, 9], { address: '{1000, 0, 9}' }],
    [AF_TIPC, 0, [TIPC_ADDR_NAME, 1000, 7, 0], { address: '{1000, 7}' }],
    [AF_BLUETOOTH, BTPROTO_RFCOMM, ['00:11:22:33:44:55', 3], { address: '00:11:22:33:44:55', port: 3 }],
    [AF_BLUETOOTH, BTPROTO_HCI, 0, { address: 'hci0' }],
    [AF_BLUETOOTH, BTPROTO_HCI, [1, 3], { address: 'hci1' }],
    [AF_BLUETOOTH, BTPROTO_SCO, '00:11:22:33:44:55', { address: '00:11:22:33:44:55' }],
    [AF_BLUETOOTH, BTPROTO_BNEP, Buffer.alloc(8), {}],
    [AF_SMC, 0, ['127.0.0.1', 80], { address: '127.0.0.1', port: 80 }],
  ];
  for (const [family, proto, address, target] of rows)
    assert.deepEqual(targetOf(family, address, proto), target);
  for (const [family, proto] of kinds) {
    for (const junk of [undefined, null, 5n, {}, [], [{}], [Symbol.iterator], Buffer.alloc(12), () => 1])
      assert.doesNotThrow(() => targetOf(family, junk, proto));
  }
});
