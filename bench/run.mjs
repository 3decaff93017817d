#!/usr/bin/env node
// The command line of the benchmarks: what to run, in which order, and where it goes.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { measureRound, verify } from './measure.mjs';
import { choose, fits, programOf, servers, workloads } from './plan.mjs';
import { summary, workloadTable, writeDetails, writePage } from './report.mjs';
import * as results from './results.mjs';

const usage = `npm run bench -- [options]
  --servers a,b    servers of servers.json; "ours" stands for its variants too   (all installed)
  --work w1,w2     workloads of workloads.json                                   (all)
  --rounds N       rounds over all of them                                       (3)
  --secs S         seconds a run                                                 (3)
  --warm S         seconds before the counting starts                            (0.5)
  --retries N      more tries when others used the machine                       (2)
  --base NAME      the server that ratios are to                                 (c_epoll)
  --server-cpu N --generator-cpu N                                               (0, 1)
  --out FILE.json  results; an existing file is added to      (bench/results/DATE-TIME.json)
  --verify         check that the servers are correct; measures nothing
  --report         write the newest results (or --out) into docs/benchmarks.md; measures nothing
  --list           name servers and workloads`;

const options = {
  servers: { type: 'string', default: '' },
  work: { type: 'string', default: '' },
  rounds: { type: 'string', default: '3' },
  secs: { type: 'string', default: '3' },
  warm: { type: 'string', default: '0.5' },
  retries: { type: 'string', default: '2' },
  base: { type: 'string', default: 'c_epoll' },
  'server-cpu': { type: 'string', default: '0' },
  'generator-cpu': { type: 'string', default: '1' },
  out: { type: 'string' },
  verify: { type: 'boolean' },
  report: { type: 'boolean' },
  list: { type: 'boolean' },
  help: { type: 'boolean' },
};

function number(name, text) {
  const value = Number(text);
  if (text === '' || !(value >= 0)) throw new Error(`--${name}: "${text}" is no number`);
  return value;
}
function onPath(program) {
  const folders = program.includes('/') ? [''] : (process.env.PATH ?? '').split(':');
  return folders.some((folder) => existsSync(path.join(folder, program)));
}
/** Names without a binary are left out when everything was asked for, and an error by name. */
function installed(names, asked) {
  return names.filter((name) => {
    if (onPath(programOf(name))) return true;
    if (asked) throw new Error(`${name} is not installed: node bench/peers/install.mjs`);
    console.error(`${name} is left out, it is not installed: node bench/peers/install.mjs`);
    return false;
  });
}

async function verifyAll(names, work, plan) {
  let failed = 0;
  for (const name of names) {
    const pairs = work.filter((w) => fits(name, w)).map((w) => `${workloads[w].mode} ${workloads[w].kind}`);
    for (const pair of new Set(pairs)) {
      const [mode, kind] = pair.split(' ');
      const outcome = await verify(name, mode, kind, plan);
      if (outcome.error) failed++;
      console.log(
        `${name} ${pair}: ${outcome.error ? `FAILED ${outcome.error}` : `ok, ${outcome.checked} checked`}`,
      );
    }
  }
  return failed;
}

async function measureAll(names, work, plan, file) {
  const found = results.open(file, plan.base, names);
  const rounds = new Map();
  const started = Date.now();
  let failed = 0;
  for (let round = 1; round <= plan.rounds; round++) {
    for (const workload of work) {
      if (!rounds.has(workload)) {
        const secs = workloads[workload].secs ?? plan.secs;
        rounds.set(workload, results.begin(found, workload, { secs, rounds: plan.rounds }));
      }
      const samples = rounds.get(workload);
      await measureRound(workload, names, plan, (name, sample) => {
        samples[name] ??= [];
        samples[name].push(sample);
        if (!sample.error) return;
        failed++;
        console.error(`${workload} ${name}: ${sample.error}`);
      });
      results.write(file, found);
    }
    console.error(
      `round ${round} of ${plan.rounds} done after ${Math.round((Date.now() - started) / 1000)} s`,
    );
  }
  writeDetails(file, found);
  for (const workload of work) console.log(`\n${workloadTable(found, workload)}`);
  console.log(`\n${summary(found)}\n\nkept in ${path.relative(process.cwd(), file)} and the .md beside it`);
  return failed;
}

async function main() {
  const { values } = parseArgs({ options });
  if (values.help) return console.log(usage);
  if (values.list) {
    for (const [name, { what }] of Object.entries(servers)) console.log(`${name.padEnd(16)} ${what}`);
    for (const [name, { what, unit }] of Object.entries(workloads))
      console.log(`${name.padEnd(16)} ${what} (${unit})`);
    return;
  }
  if (values.report) {
    const file = values.out ? path.resolve(values.out) : results.newest();
    if (!file) throw new Error('there are no results yet: npm run bench');
    const found = results.read(file);
    writePage(found, file);
    writeDetails(file, found);
    console.log(`docs/benchmarks.md has the table of ${path.relative(process.cwd(), file)}`);
    return;
  }
  build();
  const names = installed(choose(values.servers, Object.keys(servers), 'server'), values.servers);
  const work = choose(values.work, Object.keys(workloads), 'workload');
  if (!servers[values.base]) throw new Error(`no server "${values.base}"`);
  const folder = mkdtempSync(path.join(os.tmpdir(), 'bench-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
  const plan = {
    base: values.base,
    folder,
    rounds: number('rounds', values.rounds),
    secs: number('secs', values.secs),
    warm: number('warm', values.warm),
    retries: number('retries', values.retries),
    serverCpu: number('server-cpu', values['server-cpu']),
    generatorCpu: number('generator-cpu', values['generator-cpu']),
  };
  const failed = values.verify
    ? await verifyAll(names, work, plan)
    : await measureAll(names, work, plan, path.resolve(values.out ?? results.nameForNow()));
  process.exitCode = failed ? 1 : 0;
}

try {
  await main();
} catch (error) {
  console.error(`${error.message}\nnpm run bench -- --help tells the options`);
  process.exitCode = 2;
}
