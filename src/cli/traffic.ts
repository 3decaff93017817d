// How much went over each connection between two looks at the table. Pure: rows and times in,
// rates out.
import type { Connection } from '../inspect.ts';
import { localText, protocolText, remoteText } from './socketrows.ts';

/** A socket over time; rates are bytes a second, `null` where the kernel does not count. */
export interface Flow {
  readonly row: Connection;
  readonly key: string;
  readonly received: number | null;
  readonly sent: number | null;
  /** Bytes both ways since the connection was made. */
  readonly total: number | null;
  /** Bytes a second both ways, the oldest first. */
  readonly course: readonly number[];
}

interface Seen {
  received: number;
  sent: number;
  course: number[];
}

// Two sockets may have the same ends (SO_REUSEPORT), and one inode two rows (MPTCP).
const keyOf = (row: Connection): string =>
  `${protocolText(row)} ${localText(row)} ${remoteText(row)} ${row.inode}`;

/** The flows of a table that is looked at again and again. */
export class Traffic {
  readonly #length: number;
  #seen = new Map<string, Seen>();
  #at: number | undefined;

  /** `length`: how many rates each course keeps. */
  constructor(length: number) {
    this.#length = length;
  }

  /** The rows as they are now, `now` in seconds. */
  sample(rows: readonly Connection[], now: number): Flow[] {
    const passed = this.#at === undefined ? 0 : now - this.#at;
    const seen = new Map<string, Seen>();
    const flows = rows.map((row) => this.#flow(row, passed, seen));
    this.#seen = seen;
    this.#at = now;
    return flows;
  }

  #flow(row: Connection, passed: number, seen: Map<string, Seen>): Flow {
    const key = keyOf(row);
    const info = row.tcpInfo;
    if (info === null || row.state === 'LISTEN' || row.state === 'CLOSE')
      return { row, key, received: null, sent: null, total: null, course: [] };
    const now = { received: info.bytesReceived, sent: info.bytesAcked };
    // One that was not there at the last look has moved all its bytes since.
    const before = this.#seen.get(key) ?? (passed > 0 ? { received: 0, sent: 0, course: [] } : undefined);
    const rate = (name: 'received' | 'sent'): number =>
      before === undefined || passed <= 0 ? 0 : Math.max(0, now[name] - before[name]) / passed;
    const received = rate('received');
    const sent = rate('sent');
    const course = [...(before?.course ?? []), received + sent].slice(-this.#length);
    seen.set(key, { ...now, course });
    return { row, key, received, sent, total: now.received + now.sent, course };
  }
}

const LEVELS = '▁▂▃▄▅▆▇█';

/** Values as bars of text, the last one at the right; the highest fills its row. */
export function sparkline(values: readonly number[], width: number): string {
  const shown = values.slice(-width);
  const most = shown.reduce((a, b) => Math.max(a, b), 0);
  const bars = shown.map((value) =>
    value <= 0 ? LEVELS[0] : LEVELS[Math.min(7, 1 + Math.floor((value / most) * 6.999))],
  );
  return bars.join('').padStart(width);
}
