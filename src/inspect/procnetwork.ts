// Interfaces and routes as text: files under /proc/net and /sys/class/net, proc(5), for where the
// kernel does not tell by netlink. They tell less: which interface an AF_INET address belongs to is
// found by the route to its network.
import { readFileSync } from 'node:fs';
import { AF_INET, AF_INET6 } from '../constants.gen.ts';
import { if_nametoindex } from '../interfaces.ts';
import { formatInet4, formatInet6 } from '../iptext.ts';
import {
  flagNames,
  type InterfaceAddress,
  inet6AddressFlags,
  interfaceFlags,
  type NetworkInterface,
  type Route,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
} from './network.ts';
import { addressBytes, procText } from './procnet.ts';
import { interfaceState } from './rtnetlink.ts';

const hex = (text: string | undefined): number => Number.parseInt(text ?? '', 16);
const fieldsOf = (line: string): string[] => line.trim().split(/\s+/);
const linesOf = (text: string): string[] => text.split('\n').filter(Boolean);

// --- routes ----------------------------------------------------------------------------------

// linux/route.h, linux/ipv6_route.h.
const RTF_REJECT = 0x200;
const RTF_ANYCAST = 0x100000;
const RTF_CACHE = 0x1000000;
const RTF_LOCAL = 0x80000000;

function indexOf(name: string): number | null {
  try {
    return if_nametoindex(name);
  } catch {
    return null;
  }
}

function route(
  family: number,
  destination: string,
  prefixLength: number,
  gateway: string | null,
  name: string,
  metric: number,
  table: number,
  type: Route['type'],
): Route {
  const index = name === '*' ? null : indexOf(name);
  return {
    family,
    destination,
    prefixLength,
    gateway,
    index,
    interface: name === '*' ? null : name,
    source: null,
    metric,
    mtu: null,
    table,
    type,
    scope: null,
    protocol: null,
    flags: [],
    nextHops: [],
  };
}

const ones = (bytes: Uint8Array): number =>
  bytes.reduce((sum, byte) => sum + (byte.toString(2).match(/1/g)?.length ?? 0), 0);

/** The routes in /proc/net/route: those of the table `main`. */
export function inetRoutes(text: string): Route[] {
  return linesOf(text)
    .slice(1)
    .flatMap((line) => {
      const [name, destination, gateway, flags, , , metric, mask] = fieldsOf(line);
      if (mask === undefined) return [];
      const gatewayText = formatInet4(addressBytes(gateway!), 0);
      return route(
        AF_INET,
        formatInet4(addressBytes(destination!), 0),
        ones(addressBytes(mask)),
        gatewayText === '0.0.0.0' ? null : gatewayText,
        name!,
        Number(metric),
        RT_TABLE_MAIN,
        (hex(flags) & RTF_REJECT) !== 0 ? 'unreachable' : 'unicast',
      );
    });
}

/** The routes in /proc/net/ipv6_route: those of all tables, whose numbers are not told but for `local`. */
export function inet6Routes(text: string): Route[] {
  return linesOf(text).flatMap((line) => {
    const [destination, prefix, , , gateway, metric, , , flags, name] = fieldsOf(line);
    if (name === undefined) return [];
    const bits = hex(flags);
    const bytes = Buffer.from(destination!, 'hex');
    // What was learnt of a single host; and the entry that stands for "no route".
    if ((bits & RTF_CACHE) !== 0 || hex(metric) === 0xffffffff) return [];
    const multicast = bytes[0] === 0xff;
    let type: Route['type'] = 'unicast';
    if ((bits & RTF_REJECT) !== 0) type = 'unreachable';
    else if ((bits & RTF_LOCAL) !== 0) type = 'local';
    else if ((bits & RTF_ANYCAST) !== 0) type = 'anycast';
    else if (multicast) type = 'multicast';
    const gatewayText = formatInet6(Buffer.from(gateway!, 'hex'), 0);
    return route(
      AF_INET6,
      formatInet6(bytes, 0),
      hex(prefix),
      gatewayText === '::' ? null : gatewayText,
      name,
      hex(metric),
      type === 'unicast' || type === 'unreachable' ? RT_TABLE_MAIN : RT_TABLE_LOCAL,
      type,
    );
  });
}

/** The routes of a family in a table, 0 being all. */
export function procRoutes(family: number, table: number): Route[] {
  const all = family === AF_INET ? inetRoutes(procText('route')) : inet6Routes(procText('ipv6_route'));
  return all.filter((each) => table === 0 || each.table === table);
}

// --- interfaces ------------------------------------------------------------------------------

