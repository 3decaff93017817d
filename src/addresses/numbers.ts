// Families whose addresses are numbers: AF_NETLINK, AF_VSOCK, AF_QIPCRTR, AF_TIPC. Knows layouts
// only.
import { littleEndian } from '../byteorder.ts';
import {
  AF_NETLINK,
  AF_QIPCRTR,
  AF_TIPC,
  AF_VSOCK,
  TIPC_ADDR_ID,
  TIPC_ADDR_NAME,
  TIPC_ADDR_NAMESEQ,
  TIPC_CLUSTER_SCOPE,
} from '../constants.gen.ts';
import { checkInteger, type ErrorTarget } from '../errors.ts';
import {
  type Codec,
  checkTuple,
  checkUint32,
  pairTarget,
  raw,
  readUint32,
  writeFamily,
  writeUint32,
} from './codec.ts';

/** `[pid, groups]`: the port's number, 0 for the kernel; a mask of the multicast groups 1 to 32. */
export type NetlinkAddress = readonly [pid: number, groups: number];

/** `[cid, port]`: the machine's number (`VMADDR_CID_` constants) and the port's. */
export type VsockAddress = readonly [cid: number, port: number];

/** `[node, port]` */
export type QipcrtrAddress = readonly [node: number, port: number];

/**
 * `[addrType, v1, v2, v3, scope]`. What the values are goes by `addrType`: for `TIPC_ADDR_NAMESEQ`
 * the service type and the lowest and highest instance, for `TIPC_ADDR_NAME` the type and the
 * instance (twice, when it comes out), for `TIPC_ADDR_ID` the node and the reference.
 */
export type TipcAddress = readonly [addrType: number, v1: number, v2: number, v3: number, scope: number];

/** The tuples that AF_TIPC takes: without a scope it is `TIPC_CLUSTER_SCOPE`. */
export type TipcAddressInput = readonly [addrType: number, v1: number, v2: number, v3: number] | TipcAddress;

/** Two numbers of 32 bits at `first` and `second` in a sockaddr of `size` bytes. */
function pairCodec(
  family: number,
  names: readonly [string, string],
  size: number,
  first: number,
  second: number,
  target: (address: unknown) => ErrorTarget,
): Codec<readonly [number, number]> {
  const shape = `[${names.join(', ')}]`;
  return {
    encode(address, out, what) {
      const [one, two] = checkTuple(address, 2, 2, shape, what);
      const values = [checkUint32(names[0], one, what), checkUint32(names[1], two, what)] as const;
      out.fill(0, 0, size);
      writeFamily(family, out);
      writeUint32(values[0], out, first, littleEndian);
      writeUint32(values[1], out, second, littleEndian);
      return size;
    },

    decode(bytes, length) {
      if (length < Math.max(first, second) + 4) return raw(bytes, length);
      return Object.freeze([
        readUint32(bytes, first, littleEndian),
        readUint32(bytes, second, littleEndian),
      ] as const);
    },

    target,
  };
}

function netlinkTarget(address: unknown): ErrorTarget {
  const { address: pid, port: groups } = pairTarget(address);
  if (pid === undefined) return {};
  return { address: groups ? `pid ${pid} groups 0x${groups.toString(16)}` : `pid ${pid}` };
}

/** struct sockaddr_nl, netlink(7): family, two bytes of zero, port number, groups. */
export const netlinkCodec: Codec<NetlinkAddress> = pairCodec(
  AF_NETLINK,
  ['pid', 'groups'],
  12,
  4,
  8,
  netlinkTarget,
);

/** struct sockaddr_vm, vsock(7): family, two bytes of zero, the port first, flags and zeros. */
export const vsockCodec: Codec<VsockAddress> = pairCodec(AF_VSOCK, ['cid', 'port'], 16, 8, 4, pairTarget);

/** struct sockaddr_qrtr, linux/qrtr.h: family, padding, node, port. */
export const qipcrtrCodec: Codec<QipcrtrAddress> = pairCodec(
  AF_QIPCRTR,
  ['node', 'port'],
  12,
  4,
  8,
  pairTarget,
);

const TIPC_SIZE = 16;
const TIPC_SHAPE = '[addrType, v1, v2, v3] or [addrType, v1, v2, v3, scope]';

export const tipcCodec: Codec<TipcAddress> = {
  // struct sockaddr_tipc, linux/tipc.h: family, kind of address, scope (a signed byte: a negative
  // one takes a name back, as bind(2) of AF_TIPC has it), three numbers. The third of a name is the
  // node to look in, 0 for all; Python leaves it 0, and gives the instance in its place.
  encode(address, out, what) {
    const [kind, v1, v2, v3, scope] = checkTuple(address, 4, 5, TIPC_SHAPE, what);
    const addrType = checkInteger(`the addrType of ${what}`, kind, TIPC_ADDR_NAMESEQ, TIPC_ADDR_ID);
    const one = checkUint32('v1', v1, what);
    const two = checkUint32('v2', v2, what);
    const three = checkUint32('v3', v3, what);
    const within = checkInteger(`the scope of ${what}`, scope ?? TIPC_CLUSTER_SCOPE, -128, 127);
    writeFamily(AF_TIPC, out);
    out[2] = addrType;
    out[3] = within;
    // A socket's reference stands in front of its node, and behind it in the tuple.
    const swapped = addrType === TIPC_ADDR_ID;
    writeUint32(swapped ? two : one, out, 4, littleEndian);
    writeUint32(swapped ? one : two, out, 8, littleEndian);
    writeUint32(addrType === TIPC_ADDR_NAMESEQ ? three : 0, out, 12, littleEndian);
    return TIPC_SIZE;
  },

  decode(bytes, length) {
    const addrType = bytes[2]!;
    if (length < TIPC_SIZE || addrType < TIPC_ADDR_NAMESEQ || addrType > TIPC_ADDR_ID)
      return raw(bytes, length);
    const [a, b, c] = [4, 8, 12].map((at) => readUint32(bytes, at, littleEndian)) as [number, number, number];
    const scope = (bytes[3]! << 24) >> 24;
    if (addrType === TIPC_ADDR_ID) return Object.freeze([addrType, b, a, 0, scope] as const);
    return Object.freeze([addrType, a, b, addrType === TIPC_ADDR_NAME ? b : c, scope] as const);
  },

  // As the tool `tipc` prints a name: {type, instance}.
  target(address) {
    if (!Array.isArray(address) || address.length < 4) return {};
    const numbers = address.slice(1, address[0] === TIPC_ADDR_NAMESEQ ? 4 : 3);
    return numbers.every((value) => typeof value === 'number') ? { address: `{${numbers.join(', ')}}` } : {};
  },
};
