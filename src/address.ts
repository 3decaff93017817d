// Addresses as people write them and the kernel's struct sockaddr: which family has which codec
// (src/addresses/), and the two ways through them. Knows nothing of sockets and nothing of name
// servers: a host that is a name comes back as NEEDS_LOOKUP.
import { type AlgAddress, type AlgAddressInput, algCodec } from './addresses/alg.ts';
import { type BluetoothAddress, type BluetoothAddressInput, bluetoothCodecs } from './addresses/bluetooth.ts';
import { type Codec, MAX_ADDRESS_LENGTH, NEEDS_LOOKUP, raw, readFamily } from './addresses/codec.ts';
import {
  type CanAddress,
  type CanAddressInput,
  canCodec,
  type PacketAddress,
  type PacketAddressInput,
  packetCodec,
} from './addresses/device.ts';
import {
  type Inet6Address,
  type Inet6AddressInput,
  type InetAddress,
  inet6Codec,
  inetCodec,
} from './addresses/inet.ts';
import {
  type NetlinkAddress,
  netlinkCodec,
  type QipcrtrAddress,
  qipcrtrCodec,
  type TipcAddress,
  type TipcAddressInput,
  tipcCodec,
  type VsockAddress,
  vsockCodec,
} from './addresses/numbers.ts';
import { type UnixAddress, unixCodec } from './addresses/unix.ts';
import {
  AF_ALG,
  AF_BLUETOOTH,
  AF_CAN,
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  AF_PACKET,
  AF_QIPCRTR,
  AF_RDS,
  AF_SMC,
  AF_TIPC,
  AF_UNIX,
  AF_UNSPEC,
  AF_VSOCK,
} from './constants.gen.ts';
import type { ErrorTarget } from './errors.ts';
import { typeError } from './errors.ts';
import type { FamilyNumber } from './spec/families.ts';

export type {
  AlgAddress,
  AlgAddressInput,
  BluetoothAddress,
  BluetoothAddressInput,
  CanAddress,
  CanAddressInput,
  Inet6Address,
  Inet6AddressInput,
  InetAddress,
  NetlinkAddress,
  PacketAddress,
  PacketAddressInput,
  QipcrtrAddress,
  TipcAddress,
  TipcAddressInput,
  UnixAddress,
  VsockAddress,
};
export { MAX_ADDRESS_LENGTH, NEEDS_LOOKUP };

/** What a socket of each family gives. */
export interface FamilyAddresses {
  AF_INET: InetAddress;
  AF_INET6: Inet6Address;
  AF_UNIX: UnixAddress;
  AF_NETLINK: NetlinkAddress;
  AF_PACKET: PacketAddress;
  AF_VSOCK: VsockAddress;
  AF_CAN: CanAddress;
  AF_ALG: AlgAddress;
  AF_TIPC: TipcAddress;
  AF_QIPCRTR: QipcrtrAddress;
  AF_BLUETOOTH: BluetoothAddress;
}

/** What a socket of each family takes; a `Uint8Array` is a path in AF_UNIX, and a raw sockaddr below. */
export interface FamilyAddressInputs {
  AF_INET: InetAddress;
  AF_INET6: Inet6AddressInput;
  AF_UNIX: string | Uint8Array;
  AF_NETLINK: NetlinkAddress | Uint8Array;
  AF_PACKET: PacketAddressInput | Uint8Array;
  AF_VSOCK: VsockAddress | Uint8Array;
  AF_CAN: CanAddressInput | Uint8Array;
  AF_ALG: AlgAddressInput | Uint8Array;
  AF_TIPC: TipcAddressInput | Uint8Array;
  AF_QIPCRTR: QipcrtrAddress | Uint8Array;
  AF_BLUETOOTH: BluetoothAddressInput | Uint8Array;
}

/** Any family's address. A family that has no tuple here gives its raw sockaddr as a `Buffer`. */
export type AnyAddress = FamilyAddresses[keyof FamilyAddresses];

/** The address that a socket of family `F` gives. */
export type Address<F extends number = number> =
  F extends FamilyNumber<infer Name extends keyof FamilyAddresses> ? FamilyAddresses[Name] : AnyAddress;

/** The address that a socket of family `F` takes. */
export type AddressInput<F extends number = number> =
  F extends FamilyNumber<infer Name extends keyof FamilyAddressInputs>
    ? FamilyAddressInputs[Name]
    : FamilyAddressInputs[keyof FamilyAddressInputs];

// The three of nearly every call, found by one look.
const codecs: (Codec<AnyAddress> | undefined)[] = [];
codecs[AF_INET] = inetCodec;
codecs[AF_INET6] = inet6Codec;
codecs[AF_UNIX] = unixCodec;

