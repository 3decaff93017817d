// Interfaces, their addresses, and routes as the kernel tells of them by NETLINK_ROUTE: requests and
// rows; rtnetlink(7), linux/if_link.h, if_addr.h, rtnetlink.h. Pure.
import { AF_INET, AF_INET6, AF_UNSPEC } from '../constants.gen.ts';
import { formatInet4, formatInet6 } from '../iptext.ts';
import { Attributes, type Datagram, dumpRequest, malformed, type Take } from './netlink.ts';
import {
  flagNames,
  hopFlags,
  type InterfaceAddress,
  type InterfaceState,
  type InterfaceStatistics,
  inet6AddressFlags,
  inetAddressFlags,
  interfaceFlags,
  type NetworkInterface,
  type NextHop,
  type Route,
  type RouteType,
  routeProtocols,
  scopes,
} from './network.ts';

const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;

/** The text of an address of either version; `undefined` for what is none. */
function addressText(bytes: Uint8Array | undefined): string | undefined {
  if (bytes?.length === 4) return formatInet4(bytes, 0);
  return bytes?.length === 16 ? formatInet6(bytes, 0) : undefined;
}

/** The text of a hardware address: `02:fc:00:00:00:01`. */
const hardwareText = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');

// --- interfaces ------------------------------------------------------------------------------

const IFLA_ADDRESS = 1;
const IFLA_BROADCAST = 2;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_STATS = 7;
const IFLA_MASTER = 10;
const IFLA_TXQLEN = 13;
const IFLA_OPERSTATE = 16;
const IFLA_LINKINFO = 18;
const IFLA_STATS64 = 23;
const IFLA_LINK_NETNSID = 37;
const IFLA_INFO_KIND = 1;

/** By number: RFC 2863, linux/if.h. */
const operationalStates: readonly InterfaceState[] = [
  'UNKNOWN',
  'NOTPRESENT',
  'DOWN',
  'LOWERLAYERDOWN',
  'TESTING',
  'DORMANT',
  'UP',
];

/** The state of a number. */
export const interfaceState = (number: number): InterfaceState => operationalStates[number] ?? 'UNKNOWN';

/** Asks for all interfaces. */
export const linkRequest = (): Datagram => dumpRequest(RTM_GETLINK, Buffer.alloc(16));

const linkAttributes = new Attributes(IFLA_LINK_NETNSID);
const infoAttributes = new Attributes(IFLA_INFO_KIND);

/** The counters of struct rtnl_link_stats64, or of the older one of 32 bits, whose order is the same. */
function statisticsOf(datagram: Datagram): InterfaceStatistics | null {
  const wide = linkAttributes.size(IFLA_STATS64) >= 80;
  const type = wide ? IFLA_STATS64 : IFLA_STATS;
  if (!wide && linkAttributes.size(type) < 40) return null;
  const start = linkAttributes.start(type);
  const field = (n: number) => (wide ? datagram.u64(start + 8 * n) : datagram.u32(start + 4 * n));
  return {
    rxPackets: field(0),
    txPackets: field(1),
    rxBytes: field(2),
    txBytes: field(3),
    rxErrors: field(4),
    txErrors: field(5),
    rxDropped: field(6),
    txDropped: field(7),
    multicast: field(8),
    collisions: field(9),
  };
}

function kindOf(datagram: Datagram): string | null {
  const size = linkAttributes.size(IFLA_LINKINFO);
  if (size < 0) return null;
  const start = linkAttributes.start(IFLA_LINKINFO);
  return infoAttributes.read(datagram, start, start + size).text(IFLA_INFO_KIND) ?? null;
}

