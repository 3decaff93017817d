// Builds the native core and the TypeScript: only what is older than its sources, so that
// `npm start` and `npm test` may call it every time. It needs a C++ compiler and nothing else.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);

const files = (folder, endings) =>
  readdirSync(path.join(root, folder), { recursive: true })
    .map((name) => path.join(root, folder, name))
    .filter((name) => endings.some((ending) => name.endsWith(ending)));
const newest = (names) => Math.max(0, ...names.map((name) => statSync(name).mtimeMs));
const stale = (target, sources) => !existsSync(target) || statSync(target).mtimeMs < newest(sources);

// `target` is as old as the start of its build, so that a source that was saved meanwhile
// is newer; and gone after a failure, so that the next build does not find it fresh.
function run(command, args, target) {
  const start = new Date();
  const r = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (r.error) {
    console.error(`${command} could not be started: ${r.error.message}`);
    process.exit(1);
  }
  if (r.status !== 0) {
    rmSync(target, { force: true });
    process.exit(r.status ?? 1);
  }
  utimesSync(target, start, start);
}

// Hidden visibility and -Bsymbolic: two copies of the addon in one process share nothing.
export const compilerFlags = [
  '-std=c++17',
  '-O2',
  '-fPIC',
  '-fno-exceptions',
  '-fno-rtti',
  '-fvisibility=hidden',
  '-fno-strict-aliasing',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-Wno-unused-parameter',
  '-Wno-missing-field-initializers',
];

export function buildNative({
  out = path.join(root, 'build', 'berkeley-sockets.node'),
  flags = [],
  libraries = ['-ldl'],
  force = false,
} = {}) {
  const sources = files('native', ['.cpp']);
  if (!force && !stale(out, [...files('native', ['.cpp', '.h', '.inc']), fileURLToPath(import.meta.url)]))
    return out;
  const headers = require('node-api-headers').include_dir;
  const compiler = process.env.CXX || 'c++';
  mkdirSync(path.dirname(out), { recursive: true });
  console.error(`building the native core with ${compiler}`);
  // Written beside and renamed: a process that has the old one mapped keeps it whole.
  const fresh = `${out}.${process.pid}`;
  run(
    compiler,
    [
      ...compilerFlags,
      ...flags,
      `-I${headers}`,
      '-shared',
      '-Wl,-Bsymbolic',
      '-o',
      fresh,
      ...sources,
      ...libraries,
    ],
    fresh,
  );
  renameSync(fresh, out);
  return out;
}

function buildTypeScript() {
  const stamp = path.join(root, 'dist', '.tsbuildinfo');
  if (!stale(stamp, [...files('src', ['.ts']), path.join(root, 'tsconfig.json')])) return;
  run(
    process.execPath,
    [
      path.join(root, 'node_modules', 'typescript', 'bin', 'tsc'),
      '-p',
      'tsconfig.json',
      '--incremental',
      '--tsBuildInfoFile',
      stamp,
    ],
    stamp,
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  buildNative({ force: process.argv.includes('--force') });
  buildTypeScript();
}
