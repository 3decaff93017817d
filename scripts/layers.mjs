// The layers of src/, top to bottom, and the rule that imports point downwards only (to the
// same layer or a lower one, never round in a circle). The table in CONTRIBUTING.md is
// printed from here: node scripts/layers.mjs --write
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');

export const layers = [
  { name: 'commands', files: ['cli/'], holds: 'the `sock` command: one file a subcommand' },
  {
    name: 'entry points',
    files: ['index', 'sync', 'vocabulary', 'server', 'inspect', 'streams'],
    holds: 're-exports only',
  },
  {
    name: 'on top of sockets',
    files: [
      'open',
      'connect',
      'descriptors',
      'select',
      'sync/open',
      'sync/reader',
      'sync/select',
      'sync/connect',
      'race',
      'listen',
      'tls',
      'tls/',
      'transit',
      'threading/',
      'serving/',
      'streams/',
      'inspect/',
    ],
    holds: 'what can be built from the public methods of a socket',
  },
  {
    name: 'sockets',
    files: ['socket', 'counted', 'blocking', 'duplex', 'netface', 'webstreams'],
    holds: 'the classes of the two flavours',
  },
  {
    name: 'waiting',
    files: ['watcher', 'pending', 'waits'],
    holds: 'deadlines, abort, queues: the only difference between the flavours',
  },
  {
    name: 'calls',
    files: ['calls', 'receiving', 'sending', 'messaging', 'reader', 'flavour'],
    holds: 'every method that may wait, once for both flavours: its arguments',
  },
  {
    name: 'operations',
    files: [
      'collect',
      'sendfile',
      'ops',
      'datagrams',
      'messages',
      'base',
      'create',
      'unclosed',
      'description',
      'readiness',
      'selection',
      'filter',
      'multicast',
    ],
    holds: 'owning a descriptor; each operation once',
  },
  { name: 'readiness', files: ['engine', 'busypoll'], holds: "the native engine's face" },
  {
    name: 'codecs',
    files: [
      'address',
      'addresses/',
      'options',
      'ancillary',
      'control',
      'errorqueue',
      'membership',
      'tcpinfo',
      'names',
      'sync/names',
      'queries',
      'lookup',
      'services',
      'interfaces',
    ],
    holds: 'values of JavaScript to and from their native form',
  },
  {
    name: 'facts',
    files: [
      'errors',
      'abort',
      'peerhost',
      'deferred',
      'timeout',
      'bytes',
      'memory',
      'byteorder',
      'layout',
      'timeval',
      'structures',
      'bytequeue',
      'framing',
      'lines',
      'iptext',
      'inet',
      'constants',
      'constants.gen',
      'spec/',
    ],
    holds: 'errors, constants, tables; no side effects',
  },
  { name: 'door', files: ['binding'], holds: 'loads the addon' },
];

/** The index of a file's layer (0 is the top); -1 for a file that no layer names. */
function layerOf(name) {
  const stem = name.replace(/\.ts$/, '');
  return layers.findIndex((layer) =>
    layer.files.some((entry) => (entry.endsWith('/') ? stem.startsWith(entry) : stem === entry)),
  );
}

/** Relative imports of a TypeScript file: absolute paths, and whether only types come that way. */
export function importsOf(file) {
  const text = readFileSync(file, 'utf8');
  const found = [];
  for (const [, type, from] of text.matchAll(
    /^(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?'(\.[^']*)'/gm,
  )) {
    found.push({ file: path.resolve(path.dirname(file), from), typeOnly: type !== undefined });
  }
  for (const [, from] of text.matchAll(/\bimport\(\s*'(\.[^']*)'/g)) {
    found.push({ file: path.resolve(path.dirname(file), from), typeOnly: false });
  }
  return found;
}

const source = path.join(root, 'src');
const relative = (file) => path.relative(source, file);
const sources = () =>
  readdirSync(source, { recursive: true })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => path.join(source, name));

/** Whatever breaks the rule, a line each. */
export function layerProblems() {
  const problems = [];
  const runtime = new Map();
  for (const file of sources()) {
    const from = layerOf(relative(file));
    if (from < 0) problems.push(`src/${relative(file)}: belongs to no layer of scripts/layers.mjs`);
    const imports = importsOf(file);
    runtime.set(
      file,
      imports.filter((entry) => !entry.typeOnly).map((entry) => entry.file),
    );
    for (const { file: target } of imports) {
      const to = layerOf(relative(target));
      if (from >= 0 && to >= 0 && to < from) {
        problems.push(
          `src/${relative(file)} (${layers[from].name}) imports upwards: ${relative(target)} (${layers[to].name})`,
        );
      }
    }
  }
  // A circle across layers has an import upwards, which is the clearer thing to say.
  return problems.length > 0 ? problems : circles(runtime);
}

function circles(graph) {
  const found = [];
  const done = new Set();
  const visit = (file, trail) => {
    const at = trail.indexOf(file);
    if (at >= 0) found.push(`circle: ${[...trail.slice(at), file].map(relative).join(' → ')}`);
    if (at >= 0 || done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...trail, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return found;
}

/** Whether loading this module of src/ loads the addon. */
function loadsAddon(file, seen = new Set()) {
  if (path.basename(file) === 'binding.ts') return true;
  if (seen.has(file) || !existsSync(file)) return false;
  seen.add(file);
  return importsOf(file).some((entry) => !entry.typeOnly && loadsAddon(entry.file, seen));
}

/** Tests reach into src/ only for modules that work without the addon; else two copies of the library would run. */
export function testImportProblems(tests) {
  const problems = [];
  for (const test of tests) {
    for (const entry of importsOf(path.join(root, test))) {
      if (!entry.typeOnly && entry.file.startsWith(`${source}${path.sep}`) && loadsAddon(entry.file)) {
        problems.push(
          `${test}: imports src/${relative(entry.file)}, which loads the addon; import from 'berkeley-sockets'`,
        );
      }
    }
  }
  return problems;
}

const guide = path.join(root, 'CONTRIBUTING.md');
const marked = /(<!-- layers -->\n)[\s\S]*?(<!-- \/layers -->)/;

function printed(text) {
  const rows = layers.map(({ name, files, holds }) => {
    // What is planned but not there yet is not shown.
    const there = files.filter((entry) =>
      existsSync(path.join(source, entry.endsWith('/') ? entry : `${entry}.ts`)),
    );
    return there.length === 0
      ? ''
      : `| ${name} | ${there.map((entry) => `\`${entry}\``).join(' ')} | ${holds} |\n`;
  });
  return text.replace(marked, `$1| layer | files of src/ | holds |\n|---|---|---|\n${rows.join('')}$2`);
}

export function layerTableProblems() {
  const text = readFileSync(guide, 'utf8');
  return printed(text) === text
    ? []
    : ['CONTRIBUTING.md: the table of layers is stale: node scripts/layers.mjs --write'];
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.argv.includes('--write')) {
  writeFileSync(guide, printed(readFileSync(guide, 'utf8')));
}
