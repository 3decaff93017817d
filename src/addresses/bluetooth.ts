// AF_BLUETOOTH: what an address is goes by the protocol of the socket. Device addresses are text,
// the highest byte first, as everywhere but in the structs.
import { littleEndian } from '../byteorder.ts';
import {
  AF_BLUETOOTH,
  BDADDR_BREDR,
  BTPROTO_HCI,
  BTPROTO_L2CAP,
  BTPROTO_RFCOMM,
  BTPROTO_SCO,
  HCI_CHANNEL_RAW,
} from '../constants.gen.ts';
import { checkInteger, describeValue, type ErrorTarget, typeError } from '../errors.ts';
import {
  type Codec,
  checkTuple,
  pairTarget,
  raw,
  readUint16,
  UINT8,
  UINT16,
  writeFamily,
  writeUint16,
} from './codec.ts';

/**
 * By the protocol of the socket. `BTPROTO_L2CAP`: `[bdaddr, psm]`, with `cid` where it is not 0, and
 * with `bdaddrType` where it is not `BDADDR_BREDR`; `BTPROTO_RFCOMM`: `[bdaddr, channel]`;
 * `BTPROTO_HCI`: the device's number, or `[device, channel]` on another channel than
 * `HCI_CHANNEL_RAW`; `BTPROTO_SCO`: the device's address. A `bdaddr` is `"00:11:22:AA:BB:CC"`.
 */
export type BluetoothAddress =
  | readonly [bdaddr: string, psmOrChannel: number]
  | readonly [bdaddr: string, psm: number, cid: number]
  | readonly [bdaddr: string, psm: number, cid: number, bdaddrType: number]
  | number
  | readonly [device: number, channel: number]
  | string;

/** The addresses that AF_BLUETOOTH takes: as it gives them, and `[device]`. `""` is any device. */
export type BluetoothAddressInput = BluetoothAddress | readonly [device: number];

/** bdaddr_t: six bytes, the lowest first. */
function writeDevice(bdaddr: unknown, out: Uint8Array, at: number, what: string): void {
  const part = `the bdaddr of ${what}`;
  if (typeof bdaddr !== 'string') throw typeError(part, 'a string', bdaddr);
  const text = bdaddr === '' ? '0:0:0:0:0:0' : bdaddr;
  if (!/^[0-9A-Fa-f]{1,2}(:[0-9A-Fa-f]{1,2}){5}$/.test(text)) {
    throw new RangeError(
      `Expected an address such as "00:11:22:AA:BB:CC" for ${part} but received ${describeValue(bdaddr)}`,
    );
  }
  const bytes = text.split(':').map((byte) => Number.parseInt(byte, 16));
  out.set(bytes.reverse(), at);
}

function readDevice(bytes: Uint8Array, at: number): string {
  return raw(bytes.subarray(at), 6)
    .reverse()
    .toString('hex')
    .toUpperCase()
    .replace(/..(?=.)/g, '$&:');
}

// Each struct by its protocol; BlueZ's names. In the machine's order where the kernel has it so,
// little-endian where it is the radio's.

const L2CAP_SIZE = 14;

const l2capCodec: Codec<BluetoothAddress> = {
  // struct sockaddr_l2: family, psm, bdaddr, cid, kind of address.
  encode(address, out, what) {
    const shape = '[bdaddr, psm], [bdaddr, psm, cid] or [bdaddr, psm, cid, bdaddrType]';
    const [bdaddr, service, channel, kind] = checkTuple(address, 2, 4, shape, what);
    const psm = checkInteger(`the psm of ${what}`, service, 0, UINT16);
    const cid = checkInteger(`the cid of ${what}`, channel ?? 0, 0, UINT16);
    const type = checkInteger(`the bdaddrType of ${what}`, kind ?? BDADDR_BREDR, 0, UINT8);
    out.fill(0, 0, L2CAP_SIZE);
    writeDevice(bdaddr, out, 4, what);
    writeFamily(AF_BLUETOOTH, out);
    writeUint16(psm, out, 2, true);
    writeUint16(cid, out, 10, true);
    out[12] = type;
    return L2CAP_SIZE;
  },

  // In as few parts as Python gives.
  decode(bytes, length) {
    if (length < L2CAP_SIZE - 1) return raw(bytes, length);
    const device = readDevice(bytes, 4);
    const psm = readUint16(bytes, 2, true);
    const cid = readUint16(bytes, 10, true);
    const type = bytes[12]!;
    if (type !== BDADDR_BREDR) return Object.freeze([device, psm, cid, type] as const);
    return cid === 0 ? Object.freeze([device, psm] as const) : Object.freeze([device, psm, cid] as const);
  },

  target: pairTarget,
};