/** A file of an interface's under /sys/class/net; `undefined` where there is none. */
function attributeOf(name: string, file: string): string | undefined {
  try {
    return readFileSync(`/sys/class/net/${name}/${file}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

const numberOf = (text: string | undefined): number | null => (text === undefined ? null : Number(text));

/** A line of /proc/net/dev: the name, and sixteen counters. */
const deviceLine = /^ *(?<name>\S+?):(?<counters>[ \d]+)$/;

function deviceOf(line: string): NetworkInterface[] {
  const fields = deviceLine.exec(line)?.groups;
  if (fields === undefined) return [];
  const name = fields.name!;
  const n = fieldsOf(fields.counters!).map(Number);
  const index = indexOf(name) ?? 0;
  // What is mounted there may be another network's, with an interface of the same name.
  const told = numberOf(attributeOf(name, 'ifindex')) === index;
  const attribute = (file: string) => (told ? attributeOf(name, file) : undefined);
  const state = attribute('operstate')?.toUpperCase();
  return [
    {
      index,
      name,
      type: numberOf(attribute('type')) ?? 0,
      flags: flagNames(numberOf(attribute('flags')) ?? 0, interfaceFlags),
      state: [0, 1, 2, 3, 4, 5, 6].map(interfaceState).find((each) => each === state) ?? 'UNKNOWN',
      mtu: numberOf(attribute('mtu')) ?? 0,
      queueLength: numberOf(attribute('tx_queue_len')),
      address: attribute('address') || null,
      broadcast: attribute('broadcast') || null,
      kind: null,
      // Which network the index in `iflink` is of, is not told.
      parent: null,
      master: numberOf(attribute('master/ifindex')),
      addresses: [],
      statistics: {
        rxPackets: n[1]!,
        txPackets: n[9]!,
        rxBytes: n[0]!,
        txBytes: n[8]!,
        rxErrors: n[2]!,
        txErrors: n[10]!,
        rxDropped: n[3]!,
        txDropped: n[11]!,
        multicast: n[7]!,
        collisions: n[13]!,
      },
    },
  ];
}

/** The interfaces in /proc/net/dev, without addresses. */
export function devices(text: string): NetworkInterface[] {
  return linesOf(text).slice(2).flatMap(deviceOf);
}

function interfaceAddress(family: number, address: string, prefixLength: number): InterfaceAddress {
  return {
    family,
    address,
    prefixLength,
    peer: null,
    broadcast: null,
    label: null,
    scope: 'global',
    flags: [],
    preferred: Number.POSITIVE_INFINITY,
    valid: Number.POSITIVE_INFINITY,
  };
}

// IPV6_ADDR_ of the kernel's net/ipv6.h.
const inet6Scopes = new Map([
  [0x10, 'host'],
  [0x20, 'link'],
  [0x40, 'site'],
]);

/** The addresses in /proc/net/if_inet6, with the index of the interface of each. */
export function inet6Addresses(text: string): [index: number, address: InterfaceAddress][] {
  return linesOf(text).flatMap((line): [number, InterfaceAddress][] => {
    const [address, index, prefix, scope, flags] = fieldsOf(line);
    if (flags === undefined) return [];
    const row = interfaceAddress(AF_INET6, formatInet6(Buffer.from(address!, 'hex'), 0), hex(prefix));
    row.scope = inet6Scopes.get(hex(scope)) ?? 'global';
    row.flags = flagNames(hex(flags), inet6AddressFlags);
    return [[hex(index), row]];
  });
}

const wordOf = (text: string): number => text.split('.').reduce((word, part) => word * 256 + Number(part), 0);

/** Whether `address` lies in the network, both IPv4. */
function contains(network: string, prefixLength: number, address: string): boolean {
  const size = 2 ** (32 - prefixLength);
  return Math.floor(wordOf(network) / size) === Math.floor(wordOf(address) / size);
}

/** The local addresses in /proc/net/fib_trie, with the name of the interface that leads to their network. */
export function inetAddresses(
  text: string,
  routes: readonly Route[],
): [name: string, address: InterfaceAddress][] {
  const local = new Set(
    Array.from(text.matchAll(/\|-- (\S+)\n\s+\/32 host LOCAL/g), ([, address]) => address!),
  );
  const networks = routes
    .filter(({ gateway, interface: name }) => gateway === null && name !== null)
    .sort((a, b) => b.prefixLength - a.prefixLength);
  return [...local].flatMap((address): [string, InterfaceAddress][] => {
    if (contains('127.0.0.0', 8, address)) {
      const row = interfaceAddress(AF_INET, address, 8);
      row.scope = 'host';
      return [['lo', row]];
    }
    const found = networks.find((each) => contains(each.destination, each.prefixLength, address));
    if (found === undefined) return [];
    return [[found.interface!, interfaceAddress(AF_INET, address, found.prefixLength)]];
  });
}

/** The interfaces and their addresses. */
export function procInterfaces(): NetworkInterface[] {
  const list = devices(procText('dev')).sort((a, b) => a.index - b.index);
  const four = inetAddresses(procText('fib_trie'), inetRoutes(procText('route')));
  const six = inet6Addresses(procText('if_inet6'));
  for (const each of list) {
    each.addresses = [
      ...four.filter(([name]) => name === each.name).map(([, address]) => address),
      ...six.filter(([index]) => index === each.index).map(([, address]) => address),
    ];
  }
  return list;
}
