// Makes what the package ships (`prepack`): dist/ without leftovers and the native core for
// this machine, which must run where it was not built: no libstdc++ of its own version, no
// newer C library than stated, nothing exported but its entry point.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildNative, root } from './build.mjs';

// Node 20's own binaries ask for it.
const glibcBound = '2.28';
const musl = process.report.getReport().header.glibcVersionRuntime === undefined;
const folder = path.join(root, 'prebuilds', `${process.platform}-${process.arch}${musl ? '-musl' : ''}`);
const out = path.join(folder, 'berkeley-sockets.node');

function removeLeftovers() {
  const dist = path.join(root, 'dist');
  for (const name of existsSync(dist) ? readdirSync(dist, { recursive: true }) : []) {
    const stem = name.replace(/\.(d\.ts|d\.ts\.map|js|js\.map)$/, '');
    if (stem !== name && !existsSync(path.join(root, 'src', `${stem}.ts`))) rmSync(path.join(dist, name));
  }
}

function newerThan(a, b) {
  const parts = (version) => version.split('.').map(Number);
  const [x, y] = [parts(a), parts(b)];
  return x[0] !== y[0] ? x[0] > y[0] : x[1] > y[1];
}

/** What the binary asks of the machine that it will run on. */
function needs(binary) {
  const symbols = execFileSync('objdump', ['-T', binary]).toString().split('\n');
  const dynamic = execFileSync('objdump', ['-p', binary]).toString();
  const versions = new Map();
  const foreign = [];
  const exported = [];
  for (const line of symbols) {
    const name = line.trim().split(/\s+/).at(-1);
    const version = /GLIBC_(\d+\.\d+)/.exec(line)?.[1];
    if (line.includes('*UND*')) {
      if (version !== undefined) versions.set(version, [...(versions.get(version) ?? []), name]);
      // A weak reference may stay empty; Node-API is in the program that loads the addon.
      else if (!/ w /.test(line) && !/^(napi|node_api)_/.test(name) && !musl) foreign.push(name);
    } else if (/^[0-9a-f]{8,} [gu]/.test(line)) exported.push(name);
  }
  const libraries = [...dynamic.matchAll(/NEEDED\s+(\S+)/g)].map(([, name]) => name);
  return { versions, foreign, exported, libraries };
}

const demangled = (names) => execFileSync('c++filt', names).toString().trim().replaceAll('\n', ', ');

function problems({ versions, foreign, exported, libraries }) {
  const found = [];
  for (const [version, names] of versions) {
    if (newerThan(version, glibcBound))
      found.push(`needs glibc ${version} for ${names.join(', ')}; the bound is ${glibcBound}`);
  }
  if (foreign.length > 0) found.push(`needs ${demangled(foreign)}: see scripts/portable.cpp`);
  const extra = exported.filter(
    (name) => !/^(napi_register_module_v1|node_api_module_get_api_version_v1)$/.test(name),
  );
  if (extra.length > 0)
    found.push(`exports more than its entry point: ${extra.slice(0, 5).join(', ')} (${extra.length})`);
  const unusual = libraries.filter(
    (name) => !/^(libc|libm|libdl|libpthread|ld-linux.*|libc\.musl.*)\.so/.test(name),
  );
  if (unusual.length > 0) found.push(`needs the libraries ${unusual.join(', ')}`);
  return found;
}

mkdirSync(folder, { recursive: true });
const here = (name) => path.join(root, 'scripts', name);
const inputs = [
  fileURLToPath(import.meta.url),
  here('portable.h'),
  here('portable.cpp'),
  here('portable.map'),
];
const force = existsSync(out) && inputs.some((name) => statSync(name).mtimeMs > statSync(out).mtimeMs);
const flags = [
  `-include${here('portable.h')}`,
  '-fno-asynchronous-unwind-tables',
  '-nodefaultlibs',
  '-s',
  '-Wl,-z,now',
  '-ffunction-sections',
  '-Wl,--gc-sections',
  `-Wl,--version-script=${here('portable.map')}`,
  here('portable.cpp'),
];
// Where they are not yet part of libc.so.6, these two have what portable.h asks for.
const older = musl ? [] : ['-Wl,--no-as-needed', '-l:libdl.so.2', '-l:libpthread.so.0'];
buildNative({ out, flags, libraries: ['-lc', '-lgcc', ...older], force });

const needed = needs(out);
const found = problems(needed);
const highest = [...needed.versions.keys()].reduce((a, b) => (newerThan(a, b) ? a : b), '0.0');
const size = Math.round(statSync(out).size / 1024);
console.error(
  `${path.relative(root, out)}: ${size} KiB, ${musl ? 'musl' : `glibc ${highest}`}, ${needed.libraries.join(' ')}`,
);
for (const problem of found) console.error(`  ${problem}`);
if (found.length > 0) {
  // A binary that is not fit to ship must not be packed by the next attempt.
  rmSync(out);
  process.exit(1);
}

// The source is built here so that a package is never made of an older dist/.
const built = spawnSync(process.execPath, [path.join(root, 'scripts', 'build.mjs')], {
  stdio: ['ignore', 2, 2],
});
if (built.status !== 0) process.exit(built.status ?? 1);
removeLeftovers();
