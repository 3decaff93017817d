// What there is to run: the tables of servers and workloads, and which fit each other.
// It starts nothing and measures nothing.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const bench = path.dirname(fileURLToPath(import.meta.url));
export const root = path.dirname(bench);
const table = (name) => JSON.parse(readFileSync(path.join(bench, name), 'utf8'));

/** name → {what, program, args, env?, kinds?, only?}; see README.md, "Adding a server". */
export const servers = table('servers.json');
/** name → {what, mode, kind, unit, gen, secs?, compare?, floors?}. */
export const workloads = table('workloads.json');

const places = {
  bench,
  peers: path.join(bench, 'peers', 'node_modules'),
  node: process.execPath,
  python: process.env.BENCH_PYTHON || 'python3',
  arch: process.arch,
  cpu: process.arch === 'arm64' ? 'aarch64' : process.arch,
};

/** `{word}` → its value; an unknown word is left alone. */
export const fill = (text, values = {}) =>
  text.replace(/\{(\w+)\}/g, (all, word) => values[word] ?? places[word] ?? all);
export const programOf = (name) => fill(servers[name].program);

/** Does this server do this workload? */
export function fits(name, workload) {
  const { kinds, only } = servers[name];
  return (!kinds || kinds.includes(workloads[workload].kind)) && (!only || only.includes(workload));
}

/**
 * The names that a comma list stands for: `ours` is `ours` and its variants `ours.…`.
 * An empty list stands for all.
 */
export function choose(list, known, what) {
  if (!list) return known;
  const chosen = list.split(',').flatMap((word) => {
    const names = known.filter((name) => name === word || name.startsWith(`${word}.`));
    if (!names.length) throw new Error(`no ${what} "${word}"; there are: ${known.join(' ')}`);
    return names;
  });
  return [...new Set(chosen)];
}

/** What `samples` says of a workload: the rate, or the bytes a connection. */
export function score(workload, sample) {
  const { unit } = workloads[workload];
  if (unit === 'MB/s') return sample.mbs;
  return unit === 'B/conn' ? sample.bytes_conn : sample.ops;
}
/** A workload whose number stands by itself: less is better, and there is no ratio. */
export const isAbsolute = (workload) => workloads[workload].unit === 'B/conn';

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}
