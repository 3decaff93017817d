// The live table as lines of text: what is shown, in which order, and what each key does. Pure.
import { bytesText, type Column, cut, styled, tableLines, timeText, widthOf } from './output.ts';
import { localText, processText, protocolText, remoteText, stateText } from './socketrows.ts';
import { type Flow, sparkline } from './traffic.ts';

const ORDERS = ['rate', 'total', 'local', 'remote', 'state', 'process'] as const;
export type Order = (typeof ORDERS)[number];

/** What the user chose so far. */
export interface View {
  readonly order: Order;
  readonly turned: boolean;
  readonly paused: boolean;
  readonly protocol: 'tcp' | 'udp' | 'unix' | undefined;
  readonly listening: boolean;
  readonly filter: string;
  /** A filter that is being typed; it counts at once. */
  readonly typing: boolean;
  /** The first row that is shown. */
  readonly top: number;
  readonly ended: boolean;
}

export const firstView: View = {
  order: 'rate',
  turned: false,
  paused: false,
  protocol: undefined,
  listening: false,
  filter: '',
  typing: false,
  top: 0,
  ended: false,
};

function typed(view: View, key: string): View {
  if (key === '\r' || key === '\n') return { ...view, typing: false };
  if (key === '\x1b') return { ...view, typing: false, filter: '', top: 0 };
  if (key === '\x7f' || key === '\b')
    return { ...view, filter: [...view.filter].slice(0, -1).join(''), top: 0 };
  // Arrows and the like are no text.
  return key.length > 1 || key < ' ' ? view : { ...view, filter: view.filter + key, top: 0 };
}

const MOVES: Readonly<Record<string, (page: number) => number>> = {
  '\x1b[A': () => -1,
  '\x1bOA': () => -1,
  k: () => -1,
  '\x1b[B': () => 1,
  '\x1bOB': () => 1,
  j: () => 1,
  '\x1b[5~': (page) => -page,
  '\x1b[6~': (page) => page,
  '\x1b[H': () => Number.NEGATIVE_INFINITY,
  g: () => Number.NEGATIVE_INFINITY,
  '\x1b[F': () => Number.POSITIVE_INFINITY,
  G: () => Number.POSITIVE_INFINITY,
};

/** The view after a key; `page` rows fit the screen, `count` there are. */
export function pressed(view: View, key: string, page: number, count: number): View {
  if (key === '\x03') return { ...view, ended: true };
  if (view.typing) return typed(view, key);
  const protocol = ({ t: 'tcp', u: 'udp', x: 'unix' } as const)[key];
  if (protocol !== undefined)
    return { ...view, protocol: view.protocol === protocol ? undefined : protocol, top: 0 };
  const move = MOVES[key];
  if (move !== undefined) return { ...view, top: Math.max(0, Math.min(view.top + move(page), count - page)) };
  switch (key) {
    case 'q':
      return { ...view, ended: true };
    case 'p':
    case ' ':
      return { ...view, paused: !view.paused };
    case 's':
      return { ...view, order: ORDERS[(ORDERS.indexOf(view.order) + 1) % ORDERS.length]! };
    case 'r':
      return { ...view, turned: !view.turned };
    case 'l':
      return { ...view, listening: !view.listening, top: 0 };
    case '/':
      return { ...view, typing: true, filter: '' };
    case '\x1b':
      return { ...view, filter: '', protocol: undefined, listening: false, top: 0 };
    default:
      return view;
  }
}

const rateOf = ({ received, sent }: Flow): number => (received ?? 0) + (sent ?? 0);
const text = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });

const COMPARE: Readonly<Record<Order, (a: Flow, b: Flow) => number>> = {
  rate: (a, b) => rateOf(b) - rateOf(a) || (b.total ?? -1) - (a.total ?? -1),
  total: (a, b) => (b.total ?? -1) - (a.total ?? -1),
  local: (a, b) => text(localText(a.row), localText(b.row)),
  remote: (a, b) => text(remoteText(a.row), remoteText(b.row)),
  state: (a, b) => text(a.row.state, b.row.state),
  process: (a, b) => text(processText(a.row), processText(b.row)),
};

