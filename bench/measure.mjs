// Runs one server under one load and reads the numbers; and, above that, the pairing that
// makes them comparable. It decides nothing about what to run and prints no tables.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { bench, fill, fits, isAbsolute, programOf, root, score, servers, workloads } from './plan.mjs';

const READY_MS = 10_000;
/** CPU seconds a second that others may use before a run counts as disturbed. */
const DISTURBED = 0.12;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

function start(cpu, program, args, env) {
  const child = spawn('taskset', ['-c', String(cpu), program, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  child.text = { out: '', err: '' };
  child.stdout.on('data', (d) => {
    child.text.out += d;
  });
  child.stderr.on('data', (d) => {
    child.text.err = (child.text.err + d).slice(-4000);
  });
  child.ended = Promise.race([once(child, 'close'), once(child, 'error')]).then(() => running.delete(child));
  return child;
}
const gone = (child) => child.exitCode !== null || child.signalCode !== null;
// Paths of this machine stay out of what is kept.
const complaint = (child) => child.text.err.trim().replaceAll(root, '.').slice(-300);

/** Starts a server; the result has its address for the generator. */
async function startServer(name, mode, kind, { folder, serverCpu }) {
  const network = kind === 'tcp' || kind === 'udp';
  const addr = network ? `${kind}:0` : `${kind}:${path.join(folder, name)}`;
  const { args, env = {} } = servers[name];
  const child = start(
    serverCpu,
    programOf(name),
    args.map((arg) => fill(arg, { mode, addr })),
    { ...process.env, ...env },
  );
  const latest = Date.now() + READY_MS;
  for (;;) {
    const ready = /^READY ?(\d*) *$/m.exec(child.text.out);
    if (ready) return { child, addr: network ? `${kind}:${ready[1]}` : addr };
    if (gone(child)) throw new Error(`${name} ended before it was ready: ${complaint(child)}`);
    if (Date.now() > latest) {
      child.kill('SIGKILL');
      throw new Error(`${name} was not ready in ${READY_MS / 1000} s: ${complaint(child)}`);
    }
    await sleep(10);
  }
}

/** Runs the generator against a fresh server; its JSON line, or {error}. */
async function drive(name, mode, kind, gen, limitSecs, options) {
  let server;
  try {
    server = await startServer(name, mode, kind, options);
    await sleep(150);
    const [what, ...rest] = gen;
    const args = [what, server.addr, ...rest, '--pid', String(server.child.pid), '--label', name];
    const generator = start(options.generatorCpu, path.join(bench, 'build', 'loadgen'), args, process.env);
    const timer = setTimeout(() => generator.kill('SIGKILL'), limitSecs * 1000);
    await generator.ended;
    clearTimeout(timer);
    const line = generator.text.out.trim().split('\n').pop();
    const sample = line
      ? JSON.parse(line)
      : { error: `the generator gave no result ${complaint(generator)}` };
    if (gone(server.child)) return { error: `the server ended: ${complaint(server.child)}` };
    if (sample.error) sample.error = `${sample.error} ${complaint(server.child)}`.trim();
    return sample;
  } catch (error) {
    return { error: error.message };
  } finally {
    if (server) {
      if (!gone(server.child)) server.child.kill('SIGKILL');
      await server.child.ended;
      await sleep(100);
    }
  }
}

/** Is this server correct in this mode? {verified, checked} or {error}. */
export const verify = (name, mode, kind, options) =>
  drive(name, mode, kind, ['verify', '--role', mode], 120, options);

async function measureOnce(name, workload, secs, options) {
  const { mode, kind, gen, secs: fixed } = workloads[workload];
  const span = fixed ?? secs;
  const args = [...gen, '--secs', String(span), '--warm', String(options.warm)];
  return await drive(name, mode, kind, args, span + 30, options);
}

/** Another load on the machine spoils a run: try again, keep the least disturbed one. */
async function measureSteady(name, workload, secs, options) {
  const disturbance = (x) => x.other_cpu + x.steal;
  let best = await measureOnce(name, workload, secs, options);
  for (let more = 0; more < options.retries; more++) {
    if (!best.error && (disturbance(best) < DISTURBED || isAbsolute(workload))) break;
    const again = await measureOnce(name, workload, secs, options);
    if (best.error || (!again.error && disturbance(again) < disturbance(best))) best = again;
  }
  return best;
}

/**
 * One round of one workload. The base runs before and after every server: the speed of a
 * shared machine drifts within minutes, a ratio to the neighbouring base runs does not.
 * `keep(name, sample)` gets every sample; those of the servers carry `ratio` and `cpu_ratio`.
 */
export async function measureRound(workload, names, options, keep) {
  const { base, secs } = options;
  const paired = !isAbsolute(workload);
  let before = await measureSteady(base, workload, secs, options);
  keep(base, before);
  for (const name of names) {
    if (name === base || !fits(name, workload)) continue;
    const sample = await measureSteady(name, workload, secs, options);
    const after = paired ? await measureSteady(base, workload, secs * 0.6, options) : before;
    if (paired && !sample.error && !before.error && !after.error) {
      sample.ratio = (2 * score(workload, sample)) / (score(workload, before) + score(workload, after));
      const cost = (before.cpu_us_op + after.cpu_us_op) / 2;
      if (sample.cpu_us_op > 0) sample.cpu_ratio = cost / sample.cpu_us_op;
    }
    if (paired) keep(base, after);
    keep(name, sample);
    before = after;
  }
}
