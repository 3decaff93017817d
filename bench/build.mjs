// Compiles the load generator and the C reference server into bench/build, where a source is
// newer than what is there. It needs the machine's C compiler (CC, or gcc) and nothing else.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const bench = path.dirname(fileURLToPath(import.meta.url));
const compiler = process.env.CC || 'gcc';

function sourcesIn(folder) {
  return readdirSync(path.join(bench, folder))
    .filter((name) => /\.[ch]$/.test(name))
    .map((name) => path.join(bench, folder, name));
}

function compile(name, sources) {
  const out = path.join(bench, 'build', name);
  const changed = Math.max(...sources.map((file) => statSync(file).mtimeMs));
  if (existsSync(out) && statSync(out).mtimeMs > changed) return;
  mkdirSync(path.dirname(out), { recursive: true });
  console.error(`compiling bench/build/${name}`);
  const fresh = `${out}.${process.pid}`;
  const units = sources.filter((file) => file.endsWith('.c'));
  const r = spawnSync(compiler, ['-O2', '-Wall', '-Wextra', ...units, '-o', fresh], { stdio: 'inherit' });
  if (r.error) throw new Error(`${compiler} could not be started: ${r.error.message}`);
  if (r.status !== 0) throw new Error(`${compiler} failed on bench/build/${name}`);
  renameSync(fresh, out);
}

export function build() {
  compile('loadgen', sourcesIn('gen'));
  compile('c_epoll', [path.join(bench, 'servers', 'c_epoll.c')]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) build();
