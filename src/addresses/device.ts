// Families whose addresses begin with a network interface: AF_PACKET and AF_CAN. Names become
// indexes, and indexes names, by the kernel's word at that moment, in the network namespace of
// this process.
import { littleEndian } from '../byteorder.ts';
import { AF_CAN, AF_PACKET, CAN_ISOTP, CAN_J1939, PACKET_HOST } from '../constants.gen.ts';
import { checkInteger, typeError } from '../errors.ts';
import {
  type Codec,
  checkTuple,
  checkUint32,
  interfaceIndex,
  interfaceName,
  interfaceTarget,
  raw,
  readUint16,
  readUint32,
  UINT8,
  UINT16,
  writeFamily,
  writeUint16,
  writeUint32,
} from './codec.ts';

/**
 * `[ifname, proto, pkttype, hatype, hwaddr]`: the interface (`""` for none in particular), the
 * protocol (`ETH_P_` constants, an ordinary number here), where the frame was going (`PACKET_`
 * constants), the kind of hardware (ARPHRD) and its address.
 */
export type PacketAddress = readonly [
  ifname: string,
  proto: number,
  pkttype: number,
  hatype: number,
  hwaddr: Buffer,
];

/** The tuples that AF_PACKET takes: only the first two parts are needed. */
export type PacketAddressInput =
  | readonly [ifname: string, proto: number]
  | readonly [ifname: string, proto: number, pkttype: number]
  | readonly [ifname: string, proto: number, pkttype: number, hatype: number]
  | readonly [ifname: string, proto: number, pkttype: number, hatype: number, hwaddr: Uint8Array];

const HARDWARE = 12;
/** sizeof(struct sockaddr_ll). */
const PACKET_SIZE = 20;
// MAX_ADDR_LEN of the kernel: sockaddr_ll has room for 8, but both sides know longer ones, since
// those of InfiniBand have 20 (net/packet/af_packet.c). Python stops at 8.
const MAX_HARDWARE = 32;
const PACKET_SHAPE = '[ifname, proto], up to [ifname, proto, pkttype, hatype, hwaddr]';

export const packetCodec: Codec<PacketAddress> = {
  // struct sockaddr_ll, packet(7): family, protocol in network order, interface, kind of hardware,
  // kind of packet, length of the hardware address and the address.
  encode(address, out, what) {
    const [name, proto, pkttype, hatype, hwaddr] = checkTuple(address, 2, 5, PACKET_SHAPE, what);
    const protocol = checkInteger(`the proto of ${what}`, proto, 0, UINT16);
    const kind = checkInteger(`the pkttype of ${what}`, pkttype ?? PACKET_HOST, 0, UINT8);
    const hardware = checkInteger(`the hatype of ${what}`, hatype ?? 0, 0, UINT16);
    const bytes = checkHardware(hwaddr ?? new Uint8Array(0), what);
    const index = interfaceIndex(name, what);
    out.fill(0, 0, PACKET_SIZE);
    writeFamily(AF_PACKET, out);
    writeUint16(protocol, out, 2, false);
    writeUint32(index, out, 4, littleEndian);
    writeUint16(hardware, out, 8, littleEndian);
    out[10] = kind;
    out[11] = bytes.length;
    out.set(bytes, HARDWARE);
    return Math.max(PACKET_SIZE, HARDWARE + bytes.length);
  },

  decode(bytes, length) {
    if (length < HARDWARE) return raw(bytes, length);
    return Object.freeze([
      interfaceName(readUint32(bytes, 4, littleEndian)),
      readUint16(bytes, 2, false),
      bytes[10]!,
      readUint16(bytes, 8, littleEndian),
      Buffer.from(bytes.subarray(HARDWARE, Math.min(length, HARDWARE + bytes[11]!))),
    ] as const);
  },

  target: interfaceTarget,
};

function checkHardware(hwaddr: unknown, what: string): Uint8Array {
  if (!(hwaddr instanceof Uint8Array)) throw typeError(`the hwaddr of ${what}`, 'a Buffer', hwaddr);
  if (hwaddr.length > MAX_HARDWARE) {
    throw new RangeError(
      `Expected at most ${MAX_HARDWARE} bytes for the hwaddr of ${what} but received ${hwaddr.length} bytes`,
    );
  }
  return hwaddr;
}

