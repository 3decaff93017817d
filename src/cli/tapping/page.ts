// Style and script of the report page: they run in a browser, and know the rows of report.ts.

export const pageStyle = `
:root{color-scheme:light dark;--client:#b45309;--target:#0369a1;--ink:#1c1917;--dim:#78716c;--line:#d6d3d1;--back:#fff;--mark:#fde047}
@media (prefers-color-scheme:dark){:root{--client:#fbbf24;--target:#38bdf8;--ink:#e7e5e4;--dim:#a8a29e;--line:#44403c;--back:#1c1917;--mark:#a16207}}
*{box-sizing:border-box}
body{margin:0;font:14px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--back)}
header{position:sticky;top:0;z-index:2;display:flex;flex-wrap:wrap;gap:.4rem 1.2rem;align-items:center;padding:.6rem 1rem;background:var(--back);border-bottom:1px solid var(--line)}
h1{font-size:1rem;margin:0;font-family:ui-monospace,monospace}
output,.dim,.left{color:var(--dim)}
.left{margin:.5rem 1rem}
main{display:grid;grid-template-columns:minmax(22rem,36%) 1fr;align-items:start}
@media (max-width:60rem){main{grid-template-columns:1fr}}
#diagram{padding:1rem;position:sticky;top:3.2rem;max-height:calc(100vh - 3.2rem);overflow:auto}
#list{padding:1rem;min-width:0}
svg{display:block;width:100%}
svg text{font:11px system-ui,sans-serif;fill:var(--dim)}
svg .name{font-weight:600;fill:var(--ink)}
svg .life{stroke:var(--line);stroke-width:2}
svg .tick{stroke:var(--line);stroke-dasharray:2 3}
svg .band{cursor:pointer;opacity:.75}
svg .band:hover,svg .band.chosen{opacity:1}
svg .band.chosen{stroke:var(--ink);stroke-width:1.5}
svg .band.other{opacity:.12}
svg .client{fill:var(--client)} svg .target{fill:var(--target)}
svg .turn{fill:none;stroke-width:2} svg .turn.client{stroke:var(--client)} svg .turn.target{stroke:var(--target)}
svg .event{stroke:var(--dim);stroke-dasharray:5 3}
.row{display:grid;grid-template-columns:5.2rem 7rem 7rem 1fr;gap:0 .7rem;padding:.25rem .4rem;border-bottom:1px solid var(--line);cursor:pointer}
.row.chosen{outline:2px solid currentColor;outline-offset:-2px}
.row.hidden{display:none}
.row .who{font-weight:600}
.row.client .who{color:var(--client)} .row.target .who{color:var(--target)}
.part{font-weight:400;font-size:12px;color:var(--dim);display:block}
.measure{font-variant-numeric:tabular-nums;text-align:right}
.measure i{display:block;height:5px;margin-left:auto;border-radius:2px;background:var(--dim);min-width:1px}
.row.client .size i{background:var(--client)} .row.target .size i{background:var(--target)}
pre{margin:0;font:12px/1.4 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere;max-height:16rem;overflow:auto}
mark{background:var(--mark);color:inherit}
.end{color:var(--dim)} .end u{text-decoration:none;border-bottom:1px dotted}
`;

