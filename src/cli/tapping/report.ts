// The page of `sock tap --report`: what was recorded, and the script that draws it, in one file that needs
// nothing else.
import { pageScript, pageStyle } from './page.ts';
import { type Recording, textOf } from './records.ts';

/** What the script is given. Times in seconds. */
interface Row {
  readonly c: number;
  readonly e: string;
  readonly t: number;
  /** `>` from the client, `<` from the target. */
  readonly d?: '>' | '<';
  readonly n?: number;
  readonly text?: string;
  readonly hex?: string;
  /** Bytes of the chunk that are not in the page. */
  readonly cut?: number;
  readonly what?: string;
}

const round = (seconds: number): number => Math.round(seconds * 1e7) / 1e7;

function rowsOf({ happenings, sizes }: Recording): Row[] {
  return happenings.map((each, at): Row => {
    const common = { c: each.connection, e: each.event, t: round(each.at) };
    switch (each.event) {
      case 'open':
        return { ...common, what: `${each.client} -> ${each.target}` };
      case 'chunk': {
        const text = textOf(each.data);
        const cut = sizes[at]! - each.data.length;
        return {
          ...common,
          d: each.from === 'client' ? '>' : '<',
          n: sizes[at]!,
          ...(text === undefined ? { hex: Buffer.from(each.data).toString('hex') } : { text }),
          ...(cut > 0 && { cut }),
        };
      }
      case 'end':
        return { ...common, d: each.from === 'client' ? '>' : '<' };
      case 'close':
        return common;
      default:
        return { ...common, what: each.what };
    }
  });
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escaped = (text: string): string => text.replace(/[&<>"]/g, (c) => entities[c]!);

// Data in a script element: nothing in it may end the element, or begin a comment (HTML, 4.12.1.3).
const scriptJson = (value: unknown): string => JSON.stringify(value).replaceAll('<', '\\u003c');

/** The page. */
export function reportPage(recording: Recording, title: string): string {
  const left = recording.left > 0 ? `<p class="left">${recording.left} later events are left out.</p>` : '';
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>${pageStyle}</style>
</head>
<body>
<header>
<h1>${escaped(title)}</h1>
<label>Connection <select id="connection"></select></label>
<label>Search <input id="search" type="search" placeholder="text, or hexadecimal" autocomplete="off"></label>
<output id="found"></output>
<label>Time scale <input id="zoom" type="range" min="-3" max="6" step="0.05" value="0"></label>
<output id="scale"></output>
</header>
${left}
<main><section id="diagram" aria-label="Sequence diagram"></section><section id="list" aria-label="Chunks"></section></main>
<script type="application/json" id="data">${scriptJson(rowsOf(recording))}</script>
<script>${pageScript}</script>
</body>
</html>
`;
}
