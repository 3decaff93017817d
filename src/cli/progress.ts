// How far a transfer is, on one line of standard error that is written over and over.
import { bytesText, timeText } from './output.ts';

/** Bytes that a relay has moved. */
export interface Moved {
  sent: number;
  received: number;
}

const FIRST = 1000;
const EVERY = 500;
// The rate is that of the last seconds: an average over all of it hides what goes on.
const WINDOW = 8;

/** The line, for the bytes of one direction. */
export function progressLine(done: number, total: number | undefined, rate: number, seconds: number): string {
  const parts = [bytesText(done)];
  if (total !== undefined && total > 0)
    parts[0] += ` of ${bytesText(total)}, ${Math.floor((100 * Math.min(done, total)) / total)} %`;
  parts.push(`${bytesText(rate)}/s`, timeText(seconds));
  if (total !== undefined && done < total && rate > 0) parts.push(`${timeText((total - done) / rate)} left`);
  return parts.join(', ');
}

/** A line that tells how far it is, from a second after the start on. */
export class Progress {
  readonly #moved: Moved;
  readonly #total: number | undefined;
  readonly #start = performance.now();
  readonly #timer: NodeJS.Timeout;
  #marks: { at: number; sent: number; received: number }[] = [];
  #shown = false;

  /** `total`: the bytes that there are to send, where that is known. */
  constructor(moved: Moved, total: number | undefined) {
    this.#moved = moved;
    this.#total = total;
    this.#marks.push({ at: this.#start, ...moved });
    this.#timer = setInterval(() => this.#tick(), EVERY);
    this.#timer.unref();
  }

  #tick(): void {
    const now = performance.now();
    const { sent, received } = this.#moved;
    this.#marks.push({ at: now, sent, received });
    if (this.#marks.length > WINDOW) this.#marks.shift();
    if (now - this.#start >= FIRST) this.#show(this.#text(this.#marks[0]!, now));
  }

  #text(since: { at: number; sent: number; received: number }, now: number): string {
    const { sent, received } = this.#moved;
    const seconds = Math.max(0.001, (now - since.at) / 1000);
    const elapsed = (now - this.#start) / 1000;
    const line = (word: string, done: number, before: number, total?: number): string =>
      `${word} ${progressLine(done, total, (done - before) / seconds, elapsed)}`;
    const lines = [];
    if (sent > 0 || received === 0) lines.push(line('sent', sent, since.sent, this.#total));
    if (received > 0) lines.push(line('received', received, since.received));
    return lines.join('; ');
  }

  #show(text: string): void {
    const columns = process.stderr.columns ?? 0;
    this.#shown = true;
    process.stderr.write(`\r\x1b[K${columns > 1 ? text.slice(0, columns - 1) : text}`);
  }

  /** Takes the line away, so that something else can stand there. */
  clear(): void {
    if (this.#shown) process.stderr.write('\r\x1b[K');
    this.#shown = false;
  }

  /** The last line, which stays: how much it was, and how fast on average. */
  finish(): void {
    clearInterval(this.#timer);
    if (performance.now() - this.#start < FIRST) return;
    this.#show(this.#text({ at: this.#start, sent: 0, received: 0 }, performance.now()));
    process.stderr.write('\n');
  }
}
