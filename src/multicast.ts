// Multicast groups of a socket: joining and leaving them, which of their sources are heard, and
// where datagrams to groups go out. A line or two a function over setsockopt, whose values are
// made in membership.ts.
import os from 'node:os';
import { type BaseSocket, checkSocket } from './base.ts';
import {
  AF_INET6,
  IP_MULTICAST_IF,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_MULTICAST_IF,
  MCAST_BLOCK_SOURCE,
  MCAST_JOIN_GROUP,
  MCAST_JOIN_SOURCE_GROUP,
  MCAST_LEAVE_GROUP,
  MCAST_LEAVE_SOURCE_GROUP,
  MCAST_UNBLOCK_SOURCE,
} from './constants.gen.ts';
import { describeValue, typeError } from './errors.ts';
import { encodeGroupRequest, encodeMembership, interfaceIndex, packedAddress } from './membership.ts';

export interface GroupOptions {
  /**
   * The network interface: its index, its name, or an address that it has. Default 0: the one to
   * which the kernel's routes send the group.
   */
  interface?: number | string;
  /** Only what this address sends to the group (RFC 4607, RFC 3678). */
  source?: string;
}

export type InterfaceOptions = Omit<GroupOptions, 'source'>;

/** Whether a text can only be an address: no interface has such a name. */
const isAddress = (text: string): boolean => text.includes(':') || /^\d+\.\d+\.\d+\.\d+$/.test(text);

/** The index of an interface that is given by index, name or address. */
function indexOf(given: unknown): number {
  if (typeof given !== 'string' || !isAddress(given)) return interfaceIndex(given);
  const wanted = packedAddress(given, 'interface');
  for (const [name, addresses] of Object.entries(os.networkInterfaces())) {
    // An address of its own may have a label behind the name: `eth0:1`.
    if (addresses?.some(({ address }) => wanted.equals(packedAddress(address, 'address'))))
      return interfaceIndex(name.split(':')[0]);
  }
  throw new RangeError(
    `Expected an address of this machine for interface but received ${describeValue(given)}`,
  );
}

function request(
  sock: BaseSocket,
  name: number | undefined,
  group: string,
  given: number | string = 0,
  source?: string,
): void {
  checkSocket(sock);
  // A dual-stack socket may join groups of both families: the group's own tells the level.
  const level = packedAddress(group, 'group').length === 4 ? IPPROTO_IP : IPPROTO_IPV6;
  const membership = { group, interface: indexOf(given), ...(source !== undefined && { source }) };
  sock.setsockopt(level, name as number, encodeGroupRequest(membership));
}

function optionsOf(options: GroupOptions | undefined): GroupOptions {
  if (options !== undefined && (typeof options !== 'object' || options === null))
    throw typeError('options', 'an object', options);
  return options ?? {};
}

/**
 * Joins a multicast group, `239.1.2.3` or `ff15::1`, so that the socket receives what is sent to
 * the group and the port that it is bound to; with `source` only what that address sends, and one
 * call for each of several sources. A socket may join many groups, and each on several interfaces.
 *
 * ip(7) and ipv6(7) at `IP_ADD_MEMBERSHIP`, RFC 3678. Errors: `EADDRINUSE` for a group that the
 * socket is in already, `EADDRNOTAVAIL` for a source it has already, `ENODEV` where no route leads
 * to the group, `ENOBUFS` for too many (net.ipv4.igmp_max_memberships, 20 as a rule).
 */
export function joinGroup(sock: BaseSocket, group: string, options?: GroupOptions): void {
  const { interface: given, source } = optionsOf(options);
  const name = source === undefined ? MCAST_JOIN_GROUP : MCAST_JOIN_SOURCE_GROUP;
  request(sock, name, group, given, source);
}

/**
 * Leaves a group, or no longer hears one source of it, with the options that it was joined by.
 * Errors: `EADDRNOTAVAIL` for a group that the socket is not in.
 */
export function leaveGroup(sock: BaseSocket, group: string, options?: GroupOptions): void {
  const { interface: given, source } = optionsOf(options);
  const name = source === undefined ? MCAST_LEAVE_GROUP : MCAST_LEAVE_SOURCE_GROUP;
  request(sock, name, group, given, source);
}

/** Hears no more of one source of a group that was joined without a source. `MCAST_BLOCK_SOURCE`, RFC 3678. */
export function blockSource(
  sock: BaseSocket,
  group: string,
  source: string,
  options?: InterfaceOptions,
): void {
  request(sock, MCAST_BLOCK_SOURCE, group, optionsOf(options).interface, source);
}

/** Hears a source again that was blocked. `MCAST_UNBLOCK_SOURCE`. Errors: `EADDRNOTAVAIL` if it was not. */
export function unblockSource(
  sock: BaseSocket,
  group: string,
  source: string,
  options?: InterfaceOptions,
): void {
  request(sock, MCAST_UNBLOCK_SOURCE, group, optionsOf(options).interface, source);
}

/**
 * The interface by which datagrams to groups go out: its index, its name, or an address that it
 * has; 0 leaves it to the kernel's routes. `IP_MULTICAST_IF`, `IPV6_MULTICAST_IF`.
 */
export function setMulticastInterface(sock: BaseSocket, given: number | string): void {
  checkSocket(sock);
  const index = indexOf(given);
  if (sock.family === AF_INET6) sock.setsockopt(IPPROTO_IPV6, IPV6_MULTICAST_IF, index);
  else sock.setsockopt(IPPROTO_IP, IP_MULTICAST_IF, encodeMembership({ group: '0.0.0.0', interface: index }));
}
