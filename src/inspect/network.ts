// What `interfaces()` and `routes()` give and take, and the names of their numbers. Pure.
import type { InspectOptions } from './connection.ts';

/** Operational states, RFC 2863, as ip(8) spells them. */
export type InterfaceState =
  | 'UNKNOWN'
  | 'NOTPRESENT'
  | 'DOWN'
  | 'LOWERLAYERDOWN'
  | 'TESTING'
  | 'DORMANT'
  | 'UP';

/** An address of an interface. */
export interface InterfaceAddress {
  /** `AF_INET` or `AF_INET6`. */
  family: number;
  address: string;
  /** Bits that the network has of it. */
  prefixLength: number;
  /** The other end of a point-to-point link. */
  peer: string | null;
  broadcast: string | null;
  /** The name that AF_INET addresses may have, by default the interface's. */
  label: string | null;
  /** `"global"`, `"link"`, `"host"` …: how far it is good. */
  scope: string;
  /** `IFA_F_` flags by name: `"PERMANENT"`, `"TENTATIVE"`, `"DEPRECATED"` …, linux/if_addr.h. */
  flags: string[];
  /** Seconds that it is to be preferred, and that it holds: Infinity for ever. */
  preferred: number;
  valid: number;
}

/** What went through an interface since it was made. */
export interface InterfaceStatistics {
  rxPackets: number;
  txPackets: number;
  rxBytes: number;
  txBytes: number;
  rxErrors: number;
  txErrors: number;
  rxDropped: number;
  txDropped: number;
  multicast: number;
  collisions: number;
}

/** A network interface. */
export interface NetworkInterface {
  index: number;
  name: string;
  /** The kind of hardware: `ARPHRD_ETHER` … */
  type: number;
  /** `IFF_` flags by name: `"UP"`, `"RUNNING"`, `"LOOPBACK"` …, netdevice(7). */
  flags: string[];
  state: InterfaceState;
  /** Bytes of a packet at most. */
  mtu: number;
  /** Packets that may wait to be sent. */
  queueLength: number | null;
  /** The hardware address: `"02:fc:00:00:00:01"`. */
  address: string | null;
  broadcast: string | null;
  /** What made it: `"veth"`, `"bridge"` …; `null` for hardware, and where the kernel is not asked. */
  kind: string | null;
  /** The index of the interface that it stands on, of a VLAN or a veth, where that is in this network too. */
  parent: number | null;
  /** The index of the bridge or bond that it is part of. */
  master: number | null;
  addresses: InterfaceAddress[];
  statistics: InterfaceStatistics | null;
}

/** A way of a route that has several. */
export interface NextHop {
  gateway: string | null;
  index: number;
  interface: string;
  weight: number;
  /** `RTNH_F_` flags by name: `"ONLINK"`, `"DEAD"`, `"LINKDOWN"` … */
  flags: string[];
}

/** What happens to a packet, rtnetlink(7). */
export type RouteType =
  | 'unspec'
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'anycast'
  | 'multicast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit'
  | 'throw'
  | 'nat';

/** A route. */
export interface Route {
  /** `AF_INET` or `AF_INET6`. */
  family: number;
  /** The network; `"0.0.0.0"` or `"::"` with `prefixLength` 0 is the default route. */
  destination: string;
  prefixLength: number;
  /** Whom packets are given to; `null` for a network that is at hand. */
  gateway: string | null;
  /** The interface's index and name; `null` where there is none. */
  index: number | null;
  interface: string | null;
  /** The address that is put into packets of one's own as where they come from. */
  source: string | null;
  /** Of several routes to a network the one with the least is taken. */
  metric: number;
  mtu: number | null;
  /** The table's number: 254 is `main`, 255 `local`. */
  table: number;
  type: RouteType;
  /** How far it goes: `"global"`, `"link"`, `"host"`; `null` where the kernel is not asked. */
  scope: string | null;
  /** Who made it: `"kernel"`, `"boot"`, `"static"`, `"dhcp"`, `"ra"` …, or a number as text; likewise. */
  protocol: string | null;
  /** As those of `NextHop`, where there is one way. */
  flags: string[];
  /** The ways, where there are several. */
  nextHops: NextHop[];
}

/** What `routes()` can be told. */
export interface RoutesOptions extends InspectOptions {
  /** `AF_INET` or `AF_INET6`; both if it is not given. */
  family?: number | undefined;
  /** The number of a table: 254, `main`, if it is not given; 0 for all. */
  table?: number | undefined;
}

/** RT_SCOPE_ of linux/rtnetlink.h, as ip(8) spells them. */
export const scopes: ReadonlyMap<number, string> = new Map([
  [0, 'global'],
  [200, 'site'],
  [253, 'link'],
  [254, 'host'],
  [255, 'nowhere'],
]);

/** RTPROT_ of linux/rtnetlink.h, likewise. */
export const routeProtocols: ReadonlyMap<number, string> = new Map([
  [0, 'unspec'],
  [1, 'redirect'],
  [2, 'kernel'],
  [3, 'boot'],
  [4, 'static'],
  [8, 'gated'],
  [9, 'ra'],
  [10, 'mrt'],
  [11, 'zebra'],
  [12, 'bird'],
  [13, 'dnrouted'],
  [14, 'xorp'],
  [15, 'ntk'],
  [16, 'dhcp'],
  [18, 'keepalived'],
  [42, 'babel'],
  [99, 'openr'],
  [186, 'bgp'],
  [187, 'isis'],
  [188, 'ospf'],
  [189, 'rip'],
  [192, 'eigrp'],
]);

/** The table that packets are routed by unless rules say otherwise. */
export const RT_TABLE_MAIN = 254;
export const RT_TABLE_LOCAL = 255;

/** The names of the bits that are set, from the lowest; unknown ones are left out. */
export function flagNames(bits: number, names: readonly string[]): string[] {
  return names.filter((_, bit) => ((bits >>> bit) & 1) === 1);
}

/** IFF_ of linux/if.h, by bit. */
export const interfaceFlags: readonly string[] = [
  'UP',
  'BROADCAST',
  'DEBUG',
  'LOOPBACK',
  'POINTOPOINT',
  'NOTRAILERS',
  'RUNNING',
  'NOARP',
  'PROMISC',
  'ALLMULTI',
  'MASTER',
  'SLAVE',
  'MULTICAST',
  'PORTSEL',
  'AUTOMEDIA',
  'DYNAMIC',
  'LOWER_UP',
  'DORMANT',
  'ECHO',
];

/** IFA_F_ of linux/if_addr.h, by bit: the first has a name for each version. */
export const inetAddressFlags: readonly string[] = [
  'SECONDARY',
  'NODAD',
  'OPTIMISTIC',
  'DADFAILED',
  'HOMEADDRESS',
  'DEPRECATED',
  'TENTATIVE',
  'PERMANENT',
  'MANAGETEMPADDR',
  'NOPREFIXROUTE',
  'MCAUTOJOIN',
  'STABLE_PRIVACY',
];
export const inet6AddressFlags: readonly string[] = ['TEMPORARY', ...inetAddressFlags.slice(1)];

/** RTNH_F_ of linux/rtnetlink.h, by bit. */
export const hopFlags: readonly string[] = [
  'DEAD',
  'PERVASIVE',
  'ONLINK',
  'OFFLOAD',
  'LINKDOWN',
  'UNRESOLVED',
  'TRAP',
];
