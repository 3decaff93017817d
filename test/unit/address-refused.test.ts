// Addresses of the special families that are refused: how, and with which words.
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
  CAN_ISOTP,
  CAN_J1939,
  CAN_RAW,
  SocketError,
  TIPC_ADDR_NAME,
} from 'berkeley-sockets';
import { encodeAddress, MAX_ADDRESS_LENGTH } from '../../dist/address.js';

function encode(family: number, address: unknown, proto = 0): Buffer {
  const out = Buffer.alloc(MAX_ADDRESS_LENGTH, 0xee);
  return out.subarray(0, encodeAddress(family, address, out, 'address', proto));
}

test('wrong shapes and values are refused with what was expected and what came', () => {
  type Refused = [
    family: number,
    proto: number,
    address: unknown,
    kind: 'TypeError' | 'RangeError',
    message: RegExp,
  ];
  const refused: Refused[] = [
    [AF_NETLINK, 0, undefined, 'TypeError', /^Expected \[pid, groups\] for address but received undefined$/],
    [AF_NETLINK, 0, [0], 'TypeError', /\[pid, groups\].*an array$/],
    [AF_NETLINK, 0, [0, 0, 0], 'TypeError', /\[pid, groups\]/],
    [
      AF_NETLINK,
      0,
      ['0', 0],
      'TypeError',
      /^Expected a number for the pid of address but received the string "0"$/,
    ],
    [AF_NETLINK, 0, [0, -1], 'RangeError', /0 to 4294967295 for the groups of address but received -1$/],
    [AF_NETLINK, 0, [2 ** 32, 0], 'RangeError', /the pid of address but received 4294967296$/],
    [AF_VSOCK, 0, [1.5, 0], 'RangeError', /the cid of address/],
    [AF_VSOCK, 0, [1, 2 ** 32], 'RangeError', /the port of address/],
    [AF_VSOCK, 0, '1:2', 'TypeError', /\[cid, port\]/],
    [AF_QIPCRTR, 0, [-1, 0], 'RangeError', /the node of address/],
    [AF_QIPCRTR, 0, [1n, 0], 'TypeError', /the node of address but received bigint 1$/],
    [
      AF_PACKET,
      0,
      'lo',
      'TypeError',
      /^Expected \[ifname, proto\], up to \[ifname, proto, pkttype, hatype, hwaddr\] for address/,
    ],
    [AF_PACKET, 0, ['lo'], 'TypeError', /\[ifname, proto\]/],
    [AF_PACKET, 0, ['lo', 3, 0, 0, Buffer.alloc(6), 0], 'TypeError', /\[ifname, proto\]/],
    [
      AF_PACKET,
      0,
      [1, 3],
      'TypeError',
      /^Expected a string for the interface of address but received number 1$/,
    ],
    [AF_PACKET, 0, ['lo\0', 3], 'RangeError', /without NUL for the interface of address/],
    [AF_PACKET, 0, ['lo', 0x10000], 'RangeError', /the proto of address/],
    [AF_PACKET, 0, ['lo', '3'], 'TypeError', /the proto of address/],
    [AF_PACKET, 0, ['lo', 3, 256], 'RangeError', /the pkttype of address/],
    [AF_PACKET, 0, ['lo', 3, 0, 65536], 'RangeError', /the hatype of address/],
    [AF_PACKET, 0, ['lo', 3, 0, 1, '010203'], 'TypeError', /^Expected a Buffer for the hwaddr of address/],
    [
      AF_PACKET,
      0,
      ['lo', 3, 0, 1, Buffer.alloc(33)],
      'RangeError',
      /^Expected at most 32 bytes for the hwaddr of address but received 33 bytes$/,
    ],
    [AF_CAN, CAN_RAW, 'vcan0', 'TypeError', /^Expected \[ifname\] for address/],
    [AF_CAN, CAN_RAW, ['lo', 1, 2], 'TypeError', /^Expected \[ifname\] for address/],
    [AF_CAN, CAN_ISOTP, ['lo'], 'TypeError', /^Expected \[ifname, rxId, txId\] for address/],
    [AF_CAN, CAN_ISOTP, ['lo', 2 ** 32, 0], 'RangeError', /the rxId of address/],
    [AF_CAN, CAN_ISOTP, ['lo', 0, '0'], 'TypeError', /the txId of address/],
    [AF_CAN, CAN_J1939, ['lo', 1, 2], 'TypeError', /^Expected \[ifname, name, pgn, addr\] for address/],
    [
      AF_CAN,
      CAN_J1939,
      ['lo', 2n ** 64n, 0, 0],
      'RangeError',
      /^Expected a bigint from 0n to 18446744073709551615n for the name of address/,
    ],
    [AF_CAN, CAN_J1939, ['lo', -1n, 0, 0], 'RangeError', /the name of address/],
    [AF_CAN, CAN_J1939, ['lo', 2 ** 53, 0, 0], 'RangeError', /the name of address/],
    [AF_CAN, CAN_J1939, ['lo', '1', 0, 0], 'TypeError', /^Expected a bigint for the name of address/],
    [AF_CAN, CAN_J1939, ['lo', 1n, 2 ** 32, 0], 'RangeError', /the pgn of address/],
    [AF_CAN, CAN_J1939, ['lo', 1n, 0, 256], 'RangeError', /the addr of address/],
    [
      AF_ALG,
      0,
      ['hash'],
      'TypeError',
      /^Expected \[type, name\], \[type, name, feat\] or \[type, name, feat, mask\] for address/,
    ],
    [
      AF_ALG,
      0,
      ['h'.repeat(14), 'x'],
      'RangeError',
      /^Expected at most 13 bytes for the type of address but received 14 bytes$/,
    ],
    [
      AF_ALG,
      0,
      ['hash', 'n'.repeat(104)],
      'RangeError',
      /^Expected at most 103 bytes for the name of address/,
    ],
    [AF_ALG, 0, ['hash', 'sha\u0000'], 'RangeError', /without NUL for the name of address/],
    [AF_ALG, 0, ['hash', 5], 'TypeError', /^Expected a string for the name of address/],
    [AF_ALG, 0, ['hash', 'sha256', -1], 'RangeError', /the feat of address/],
    [AF_ALG, 0, ['hash', 'sha256', 0, 2 ** 32], 'RangeError', /the mask of address/],
    [AF_TIPC, 0, [TIPC_ADDR_NAME, 1, 2], 'TypeError', /^Expected \[addrType, v1, v2, v3\]/],
    [AF_TIPC, 0, [0, 1, 2, 3], 'RangeError', /1 to 3 for the addrType of address but received 0$/],
    [AF_TIPC, 0, [4, 1, 2, 3], 'RangeError', /the addrType of address/],
    [AF_TIPC, 0, [TIPC_ADDR_NAME, -1, 2, 3], 'RangeError', /the v1 of address/],
    [AF_TIPC, 0, [TIPC_ADDR_NAME, 1, 2, '3'], 'TypeError', /the v3 of address/],
    [AF_TIPC, 0, [TIPC_ADDR_NAME, 1, 2, 3, 128], 'RangeError', /the scope of address/],
    [AF_BLUETOOTH, BTPROTO_L2CAP, ['00:11:22:33:44:55'], 'TypeError', /^Expected \[bdaddr, psm\]/],
    [AF_BLUETOOTH, BTPROTO_L2CAP, ['00:11:22:33:44:55', 65536], 'RangeError', /the psm of address/],
    [
      AF_BLUETOOTH,
      BTPROTO_L2CAP,
      ['00:11:22:33:44', 1],
      'RangeError',
      /^Expected an address such as "00:11:22:AA:BB:CC" for the bdaddr of address but received the string "00:11:22:33:44"$/,
    ],
    [AF_BLUETOOTH, BTPROTO_L2CAP, ['00:11:22:33:44:5g', 1], 'RangeError', /the bdaddr of address/],
    [AF_BLUETOOTH, BTPROTO_L2CAP, ['00:11:22:33:44:555', 1], 'RangeError', /the bdaddr of address/],
    [AF_BLUETOOTH, BTPROTO_L2CAP, [5, 1], 'TypeError', /^Expected a string for the bdaddr of address/],
    [AF_BLUETOOTH, BTPROTO_L2CAP, ['', 1, 65536], 'RangeError', /the cid of address/],
    [AF_BLUETOOTH, BTPROTO_L2CAP, ['', 1, 0, 256], 'RangeError', /the bdaddrType of address/],
    [AF_BLUETOOTH, BTPROTO_RFCOMM, ['', 256], 'RangeError', /the channel of address/],
    [AF_BLUETOOTH, BTPROTO_RFCOMM, ['', 1, 0], 'TypeError', /^Expected \[bdaddr, channel\]/],
    [AF_BLUETOOTH, BTPROTO_HCI, 65536, 'RangeError', /the device of address/],
    [
      AF_BLUETOOTH,
      BTPROTO_HCI,
      'hci0',
      'TypeError',
      /^Expected a device, \[device\] or \[device, channel\] for address/,
    ],
    [AF_BLUETOOTH, BTPROTO_HCI, [0, 1, 2], 'TypeError', /^Expected a device/],
    [
      AF_BLUETOOTH,
      BTPROTO_SCO,
      ['00:11:22:33:44:55'],
      'TypeError',
      /^Expected a Bluetooth address \(a string\) for address/,
    ],
    [
      AF_BLUETOOTH,
      BTPROTO_BNEP,
      ['', 1],
      'TypeError',
      /raw sockaddr \(protocol 4 of family 31 has no tuple\)/,
    ],
    [AF_XDP, 0, ['lo', 0], 'TypeError', /raw sockaddr \(family 44 has no tuple\)/],
    [AF_SMC, 0, ['127.0.0.1'], 'TypeError', /^Expected \[host, port\]/],
  ];
  for (const [family, proto, address, name, message] of refused) {
    assert.throws(
      () => encode(family, address, proto),
      { name, message },
      `family ${family} protocol ${proto}`,
    );
  }
});

test('an interface that is none is ENODEV', () => {
  const none: [family: number, proto: number, address: unknown][] = [
    [AF_PACKET, 0, ['no-such-if', 3]],
    [AF_PACKET, 0, ['n'.repeat(100), 3]],
    [AF_CAN, CAN_RAW, ['no-such-if']],
    [AF_CAN, CAN_ISOTP, ['no-such-if', 1, 2]],
    [AF_CAN, CAN_J1939, ['no-such-if', 1n, 2, 3]],
  ];
  for (const [family, proto, address] of none) {
    assert.throws(
      () => encode(family, address, proto),
      (error: SocketError) => {
        assert.ok(error instanceof SocketError);
        assert.equal(error.code, 'ENODEV');
        assert.equal(error.syscall, 'if_nametoindex');
        assert.equal(error.address, (address as [string])[0]);
        return true;
      },
    );
  }
});