/** Makes an interface of each message and adds it to `rows`. */
export function linkRows(rows: NetworkInterface[]): Take {
  return (datagram, type, at, end) => {
    if (type !== RTM_NEWLINK) return;
    if (end - at < 16) throw malformed('rtnetlink');
    // Messages of a family (AF_BRIDGE) tell the same interfaces again, as that family sees them.
    if (datagram.bytes[at] !== AF_UNSPEC) return;
    linkAttributes.read(datagram, at + 16, end);
    const address = linkAttributes.bytes(IFLA_ADDRESS);
    const broadcast = linkAttributes.bytes(IFLA_BROADCAST);
    rows.push({
      index: datagram.u32(at + 4),
      name: linkAttributes.text(IFLA_IFNAME) ?? '',
      type: datagram.u16(at + 2),
      flags: flagNames(datagram.u32(at + 8), interfaceFlags),
      state: interfaceState(linkAttributes.u8(IFLA_OPERSTATE) ?? 0),
      mtu: linkAttributes.u32(IFLA_MTU) ?? 0,
      queueLength: linkAttributes.u32(IFLA_TXQLEN) ?? null,
      address: address === undefined ? null : hardwareText(address),
      broadcast: broadcast === undefined ? null : hardwareText(broadcast),
      kind: kindOf(datagram),
      // With the number of another network the index is one of that network's.
      parent: linkAttributes.size(IFLA_LINK_NETNSID) < 0 ? linkAttributes.u32(IFLA_LINK) || null : null,
      master: linkAttributes.u32(IFLA_MASTER) || null,
      addresses: [],
      statistics: statisticsOf(datagram),
    });
  };
}

// --- addresses -------------------------------------------------------------------------------

const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_LABEL = 3;
const IFA_BROADCAST = 4;
const IFA_CACHEINFO = 6;
const IFA_FLAGS = 8;
const FOREVER = 0xffffffff;

/** Asks for the addresses of all interfaces, of both versions. */
export const addressRequest = (): Datagram => dumpRequest(RTM_GETADDR, Buffer.alloc(8));

const addressAttributes = new Attributes(IFA_FLAGS);

const lifetime = (seconds: number | undefined): number =>
  seconds === undefined || seconds === FOREVER ? Number.POSITIVE_INFINITY : seconds;

/** Makes an address of each message and adds it to `rows`, with the index of its interface. */
export function addressRows(rows: [index: number, address: InterfaceAddress][]): Take {
  return (datagram, type, at, end) => {
    if (type !== RTM_NEWADDR) return;
    if (end - at < 8) throw malformed('rtnetlink');
    const { bytes } = datagram;
    const family = bytes[at]!;
    if (family !== AF_INET && family !== AF_INET6) return;
    addressAttributes.read(datagram, at + 8, end);
    const prefix = addressText(addressAttributes.bytes(IFA_ADDRESS));
    // The address is the local one; of the two the other is the peer's on a point-to-point link.
    const local = addressText(addressAttributes.bytes(IFA_LOCAL)) ?? prefix;
    if (local === undefined) return;
    rows.push([
      datagram.u32(at + 4),
      {
        family,
        address: local,
        prefixLength: bytes[at + 1]!,
        peer: prefix !== undefined && prefix !== local ? prefix : null,
        broadcast: addressText(addressAttributes.bytes(IFA_BROADCAST)) ?? null,
        label: addressAttributes.text(IFA_LABEL) ?? null,
        scope: scopes.get(bytes[at + 3]!) ?? String(bytes[at + 3]),
        flags: flagNames(
          addressAttributes.u32(IFA_FLAGS) ?? bytes[at + 2]!,
          family === AF_INET ? inetAddressFlags : inet6AddressFlags,
        ),
        preferred: lifetime(addressAttributes.u32(IFA_CACHEINFO)),
        valid: lifetime(addressAttributes.u32(IFA_CACHEINFO, 4)),
      },
    ]);
  };
}

// --- routes ----------------------------------------------------------------------------------

const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_METRICS = 8;
const RTA_MULTIPATH = 9;
const RTA_TABLE = 15;
const RTA_VIA = 18;
const RTAX_MTU = 2;
const RTM_F_CLONED = 0x200;

