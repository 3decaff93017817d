// The results file: what it holds, where it lies, how a run is added to it.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { bench, programOf, root } from './plan.mjs';

const folder = path.join(bench, 'results');
const FORMAT = 1;

function firstLine(command, args) {
  try {
    return execFileSync(command, args, {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).split('\n')[0];
  } catch {
    return '';
  }
}

function describeMachine() {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  return {
    cpu: os.cpus()[0]?.model ?? process.arch,
    cpus: os.availableParallelism(),
    memory: `${Math.round(os.totalmem() / 2 ** 30)} GiB`,
    kernel: `${os.type()} ${os.release().split('-')[0]}`,
    system: /^PRETTY_NAME="?([^"\n]*)/m.exec(release)?.[1] ?? '',
    compiler: firstLine(process.env.CC || 'gcc', ['--version']),
  };
}
function describeServer(name) {
  const program = programOf(name);
  return program.startsWith(path.join(bench, 'build')) ? '' : firstLine(program, ['--version']);
}

/** The newest results file, or undefined. The names begin with the time. */
export function newest() {
  const names = existsSync(folder)
    ? readdirSync(folder).filter((name) => /\.json$/.test(name) && !/\.tmp\./.test(name))
    : [];
  const last = names.sort().pop();
  return last && path.join(folder, last);
}
export function nameForNow() {
  const now = new Date().toISOString();
  return path.join(folder, `${now.slice(0, 10)}-${now.slice(11, 16).replace(':', '')}.json`);
}

export function read(file) {
  const found = JSON.parse(readFileSync(file, 'utf8'));
  if (found.format !== FORMAT) throw new Error(`${file} is of format ${found.format}, not ${FORMAT}`);
  return found;
}

/**
 * Opens a results file to add to: workloads measured now replace the same ones in it, the
 * others stay, so that a long comparison can be taken in pieces. Ratios are comparable
 * across the pieces, since each is to base runs beside it; absolute rates are not.
 */
export function open(file, base, names) {
  const machine = describeMachine();
  let results = { format: FORMAT, base, machine, versions: {}, runs: {} };
  if (existsSync(file)) {
    results = read(file);
    if (results.base !== base) throw new Error(`${file} has the base ${results.base}`);
    if (results.machine.cpu !== machine.cpu || results.machine.kernel !== machine.kernel)
      throw new Error(`${file} is from another machine`);
  }
  for (const name of new Set([base, ...names])) results.versions[name] = describeServer(name);
  results.revision = firstLine('git', ['rev-parse', '--short', 'HEAD']);
  return results;
}
/** A fresh entry for a workload; its samples are added in place. */
export function begin(results, workload, { secs, rounds }) {
  const run = { measured: new Date().toISOString(), secs, rounds, samples: {} };
  results.runs[workload] = run;
  return run.samples;
}
export function write(file, results) {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(results)}\n`);
}
