// What a row of the options' table says. Pure data: no system calls, no constants' values.

export type OptionLevel =
  | 'SOL_SOCKET'
  | 'IPPROTO_IP'
  | 'IPPROTO_IPV6'
  | 'IPPROTO_TCP'
  | 'IPPROTO_UDP'
  | 'IPPROTO_UDPLITE';

/**
 * How the value's bytes are read: `bool` and `int` are a C int; `linger` and `timeval` the
 * structs of those names; `string` a text that may end in NUL; `bytes` whatever `struct` names.
 */
export type OptionType = 'bool' | 'int' | 'linger' | 'timeval' | 'string' | 'bytes';

/** The last moment at which setting the option still has its effect (socat's phases). */
export type OptionPhase = 'before bind' | 'before listen' | 'before connect' | 'connected' | 'any';

/** A kind of socket that a row may apply to. */
export const socketKinds = {
  tcp: ['AF_INET', 'SOCK_STREAM', 'IPPROTO_TCP'],
  tcp6: ['AF_INET6', 'SOCK_STREAM', 'IPPROTO_TCP'],
  udp: ['AF_INET', 'SOCK_DGRAM', 'IPPROTO_UDP'],
  udp6: ['AF_INET6', 'SOCK_DGRAM', 'IPPROTO_UDP'],
  udplite: ['AF_INET', 'SOCK_DGRAM', 'IPPROTO_UDPLITE'],
  udplite6: ['AF_INET6', 'SOCK_DGRAM', 'IPPROTO_UDPLITE'],
  raw: ['AF_INET', 'SOCK_RAW', 'IPPROTO_ICMP'],
  raw6: ['AF_INET6', 'SOCK_RAW', 'IPPROTO_ICMPV6'],
  rawheader6: ['AF_INET6', 'SOCK_RAW', 'IPPROTO_RAW'],
  unix: ['AF_UNIX', 'SOCK_STREAM', 'IPPROTO_IP'],
  unixdgram: ['AF_UNIX', 'SOCK_DGRAM', 'IPPROTO_IP'],
  unixseqpacket: ['AF_UNIX', 'SOCK_SEQPACKET', 'IPPROTO_IP'],
} as const satisfies Record<string, readonly [family: string, type: string, proto: string]>;

export type SocketKind = keyof typeof socketKinds;

const tcp = ['tcp', 'tcp6'] as const;
const udp = ['udp', 'udp6'] as const;
const udplite = ['udplite', 'udplite6'] as const;
const raw = ['raw', 'raw6'] as const;
const unix = ['unix', 'unixdgram', 'unixseqpacket'] as const;

/** Sets of kinds under the names that rows use. */
export const kinds = {
  tcp,
  udp,
  udplite,
  raw,
  unix,
  inet: [...tcp, ...udp, ...raw],
  any: [...tcp, ...udp, ...raw, ...unix],
  ip: ['tcp', 'udp', 'raw'],
  ipDatagrams: ['udp', 'raw'],
  ipv6: ['tcp6', 'udp6', 'raw6'],
  ipv6Datagrams: ['udp6', 'raw6'],
} as const satisfies Record<string, readonly SocketKind[]>;

/** A value as people write it; `bytes` and `string` types take a string, the former in hex. */
export type OptionValue = boolean | number | string | { readonly onoff: boolean; readonly linger: number };

export interface OptionRow {
  readonly type: OptionType;
  /** One line without a full stop. */
  readonly doc: string;
  /** Default `'any'`. */
  readonly when?: OptionPhase;
  /** Default both. `get`: `setsockopt` refuses it; `set`: `getsockopt` does, or gives something else. */
  readonly access?: 'get' | 'set';
  /** Default: the level's. */
  readonly on?: readonly SocketKind[];
  /** The C type behind `bytes`; decoded by nobody yet. */
  readonly struct?: string;
  /** How many bytes to ask for, where the kernel takes no other number. */
  readonly length?: number;
  readonly unit?: string;
  /** A capability (see capabilities(7)) that setting it takes. */
  readonly needs?: string;
  /** The kernel that brought it, where that is newer than 4.18. */
  readonly since?: string;
  /** The same for single kinds of socket, where the option itself is older. */
  readonly sinceOn?: Partial<Record<SocketKind, string>>;
  /** What the kernel makes of the value that it is given. */
  readonly kernel?: string;
  /**
   * Values that the round-trip test chooses from, the first that is not the initial one; a
   * `bool` needs none. `reads` are what the kernel then says, where that is something else, and
   * `readBy` under which name.
   */
  readonly tries?: readonly OptionValue[];
  readonly reads?: readonly OptionValue[];
  readonly readBy?: string;
  /** Options of this level to set before, each with the first of its `tries`. */
  readonly after?: readonly string[];
  /** Why there is no round trip to test. */
  readonly untried?: string;
}

export interface Option extends OptionRow {
  readonly name: string;
  readonly level: OptionLevel;
  readonly when: OptionPhase;
  readonly on: readonly SocketKind[];
}

export interface OptionGroup {
  readonly title: string;
  readonly level: OptionLevel;
  readonly options: readonly Option[];
}

/** The rows of one level; `on` is what they apply to where they do not say otherwise. */
export function group(
  title: string,
  level: OptionLevel,
  on: readonly SocketKind[],
  rows: Record<string, OptionRow>,
): OptionGroup {
  const options = Object.entries(rows).map(([name, row]) => ({
    when: 'any' as const,
    on,
    ...row,
    name,
    level,
  }));
  return { title, level, options };
}
