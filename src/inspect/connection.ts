// What `connections()` gives and takes: rows, the names of states, the choice among rows. Pure.
import type {
  Inet6Address,
  InetAddress,
  NetlinkAddress,
  PacketAddress,
  UnixAddress,
  VsockAddress,
} from '../address.ts';
import { AF_INET, AF_INET6, AF_UNIX, SOCK_DGRAM, SOCK_RAW } from '../constants.gen.ts';
import { checkInteger, describeValue, typeError } from '../errors.ts';
import type { WaitOptions } from '../flavour.ts';
import type { TcpInfo } from '../tcpinfo.ts';

/** The protocols of AF_INET and AF_INET6, by the names that tools print. */
export type InternetProtocol = 'tcp' | 'mptcp' | 'sctp' | 'dccp' | 'udp' | 'udplite' | 'icmp' | 'raw';

/** The protocols whose sockets are told of; AF_UNIX and what comes behind it have one each. */
export type Protocol = InternetProtocol | 'unix' | 'netlink' | 'packet' | 'vsock';

/** The address of a socket of any of them. */
export type ConnectionAddress =
  | InetAddress
  | Inet6Address
  | UnixAddress
  | NetlinkAddress
  | PacketAddress
  | VsockAddress;

/**
 * The states of TCP, RFC 9293, as netstat(8) spells them. `CLOSE` is a socket that has a port and
 * neither listens nor connects: Linux tells of them since 6.8. Sockets without connections are
 * `UNCONNECTED` or, after `connect`, `ESTABLISHED`.
 */
export type ConnectionState =
  | 'ESTABLISHED'
  | 'SYN_SENT'
  | 'SYN_RECV'
  | 'FIN_WAIT1'
  | 'FIN_WAIT2'
  | 'TIME_WAIT'
  | 'CLOSE'
  | 'CLOSE_WAIT'
  | 'LAST_ACK'
  | 'LISTEN'
  | 'CLOSING'
  | 'UNCONNECTED';

/** A process that has a socket open. */
export interface Holder {
  readonly pid: number;
  /** The command's name, up to 15 characters of it: /proc/PID/comm, proc(5). */
  readonly name: string;
  /** The descriptor's number there: the lowest of several. */
  readonly fd: number;
}

/** A socket as the kernel tells of it, of a protocol with addresses of one shape. */
export interface SocketRow<P extends Protocol, A extends ConnectionAddress> {
  protocol: P;
  /** `AF_INET`, `AF_UNIX` … */
  family: number;
  /** `SOCK_STREAM`, `SOCK_DGRAM` … */
  type: number;
  /** The third argument of `socket()`; of `raw` the protocol of its packets. */
  proto: number;
  state: ConnectionState;
  /** The family's tuple, as `getsockname()` gives it. */
  local: A;
  /** As `getpeername()` gives it; `null` where there is no other end. */
  remote: A | null;
  /**
   * Bytes received that the program has not taken; of a socket that listens, connections that wait
   * to be accepted. `null` where the kernel does not tell.
   */
  recvQueue: number | null;
  /** Bytes sent that the other end has not acknowledged; of a socket that listens, its backlog. */
  sendQueue: number | null;
  /** The number of the socket in /proc/PID/fd; 0 where no process has it any more. */
  inode: number;
  /** The user who made it; `null` where the kernel does not tell. */
  uid: number | null;
  /** The process that has it open, the first of several; `null` where none is to be seen. */
  pid: number | null;
  /** The name of that process. */
  process: string | null;
  /** Every process that has it open and can be seen. */
  holders: readonly Holder[];
  /** Of AF_UNIX: the inode of the other end, 0 where there is none; `null` for other families. */
  peerInode: number | null;
  /** Of TCP, where it was asked for. */
  tcpInfo: TcpInfo | null;
}

/** A socket as the kernel tells of it. The protocol tells of what shape its addresses are. */
export type Connection =
  | SocketRow<InternetProtocol, InetAddress | Inet6Address>
  | SocketRow<'unix', UnixAddress>
  | SocketRow<'netlink', NetlinkAddress>
  | SocketRow<'packet', PacketAddress>
  | SocketRow<'vsock', VsockAddress>;

/** Where a table is read: the kernel is asked by AF_NETLINK, or its text files are read. */
export type Source = 'netlink' | 'proc';

/** What `interfaces`, `routes` and `connections` can be told. */
export interface InspectOptions extends WaitOptions {
  /** Only there. If it is not given: `'netlink'`, and `'proc'` where that is refused. */
  source?: Source | undefined;
}

/** Which sockets `connections()` gives: those that fulfil all that is said. */
export interface ConnectionsOptions extends InspectOptions {
  /** `AF_INET` … */
  family?: number | undefined;
  /** `SOCK_STREAM` … */
  type?: number | undefined;
  protocol?: Protocol | readonly Protocol[] | undefined;
  /** States by name, or by number: `TCP_LISTEN` … */
  state?: ConnectionState | number | readonly (ConnectionState | number)[] | undefined;
  /**
   * Those that anybody may speak to, or the others: in state `LISTEN`, or a socket for datagrams that
   * has an address and is not connected.
   */
  listening?: boolean | undefined;
  /** Whether to look for the processes, which takes the most time: yes if it is not given. */
  processes?: boolean | undefined;
  /** Whether to ask for `tcpInfo`: no if it is not given. */
  tcpInfo?: boolean | undefined;
}