/**
 * By the protocol of the socket: `[ifname]` for `CAN_RAW` and `CAN_BCM`, `[ifname, rxId, txId]` for
 * `CAN_ISOTP`, `[ifname, name, pgn, addr]` for `CAN_J1939`. The interface `""` stands for all.
 */
export type CanAddress =
  | readonly [ifname: string]
  | readonly [ifname: string, rxId: number, txId: number]
  | readonly [ifname: string, name: bigint, pgn: number, addr: number];

/** The tuples that AF_CAN takes: as it gives them; a small name may be a number. */
export type CanAddressInput = CanAddress | readonly [ifname: string, name: number, pgn: number, addr: number];

const CAN_SIZE = 24;
const UINT64 = 0xffff_ffff_ffff_ffffn;

function checkUint64(part: string, value: unknown, what: string): bigint {
  const label = `the ${part} of ${what}`;
  if (typeof value === 'number') return BigInt(checkInteger(label, value, 0, Number.MAX_SAFE_INTEGER));
  if (typeof value !== 'bigint') throw typeError(label, 'a bigint', value);
  if (value < 0n || value > UINT64)
    throw new RangeError(`Expected a bigint from 0n to ${UINT64}n for ${label} but received ${value}n`);
  return value;
}

export const canCodec: Codec<CanAddress> = {
  // struct sockaddr_can, linux/can.h: family, padding, interface, and a union: identifiers to
  // receive and send by (ISO-TP), or name, parameter group number and address (J1939).
  encode(address, out, what, proto) {
    const words = new DataView(out.buffer, out.byteOffset, CAN_SIZE);
    if (proto === CAN_ISOTP) {
      const [name, rxId, txId] = checkTuple(address, 3, 3, '[ifname, rxId, txId]', what);
      const [rx, tx] = [checkUint32('rxId', rxId, what), checkUint32('txId', txId, what)];
      writeInterface(name, out, what);
      words.setUint32(8, rx, littleEndian);
      words.setUint32(12, tx, littleEndian);
    } else if (proto === CAN_J1939) {
      const [ifname, own, group, addr] = checkTuple(address, 4, 4, '[ifname, name, pgn, addr]', what);
      const name = checkUint64('name', own, what);
      const pgn = checkUint32('pgn', group, what);
      const byte = checkInteger(`the addr of ${what}`, addr, 0, UINT8);
      writeInterface(ifname, out, what);
      words.setBigUint64(8, name, littleEndian);
      words.setUint32(16, pgn, littleEndian);
      words.setUint8(20, byte);
    } else {
      const [ifname] = checkTuple(address, 1, 1, '[ifname]', what);
      writeInterface(ifname, out, what);
    }
    return CAN_SIZE;
  },

  decode(bytes, length, proto) {
    if (length < 8) return raw(bytes, length);
    const name = interfaceName(readUint32(bytes, 4, littleEndian));
    if (proto === CAN_ISOTP && length >= 16)
      return Object.freeze([
        name,
        readUint32(bytes, 8, littleEndian),
        readUint32(bytes, 12, littleEndian),
      ] as const);
    if (proto === CAN_J1939 && length >= CAN_SIZE) {
      const words = new DataView(bytes.buffer, bytes.byteOffset, CAN_SIZE);
      return Object.freeze([
        name,
        words.getBigUint64(8, littleEndian),
        words.getUint32(16, littleEndian),
        bytes[20]!,
      ] as const);
    }
    // The kernel gives these two no shorter; what was cut is raw.
    return proto === CAN_ISOTP || proto === CAN_J1939 ? raw(bytes, length) : Object.freeze([name] as const);
  },

  target: interfaceTarget,
};

function writeInterface(name: unknown, out: Uint8Array, what: string): void {
  const index = interfaceIndex(name, what);
  out.fill(0, 0, CAN_SIZE);
  writeFamily(AF_CAN, out);
  writeUint32(index, out, 4, littleEndian);
}
