// The tables of AF_UNIX, AF_NETLINK, AF_PACKET and AF_VSOCK sockets by NETLINK_SOCK_DIAG: requests
// and rows; linux/unix_diag.h, netlink_diag.h, packet_diag.h, vm_sockets_diag.h. Pure.
import { unixCodec } from '../addresses/unix.ts';
import { AF_NETLINK, AF_PACKET, AF_UNIX, AF_VSOCK, SOCK_DGRAM, SOCK_STREAM } from '../constants.gen.ts';
import { struct } from '../layout.ts';
import { type Connection, connection, type Protocol, stateName } from './connection.ts';
import { SOCK_DIAG_BY_FAMILY } from './inetdiag.ts';
import { Attributes, type Datagram, dumpRequest, malformed, type Take } from './netlink.ts';

/** What is asked of an interface's name where only its index is told. */
export type NameOf = (index: number) => string;

/** A family with a table of its own. */
export interface FamilyTable {
  readonly name: Protocol;
  readonly family: number;
  request(states: number): Datagram;
  rows(rows: Connection[], nameOf: NameOf): Take;
}

function request(
  family: number,
  proto: number,
  words: Readonly<Record<number, number>>,
  size: number,
): Datagram {
  const datagram = dumpRequest(
    SOCK_DIAG_BY_FAMILY,
    struct(size, (_fields, bytes) => {
      bytes[0] = family;
      bytes[1] = proto;
    }),
  );
  for (const [at, value] of Object.entries(words)) datagram.words[(16 + Number(at)) >> 2] = value;
  return datagram;
}

const UNIX_DIAG_NAME = 0;
const UNIX_DIAG_PEER = 2;
const UNIX_DIAG_RQLEN = 4;
const UNIX_DIAG_UID = 7;
// UDIAG_SHOW_NAME, _PEER, _RQLEN, and (since Linux 5.3, passed over by older ones) _UID.
const UNIX_SHOW = 0x1 | 0x4 | 0x10 | 0x40;

const unixAttributes = new Attributes(UNIX_DIAG_UID);

/** The name in an attribute, which is a sockaddr_un without its family. */
function unixName(datagram: Datagram, type: number) {
  const size = unixAttributes.size(type);
  // Two bytes of the attribute's own header stand where the family would.
  const start = unixAttributes.start(type) - 2;
  return size <= 0 ? '' : unixCodec.decode(datagram.bytes.subarray(start, start + 2 + size), size + 2, 0);
}

const unix: FamilyTable = {
  name: 'unix',
  family: AF_UNIX,
  request: (states) => request(AF_UNIX, 0, { 4: states, 12: UNIX_SHOW }, 24),
  rows: (rows) => (datagram, _type, at, end) => {
    if (end - at < 16) throw malformed('sock_diag');
    unixAttributes.read(datagram, at + 16, end);
    const type = datagram.bytes[at + 1]!;
    const peer = unixAttributes.u32(UNIX_DIAG_PEER) ?? 0;
    // A connect() of datagrams marks both ends as connected, the one that was only named too
    // (net/unix/af_unix.c, unix_dgram_connect).
    const named = type === SOCK_DGRAM && peer === 0;
    const state = named ? 'UNCONNECTED' : stateName(datagram.bytes[at + 2]!, false);
    rows.push(
      connection(
        'unix',
        AF_UNIX,
        type,
        0,
        state,
        unixName(datagram, UNIX_DIAG_NAME),
        // Its name is in the row of the other end: see nameUnixPeers.
        state === 'ESTABLISHED' ? '' : null,
        unixAttributes.u32(UNIX_DIAG_RQLEN) ?? null,
        unixAttributes.u32(UNIX_DIAG_RQLEN, 4) ?? null,
        datagram.u32(at + 4),
        unixAttributes.u32(UNIX_DIAG_UID) ?? null,
        peer,
      ),
    );
  },
};

/** Gives each AF_UNIX socket the name of its other end, where that has one. */
export function nameUnixPeers(rows: readonly Connection[]): void {
  const names = new Map<number, string | Buffer>();
  for (const { inode, local } of rows) {
    const name = local as string | Buffer;
    if (name.length > 0 && inode !== 0) names.set(inode, name);
  }
  for (const row of rows) {
    if (row.remote !== null) row.remote = names.get(row.peerInode ?? 0) ?? '';
  }
}