// Strings of strangers come in by textContent only.
export const pageScript = `
'use strict';
const rows = JSON.parse(document.getElementById('data').textContent);
const $ = (id) => document.getElementById(id);
const make = (tag, attributes, text) => {
  const svg = ['svg','line','rect','path','text','polygon','g','title'].includes(tag);
  const e = svg ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) e.setAttribute(name, value);
  if (text !== undefined) e.textContent = text;
  return e;
};
const time = (s) => s < 1e-3 ? (s * 1e6).toFixed(0) + ' \\u00b5s' : s < 1 ? (s * 1e3).toFixed(2) + ' ms' : s.toFixed(3) + ' s';
const size = (n) => n < 1024 ? n + ' B' : n < 1048576 ? (n / 1024).toFixed(1) + ' KiB' : (n / 1048576).toFixed(1) + ' MiB';
const plural = (n, word) => n + ' ' + word + (n === 1 ? '' : 's');
const side = (row) => row.d === '>' ? 'client' : 'target';

// Chunks of one side without a word of the other between them are one turn: a message, or a part of one,
// that came in so many reads.
const connections = new Map();
for (const row of rows) {
  if (!connections.has(row.c)) connections.set(row.c, []);
  connections.get(row.c).push(row);
}
for (const list of connections.values()) {
  let turn = [];
  let before;
  for (const row of list) {
    row.since = before === undefined ? 0 : row.t - before;
    before = row.t;
    if (row.e !== 'chunk') continue;
    if (turn.length > 0 && turn[0].d !== row.d) turn = [];
    turn.push(row);
    row.turn = turn;
    row.place = turn.length;
  }
}

function hexText(hex) {
  const lines = [];
  for (let at = 0; at < hex.length; at += 32) {
    const bytes = hex.slice(at, at + 32).match(/../g) || [];
    const text = bytes.map((b) => { const c = parseInt(b, 16); return c >= 32 && c < 127 ? String.fromCharCode(c) : '.'; });
    lines.push((at / 2).toString(16).padStart(6, '0') + '  ' + bytes.join(' ').padEnd(48) + ' ' + text.join(''));
  }
  return lines.join('\\n');
}

const contentOf = (row) => row.text !== undefined ? row.text : row.hex !== undefined ? hexText(row.hex) : row.what || '';

// The text with what was searched for marked; line ends are shown, since a chunk may end in the middle of a line.
function fillText(pre, row) {
  pre.textContent = '';
  const text = contentOf(row);
  const put = (part) => {
    for (const piece of part.split(/(\\r?\\n)/)) {
      if (!/^\\r?\\n$/.test(piece)) { pre.append(piece); continue; }
      if (row.text !== undefined) pre.append(make('span', { class: 'end' }, piece === '\\n' ? '\\u240a' : '\\u240d\\u240a'));
      pre.append('\\n');
    }
  };
  let at = 0;
  for (const [from, to] of row.hits) {
    put(text.slice(at, from));
    pre.append(make('mark', {}, text.slice(from, to)));
    at = to;
  }
  put(text.slice(at));
  if (row.cut) pre.append(make('span', { class: 'end' }, '\\n\\u2026 ' + size(row.cut) + ' more, not in this page'));
}

// What is searched for may be spread over the reads of a turn: each of them has its part of the hit.
// The number of hits.
function search(needle) {
  let count = 0;
  for (const row of current) row.hits = [];
  if (!needle) return 0;
  const seen = new Set();
  for (const row of current) {
    const together = row.turn && row.turn.every((each) => each.text !== undefined && !each.cut) ? row.turn : [row];
    if (seen.has(together[0])) continue;
    seen.add(together[0]);
    const text = together.map(contentOf).join('').toLowerCase();
    for (let found = text.indexOf(needle); found >= 0; found = text.indexOf(needle, found + needle.length)) {
      count++;
      let start = 0;
      for (const each of together) {
        const length = contentOf(each).length;
        const from = Math.max(0, found - start);
        const to = Math.min(length, found + needle.length - start);
        if (from < to) each.hits.push([from, to]);
        start += length;
      }
    }
    const bytes = needle.replace(/\\s+/g, '');
    if (row.hex !== undefined && row.hits.length === 0 && row.hex.includes(bytes)) {
      count++;
      row.hits.push([0, 0]);
    }
  }
  return count;
}

let current = [];
let chosen;

function choose(row, scroll) {
  for (const each of current) {
    const on = each === row;
    if (each.element) each.element.classList.toggle('chosen', on);
    if (each.band) each.band.classList.toggle('chosen', on);
  }
  chosen = row;
  const other = scroll === 'list' ? row.element : row.band;
  if (other) other.scrollIntoView({ block: 'center', behavior: 'smooth' });
}

function drawList() {
  const needle = $('search').value.toLowerCase();
  const list = $('list');
  list.textContent = '';
  const mostTime = Math.max(1e-9, ...current.map((row) => row.since));
  const mostSize = Math.max(1, ...current.map((row) => row.n || 0));
  const found = search(needle);
  for (const row of current) {
    const chunk = row.e === 'chunk';
    const visible = !needle || row.hits.length > 0;
    const line = make('div', { class: 'row ' + (row.d ? side(row) : '') + (visible ? '' : ' hidden') });
    const who = make('div', { class: 'who' }, row.d === '>' ? 'client \\u2192' : row.d === '<' ? '\\u2190 target' : row.e);
    if (chunk && row.turn.length > 1) who.append(make('span', { class: 'part' }, 'read ' + row.place + ' of ' + row.turn.length));
    if (row.e === 'end') who.append(make('span', { class: 'part' }, 'end of data'));
    const delay = make('div', { class: 'measure time', title: 'at ' + time(row.t) }, '+' + time(row.since));
    const delayBar = make('i');
    delayBar.style.width = 100 * row.since / mostTime + '%';
    delay.append(delayBar);
    const amount = make('div', { class: 'measure size' }, chunk ? size(row.n) : '');
    if (chunk) {
      const sizeBar = make('i');
      sizeBar.style.width = 100 * row.n / mostSize + '%';
      amount.append(sizeBar);
    }
    const pre = make('pre');
    fillText(pre, row);
    line.append(who, delay, amount, pre);
    line.addEventListener('click', () => choose(row, 'diagram'));
    row.element = line;
    row.visible = visible;
    list.append(line);
  }
  $('found').textContent = needle ? plural(found, 'match').replace('matchs', 'matches') : '';
}

const LEFT = 90, RIGHT = 330, TOP = 34, WIDEST = 60;

// The height of a band is its size, its place is its time: both to scale.
function drawDiagram() {
  const first = current[0].t;
  const last = current[current.length - 1].t;
  const span = Math.max(1e-6, last - first);
  const fit = Math.max(420, Math.min(4000, current.length * 14)) / span;
  const perSecond = fit * Math.pow(2, Number($('zoom').value));
  const mostSize = Math.max(1, ...current.map((row) => row.n || 0));
  const perByte = WIDEST / mostSize;
  const y = (t) => TOP + (t - first) * perSecond;
  const height = y(last) + WIDEST + 20;
  const svg = make('svg', { viewBox: '0 0 420 ' + height, height, role: 'img' });
  svg.append(make('text', { x: LEFT, y: 16, 'text-anchor': 'middle', class: 'name' }, 'client'));
  svg.append(make('text', { x: RIGHT, y: 16, 'text-anchor': 'middle', class: 'name' }, 'target'));
  let step = Math.pow(10, Math.floor(Math.log10(80 / perSecond)));
  while (step * perSecond < 40) step *= step * perSecond < 20 ? 2 : 2.5;
  for (let t = 0; t <= span && t / step < 2000; t += step) {
    const at = y(first + t);
    svg.append(make('line', { x1: LEFT - 34, x2: RIGHT, y1: at, y2: at, class: 'tick' }));
    svg.append(make('text', { x: LEFT - 38, y: at + 4, 'text-anchor': 'end' }, time(t)));
  }
  for (const x of [LEFT, RIGHT]) svg.append(make('line', { x1: x, x2: x, y1: TOP - 8, y2: height, class: 'life' }));
  let free = -Infinity;
  let freeBeside = -Infinity;
  for (const row of current) {
    const at = y(row.t);
    if (row.e !== 'chunk') {
      svg.append(make('line', { x1: LEFT, x2: RIGHT, y1: at, y2: at, class: 'event' }));
      const label = row.e === 'end' ? 'end of the ' + side(row) : row.e;
      if (at > freeBeside + 11) {
        svg.append(make('text', { x: RIGHT + 12, y: at + 4 }, label));
        freeBeside = at;
      }
      continue;
    }
    const from = side(row);
    const h = Math.max(1.5, row.n * perByte);
    const x0 = row.d === '>' ? LEFT : RIGHT;
    const x1 = row.d === '>' ? RIGHT : LEFT;
    const sign = row.d === '>' ? 1 : -1;
    const neck = x1 - sign * 12;
    const points = [[x0, at], [neck, at], [neck, at - 3], [x1, at + h / 2], [neck, at + h + 3], [neck, at + h], [x0, at + h]];
    const band = make('polygon', { points: points.map((p) => p.join(',')).join(' '), class: 'band ' + from + (row.visible ? '' : ' other') });
    band.append(make('title', {}, from + ', ' + size(row.n) + ', +' + time(row.since) + (row.turn.length > 1 ? ', read ' + row.place + ' of ' + row.turn.length : '')));
    band.addEventListener('click', () => choose(row, 'list'));
    row.band = band;
    svg.append(band);
    if (at > free + 11) {
      svg.append(make('text', { x: (LEFT + RIGHT) / 2, y: at - 2, 'text-anchor': 'middle' }, size(row.n) + (row.turn.length > 1 ? ' (' + row.place + '/' + row.turn.length + ')' : '')));
      free = at;
    }
    // What one side said in several reads is held together at its line.
    if (row.turn.length > 1 && row.place === row.turn.length) {
      const out = x1 + sign * 7;
      const top = y(row.turn[0].t);
      svg.append(make('path', { d: 'M' + (x1 + sign * 3) + ',' + top + 'H' + out + 'V' + (at + h) + 'H' + (x1 + sign * 3), class: 'turn ' + from }));
      svg.append(make('text', { x: out + sign * 4, y: (top + at + h) / 2 + 4, 'text-anchor': sign > 0 ? 'start' : 'end' }, row.turn.length + ' reads'));
    }
  }
  $('diagram').textContent = '';
  $('diagram').append(svg);
  $('scale').textContent = '100 px = ' + time(100 / perSecond) + ', ' + size(Math.round(100 / perByte));
  if (chosen && chosen.band) choose(chosen);
}

function draw() {
  current = connections.get(Number($('connection').value)) || [];
  if (current.length === 0) {
    $('list').textContent = 'Nothing was recorded.';
    return;
  }
  drawList();
  drawDiagram();
}

for (const [number, list] of connections) {
  const bytes = list.reduce((sum, row) => sum + (row.n || 0), 0);
  const chunks = list.filter((row) => row.e === 'chunk').length;
  const open = list.find((row) => row.e === 'open');
  $('connection').append(make('option', { value: number }, '#' + number + ' ' + (open ? open.what : '') + ' (' + plural(chunks, 'chunk') + ', ' + size(bytes) + ')'));
}
// What is searched for and which connection it is can stand in the address: #search=text&connection=2
const wish = new URLSearchParams(location.hash.slice(1));
if (wish.get('search')) $('search').value = wish.get('search');
if (connections.has(Number(wish.get('connection')))) $('connection').value = wish.get('connection');
$('connection').addEventListener('change', () => { chosen = undefined; draw(); });
$('search').addEventListener('input', draw);
$('zoom').addEventListener('input', drawDiagram);
document.addEventListener('keydown', (event) => {
  if (event.key === '/' && document.activeElement !== $('search')) { $('search').focus(); event.preventDefault(); }
});
draw();
document.body.dataset.ready = 'yes';
`;
