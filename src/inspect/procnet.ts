// The kernel's tables of sockets as text: the files under /proc/net, proc(5). For where it does not
// tell them by netlink. They have no other end and no queues of AF_UNIX sockets, no backlogs, and
// none of AF_VSOCK, MPTCP and SCTP.
import { readFileSync } from 'node:fs';
import { unixCodec } from '../addresses/unix.ts';
import { littleEndian } from '../byteorder.ts';
import { AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_UNIX, SOCK_RAW } from '../constants.gen.ts';
import { formatInet4 } from '../iptext.ts';
import {
  type Connection,
  type ConnectionAddress,
  connection,
  type Protocol,
  stateName,
} from './connection.ts';
import { hasRemote, type InetProtocol, inet6Address, inetProtocols } from './inetdiag.ts';

/** The bytes of an address, which is printed as numbers of 32 bits in the machine's order. */
export function addressBytes(hex: string): Buffer {
  const bytes = Buffer.from(hex, 'hex');
  return littleEndian && bytes.length % 4 === 0 ? bytes.swap32() : bytes;
}

/** The lines behind the heading, as fields. */
const linesOf = (text: string): string[] => text.split('\n').slice(1).filter(Boolean);
const fieldsOf = (line: string): string[] => line.trim().split(/\s+/);

/** Address and port: `0100007F:1F90`. */
function inetPair(text: string, family: number, raw: boolean): [ConnectionAddress, number] {
  const [host = '', port = ''] = text.split(':');
  const bytes = addressBytes(host);
  const number = Number.parseInt(port, 16);
  const shown = raw ? 0 : number;
  if (bytes.length !== (family === AF_INET ? 4 : 16)) return ['', number];
  // The interface of a link-local address is not told.
  const address =
    family === AF_INET ? ([formatInet4(bytes, 0), shown] as const) : inet6Address(bytes, 0, shown, 0);
  return [address, number];
}

const ICMPV6 = 58;

/** The rows of /proc/net/tcp and its kin. */
export function inetLines(protocol: InetProtocol, family: number, text: string): Connection[] {
  const { name, type, proto, connects } = protocol;
  const raw = type === SOCK_RAW;
  return linesOf(text).map((line) => {
    const [, local, remote, st, queues, , , uid, , inode] = fieldsOf(line);
    const state = stateName(Number.parseInt(st ?? '', 16), connects);
    const [sent, received] = (queues ?? '').split(':').map((part) => Number.parseInt(part, 16));
    const [localAddress, number] = inetPair(local ?? '', family, raw);
    const [remoteAddress] = inetPair(remote ?? '', family, raw);
    return connection(
      name,
      family,
      type,
      raw ? number : name === 'icmp' && family === AF_INET6 ? ICMPV6 : proto,
      state,
      localAddress,
      hasRemote(state) ? remoteAddress : null,
      received ?? null,
      // Of a listening socket the backlog is not told.
      state === 'LISTEN' ? null : (sent ?? null),
      Number(inode),
      Number(inode) === 0 ? null : Number(uid),
    );
  });
}

// Flags and states of linux/net.h: __SO_ACCEPTCON, SS_CONNECTING, SS_CONNECTED.
const ACCEPTS = 0x10000;
const CONNECTING = 2;
const CONNECTED = 3;

const unixLine = /^\S+ \S+ \S+ (?<flags>\S+) (?<type>\S+) (?<st>\S+) +(?<inode>\d+)(?: (?<name>.*))?$/s;

/** The name as it stands there: `@` is printed for the NUL of an abstract name. */
function unixName(printed: string): ConnectionAddress {
  // Read as Latin-1, so that what is no UTF-8 keeps its bytes.
  const name = Buffer.from(printed, 'latin1');
  if (name[0] === 0x40) {
    for (let i = 0; i < name.length; i++) if (name[i] === 0x40) name[i] = 0;
  }
  return unixCodec.decode(Buffer.concat([Buffer.alloc(2), name]), name.length + 2, 0);
}

/** The rows of /proc/net/unix. */
export function unixLines(text: string): Connection[] {
  return linesOf(text).flatMap((line) => {
    // A path with a line break in it makes a line that is none.
    const fields = unixLine.exec(line)?.groups;
    // A connection that waits to be accepted has no inode yet; netlink does not tell of it either.
    if (fields === undefined || fields.inode === '0') return [];
    const st = Number.parseInt(fields.st!, 16);
    let state = stateName(st === CONNECTED ? 1 : st === CONNECTING ? 2 : 7, false);
    if ((Number.parseInt(fields.flags!, 16) & ACCEPTS) !== 0) state = 'LISTEN';
    return connection(
      'unix',
      AF_UNIX,
      Number.parseInt(fields.type!, 16),
      0,
      state,
      unixName(fields.name ?? ''),
      state === 'ESTABLISHED' ? '' : null,
      null,
      null,
      Number(fields.inode),
      null,
    );
  });
}

/** The rows of /proc/net/netlink. */
export function netlinkLines(text: string): Connection[] {
  return linesOf(text).flatMap((line) => {
    const [, protocol, pid, groups, rmem, wmem, , , , inode] = fieldsOf(line);
    if (Number(pid) === 0) return [];
    return connection(
      'netlink',
      AF_NETLINK,
      // Not told; SOCK_DGRAM is the same to the kernel, netlink(7).
      SOCK_RAW,
      Number(protocol),
      'UNCONNECTED',
      [Number(pid), Number.parseInt(groups!, 16)],
      null,
      Number(rmem),
      Number(wmem),
      Number(inode),
      null,
    );
  });
}

/** The rows of /proc/net/packet. */
export function packetLines(text: string, nameOf: (index: number) => string): Connection[] {
  return linesOf(text).map((line) => {
    const [, , type, protocol, index, , rmem, uid, inode] = fieldsOf(line);
    const proto = Number.parseInt(protocol!, 16);
    return connection(
      'packet',
      AF_PACKET,
      Number(type),
      proto,
      'UNCONNECTED',
      [Number(index) === 0 ? '' : nameOf(Number(index)), proto, 0, 0, Buffer.alloc(0)],
      null,
      Number(rmem),
      null,
      Number(inode),
      Number(uid),
    );
  });
}

/** What a file under /proc/net says; nothing where the kernel has no such file, or keeps it from us. */
export function procText(file: string): string {
  try {
    return readFileSync(`/proc/net/${file}`, 'latin1');
  } catch {
    return '';
  }
}

/** The rows of a protocol's table; none where there is no such file. */
export function procRows(
  protocol: Protocol,
  family: number,
  nameOf: (index: number) => string,
): Connection[] {
  if (protocol === 'unix') return unixLines(procText('unix'));
  if (protocol === 'netlink') return netlinkLines(procText('netlink'));
  if (protocol === 'packet') return packetLines(procText('packet'), nameOf);
  const inet = inetProtocols.find(({ name }) => name === protocol);
  if (inet?.file === undefined) return [];
  return inetLines(inet, family, procText(family === AF_INET6 ? `${inet.file}6` : inet.file));
}
