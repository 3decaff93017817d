// Rows of sockets for people to read: addresses as text, states, the columns of the table, the
// choice among rows. Pure but for the names of interfaces.
import { AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_UNIX, AF_VSOCK, if_indextoname } from '../index.ts';
import type { Connection, ConnectionState, Protocol } from '../inspect.ts';
import { type Column, type Style, styled, timeText, visible } from './output.ts';
import { type Given, UsageError } from './spec.ts';

const STATES: readonly ConnectionState[] = [
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
  'UNCONNECTED',
];

// As ss(8), netstat(8) of elsewhere and RFC 9293 spell them.
const OTHERS: Readonly<Record<string, ConnectionState>> = {
  ESTAB: 'ESTABLISHED',
  SYN_RECEIVED: 'SYN_RECV',
  SYN_RCVD: 'SYN_RECV',
  FIN_WAIT_1: 'FIN_WAIT1',
  FIN_WAIT_2: 'FIN_WAIT2',
  CLOSED: 'CLOSE',
  LISTENING: 'LISTEN',
  UNCONN: 'UNCONNECTED',
};

/** The state that a word of the command line means, in any of its spellings. */
export function stateOf(word: string): ConnectionState {
  const name = word.toUpperCase().replaceAll('-', '_');
  const state = STATES.find((each) => each === name) ?? OTHERS[name];
  if (state !== undefined) return state;
  throw new UsageError(`--state ${word}: expected one of ${STATES.join(', ').toLowerCase()}`, 'netstat');
}

const NAMES = new Map<number, string>();

function scopeName(index: number): string {
  let name = NAMES.get(index);
  if (name === undefined) {
    try {
      name = if_indextoname(index);
    } catch {
      // Gone meanwhile.
      name = String(index);
    }
    NAMES.set(index, name);
  }
  return name;
}

/** An end of a socket: `127.0.0.1:80`, `[::1]:80`, a path, `@abstract`. */
export function endText(family: number, address: unknown): string {
  if (family === AF_UNIX) {
    if (typeof address === 'string') return visible(address);
    const name = address instanceof Uint8Array ? Buffer.from(address).toString() : '';
    return name === '' ? '' : visible(`@${name.replace(/^\0/, '').replaceAll('\0', '@')}`);
  }
  const parts = address as readonly (string | number)[];
  switch (family) {
    case AF_INET:
      return `${parts[0]}:${parts[1] || '*'}`;
    case AF_INET6:
      return `[${parts[0]}${Number(parts[3]) > 0 ? `%${scopeName(Number(parts[3]))}` : ''}]:${parts[1] || '*'}`;
    case AF_NETLINK:
      return `${parts[0] || 'kernel'}${parts[1] ? ` groups 0x${Number(parts[1]).toString(16)}` : ''}`;
    case AF_PACKET:
      return visible(`${parts[0] || '*'} 0x${Number(parts[1]).toString(16).padStart(4, '0')}`);
    case AF_VSOCK:
      return parts.map((part) => (Number(part) === 0xffffffff ? '*' : part)).join(':');
    default:
      return visible(parts.join(' '));
  }
}

/** The local end; of an AF_UNIX socket without a name, its inode, as its peer shows it. */
export function localText(row: Connection): string {
  return endText(row.family, row.local) || `#${row.inode}`;
}

/** The other end; `*` where there is none. */
export function remoteText(row: Connection): string {
  const text = row.remote === null ? '' : endText(row.family, row.remote);
  return text || (row.peerInode ? `#${row.peerInode}` : '*');
}

export const portsOf = ({ family, local, remote }: Connection): [local: number, remote: number] =>
  family === AF_INET || family === AF_INET6
    ? [
        (local as readonly unknown[])[1] as number,
        remote === null ? 0 : ((remote as readonly unknown[])[1] as number),
      ]
    : [0, 0];

/** `"node/1234"`, and how many more have it. */
export function processText({ holders, inode }: Connection): string {
  const [first, ...others] = holders;
  if (first === undefined) return inode === 0 ? '' : '-';
  return `${visible(first.name)}/${first.pid}${others.length > 0 ? ` +${others.length}` : ''}`;
}

const STATE_STYLES: Partial<Record<ConnectionState, Style>> = {
  LISTEN: 'green',
  ESTABLISHED: 'cyan',
  // A program that does not close what its peer has closed.
  CLOSE_WAIT: 'yellow',
  SYN_SENT: 'magenta',
  SYN_RECV: 'magenta',
  TIME_WAIT: 'dim',
  UNCONNECTED: 'dim',
};

/** The state in its colour. */
export function stateText(state: ConnectionState, colour: boolean): string {
  const style = STATE_STYLES[state];
  return style === undefined ? state : styled(state, style, colour);
}

const numberText = (value: number | null | undefined): string => (value == null ? '-' : String(value));

