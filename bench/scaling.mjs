#!/usr/bin/env node
// What more threads bring on one port: serveThreads with 1, 2, 4 … threads, each pinned to as many CPUs,
// and generators on the CPUs that are left. usage: node bench/scaling.mjs [--secs S] [--conns N] [--most THREADS]
// On two CPUs there is nothing to see but one row: the server has one, the generator the other.
import { spawn } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { bench } from './plan.mjs';

const { values } = parseArgs({
  options: {
    secs: { type: 'string', default: '3' },
    conns: { type: 'string', default: '64' },
    most: { type: 'string' },
  },
});
const cpus = os.cpus().length;
// A generator is one thread of C, and does twice what a thread of the server can.
const most = Number(values.most ?? Math.max(1, Math.floor((cpus * 2) / 3)));

const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
function start(list, program, args) {
  const child = spawn('taskset', ['-c', list, program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  running.add(child);
  child.text = '';
  child.stdout.on('data', (data) => {
    child.text += data;
  });
  child.ended = new Promise((resolve) => child.on('close', resolve)).then(() => running.delete(child));
  return child;
}
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const range = (from, to) => (from === to ? `${from}` : `${from}-${to}`);

async function measure(threads) {
  const script = path.join(bench, 'servers', 'ours_threads.mjs');
  const server = start(range(0, threads - 1), process.execPath, [script, 'echo', 'tcp:0', String(threads)]);
  let port;
  while (!port) {
    if (server.exitCode !== null) throw new Error('the server ended before it was ready');
    await sleep(20);
    [, port] = /READY (\d+)/.exec(server.text) ?? [];
  }
  const generators = [];
  for (let cpu = threads; cpu < cpus; cpu++) {
    const args = ['pp', `tcp:${port}`, '--conns', values.conns, '--size', '64', '--secs', values.secs];
    if (generators.length === 0) args.push('--pid', String(server.pid));
    generators.push(start(String(cpu), path.join(bench, 'build', 'loadgen'), args));
  }
  await Promise.all(generators.map((each) => each.ended));
  const samples = generators.map((each) => JSON.parse(each.text.trim().split('\n').pop()));
  server.kill('SIGKILL');
  await server.ended;
  const ops = samples.reduce((sum, sample) => sum + sample.ops, 0);
  // The first one has read the server's CPU time, for all.
  const cpu = (samples[0].cpu_us_op * samples[0].ops) / ops;
  return { ops, cpu, generators: generators.length };
}

build();
console.log(
  '| threads | generators | ops/s | × one thread | CPU µs/op | × one thread |\n|---|---|---|---|---|---|',
);
let first;
for (let threads = 1; threads <= most && threads < cpus; threads *= 2) {
  const { ops, cpu, generators } = await measure(threads);
  first ??= { ops, cpu };
  const row = [
    threads,
    generators,
    Math.round(ops),
    (ops / first.ops).toFixed(2),
    cpu.toFixed(2),
    (cpu / first.cpu).toFixed(2),
  ];
  console.log(`| ${row.join(' | ')} |`);
}
