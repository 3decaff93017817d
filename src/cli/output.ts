// What commands print: tables whose columns fit the data, colours on a terminal only, JSON for
// programs. Human words about the work itself go to standard error.
import { stripVTControlCharacters } from 'node:util';

const STYLES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  magenta: [35, 39],
  cyan: [36, 39],
} as const;

export type Style = keyof typeof STYLES;

/** Whether a stream shows colours: a terminal does, unless NO_COLOR (no-color.org) is set. */
export function colours(stream: { isTTY?: boolean }): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== '0') return true;
  return stream.isTTY === true && (NO_COLOR === undefined || NO_COLOR === '') && TERM !== 'dumb';
}

/** `text` in a style, where `on`. */
export function styled(text: string, style: Style, on: boolean): string {
  const [open, close] = STYLES[style];
  return on ? `\x1b[${open}m${text}\x1b[${close}m` : text;
}

// What a peer sent, or named itself, must not drive the terminal: C0 and C1 but for tab.
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f-\x9f]/g;

/** Text from elsewhere, with its control characters made visible. */
export const visible = (text: string): string =>
  text.replace(CONTROL, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);

/** A column of a table. */
export interface Column<R> {
  readonly title: string;
  readonly right?: boolean;
  /** The cell; it may hold styles. */
  cell(row: R): string;
}

const PLAIN = /^[\x20-\x7e]*$/;

/** How many columns `text` takes on a terminal, its styles left aside. */
export const widthOf = (text: string): number =>
  // Tables have many thousands of cells.
  PLAIN.test(text) ? text.length : [...stripVTControlCharacters(text)].length;

// biome-ignore lint/suspicious/noControlCharactersInRegex: styles begin with one
const STYLED = /\x1b\[[0-9;]*m|./gsu;

/** The first `width` columns of `text`, which may hold styles. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let left = width;
  return (text.match(STYLED) ?? []).filter((each) => each.length > 2 || left-- > 0).join('');
}

/** The lines of a table, its titles first. */
export function tableLines<R>(rows: readonly R[], columns: readonly Column<R>[], bold: boolean): string[] {
  const lines: string[] = Array(rows.length + 1).fill('');
  columns.forEach((column, at) => {
    const cells = [styled(column.title, 'bold', bold)];
    for (const row of rows) cells.push(column.cell(row));
    const widths = cells.map(widthOf);
    const width = widths.reduce((most, each) => (each > most ? each : most), 0);
    const spaces = Array.from({ length: width + 1 }, (_, n) => ' '.repeat(n));
    const last = at === columns.length - 1;
    cells.forEach((cell, row) => {
      const space = spaces[width - widths[row]!]!;
      const gap = at === 0 ? '' : '  ';
      // Nothing stands behind the last one.
      lines[row] += gap + (column.right ? space + cell : last ? cell : cell + space);
    });
  });
  return lines.map((line) => line.trimEnd());
}

let printer: NodeJS.WriteStream | undefined;

/** Standard output as a stream, made when something is printed: `sock connect` has its own. */
export function standardPrinter(): NodeJS.WriteStream {
  if (printer === undefined) {
    printer = process.stdout;
    // Who reads our output may have had enough (`| head`): that is no failure to speak of.
    printer.on('error', (error: NodeJS.ErrnoException) => {
      process.exit(error.code === 'EPIPE' ? 0 : 1);
    });
  }
  return printer;
}

/** Writes to standard output; resolves when more can be written. */
export async function print(text: string): Promise<void> {
  if (standardPrinter().write(text.endsWith('\n') ? text : `${text}\n`)) return;
  await new Promise<void>((resolve) => process.stdout.once('drain', resolve));
}

/** Prints rows as a table, or as a JSON array. */
export async function printRows<R>(
  rows: readonly R[],
  columns: readonly Column<R>[],
  json: boolean,
): Promise<void> {
  if (json) await printJson(rows);
  else await print(tableLines(rows, columns, colours(process.stdout)).join('\n'));
}

/** Prints a value as JSON; numbers beyond 2^53 as text. */
export async function printJson(value: unknown): Promise<void> {
  await print(JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? each.toString() : each), 2));
}

/** Says something about the work, on standard error. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** `1536` as `"1.5 KiB"`. */
export function bytesText(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** Seconds as `"12.3 µs"`, `"4.56 ms"`, `"7.8 s"`, `"2 min 3 s"`. */
export function timeText(seconds: number): string {
  if (seconds < 1e-3) return `${(seconds * 1e6).toPrecision(3)} µs`;
  if (seconds < 1) return `${(seconds * 1e3).toPrecision(3)} ms`;
  if (seconds < 60) return `${seconds.toPrecision(3)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}
