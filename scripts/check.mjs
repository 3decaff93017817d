// Everything that can be said of the sources without running them: npm run check [-- NAME…]
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { layerProblems, layerTableProblems, testImportProblems } from './layers.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

// What git tracks, and what it would: a new file is checked before it is added.
const tracked = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
})
  .toString()
  .split('\0')
  .filter((name) => name !== '' && lstatSync(path.join(root, name), { throwIfNoEntry: false })?.isFile());
const read = (name) => readFileSync(path.join(root, name), 'utf8');
const isText = (name) => !read(name).includes('\0');

/** Runs a program; its output is the list of problems when it fails. */
function program(command, ...args) {
  const r = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  if (r.error) return [`${command}: ${r.error.message}`];
  return r.status === 0 ? [] : `${r.stdout}${r.stderr}`.trimEnd().split('\n');
}

/** Lines of the files that match, as `file:line: why: text`. */
function lines(names, pattern, why) {
  return names.flatMap((name) =>
    read(name)
      .split('\n')
      .flatMap((line, at) =>
        pattern.test(line) ? [`${name}:${at + 1}: ${why}: ${line.trim().slice(0, 120)}`] : [],
      ),
  );
}

const under = (folder, ending) => tracked.filter((name) => name.startsWith(folder) && name.endsWith(ending));

// The patterns are put together here so that this file does not match them.
const forbidden = [
  ['a path of one machine', new RegExp(`(?<![\\w.:])/(?:${['work', 'root', 'home'].join('|')})/`)],
  [
    'a registry host',
    new RegExp(['registry\\.npmjs', 'deb\\.debian', 'pypi', 'proxy\\.golang'].join('\\.org|')),
  ],
  ['an issue number', new RegExp(`\\b${'issue'}s? #?\\d`, 'i')],
  [
    'unfinished',
    new RegExp(`\\b(?:${['TO', 'FIX'].map((s) => s + (s === 'TO' ? 'DO' : 'ME')).join('|')})\\b`),
  ],
  ['a merge left over', new RegExp(`^${'<'.repeat(7)} |^${'>'.repeat(7)} `)],
];

const checks = {
  format: () => {
    // The reporter that writes one line a problem.
    const options = ['ci', '--reporter=github', '--max-diagnostics=none', '--error-on-warnings', '.'];
    const output = program(path.join(root, 'node_modules/.bin/biome'), ...options);
    const problems = output.filter((line) => line.startsWith('::'));
    return (problems.length > 0 ? problems : output).map((line) =>
      line.replace(/^::\w+ title=([^,]*),file=([^,]*),line=(\d+)[^:]*::/, '$2:$3: $1: ').replace(root, ''),
    );
  },

  types: () => program(path.join(root, 'node_modules/.bin/tsc'), '-p', 'tsconfig.check.json'),

  generated: () =>
    ['generate', 'reference', 'conformance'].flatMap((name) =>
      program(process.execPath, '--import', 'tsx', `scripts/${name}.ts`, '--check'),
    ),

  layers: () => [...layerProblems(), ...layerTableProblems(), ...testImportProblems(under('test/', '.ts'))],

  // The kernel's headers have one door, os.h; the headers of the C++ library have no ending.
  // constants.cpp makes no call: it reads numbers from wherever they are.
  headers: () =>
    [...under('native/', '.h'), ...under('native/', '.cpp')]
      .filter((name) => name !== 'native/os.h' && name !== 'native/constants.cpp')
      .flatMap((name) => lines([name], /#include <.*\.h>/, 'a system header outside os.h'))
      .filter((problem) => !/^native\/napi\.h:.*<(node_api|stddef|stdint)\.h>/.test(problem)),

  // What a thread runs may need a loader, which only a `require` finds.
  addon: () =>
    lines(
      under('src/', '.ts').filter((name) => name !== 'src/binding.ts' && name !== 'src/threading/modules.ts'),
      /createRequire|dlopen|\.node['"`]/,
      'only src/binding.ts loads the addon',
    ),

  words: () => forbidden.flatMap(([why, pattern]) => lines(tracked.filter(isText), pattern, why)),

  links: () =>
    under('', '.md').flatMap((name) =>
      [...read(name).matchAll(/\]\((?!\w+:)([^)#\s]+)/g)]
        .map(([, target]) => target)
        .filter((target) => !existsSync(path.join(root, path.dirname(name), target)))
        .map((target) => `${name}: the link to ${target} leads nowhere`),
    ),

  peers: () => {
    const tests = under('test/', '.ts').map(read).join('\n');
    return JSON.parse(read('test/support/peers.json'))
      .filter(({ command }) => {
        const name = command.replace('.', '\\.');
        // Asked for by a test, or a word of a shell script in one.
        return !new RegExp(`requirePeer\\([^)]*'${name}'|(?:^|[ ;'\`])${name} [a-z]+ `, 'm').test(tests);
      })
      .map(({ command }) => `test/support/peers.json: no test says requirePeer('${command}')`);
  },
};

function warnOfLength() {
  for (const name of tracked.filter((file) => /\.(ts|mjs|cpp|h)$/.test(file) && !/\.gen\./.test(file))) {
    const count = read(name).split('\n').length;
    if (count > 400) console.log(`long     ${name} has ${count} lines: is it two rooms?`);
  }
}

const names = process.argv.slice(2);
const unknown = names.filter((name) => !(name in checks));
if (unknown.length > 0) {
  console.error(`no check is called ${unknown.join(', ')}; there are ${Object.keys(checks).join(', ')}`);
  process.exit(2);
}
let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  if (names.length > 0 && !names.includes(name)) continue;
  const start = performance.now();
  const problems = check();
  if (problems.length > 0) failed++;
  console.log(
    `${problems.length > 0 ? 'FAILED' : 'ok    '}   ${name} (${Math.round(performance.now() - start)} ms)`,
  );
  for (const problem of problems.slice(0, 60)) console.log(`         ${problem}`);
  if (problems.length > 60) console.log(`         … and ${problems.length - 60} lines more`);
}
warnOfLength();
if (failed > 0) console.log(`${failed} of the checks failed`);
process.exitCode = failed > 0 ? 1 : 0;
