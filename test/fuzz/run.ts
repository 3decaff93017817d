// Runs one fuzzer for a while: node --import tsx test/fuzz/run.ts TARGET [--seconds N] [--seed S] [--round N]
//   TARGET  codecs, calls, or native
// Rounds go by a seed each, so that one can be run again by itself. The last line is JSON with the
// figures; the round at hand is told on standard error when something is found.
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { Chance } from '../support/chance.ts';
import type { Life } from './environment.ts';

const CALLS_A_ROUND = 4000;
const HANG_SECONDS = 60;

async function codecs(seed: string): Promise<number> {
  const { properties } = await import('./codecs.ts');
  const chance = new Chance(seed);
  for (let i = 0; i < CALLS_A_ROUND; i++) properties[i % properties.length]!(chance);
  return CALLS_A_ROUND;
}

async function calls(seed: string): Promise<number> {
  const { callAround } = await import('./calls.ts');
  return await callAround(new Chance(seed), CALLS_A_ROUND / 20);
}

const folder = mkdtempSync(path.join(tmpdir(), 'bsd-fuzz-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** What is open, the folder that is read for it left out. */
function open(): Map<string, string> {
  const found = new Map<string, string>();
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      found.set(fd, readlinkSync(`/proc/self/fd/${fd}`));
    } catch {
      // Closed by now.
    }
  }
  return found;
}

async function native(seed: string): Promise<number> {
  process.chdir(folder);
  const life: Life = {
    addon: fileURLToPath(new URL('../../build/berkeley-sockets.node', import.meta.url)),
    seed,
    calls: CALLS_A_ROUND,
    folder,
    network: process.env.FUZZ_NETWORK === '1',
  };
  const before = open();
  const worker = new Worker(new URL('life.mjs', import.meta.url), { workerData: life, execArgv: [] });
  let timer: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not over after ${HANG_SECONDS} s`)), HANG_SECONDS * 1000);
    worker.once('error', reject);
    worker.once('message', () => resolve());
    worker.once('exit', (code) => reject(new Error(`the worker ended (${code})`)));
  }).finally(() => clearTimeout(timer));
  worker.removeAllListeners('exit');
  await worker.terminate();
  for (const name of readdirSync(folder)) rmSync(path.join(folder, name), { force: true, recursive: true });
  // The first worker makes Node open what it keeps.
  const left = [...open()].filter(([fd]) => !before.has(fd)).map(([, what]) => what);
  if (left.length > 0 && rounds > 1) throw new Error(`left open: ${left.join(', ')}`);
  return CALLS_A_ROUND;
}

const targets: Record<string, (seed: string) => Promise<number>> = { codecs, calls, native };

const { values, positionals } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    round: { type: 'string' },
  },
  allowPositionals: true,
});
const name = positionals[0] ?? '';
const target = targets[name];
if (target === undefined) {
  console.error(`no fuzzer is called "${name}"; there are ${Object.keys(targets).join(', ')}`);
  process.exit(2);
}

const start = performance.now();
const end = start + Number(values.seconds) * 1000;
let rounds = 0;
let cases = 0;
let round = Number(values.round ?? 0);
// Said by whoever ends the process, a sanitizer among them.
process.title = `fuzz ${name}`;
try {
  do {
    rounds++;
    process.env.FUZZ_ROUND = String(round);
    if (process.env.FUZZ_PROGRESS) process.stderr.write(`${name}: --seed ${values.seed} --round ${round}\n`);
    cases += await target(`${name}/${values.seed}/${round}`);
    round++;
  } while (performance.now() < end && values.round === undefined);
} catch (error) {
  console.error(`${name}: found with --seed ${values.seed} --round ${round}`);
  console.error(error);
  process.exit(1);
}
const seconds = Math.round((performance.now() - start) / 100) / 10;
console.log(JSON.stringify({ target: name, seed: values.seed, rounds, cases, seconds }));
process.exit(0);