function shows(view: View, { row }: Flow): boolean {
  if (view.protocol !== undefined && !row.protocol.endsWith(view.protocol)) return false;
  if (view.listening && row.state !== 'LISTEN' && row.state !== 'UNCONNECTED') return false;
  if (view.filter === '') return true;
  const words = [protocolText(row), row.state, localText(row), remoteText(row), processText(row)];
  return words.join(' ').toLowerCase().includes(view.filter.toLowerCase());
}

/** The flows that the view shows, in its order. */
export function shownFlows(view: View, flows: readonly Flow[]): Flow[] {
  const compare = COMPARE[view.order];
  const way = view.turned ? -1 : 1;
  return flows
    .filter((flow) => shows(view, flow))
    .sort((a, b) => way * compare(a, b) || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

const rateText = (rate: number | null): string =>
  rate === null ? '-' : rate === 0 ? '0' : `${bytesText(rate)}/s`;

const NARROWEST = 8;
const WIDEST = 60;
/** Lines that are not rows of the table: the head, the titles, the keys. */
const FRAME = 3;

/** How many rows fit a screen. */
export const pageOf = (height: number): number => Math.max(1, height - FRAME);

function columnsOf(colour: boolean): Column<Flow>[] {
  return [
    { title: 'Proto', cell: ({ row }) => protocolText(row) },
    { title: 'State', cell: ({ row }) => stateText(row.state, colour) },
    { title: 'Local address', cell: ({ row }) => localText(row) },
    { title: 'Remote address', cell: ({ row }) => remoteText(row) },
    { title: 'Process', cell: ({ row }) => processText(row) },
    { title: 'In', right: true, cell: ({ received }) => rateText(received) },
    { title: 'Out', right: true, cell: ({ sent }) => rateText(sent) },
    { title: 'Total', right: true, cell: ({ total }) => (total === null ? '-' : bytesText(total)) },
    { title: 'RTT', right: true, cell: ({ row }) => (row.tcpInfo?.rtt ? timeText(row.tcpInfo.rtt) : '-') },
  ];
}

function headOf(view: View, flows: readonly Flow[], shown: readonly Flow[], clock: string): string {
  const sum = (name: 'received' | 'sent') => flows.reduce((all, flow) => all + (flow[name] ?? 0), 0);
  const choice = [view.protocol, view.listening ? 'listening' : undefined].filter(
    (each) => each !== undefined,
  );
  return [
    `sock netstat  ${clock}`,
    shown.length === flows.length ? `${flows.length} sockets` : `${shown.length} of ${flows.length} sockets`,
    `in ${bytesText(sum('received'))}/s  out ${bytesText(sum('sent'))}/s`,
    `by ${view.order}${view.turned ? ', turned' : ''}`,
    ...choice,
    ...(view.filter !== '' || view.typing ? [`/${view.filter}${view.typing ? '_' : ''}`] : []),
    ...(view.paused ? ['PAUSED'] : []),
  ].join('  ');
}

const KEYS = 'q quit  p pause  s sort  r turn  / filter  t tcp  u udp  x unix  l listening  ↑↓ scroll';

/** The whole screen. */
export function screenLines(
  view: View,
  flows: readonly Flow[],
  { width, height, colour, clock }: { width: number; height: number; colour: boolean; clock: string },
): string[] {
  const shown = shownFlows(view, flows);
  const page = pageOf(height);
  const top = Math.max(0, Math.min(view.top, shown.length - page));
  const seen = shown.slice(top, top + page);
  const [titles = '', ...rows] = tableLines(seen, columnsOf(colour), colour);
  const used = [titles, ...rows].reduce((most, line) => Math.max(most, widthOf(line)), 0);
  const room = Math.min(WIDEST, width - used - 2);
  const lines = rows.map((line, at) => {
    const { course } = seen[at]!;
    if (room < NARROWEST || course.length === 0) return line;
    const bars = styled(sparkline(course, room), 'green', colour);
    return `${line}${' '.repeat(used - widthOf(line))}  ${bars}`;
  });
  while (lines.length < page) lines.push('');
  const head = headOf(view, flows, shown, clock).padEnd(width);
  return [
    colour ? `\x1b[7m${cut(head, width)}\x1b[27m` : cut(head, width),
    cut(titles, width),
    ...lines.map((line) => cut(line, width)),
    styled(cut(KEYS, width), 'dim', colour),
  ];
}