const RFCOMM_SIZE = 10;

const rfcommCodec: Codec<BluetoothAddress> = {
  // struct sockaddr_rc: family, bdaddr, channel.
  encode(address, out, what) {
    const [bdaddr, service] = checkTuple(address, 2, 2, '[bdaddr, channel]', what);
    const channel = checkInteger(`the channel of ${what}`, service, 0, UINT8);
    out.fill(0, 0, RFCOMM_SIZE);
    writeDevice(bdaddr, out, 2, what);
    writeFamily(AF_BLUETOOTH, out);
    out[8] = channel;
    return RFCOMM_SIZE;
  },

  decode(bytes, length) {
    if (length < RFCOMM_SIZE - 1) return raw(bytes, length);
    return Object.freeze([readDevice(bytes, 2), bytes[8]!] as const);
  },

  target: pairTarget,
};

const HCI_SIZE = 6;

const hciCodec: Codec<BluetoothAddress> = {
  // struct sockaddr_hci: family, device, channel.
  encode(address, out, what) {
    const shape = 'a device, [device] or [device, channel]';
    const [number, way] = checkTuple(typeof address === 'number' ? [address] : address, 1, 2, shape, what);
    const device = checkInteger(`the device of ${what}`, number, 0, UINT16);
    const channel = checkInteger(`the channel of ${what}`, way ?? HCI_CHANNEL_RAW, 0, UINT16);
    writeFamily(AF_BLUETOOTH, out);
    writeUint16(device, out, 2, littleEndian);
    writeUint16(channel, out, 4, littleEndian);
    return HCI_SIZE;
  },

  decode(bytes, length) {
    if (length < HCI_SIZE) return raw(bytes, length);
    const device = readUint16(bytes, 2, littleEndian);
    const channel = readUint16(bytes, 4, littleEndian);
    return channel === HCI_CHANNEL_RAW ? device : Object.freeze([device, channel] as const);
  },

  // As hciconfig(8) and the kernel call a device.
  target(address) {
    const device: unknown = Array.isArray(address) ? address[0] : address;
    return typeof device === 'number' ? { address: `hci${device}` } : {};
  },
};

const SCO_SIZE = 8;

const scoCodec: Codec<BluetoothAddress> = {
  // struct sockaddr_sco: family, bdaddr.
  encode(address, out, what) {
    if (typeof address !== 'string') throw typeError(what, 'a Bluetooth address (a string)', address);
    writeDevice(address, out, 2, what);
    writeFamily(AF_BLUETOOTH, out);
    return SCO_SIZE;
  },

  decode: (bytes, length) => (length < SCO_SIZE ? raw(bytes, length) : readDevice(bytes, 2)),

  target: (address): ErrorTarget => (typeof address === 'string' && address !== '' ? { address } : {}),
};

/** The codec of a Bluetooth protocol; those without one have raw sockaddrs. */
export const bluetoothCodecs: ReadonlyMap<number, Codec<BluetoothAddress>> = new Map([
  [BTPROTO_L2CAP, l2capCodec],
  [BTPROTO_RFCOMM, rfcommCodec],
  [BTPROTO_HCI, hciCodec],
  [BTPROTO_SCO, scoCodec],
]);
