// What a tap has seen: chunks and events, as lines for people, as JSON Lines, and kept for the report.
import { hexLines } from '../hexdump.ts';
import { bytesText, type Style, styled, timeText } from '../output.ts';

/** Who sent it: the program that connected to the tap, or the one that it leads to. */
export type Side = 'client' | 'target';

/** Something that happened on a connection. Times in seconds: since the tap began, and since the event before. */
export type Happening = {
  readonly connection: number;
  readonly at: number;
  readonly since: number;
} & (
  | { readonly event: 'open'; readonly client: string; readonly target: string }
  | { readonly event: 'chunk'; readonly from: Side; readonly data: Uint8Array }
  | { readonly event: 'end'; readonly from: Side }
  | { readonly event: 'fault'; readonly what: string }
  | { readonly event: 'error'; readonly what: string }
  | { readonly event: 'close'; readonly sent: number; readonly received: number }
);

/** Which of them are shown. */
export interface Filter {
  readonly from?: Side | undefined;
  readonly match?: RegExp | undefined;
}

const decoder = new TextDecoder('utf-8', { fatal: true });

/** The bytes as text, where they are text: UTF-8, and no control characters but those of lines. */
export function textOf(data: Uint8Array): string | undefined {
  try {
    const text = decoder.decode(data);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for
    return /[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

export const shown = (happening: Happening, { from, match }: Filter): boolean => {
  if (happening.event !== 'chunk' && happening.event !== 'end') return true;
  if (from !== undefined && happening.from !== from) return false;
  if (match === undefined) return true;
  return happening.event === 'chunk' && match.test(Buffer.from(happening.data).toString('latin1'));
};

/** How lines look. */
export interface Look {
  readonly hex: boolean;
  readonly colour: boolean;
  /** Bytes of each chunk at most. */
  readonly most: number;
}

const ESCAPES: Readonly<Record<string, string>> = { '\r': '\\r', '\n': '\\n', '\t': '\\t', '\x1b': '\\e' };

// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for
const escapedText = (text: string): string => text.replace(/[\r\n\t\x1b]/g, (c) => ESCAPES[c]!);

// A line of text with its end in sight is a line of its own.
const textLines = (text: string): string[] => (text.match(/[^\n]*\n|[^\n]+$/g) ?? []).map(escapedText);

/** A happening as lines for people. */
export function linesOf(happening: Happening, { hex, colour, most }: Look): string[] {
  const style = (text: string, which: Style): string => styled(text, which, colour);
  const number = style(`#${happening.connection}`, 'dim');
  const since = `+${timeText(happening.since)}`.padStart(9);
  switch (happening.event) {
    case 'open':
      return [`${number} open ${happening.client} -> ${happening.target}`];
    case 'close':
      return [
        `${number} close ${since}: ${bytesText(happening.sent)} to the target, ${bytesText(happening.received)} to the client`,
      ];
    case 'end':
      return [`${number} ${mark(happening.from)} ${since}  end of the ${happening.from}'s data`];
    case 'fault':
    case 'error':
      return [`${number} ${style(happening.what, happening.event === 'fault' ? 'yellow' : 'red')}`];
    default: {
      const { data, from } = happening;
      const head = data.subarray(0, most);
      const text = hex ? undefined : textOf(head);
      const body = text === undefined ? hexLines(head) : textLines(text);
      if (data.length > head.length) body.push(`… ${bytesText(data.length - head.length)} more`);
      const line = `${number} ${mark(from)} ${since}  ${data.length} B`;
      return [style(line, from === 'client' ? 'yellow' : 'cyan'), ...body.map((each) => `    ${each}`)];
    }
  }
}

const mark = (from: Side): string => (from === 'client' ? '>' : '<');

/** A happening as an object for programs: a line of JSON. */
export function jsonOf(happening: Happening): Record<string, unknown> {
  const { event, connection, at, since, ...rest } = happening;
  const round = (seconds: number): number => Math.round(seconds * 1e6) / 1e6;
  const common = { event, connection, at: round(at), since: round(since) };
  if (happening.event !== 'chunk') return { ...common, ...rest };
  const { from, data } = happening;
  const text = textOf(data);
  const content = text === undefined ? { base64: Buffer.from(data).toString('base64') } : { text };
  return { ...common, from, size: data.length, ...content };
}

// A report of a long recording must still be opened: what is beyond is counted and left out.
const MOST_KEPT = 32 * 1024 * 1024;
const MOST_CHUNKS = 20_000;
const MOST_OF_CHUNK = 16_384;

/** What is kept for the report. */
export class Recording {
  readonly happenings: Happening[] = [];
  /** Bytes of the chunks' sizes, whose data was cut. */
  readonly sizes: number[] = [];
  #bytes = 0;
  left = 0;

  add(happening: Happening): void {
    if (this.#bytes >= MOST_KEPT || this.happenings.length >= MOST_CHUNKS) {
      this.left++;
      return;
    }
    let kept = happening;
    let size = 0;
    if (happening.event === 'chunk') {
      size = happening.data.length;
      const data = Uint8Array.from(happening.data.subarray(0, MOST_OF_CHUNK));
      this.#bytes += data.length;
      kept = { ...happening, data };
    }
    this.happenings.push(kept);
    this.sizes.push(size);
  }
}
