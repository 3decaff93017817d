// Every socket option of Linux that getsockopt and setsockopt know at the levels of the socket,
// IP, IPv6, TCP and UDP, declared once: the reference (docs/options.md), the round-trip test and
// whatever sets options by name read the same row. Not loaded by the library itself.
import { companionOptions } from './options/companions.ts';
import { ipOptions } from './options/ip.ts';
import { ipv6Options } from './options/ipv6.ts';
import {
  type Option,
  type OptionGroup,
  type OptionLevel,
  type OptionPhase,
  type OptionType,
  type OptionValue,
  type SocketKind,
  socketKinds,
} from './options/row.ts';
import { socketOptions } from './options/socket.ts';
import { transportOptions } from './options/transport.ts';

export { decodeValue, encodeValue, lengthToRead, parseValue } from './options/value.ts';
export type { Option, OptionGroup, OptionLevel, OptionPhase, OptionType, OptionValue, SocketKind };
export { socketKinds };

export const optionGroups: readonly OptionGroup[] = [
  ...socketOptions,
  ...companionOptions,
  ...transportOptions,
  ...ipOptions,
  ...ipv6Options,
];

export const options: readonly Option[] = optionGroups.flatMap((group) => group.options);

/**
 * The rows of a name, such as `"TCP_NODELAY"`: none for an unknown name, two for the MCAST_
 * options, which IPv4 and IPv6 have under one name and number, each at its level.
 */
export const optionsNamed = (name: string): readonly Option[] =>
  options.filter((option) => option.name === name);

/** Names of the headers that are no options of their own: other names of one, or never in use. */
export const namesWithoutRow: Readonly<Record<string, string>> = {
  SO_TIMESTAMP_OLD: 'the number of SO_TIMESTAMP on 64-bit machines',
  SO_TIMESTAMPNS_OLD: 'the number of SO_TIMESTAMPNS on 64-bit machines',
  SO_TIMESTAMPING_OLD: 'the number of SO_TIMESTAMPING on 64-bit machines',
  SO_RCVTIMEO_OLD: 'the number of SO_RCVTIMEO on 64-bit machines',
  SO_SNDTIMEO_OLD: 'the number of SO_SNDTIMEO on 64-bit machines',
  SO_RCVTIMEO_NEW: 'SO_RCVTIMEO with 64-bit seconds on 32-bit machines',
  SO_SNDTIMEO_NEW: 'SO_SNDTIMEO with 64-bit seconds on 32-bit machines',
  SO_SECURITY_AUTHENTICATION: 'never implemented',
  SO_SECURITY_ENCRYPTION_TRANSPORT: 'never implemented',
  SO_SECURITY_ENCRYPTION_NETWORK: 'never implemented',
  SO_DEVMEM_LINEAR: 'the type of a control message',
  SO_DEVMEM_DMABUF: 'the type of a control message',
  IP_RECVRETOPTS: 'another name of IP_RETOPTS',
  IP_ORIGDSTADDR: 'the type of the control message of IP_RECVORIGDSTADDR',
  IP_PMTUDISC: 'an old name of IP_MTU_DISCOVER',
  IPV6_ORIGDSTADDR: 'the type of the control message of IPV6_RECVORIGDSTADDR',
  IPV6_HOPLIMIT: 'the type of the control message of IPV6_RECVHOPLIMIT',
  IPV6_RXHOPOPTS: 'an old name of IPV6_HOPOPTS',
  IPV6_RXDSTOPTS: 'an old name of IPV6_DSTOPTS',
  IPV6_NEXTHOP: 'not implemented by Linux as an option',
  IPV6_AUTHHDR: 'not implemented by Linux as an option',
  TCP_CM_INQ: 'the type of the control message of TCP_INQ',
  TCP_COOKIE_TRANSACTIONS: 'gone since Linux 3.10',
};
