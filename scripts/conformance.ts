// Runs CPython's own tests on top of this library, in every flavour that it has, and holds the
// outcome against test/conformance/expectations.json: npm run conformance [-- OPTIONS]
//   --flavour NAME   only async, or only sync
//   --library PATH   another package root than this one
//   --write          take the numbers over into results.json, README.md and docs/conformance.md
//   --check          run nothing: are the pages as results.json says?
// docs/conformance.md tells how it works. Nothing else should run meanwhile: the tests have limits
// of milliseconds.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  differences,
  type Expectation,
  type Outcome,
  type Report,
} from '../test/conformance/expectations.ts';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const room = path.join(root, 'test', 'conformance');
const resultsFile = path.join(room, 'results.json');
const pages = ['README.md', 'docs/conformance.md'];
const outcomes: readonly Outcome[] = ['passed', 'failed', 'skipped', 'left out'];

type Counts = Record<Outcome, number>;

/** What is published. The runs of another CPython or on another kernel have other numbers. */
interface Results {
  cpython: string;
  kernel: Report['kernel'];
  constants: number;
  /** Of each runner, `CPython` itself among them, the outcomes a module. */
  runs: Record<string, Record<string, Counts>>;
}

type FullReport = Report & { cpython: string };

const json = <T>(file: string): T => JSON.parse(readFileSync(file, 'utf8')) as T;

function counts(report: Report): Record<string, Counts> {
  return Object.fromEntries(
    Object.entries(report.modules).map(([name, { tests }]) => {
      const all = Object.values(tests);
      const count = (outcome: Outcome) => all.filter((test) => test.outcome === outcome).length;
      return [name, Object.fromEntries(outcomes.map((each) => [each, count(each)])) as Counts];
    }),
  );
}

function run(...options: string[]): FullReport {
  const folder = mkdtempSync(path.join(tmpdir(), 'conformance-'));
  const file = path.join(folder, 'report.json');
  const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';
  const argv = [path.join(room, 'run.py'), '--node', process.execPath, '--report', file, ...options];
  const ran = spawnSync(python, argv, {
    stdio: 'inherit',
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
  });
  try {
    if (!existsSync(file)) {
      console.error(`conformance: the run brought no report${ran.error ? `: ${ran.error.message}` : ''}`);
      process.exit(1);
    }
    return json<FullReport>(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const sum = (modules: Record<string, Counts>, outcome: Outcome): number =>
  Object.values(modules).reduce((total, row) => total + row[outcome], 0);

const titles: Record<string, string> = {
  async: '`berkeley-sockets`',
  sync: '`berkeley-sockets/sync`',
  reference: "CPython's own sockets, by the same way",
};

/** The published table, as Markdown. */
function table({ cpython, constants, runs }: Results): string {
  const modules = Object.keys(Object.values(runs)[0]!);
  const rows = Object.entries(runs).map(([name, run]) => {
    const cells = modules.map((module) => `${run[module]!.passed}`);
    return `| ${[titles[name], ...cells, ...outcomes.slice(1).map((each) => sum(run, each))].join(' | ')} |\n`;
  });
  const head = ['passed:', ...modules.map((name) => `\`${name}\``), 'failed', 'skipped', 'left out'];
  return `| ${head.join(' | ')} |\n|${'---|'.repeat(head.length)}\n${rows.join('')}
CPython's tests are those of Debian's ${cpython}. Constants: all ${constants} of CPython's are here, none with another value.\n`;
}

/** The pages of which the marked place is not what it should be; they are written unless `check`. */
function publish(results: Results, check: boolean): string[] {
  return pages.filter((name) => {
    const file = path.join(root, name);
    const text = readFileSync(file, 'utf8');
    const mark = /(<!-- conformance -->\n)[\s\S]*?(<!-- \/conformance -->)/;
    if (!mark.test(text)) throw new Error(`${name} has no place that is marked for the conformance table`);
    const fresh = text.replace(mark, (_, before, after) => `${before}\n${table(results)}\n${after}`);
    if (fresh === text) return false;
    if (!check) writeFileSync(file, fresh);
    return true;
  });
}

function readArguments() {
  try {
    const options = {
      flavour: { type: 'string' },
      library: { type: 'string', default: root },
      write: { type: 'boolean' },
      check: { type: 'boolean' },
    } as const;
    return parseArgs({ options }).values;
  } catch (error) {
    console.error(
      `${(error as Error).message}\nusage: npm run conformance [-- --flavour async|sync] [--library PATH] [--write] [--check]`,
    );
    process.exit(2);
  }
}

const wanted = readArguments();
const flavours = ['async', 'sync'].filter((name) => {
  if (wanted.flavour !== undefined) return name === wanted.flavour;
  return (
    name === 'async' ||
    './sync' in json<{ exports: object }>(path.join(wanted.library, 'package.json')).exports
  );
});

if (wanted.check) {
  const stale = publish(json<Results>(resultsFile), true);
  for (const name of stale)
    console.error(`${name} is stale: its conformance table is not that of results.json`);
  process.exit(stale.length > 0 ? 1 : 0);
}

const expectations = json<Expectation[]>(path.join(room, 'expectations.json'));
const reports: Record<string, FullReport> = {};
const problems: string[] = [];
for (const flavour of flavours) {
  console.log(`\nCPython's tests on ${titles[flavour]}`);
  reports[flavour] = run('--library', wanted.library, '--flavour', flavour);
  problems.push(...differences(reports[flavour], expectations).map((line) => `${flavour}: ${line}`));
}
if (wanted.write) {
  console.log(`\nCPython's tests on ${titles.reference}`);
  reports.reference = run('--driver', 'reference');
}

const first = Object.values(reports)[0]!;
const results: Results = {
  cpython: first.cpython,
  kernel: first.kernel,
  constants: first.constants!.equal,
  runs: Object.fromEntries(Object.entries(reports).map(([name, report]) => [name, counts(report)])),
};
console.log(`\n${table(results)}`);

if (problems.length === 0 && wanted.write) {
  writeFileSync(resultsFile, `${JSON.stringify(results, null, 2)}\n`);
  for (const name of publish(results, false)) console.log(`wrote ${name}`);
} else if (problems.length === 0) {
  // Another machine may have more of the kernel, or another revision of the tests: what is
  // published speaks of one.
  const published = json<Results>(resultsFile);
  const alike = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  if (alike([published.cpython, published.kernel], [results.cpython, results.kernel])) {
    for (const [name, run] of Object.entries(results.runs))
      if (!alike(published.runs[name], run))
        problems.push(`${name}: the published numbers are others: npm run conformance -- --write`);
  } else
    console.log('The published numbers are of another CPython or another kernel, and were not compared.');
}
for (const problem of problems) console.log(problem);
console.log(problems.length > 0 ? `\nconformance: ${problems.length} problems` : 'conformance: as expected');
process.exitCode = problems.length > 0 ? 1 : 0;
