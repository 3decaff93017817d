// Other runtimes than the one at hand, run by hand: npm run test:runtimes [-- NAME… [-- FILTER…]]
//   node          the newest Node runs the test suite (or the files that match the filters)
//   bun, deno     run the smoke test of test/package
// Their binaries lie in platform packages, which need no install script; they are kept in a
// cache folder of the user (RUNTIMES names another one).
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const cache = path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'berkeley-sockets');
const folder = process.env.RUNTIMES || path.join(cache, 'runtimes');
const arm = process.arch === 'arm64';
const smoke = ({ program, entry }) => [
  path.join(root, 'test/package', program),
  pathToFileURL(path.join(root, 'dist', entry)).href,
];
const smokes = [
  { program: 'smoke.mjs', entry: 'index.js' },
  { program: 'smoke-sync.mjs', entry: 'sync.js' },
];

const runtimes = {
  node: {
    packageName: `node-linux-${arm ? 'arm64' : 'x64'}`,
    version: '^26.10.0',
    binary: 'bin/node',
    commands: (binary, filters) => [
      [process.execPath, path.join(root, 'scripts/test.mjs'), '--node', binary, ...filters],
    ],
  },
  bun: {
    packageName: `@oven/bun-linux-${arm ? 'aarch64' : 'x64'}`,
    version: '^1.4.0',
    binary: 'bin/bun',
    commands: (binary) => smokes.map((each) => [binary, ...smoke(each)]),
  },
  deno: {
    packageName: `@deno/linux-${arm ? 'arm64' : 'x64'}-glibc`,
    version: '^2.9.0',
    binary: 'deno',
    commands: (binary) => smokes.map((each) => [binary, 'run', '--allow-all', ...smoke(each)]),
  },
};

function run(command, args) {
  const r = spawnSync(command, args, { cwd: root, stdio: 'inherit', timeout: 1_800_000 });
  if (r.error) console.error(`${command}: ${r.error.message}`);
  return r.status ?? r.signal ?? 'not started';
}

function binaryOf({ packageName, version, binary }) {
  const home = path.join(folder, packageName.replace('/', '+'));
  const installed = path.join(home, 'node_modules', packageName);
  if (!existsSync(path.join(installed, binary))) {
    mkdirSync(home, { recursive: true });
    const options = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    if (run('npm', ['install', '--prefix', home, ...options, `${packageName}@${version}`]) !== 0)
      return undefined;
  }
  console.log(
    `${packageName} ${JSON.parse(readFileSync(path.join(installed, 'package.json'), 'utf8')).version}`,
  );
  return path.join(installed, binary);
}

const rest = process.argv.slice(2);
const split = rest.indexOf('--');
const names = split < 0 ? rest : rest.slice(0, split);
const filters = split < 0 ? [] : rest.slice(split + 1);
const unknown = names.filter((name) => !(name in runtimes));
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(', ')}; there are ${Object.keys(runtimes).join(', ')}`);
  process.exit(2);
}

const results = [];
for (const [name, runtime] of Object.entries(runtimes)) {
  if (names.length > 0 && !names.includes(name)) continue;
  const binary = binaryOf(runtime);
  const commands = binary === undefined ? [] : runtime.commands(binary, filters);
  const statuses = commands.map(([command, ...args]) => run(command, args));
  const status = binary === undefined ? 'could not be installed' : (statuses.find((each) => each !== 0) ?? 0);
  results.push(`${name}: ${status === 0 ? 'ok' : `FAILED (${status})`}`);
  if (status !== 0) process.exitCode = 1;
}
console.log(results.join('\n'));