const EVERY_PROTOCOL = 0xff;
const NETLINK_DIAG_MEMINFO = 0;
const NETLINK_DIAG_GROUPS = 1;
const NETLINK_CONNECTED = 1;
// NDIAG_SHOW_MEMINFO, NDIAG_SHOW_GROUPS.
const NETLINK_SHOW = 0x1 | 0x2;
// Of struct sk_meminfo: SK_MEMINFO_RMEM_ALLOC and SK_MEMINFO_WMEM_ALLOC.
const RECEIVED = 0;
const SENT = 8;

const netlinkAttributes = new Attributes(NETLINK_DIAG_GROUPS);

const netlink: FamilyTable = {
  name: 'netlink',
  family: AF_NETLINK,
  request: () => request(AF_NETLINK, EVERY_PROTOCOL, { 8: NETLINK_SHOW }, 20),
  rows: (rows) => (datagram, _type, at, end) => {
    if (end - at < 28) throw malformed('sock_diag');
    const port = datagram.u32(at + 4);
    // The kernel's own ends are no sockets of a program's.
    if (port === 0) return;
    netlinkAttributes.read(datagram, at + 28, end);
    const connected = datagram.bytes[at + 3] === NETLINK_CONNECTED;
    rows.push(
      connection(
        'netlink',
        AF_NETLINK,
        datagram.bytes[at + 1]!,
        datagram.bytes[at + 2]!,
        connected ? 'ESTABLISHED' : 'UNCONNECTED',
        [port, netlinkAttributes.u32(NETLINK_DIAG_GROUPS) ?? 0],
        connected ? [datagram.u32(at + 8), groupMask(datagram.u32(at + 12))] : null,
        netlinkAttributes.u32(NETLINK_DIAG_MEMINFO, RECEIVED) ?? null,
        netlinkAttributes.u32(NETLINK_DIAG_MEMINFO, SENT) ?? null,
        datagram.u32(at + 16),
        null,
      ),
    );
  },
};

/** A group's number as a mask, as addresses have it. */
const groupMask = (group: number): number => (group >= 1 && group <= 32 ? 2 ** (group - 1) : 0);

const PACKET_DIAG_INFO = 0;
const PACKET_DIAG_UID = 5;
const PACKET_DIAG_MEMINFO = 6;
// PACKET_SHOW_INFO, PACKET_SHOW_MEMINFO.
const PACKET_SHOW = 0x1 | 0x10;

const packetAttributes = new Attributes(PACKET_DIAG_MEMINFO);

const packet: FamilyTable = {
  name: 'packet',
  family: AF_PACKET,
  request: () => request(AF_PACKET, 0, { 8: PACKET_SHOW }, 20),
  rows: (rows, nameOf) => (datagram, _type, at, end) => {
    if (end - at < 16) throw malformed('sock_diag');
    packetAttributes.read(datagram, at + 16, end);
    const proto = datagram.u16(at + 2);
    const index = packetAttributes.u32(PACKET_DIAG_INFO) ?? 0;
    rows.push(
      connection(
        'packet',
        AF_PACKET,
        datagram.bytes[at + 1]!,
        proto,
        'UNCONNECTED',
        [index === 0 ? '' : nameOf(index), proto, 0, 0, Buffer.alloc(0)],
        null,
        packetAttributes.u32(PACKET_DIAG_MEMINFO, RECEIVED) ?? null,
        packetAttributes.u32(PACKET_DIAG_MEMINFO, SENT) ?? null,
        datagram.u32(at + 4),
        packetAttributes.u32(PACKET_DIAG_UID) ?? null,
      ),
    );
  },
};

const vsock: FamilyTable = {
  name: 'vsock',
  family: AF_VSOCK,
  request: (states) => request(AF_VSOCK, 0, { 4: states }, 24),
  rows: (rows) => (datagram, _type, at, end) => {
    if (end - at < 32) throw malformed('sock_diag');
    const type = datagram.bytes[at + 1]!;
    const state = stateName(datagram.bytes[at + 2]!, type === SOCK_STREAM);
    const connected = state !== 'LISTEN' && state !== 'UNCONNECTED' && state !== 'CLOSE';
    rows.push(
      connection(
        'vsock',
        AF_VSOCK,
        type,
        0,
        state,
        [datagram.u32(at + 4), datagram.u32(at + 8)],
        connected ? [datagram.u32(at + 12), datagram.u32(at + 16)] : null,
        null,
        null,
        datagram.u32(at + 20),
        null,
      ),
    );
  },
};

export const familyTables: readonly FamilyTable[] = [unix, netlink, packet, vsock];