const routeTypes: readonly RouteType[] = [
  'unspec',
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
  'nat',
];

/** Asks for the routes of a family in a table; where the kernel tells of all tables, `routeRows` chooses. */
export function routeRequest(family: number, table: number): Datagram {
  const body = Buffer.alloc(12);
  body[0] = family;
  return dumpRequest(RTM_GETROUTE, body, [[RTA_TABLE, table]]);
}

const routeAttributes = new Attributes(RTA_VIA);
const hopAttributes = new Attributes(RTA_VIA);
const metricAttributes = new Attributes(RTAX_MTU);

/** The gateway, which may be of the other version: RFC 5549. */
function gatewayOf(attributes: Attributes): string | null {
  return (
    addressText(attributes.bytes(RTA_GATEWAY)) ?? addressText(attributes.bytes(RTA_VIA)?.subarray(2)) ?? null
  );
}

/** The ways of a route with several: struct rtnexthop each, and its attributes. */
function nextHopsOf(datagram: Datagram): NextHop[] {
  const size = routeAttributes.size(RTA_MULTIPATH);
  const hops: NextHop[] = [];
  if (size < 0) return hops;
  const start = routeAttributes.start(RTA_MULTIPATH);
  for (let at = start; start + size - at >= 8; ) {
    const length = datagram.u16(at);
    if (length < 8 || length > start + size - at) throw malformed('rtnetlink');
    hopAttributes.read(datagram, at + 8, at + length);
    hops.push({
      gateway: gatewayOf(hopAttributes),
      index: datagram.u32(at + 4),
      interface: '',
      // The field has one less: linux/rtnetlink.h.
      weight: datagram.bytes[at + 3]! + 1,
      flags: flagNames(datagram.bytes[at + 2]!, hopFlags),
    });
    at += (length + 3) & ~3;
  }
  return hops;
}

function metricsMtu(datagram: Datagram): number | null {
  const size = routeAttributes.size(RTA_METRICS);
  if (size < 0) return null;
  const start = routeAttributes.start(RTA_METRICS);
  return metricAttributes.read(datagram, start, start + size).u32(RTAX_MTU) ?? null;
}

/** Makes a route of each message of the table, 0 being any, and adds it to `rows`. */
export function routeRows(table: number, rows: Route[]): Take {
  return (datagram, messageType, at, end) => {
    if (messageType !== RTM_NEWROUTE) return;
    if (end - at < 12) throw malformed('rtnetlink');
    const { bytes } = datagram;
    const family = bytes[at]!;
    const flags = datagram.u32(at + 8);
    if ((family !== AF_INET && family !== AF_INET6) || (flags & RTM_F_CLONED) !== 0) return;
    routeAttributes.read(datagram, at + 12, end);
    const own = routeAttributes.u32(RTA_TABLE) ?? bytes[at + 4]!;
    if (table !== 0 && own !== table) return;
    const index = routeAttributes.u32(RTA_OIF) ?? null;
    const hops = nextHopsOf(datagram);
    const gateway = gatewayOf(routeAttributes);
    rows.push({
      family,
      destination: addressText(routeAttributes.bytes(RTA_DST)) ?? (family === AF_INET ? '0.0.0.0' : '::'),
      prefixLength: bytes[at + 1]!,
      gateway,
      index,
      interface: null,
      source: addressText(routeAttributes.bytes(RTA_PREFSRC)) ?? null,
      metric: routeAttributes.u32(RTA_PRIORITY) ?? 0,
      mtu: metricsMtu(datagram),
      table: own,
      type: routeTypes[bytes[at + 7]!] ?? 'unspec',
      scope: scopes.get(bytes[at + 6]!) ?? String(bytes[at + 6]),
      protocol: routeProtocols.get(bytes[at + 5]!) ?? String(bytes[at + 5]),
      flags: flagNames(flags, hopFlags),
      nextHops: hops,
    });
  };
}
