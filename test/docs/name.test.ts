// The names in the pages: what they tell of is there, what they say is not there is not, and
// nothing that is there is left out.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import * as library from 'berkeley-sockets';
import * as inspect from 'berkeley-sockets/inspect';
import * as server from 'berkeley-sockets/server';
import * as streams from 'berkeley-sockets/streams';
import * as sync from 'berkeley-sockets/sync';
import { requirePeer } from '../support/peer.ts';
import { evalPython } from '../support/python.ts';
import { anchorsOf, blocksOf, codeIn, pages, proseOf, read, root, sectionOf } from './page.ts';

const exported: Record<string, unknown> = { ...library, ...server, ...inspect, ...streams };
const isFunction = (name: string): boolean => typeof exported[name] === 'function';
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));

/** Whether a socket has the member. */
const isMember = (name: string): boolean => name in library.Socket.prototype;

// The reference is made from the declarations; these tests hold it against the running library.
const headings = [...proseOf('docs/api.md').matchAll(/^### (.*)$/gm)].map(([, title]) => title!);
const members = headings.filter((title) => title.startsWith('s.')).map((title) => title.slice(2));
const classes = Object.keys(exported).filter((name) => isFunction(name) && /^[A-Z]/.test(name));
const functions = Object.keys(exported).filter((name) => isFunction(name) && !/^[A-Z]/.test(name));

test('the reference has every function and error, and every member of a socket that it has is there', () => {
  for (const name of [...functions, ...classes.filter((each) => each !== 'Socket')])
    assert.ok(headings.includes(name), `docs/api.md lacks ${name}`);
  assert.ok(members.length > 30, `${members.length} members`);
  for (const name of members) assert.ok(isMember(name), `a socket has no ${name}`);
  for (const name of headings.filter((title) => /^[a-z]\w*$/.test(title)))
    assert.ok(isFunction(name), `there is no function ${name}`);
});

test('the reference has what is not marked as internal', () => {
  // Members by the classes they stand in; what an editor does not offer either is left out.
  const own = new Set<string>();
  let at: object = library.Socket.prototype;
  for (; at !== Object.prototype; at = Object.getPrototypeOf(at))
    for (const name of Object.getOwnPropertyNames(at)) own.add(name);
  const declared = ['socket', 'watcher', 'calls', 'messaging', 'sending', 'receiving', 'flavour', 'base']
    .map((name) => read(`dist/${name}.d.ts`))
    .join('\n');
  for (const name of own) {
    if (name === 'constructor' || members.includes(name)) continue;
    assert.match(
      declared,
      new RegExp(`@internal \\*/\\s+(?:[a-z]+ )*${name}\\b`),
      `docs/api.md lacks s.${name}`,
    );
  }
});

test('the README names every function and every member of a socket', () => {
  const codes = codeIn(sectionOf('README.md', '## The API')).join(' ');
  for (const name of functions) assert.match(codes, new RegExp(`(?<![.\\w])${name}\\b`), name);
  for (const name of members) assert.match(codes, new RegExp(`\\bs\\.${name}\\b`), `s.${name}`);
});

/** Functions and members that a text names: `name(`, `s.name`. */
function namedIn(codes: readonly string[]): string[] {
  return codes.flatMap((code) =>
    [...code.matchAll(/(?:\bs\.|(?<![.\w])(?=[\w]+\())([a-zA-Z]\w+)/g)].map(([, name]) => name!),
  );
}

test('the README and the changelog name nothing that is not there', () => {
  const readme = codeIn(proseOf('README.md'));
  const named = namedIn(readme).filter((name) => !['pause', 'import', 'require'].includes(name));
  assert.ok(named.length >= 50, `${named.length} names`);
  for (const name of named) assert.ok(isFunction(name) || isMember(name), `README.md: there is no ${name}`);

  const words = [
    'using',
    'await using',
    'for await',
    'reusePort',
    'onattempt',
    'berkeley-sockets/sync',
    'berkeley-sockets/server',
    'berkeley-sockets/inspect',
    'berkeley-sockets/streams',
    'sock',
    ...readdirSync(path.join(root, 'src/cli/specs')).map((name) => name.replace('.ts', '')),
  ];
  for (const code of codeIn(proseOf('CHANGELOG.md'))) {
    const name = code.replace('()', '');
    if (words.includes(name) || name.includes('*')) continue;
    assert.ok(name in exported || isMember(name) || name in globalThis, `CHANGELOG.md: there is no ${code}`);
  }
});

test('what the README says is not there is not there', () => {
  const section = sectionOf('README.md', '### What is not there');
  const [blocking] = section.split('\n- ').filter((item) => item.includes('no blocking flavour'));
  assert.match(blocking!, /TLS, streams, `serve` and the functions of `berkeley-sockets\/inspect`/);
  const absent = ['wrapTls', 'startTls', 'serve', ...Object.keys({ ...streams, ...inspect })];
  for (const name of absent) assert.ok(!(name in sync), `berkeley-sockets/sync has ${name}`);
  for (const name of ['toDuplex', 'readable', 'writable', 'accepted'])
    assert.ok(isMember(name) && !(name in sync.Socket.prototype), name);
  assert.deepEqual(manifest.os, ['linux']);
});

test('the README links to every page', () => {
  const text = read('README.md');
  for (const page of pages.filter((name) => name.startsWith('docs/')))
    assert.ok(text.includes(`](${page})`), `README.md does not link to ${page}`);
});

test(
  "every name of Python's socket module is here, or among the deviations",
  requirePeer('python3'),
  async () => {
    const python = await evalPython<{ functions: string[]; members: string[] }>(`
    import json, socket, types
    # Without what the module itself imports.
    own = lambda name: not name.startswith('_') and name not in ('IntEnum', 'IntFlag', 'EBADF', 'EAGAIN', 'EWOULDBLOCK')
    print(json.dumps({
      'functions': [n for n in dir(socket) if own(n) and not isinstance(getattr(socket, n), (int, str, types.ModuleType))],
      'members': [n for n in dir(socket.socket) if own(n)],
    }))
  `);
    const told = codeIn(proseOf('docs/from-python.md')).join(' ');
    const isTold = (name: string): boolean => new RegExp(`\\b${name}\\b`).test(told);
    assert.ok(python.functions.includes('getaddrinfo') && python.members.includes('recvfrom'));
    const lost = [
      ...python.functions.filter((name) => !isFunction(name) && !isTold(name)),
      ...python.members.filter((name) => !isMember(name) && !isTold(name)),
    ];
    // A newer Python may have more: it is then for the page to say so.
    assert.deepEqual(lost, []);
  },
);

test('links lead to headings that are there', () => {
  let count = 0;
  for (const page of pages) {
    for (const [, file, anchor] of proseOf(page).matchAll(/\]\(([^)#\s]*)#([^)\s]+)\)/g)) {
      if (/^\w+:/.test(file!)) continue;
      const target = file === '' ? page : path.join(path.dirname(page), file!);
      assert.ok(anchorsOf(target).includes(anchor!), `${page}: ${target} has no heading #${anchor}`);
      count++;
    }
  }
  assert.ok(count > 100, `${count} links`);
});

test('the reference has no heading twice, so that its links are unique', () => {
  const anchors = anchorsOf('docs/api.md');
  assert.deepEqual(anchors, [...new Set(anchors)]);
});

test('commands and files that the pages name are there', () => {
  let count = 0;
  const found = (problem: string, there: boolean): void => {
    assert.ok(there, problem);
    count++;
  };
  for (const page of pages) {
    const commands = blocksOf(page)
      .filter(({ language }) => language === '')
      .map(({ text }) => text);
    for (const code of [...commands, ...codeIn(proseOf(page))]) {
      for (const [, script] of code.matchAll(/\bnpm run ([\w:-]+)/g))
        found(`${page}: npm run ${script}`, script! in manifest.scripts);
      for (const [, script] of code.matchAll(/\bnpm (start|test)\b/g))
        found(`${page}: npm ${script}`, script! in manifest.scripts);
      for (const [file] of code.matchAll(
        /(?<![\w./-])(?:src|native|scripts|docs|test|examples|bench)\/[\w./-]*\w/g,
      )) {
        // Written by the programs of bench/, and not kept.
        if (/^bench\/(results|build)/.test(file)) continue;
        found(`${page}: ${file}`, existsSync(path.join(root, file)));
      }
    }
  }
  assert.ok(count > 50, `${count} of them`);
});

test('the design names files of src/ and native/ that are there', () => {
  const layers = sectionOf('docs/design.md', '## Layers');
  const [table, native] = layers.split('The native core');
  const rows = [...table!.matchAll(/^\| ([^|]+) \|/gm)].slice(2).flatMap(([, cell]) => codeIn(cell!));
  assert.ok(rows.length > 15, rows.join(' '));
  for (const name of rows)
    assert.ok(existsSync(path.join(root, 'src', name.endsWith('/') ? name : `${name}.ts`)), `src/${name}`);
  for (const name of codeIn(native!.split('The border')[0]!))
    assert.ok(existsSync(path.join(root, 'native', `${name}.cpp`)), `native/${name}.cpp`);
});
