// What the error queue of a socket tells: struct sock_extended_err with the address of whoever
// found the error. Knows nothing of sockets.
import { decodeAddress, type Inet6Address, type InetAddress } from './address.ts';
import { SO_EE_CODE_ZEROCOPY_COPIED, SO_EE_ORIGIN_ZEROCOPY } from './constants.gen.ts';
import { errnoName } from './errors.ts';
import { fieldsOf, littleEndian } from './layout.ts';

/** An entry of the error queue: `struct sock_extended_err`, ip(7) at `IP_RECVERR`. */
export interface ExtendedError {
  /** The error's name, such as `"ECONNREFUSED"`; `""` for a notice that is no error. */
  readonly code: string;
  /** The error's number, negative as Node has it; 0 for a notice. */
  readonly errno: number;
  /** Who tells: `SO_EE_ORIGIN_LOCAL`, `SO_EE_ORIGIN_ICMP`, `SO_EE_ORIGIN_ZEROCOPY` and so on. */
  readonly origin: number;
  /** `ee_type`: the type of the ICMP message. */
  readonly icmpType: number;
  /** `ee_code`: the code of the ICMP message. */
  readonly icmpCode: number;
  /** `ee_info`: with `EMSGSIZE` the path MTU; of a timestamp which one it is (`SCM_TSTAMP_`). */
  readonly info: number;
  /** `ee_data`: of a timestamp the number of the message, where it was asked for. */
  readonly data: number;
  /** Whoever found the error: a router, or the host itself. Its port says nothing. */
  readonly offender?: InetAddress | Inet6Address;
  /** Sends with `MSG_ZEROCOPY` that are done, the memory of which may be written to again. */
  readonly zerocopy?: Zerocopy;
}

/** A range of sends with `MSG_ZEROCOPY`, counted from 0 for each socket, both ends included. */
export interface Zerocopy {
  readonly first: number;
  readonly last: number;
  /** Whether the kernel copied the data after all. */
  readonly copied: boolean;
}

/** sizeof(struct sock_extended_err). */
const ALONE = 16;

/** What stands behind it, and its size. */
const behind = { nothing: 0, sockaddr_in: 16, sockaddr_in6: 28 } as const;

/** The error in a control message; `undefined` for a length that it cannot have. */
export function extendedErrorOf(bytes: Uint8Array, offender: keyof typeof behind): ExtendedError | undefined {
  if (bytes.length !== ALONE + behind[offender]) return undefined;
  const fields = fieldsOf(bytes);
  const errno = fields.getUint32(0, littleEndian);
  const origin = fields.getUint8(4);
  const icmpCode = fields.getUint8(6);
  const info = fields.getUint32(8, littleEndian);
  const data = fields.getUint32(12, littleEndian);
  const address = decodeAddress(bytes.subarray(ALONE), bytes.length - ALONE);
  return {
    code: errno === 0 ? '' : errnoName(errno),
    errno: -errno | 0,
    origin,
    icmpType: fields.getUint8(5),
    icmpCode,
    info,
    data,
    ...(Array.isArray(address) && { offender: address as InetAddress | Inet6Address }),
    ...(origin === SO_EE_ORIGIN_ZEROCOPY && {
      zerocopy: { first: info, last: data, copied: icmpCode === SO_EE_CODE_ZEROCOPY_COPIED },
    }),
  };
}