const CLOSE = 7;
const LISTEN = 10;

// By number: enum of the kernel's net/tcp_states.h. The last two are told as others, and only asked
// for by their own numbers: a request that waits for its last acknowledgement (TCP_NEW_SYN_RECV), and
// a socket with nothing but a port (TCP_BOUND_INACTIVE).
const states: readonly ConnectionState[] = [
  'UNCONNECTED',
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'CLOSING',
  'SYN_RECV',
  'CLOSE',
];

/** Every state, as a mask of the kernel's numbers. */
export const EVERY_STATE = (1 << states.length) - 1;

/** The name of the kernel's number; `connects` where the socket has connections. */
export function stateName(state: number, connects: boolean): ConnectionState {
  return state === CLOSE && !connects ? 'UNCONNECTED' : (states[state] ?? 'CLOSE');
}

/** Whether anybody may speak to the socket. */
export function isListening({ state, type, family, local }: Connection): boolean {
  if (state === 'LISTEN') return true;
  if (state !== 'UNCONNECTED') return false;
  if (family === AF_UNIX) return type === SOCK_DGRAM && (local as string | Buffer).length > 0;
  if (family !== AF_INET && family !== AF_INET6) return false;
  return type === SOCK_RAW || (local as InetAddress)[1] > 0;
}

/** The choice among rows, its arguments checked. */
export interface Choice {
  family: number | undefined;
  type: number | undefined;
  protocols: ReadonlySet<string> | undefined;
  /** A mask of the kernel's numbers, for it to leave out what is not wanted. */
  mask: number;
  matches(row: Connection): boolean;
}

const protocolNames: readonly string[] = [
  'tcp',
  'mptcp',
  'sctp',
  'dccp',
  'udp',
  'udplite',
  'icmp',
  'raw',
  'unix',
  'netlink',
  'packet',
  'vsock',
] satisfies Protocol[];

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value]);

function checkNumber(name: string, value: unknown): number | undefined {
  return value === undefined ? undefined : checkInteger(name, value, 0, 0x7fffffff);
}

/** A boolean, or the one that stands for what is not given. */
export function checkFlag<T>(name: string, value: unknown, otherwise: T): boolean | T {
  if (value === undefined) return otherwise;
  if (typeof value !== 'boolean') throw typeError(name, 'a boolean', value);
  return value;
}

function namesOf(state: unknown): ConnectionState[] {
  if (typeof state === 'number') {
    checkInteger('state', state, 1, states.length - 1);
    return state === CLOSE ? ['CLOSE', 'UNCONNECTED'] : [states[state]!];
  }
  if (typeof state !== 'string') throw typeError('state', 'a name or a number of a state', state);
  if (!states.includes(state as ConnectionState))
    throw new RangeError(
      `Expected one of ${[...new Set(states)].join(', ')} for state but received ${describeValue(state)}`,
    );
  return [state as ConnectionState];
}

const numbersOf = (name: ConnectionState): number[] =>
  name === 'UNCONNECTED' ? [CLOSE] : states.flatMap((each, number) => (each === name ? [number] : []));

function checkProtocol(value: unknown): string {
  if (typeof value !== 'string') throw typeError('protocol', 'the name of a protocol', value);
  if (!protocolNames.includes(value))
    throw new RangeError(
      `Expected one of ${protocolNames.join(', ')} for protocol but received ${describeValue(value)}`,
    );
  return value;
}

/** Checks what was chosen. */
export function choiceOf(options: ConnectionsOptions): Choice {
  const family = checkNumber('family', options.family);
  const type = checkNumber('type', options.type);
  const listening = checkFlag('listening', options.listening, undefined);
  const names = options.state === undefined ? undefined : new Set(listOf(options.state).flatMap(namesOf));
  const protocols =
    options.protocol === undefined ? undefined : new Set(listOf(options.protocol).map(checkProtocol));
  const bits = (list: Iterable<ConnectionState>) =>
    [...list].flatMap(numbersOf).reduce((mask, number) => mask | (1 << number), 0);
  let mask = names === undefined ? EVERY_STATE : bits(names);
  if (listening === true) mask &= (1 << LISTEN) | (1 << CLOSE);
  return {
    family,
    type,
    protocols,
    mask,
    matches: (row) =>
      (family === undefined || row.family === family) &&
      (type === undefined || row.type === type) &&
      (protocols === undefined || protocols.has(row.protocol)) &&
      (names === undefined || names.has(row.state)) &&
      (listening === undefined || isListening(row) === listening),
  };
}

/** The list of holders of a socket that nobody is seen to have. */
const nobody: readonly Holder[] = Object.freeze([]);

/** A row with what every table tells; the rest is for the table's codec to fill in. */
export function connection(
  protocol: Protocol,
  family: number,
  type: number,
  proto: number,
  state: ConnectionState,
  local: ConnectionAddress,
  remote: ConnectionAddress | null,
  recvQueue: number | null,
  sendQueue: number | null,
  inode: number,
  uid: number | null,
  peerInode: number | null = null,
): Connection {
  return {
    protocol,
    family,
    type,
    proto,
    state,
    local,
    remote,
    recvQueue,
    sendQueue,
    inode,
    uid,
    pid: null,
    process: null,
    holders: nobody,
    peerInode,
    tcpInfo: null,
  } as Connection;
}
