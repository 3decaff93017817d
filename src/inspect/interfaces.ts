// interfaces() and routes(): what the kernel knows of the network that this process is in.
import { AF_INET, AF_INET6, NETLINK_ROUTE } from '../constants.gen.ts';
import { checkInteger, typeError } from '../errors.ts';
import { checkOptions } from '../flavour.ts';
import { type Inquiry, openInquiry } from './asking.ts';
import type { InspectOptions } from './connection.ts';
import { interfaceName } from './naming.ts';
import type { InterfaceAddress, NetworkInterface, Route, RoutesOptions } from './network.ts';
import { RT_TABLE_MAIN } from './network.ts';
import { procInterfaces, procRoutes } from './procnetwork.ts';
import { addressRequest, addressRows, linkRequest, linkRows, routeRequest, routeRows } from './rtnetlink.ts';
import { checkSource, isAbsent, isRefused } from './source.ts';

/**
 * What the kernel tells by netlink where it does, and otherwise what its files do. A kernel that opens
 * the socket may still refuse to answer.
 */
async function either<R>(
  options: InspectOptions,
  ask: (inquiry: Inquiry, signal: AbortSignal | undefined) => Promise<R[]>,
  read: () => R[],
): Promise<R[]> {
  const source = checkSource(options.source);
  const signal = checkOptions<InspectOptions>(options)?.signal;
  const inquiry = openInquiry(NETLINK_ROUTE!, 'rtnetlink', source);
  if (inquiry === undefined) return read();
  try {
    return await ask(inquiry, signal);
  } catch (error) {
    if (source !== undefined || !isRefused(error)) throw error;
    return read();
  } finally {
    inquiry.close();
  }
}

/**
 * The network interfaces of this network namespace, by index, with their addresses and counters.
 *
 * The kernel is asked by `NETLINK_ROUTE`, rtnetlink(7); where it refuses that, files under /proc/net
 * and /sys/class/net are read, which tell less: docs/inspect.md.
 *
 * Errors: those of `socket()` and of the question, with `source: 'netlink'`. **Cancel safety**: an
 * aborted call leaves nothing behind.
 */
export async function interfaces(options: InspectOptions = {}): Promise<NetworkInterface[]> {
  if (typeof options !== 'object' || options === null) throw typeError('options', 'an object', options);
  const ask = async (inquiry: Inquiry, signal: AbortSignal | undefined): Promise<NetworkInterface[]> => {
    const links = await inquiry.list(linkRequest(), linkRows, signal);
    const addresses: [number, InterfaceAddress][] = await inquiry.list(addressRequest(), addressRows, signal);
    const byIndex = new Map(links.map((link) => [link.index, link]));
    for (const [index, address] of addresses) byIndex.get(index)?.addresses.push(address);
    return links.sort((a, b) => a.index - b.index);
  };
  return either(options, ask, procInterfaces);
}

/**
 * The routes of this network namespace: those of the table `main`, of both families, if nothing else
 * is asked for, in the kernel's order.
 *
 * Asked as `interfaces()` does, with the same errors. **Cancel safety**: an aborted call leaves
 * nothing behind.
 */
export async function routes(options: RoutesOptions = {}): Promise<Route[]> {
  if (typeof options !== 'object' || options === null) throw typeError('options', 'an object', options);
  const table =
    options.table === undefined ? RT_TABLE_MAIN : checkInteger('table', options.table, 0, 0xffffffff);
  const { family } = options;
  if (family !== undefined && family !== AF_INET && family !== AF_INET6)
    throw typeError('family', 'AF_INET or AF_INET6', family);
  const families = family === undefined ? [AF_INET, AF_INET6] : [family];
  const ask = async (inquiry: Inquiry, signal: AbortSignal | undefined): Promise<Route[]> => {
    const lists: Route[][] = [];
    for (const each of families) lists.push(await routesOf(inquiry, each, table, signal));
    return lists.flat();
  };
  return either(options, ask, () => families.flatMap((each) => procRoutes(each, table)));
}

async function routesOf(
  inquiry: Inquiry,
  family: number,
  table: number,
  signal: AbortSignal | undefined,
): Promise<Route[]> {
  let rows: Route[];
  try {
    rows = await inquiry.list(routeRequest(family, table), (list: Route[]) => routeRows(table, list), signal);
  } catch (error) {
    // A kernel without this family.
    if (isAbsent(error)) return [];
    throw error;
  }
  for (const row of rows) {
    if (row.index !== null) row.interface = interfaceName(row.index);
    for (const hop of row.nextHops) hop.interface = interfaceName(hop.index);
  }
  return rows;
}