/** The columns of the table. */
export function columnsOf(options: {
  processes: boolean;
  info: boolean;
  colour: boolean;
}): Column<Connection>[] {
  const columns: Column<Connection>[] = [
    { title: 'Proto', cell: (row) => protocolText(row) },
    { title: 'State', cell: (row) => stateText(row.state, options.colour) },
    { title: 'Recv-Q', right: true, cell: (row) => numberText(row.recvQueue) },
    { title: 'Send-Q', right: true, cell: (row) => numberText(row.sendQueue) },
    { title: 'Local address', cell: localText },
    { title: 'Remote address', cell: remoteText },
  ];
  if (options.info)
    columns.push(
      { title: 'RTT', right: true, cell: ({ tcpInfo }) => (tcpInfo?.rtt ? timeText(tcpInfo.rtt) : '-') },
      { title: 'Acked', right: true, cell: ({ tcpInfo }) => numberText(tcpInfo?.bytesAcked) },
      { title: 'Received', right: true, cell: ({ tcpInfo }) => numberText(tcpInfo?.bytesReceived) },
      { title: 'Again', right: true, cell: ({ tcpInfo }) => numberText(tcpInfo?.totalRetrans) },
    );
  if (options.processes) columns.push({ title: 'Process', cell: processText });
  return columns;
}

const UNIX_KINDS: Readonly<Record<number, string>> = { 1: 'stream', 2: 'dgram', 5: 'seqpacket' };

/** `tcp`, `tcp6`, `unix stream`: as netstat(8) tells the families apart. */
export function protocolText({ protocol, family, type }: Connection): string {
  if (family === AF_INET6) return `${protocol}6`;
  return family === AF_UNIX ? `${protocol} ${UNIX_KINDS[type] ?? type}` : protocol;
}

const INTERNET: readonly Protocol[] = ['tcp', 'mptcp', 'sctp', 'dccp', 'udp', 'udplite', 'icmp', 'raw'];

/** The protocols that are asked for; nothing for all. */
export function protocolsOf({ options }: Given): Protocol[] | undefined {
  if (options.all) return undefined;
  const chosen: Protocol[] = [
    ...(options.tcp ? (['tcp', 'mptcp'] as const) : []),
    ...(options.udp ? (['udp', 'udplite'] as const) : []),
    ...(options.unix ? (['unix'] as const) : []),
  ];
  return chosen.length > 0 ? chosen : [...INTERNET];
}

/** Whether a process with one of these names or numbers has the socket open. */
export function heldBy({ holders }: Connection, wanted: readonly string[]): boolean {
  return holders.some(({ name, pid }) => wanted.includes(name) || wanted.includes(String(pid)));
}

/** Listeners first, then by port; protocols stay together, in the order in which they came. */
export function inOrder(rows: readonly Connection[]): Connection[] {
  const groups = new Map<string, Connection[]>();
  for (const row of rows) {
    const name = protocolText(row);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [row]);
    else group.push(row);
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    // Of other families the kernel's order says as much.
    if (first!.family !== AF_INET && first!.family !== AF_INET6) return group;
    // One number to compare: a sort of many thousands asks it very often.
    const ranks = new Float64Array(group.length);
    group.forEach(({ state, local }, at) => {
      const port = (local as readonly (string | number)[])[1] as number;
      ranks[at] = ((state === 'LISTEN' ? 0 : 1 << 16) + port) * 2 ** 32 + at;
    });
    return Array.from(ranks.sort(), (rank) => group[rank % 2 ** 32]!);
  });
}

const WHAT: Partial<Record<ConnectionState, string>> = {
  LISTEN: 'listens on',
  UNCONNECTED: 'receives on',
  CLOSE: 'has bound',
};

/** Who holds a port, a sentence for each socket that has it at its local end. */
export function holdersText(rows: readonly Connection[], port: number): string[] {
  const sentences: string[] = [];
  // Of a server's connections the listener says it all.
  const local = rows.filter((row) => portsOf(row)[0] === port);
  const listeners = local.filter(({ state }) => state in WHAT);
  for (const row of listeners.length > 0 ? listeners : local) {
    const { protocol, holders, inode, uid, state } = row;
    const what = `${WHAT[state] ?? `is connected (${state}) from`} ${localText(row)}`;
    if (holders.length > 0)
      sentences.push(
        `${protocol} port ${port}: ${holders.map(({ name, pid }) => `${visible(name)} (process ${pid})`).join(', ')} ${what}.`,
      );
    else if (inode === 0)
      sentences.push(
        `${protocol} port ${port}: no process any more; the kernel keeps ${localText(row)} (${state}) for a while. A server with SO_REUSEADDR can bind it.`,
      );
    else
      sentences.push(
        `${protocol} port ${port}: a process of user ${uid ?? '?'} that you may not look into ${what}. Root sees which.`,
      );
  }
  return [...new Set(sentences)];
}
