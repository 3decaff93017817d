// AF_BLUETOOTH as far as it goes without a radio: each protocol's own address.
import assert from 'node:assert/strict';
import {
  AF_BLUETOOTH,
  BTPROTO_HCI,
  BTPROTO_L2CAP,
  BTPROTO_RFCOMM,
  BTPROTO_SCO,
  SOCK_RAW,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  SocketError,
  socket,
} from 'berkeley-sockets';
import { scene } from '../support/scene.ts';
import { missing } from './kernel.ts';

scene(
  'RFCOMM: bound to a channel of any device',
  (s) => {
    const server = s.own(socket(AF_BLUETOOTH, SOCK_STREAM, BTPROTO_RFCOMM));
    server.bind(['', 30]);
    assert.deepEqual(server.getsockname(), ['00:00:00:00:00:00', 30]);
    server.listen();
  },
  { skip: missing(AF_BLUETOOTH, SOCK_STREAM, BTPROTO_RFCOMM) },
);

scene(
  'L2CAP: bound to a service of any device',
  (s) => {
    const server = s.own(socket(AF_BLUETOOTH, SOCK_SEQPACKET, BTPROTO_L2CAP));
    server.bind(['', 0x1001]);
    assert.deepEqual(server.getsockname(), ['00:00:00:00:00:00', 0x1001]);
  },
  { skip: missing(AF_BLUETOOTH, SOCK_SEQPACKET, BTPROTO_L2CAP) },
);

scene(
  'SCO: bound to any device',
  (s) => {
    const made = s.own(socket(AF_BLUETOOTH, SOCK_SEQPACKET, BTPROTO_SCO));
    made.bind('');
    assert.equal(made.getsockname(), '00:00:00:00:00:00');
  },
  { skip: missing(AF_BLUETOOTH, SOCK_SEQPACKET, BTPROTO_SCO) },
);

scene(
  'HCI: bound to a device, by its number',
  (s) => {
    const made = s.own(socket(AF_BLUETOOTH, SOCK_RAW, BTPROTO_HCI));
    try {
      made.bind(0);
    } catch (error) {
      assert.ok(error instanceof SocketError && error.code === 'ENODEV', String(error));
      assert.equal(error.message, 'bind ENODEV hci0');
      return s.skip('this machine has no Bluetooth device');
    }
    assert.equal(made.getsockname(), 0);
  },
  { skip: missing(AF_BLUETOOTH, SOCK_RAW, BTPROTO_HCI) },
);
