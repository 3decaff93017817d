// The kernel's tables of TCP, UDP and their kin as it tells them by NETLINK_SOCK_DIAG: requests and
// rows, linux/inet_diag.h, sock_diag(7). Pure.
import {
  AF_INET,
  IPPROTO_DCCP,
  IPPROTO_MPTCP,
  IPPROTO_RAW,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPPROTO_UDPLITE,
  SOCK_DCCP,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
} from '../constants.gen.ts';
import { formatInet4, formatInet6 } from '../iptext.ts';
import { struct } from '../layout.ts';
import { decodeTcpInfo } from '../tcpinfo.ts';
import { type Connection, type ConnectionState, connection, type Protocol, stateName } from './connection.ts';
import { Attributes, type Datagram, dumpRequest, malformed, type Take } from './netlink.ts';

/** The message's type, of requests and answers: linux/sock_diag.h. */
export const SOCK_DIAG_BY_FAMILY = 20;

/** A protocol of AF_INET and AF_INET6. */
export interface InetProtocol {
  readonly name: Protocol;
  readonly type: number;
  readonly proto: number;
  /** Whether its sockets have connections, and so states. */
  readonly connects: boolean;
  /** The file of AF_INET under /proc/net, that of AF_INET6 having a 6 behind; `undefined` for none. */
  readonly file: string | undefined;
  /** Whether the kernel has a table of it for sock_diag. */
  readonly diag: boolean;
}

const inet = (
  name: Protocol,
  type: number | undefined,
  proto: number | undefined,
  connects: boolean,
  file: string | undefined,
  diag = true,
): InetProtocol => ({ name, type: type ?? -1, proto: proto ?? -1, connects, file, diag });

// Unprivileged echo sockets (icmp) are in no table but the text: no kernel has a handler for them.
export const inetProtocols: readonly InetProtocol[] = [
  inet('tcp', SOCK_STREAM, IPPROTO_TCP, true, 'tcp'),
  inet('mptcp', SOCK_STREAM, IPPROTO_MPTCP, true, undefined),
  inet('sctp', SOCK_STREAM, IPPROTO_SCTP, true, undefined),
  inet('dccp', SOCK_DCCP, IPPROTO_DCCP, true, undefined),
  inet('udp', SOCK_DGRAM, IPPROTO_UDP, false, 'udp'),
  inet('udplite', SOCK_DGRAM, IPPROTO_UDPLITE, false, 'udplite'),
  inet('icmp', SOCK_DGRAM, 1, false, 'icmp', false),
  inet('raw', SOCK_RAW, IPPROTO_RAW, false, 'raw'),
];

/** Without the struct nlmsghdr, that is struct inet_diag_req_v2. */
const REQUEST = 56;
/** struct inet_diag_msg. */
const MESSAGE = 72;
const INET_DIAG_INFO = 2;
const INET_DIAG_REQ_PROTOCOL = 3;

/** Asks for all sockets of a protocol in these states. */
export function inetRequest(family: number, proto: number, states: number, tcpInfo: boolean): Datagram {
  const body = struct(REQUEST, (_fields, bytes) => {
    bytes[0] = family;
    bytes[1] = proto & 0xff;
    // A bit an attribute, from 1.
    if (tcpInfo) bytes[2] = 1 << (INET_DIAG_INFO - 1);
  });
  // A number that does not fit in its field (MPTCP) goes into an attribute: net/ipv4/inet_diag.c.
  const request = dumpRequest(
    SOCK_DIAG_BY_FAMILY,
    body,
    proto > 0xff ? [[INET_DIAG_REQ_PROTOCOL, proto]] : [],
  );
  request.words[(16 + 4) >> 2] = states;
  return request;
}

const isLinkLocal = (bytes: Uint8Array, at: number): boolean =>
  bytes[at] === 0xfe && (bytes[at + 1]! & 0xc0) === 0x80;

/** The tuple of an IPv6 address; `device` is the scope where the address needs one. */
export const inet6Address = (bytes: Uint8Array, at: number, port: number, device: number) =>
  [formatInet6(bytes, at), port, 0, isLinkLocal(bytes, at) ? device : 0] as const;

/** Whether the socket has another end: the state says so, or, of datagrams, the address. */
export const hasRemote = (state: ConnectionState): boolean =>
  state !== 'LISTEN' && state !== 'UNCONNECTED' && state !== 'CLOSE';

const attributes = new Attributes(INET_DIAG_INFO);

/** Makes a row of each message and adds it to `rows`. */
export function inetRows(protocol: InetProtocol, tcpInfo: boolean, rows: Connection[]): Take {
  const { name, type, proto, connects } = protocol;
  const raw = type === SOCK_RAW;
  const info = tcpInfo && proto === IPPROTO_TCP;
  return (datagram, _type, at, end) => {
    if (end - at < MESSAGE) throw malformed('sock_diag');
    const { bytes } = datagram;
    const family = bytes[at]!;
    const state = stateName(bytes[at + 1]!, connects);
    const localPort = datagram.net16(at + 4);
    const remotePort = datagram.net16(at + 6);
    const device = datagram.u32(at + 40);
    const inode = datagram.u32(at + 68);
    const four = family === AF_INET;
    // A raw socket's place for the port has the protocol: net/ipv4/raw.c, raw_hash_sk.
    const port = raw ? 0 : localPort;
    const local = four
      ? ([formatInet4(bytes, at + 8), port] as const)
      : inet6Address(bytes, at + 8, port, device);
    const peerPort = raw ? 0 : remotePort;
    let remote = null;
    if (hasRemote(state))
      remote = four
        ? ([formatInet4(bytes, at + 24), peerPort] as const)
        : inet6Address(bytes, at + 24, peerPort, device);
    const row = connection(
      name,
      family,
      type,
      raw ? localPort : proto,
      state,
      local,
      remote,
      datagram.u32(at + 56),
      datagram.u32(at + 60),
      inode,
      // Nobody's: what is left of a connection after close has no user in the table.
      inode === 0 ? null : datagram.u32(at + 64),
    );
    if (info) {
      const found = attributes.read(datagram, at + MESSAGE, end).bytes(INET_DIAG_INFO);
      if (found !== undefined) row.tcpInfo = decodeTcpInfo(found);
    }
    rows.push(row);
  };
}