type CodecFor = (proto: number) => Codec<AnyAddress> | undefined;

const special = new Map<number, CodecFor>([
  [AF_NETLINK, () => netlinkCodec],
  [AF_PACKET, () => packetCodec],
  [AF_VSOCK, () => vsockCodec],
  [AF_CAN, () => canCodec],
  [AF_ALG, () => algCodec],
  [AF_TIPC, () => tipcCodec],
  [AF_QIPCRTR, () => qipcrtrCodec],
  [AF_BLUETOOTH, (proto) => bluetoothCodecs.get(proto)],
  // Families of their own whose addresses are the internet's: rds(7), and smc(7), where the protocol
  // is SMCPROTO_SMC or SMCPROTO_SMC6.
  [AF_RDS, () => inetCodec],
  [AF_SMC, (proto) => (proto === 0 ? inetCodec : inet6Codec)],
]);

const codecOf = (family: number, proto: number): Codec<AnyAddress> | undefined =>
  codecs[family] ?? special.get(family)?.(proto);

/**
 * Writes the sockaddr of `address` into `out` (at least `MAX_ADDRESS_LENGTH` bytes) and
 * returns its length, or `NEEDS_LOOKUP` when the host is a name that has to be resolved.
 *
 * Nothing is looked up for numeric hosts, `""` (the wildcard), `"<broadcast>"` and
 * `"localhost"` (the loopback, RFC 6761). `proto` is the socket's protocol, which decides in
 * AF_CAN and AF_BLUETOOTH what an address is. A family without a tuple takes its raw sockaddr as
 * a `Uint8Array`, and so do all but AF_INET, AF_INET6 and AF_UNIX, for what their tuples do not
 * tell. `what` names the argument in messages. Throws `TypeError` for a wrong shape, `RangeError`
 * for a part out of range, `AddressInfoError` (`EAI_ADDRFAMILY`) for the other IP version's
 * address, and `SocketError` (`ENODEV`) for an interface that is none.
 */
export function encodeAddress(
  family: number,
  address: unknown,
  out: Uint8Array,
  what: string,
  proto = 0,
): number {
  const common = codecs[family];
  if (common !== undefined) return common.encode(address, out, what, proto);
  const codec = codecOf(family, proto);
  if (address instanceof Uint8Array) return encodeRaw(family, address, out, what);
  if (codec !== undefined) return codec.encode(address, out, what, proto);
  const kind = special.has(family) ? `protocol ${proto} of family ${family}` : `family ${family}`;
  throw typeError(what, `a Buffer with the raw sockaddr (${kind} has no tuple)`, address);
}

function encodeRaw(family: number, address: Uint8Array, out: Uint8Array, what: string): number {
  if (address.length < 2 || address.length > MAX_ADDRESS_LENGTH) {
    throw new RangeError(
      `Expected a sockaddr of 2 to ${MAX_ADDRESS_LENGTH} bytes for ${what} but received ${address.length} bytes`,
    );
  }
  const given = readFamily(address);
  const internet = (family === AF_RDS || family === AF_SMC) && (given === AF_INET || given === AF_INET6);
  if (given !== family && !internet) {
    throw new RangeError(
      `Expected a sockaddr of family ${family} for ${what} but received one of family ${given}`,
    );
  }
  out.set(address);
  return address.length;
}

/**
 * The address that the first `length` of `bytes` hold. Tuples are frozen, so that they can
 * be handed out again while a peer stays the same.
 *
 * No address at all (`length` 0, as recvfrom(2) gives for a connected stream and for an
 * AF_UNIX sender without a name; or family AF_UNSPEC) is `""`. A family without a tuple,
 * and a sockaddr too short for its family, come back as a `Buffer` of the raw bytes. A
 * length beyond `bytes`, which the kernel reports when it had to cut, is cut. `proto` is the
 * socket's protocol. Never throws.
 */
export function decodeAddress(bytes: Uint8Array, length: number, proto = 0): AnyAddress {
  const size = Math.min(length, bytes.length);
  if (size < 2) return '';
  const family = readFamily(bytes);
  if (family === AF_UNSPEC) return '';
  const codec = codecOf(family, proto);
  return codec === undefined ? raw(bytes, size) : codec.decode(bytes, size, proto);
}

/** The part of an error that tells where a call on `address` was directed. Never throws. */
export function targetOf(family: number, address: unknown, proto = 0): ErrorTarget {
  return codecOf(family, proto)?.target(address, proto) ?? {};
}
