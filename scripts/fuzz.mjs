// Fuzzes the library with the address and undefined behaviour sanitizers in its native core:
//   npm run fuzz [-- --seconds N] [--seed S] [--round N] [TARGET…]
//   npm run fuzz -- --suite [FILTER…]      the tests of these files instead (default: all of test/socket …)
//   --seconds N   for each target (60)
//   --seed S      what a finding told; with --round N only that round
//   --plain       without sanitizers
// Targets: codecs (addresses, control messages, structures), calls (the public functions and
// methods), native (the addon's own functions). It works on a copy of the tree under
// build/sanitized, so that the build in use stays as it is. In a network namespace of its own,
// where it may make one, the native target uses the IP families too.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { buildNative, root } from './build.mjs';

const TARGETS = ['codecs', 'calls', 'native'];
// What the native code is reached through; the rest of the tests has nothing new for the sanitizers.
const SUITE = ['test/socket/', 'test/options/', 'test/unit/'];

function usage(message) {
  console.error(
    `${message}\nusage: npm run fuzz [-- --seconds N] [--seed S] [--round N] [--plain] [TARGET…] | --suite [FILTER…]`,
  );
  process.exit(2);
}

function readArguments() {
  try {
    return parseArgs({
      options: {
        seconds: { type: 'string', default: '60' },
        seed: { type: 'string', default: String(Date.now() % 1_000_000) },
        round: { type: 'string' },
        plain: { type: 'boolean', default: false },
        suite: { type: 'boolean', default: false },
      },
      allowPositionals: true,
    });
  } catch (error) {
    return usage(error.message);
  }
}

const { values, positionals } = readArguments();
if (!(Number(values.seconds) > 0)) usage(`--seconds ${values.seconds} is no time`);
const compiler = process.env.CXX || 'c++';

/** A copy of the tree with an addon of its own. */
function stage() {
  const folder = path.join(root, 'build', values.plain ? 'plain' : 'sanitized');
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder))
    if (name !== 'build') rmSync(path.join(folder, name), { recursive: true });
  for (const name of [
    'package.json',
    'tsconfig.json',
    'src',
    'docs',
    'examples',
    'native',
    'scripts',
    'test',
    'README.md',
    'CONTRIBUTING.md',
  ])
    cpSync(path.join(root, name), path.join(folder, name), { recursive: true });
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  const compiled = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'], {
    cwd: folder,
    stdio: 'inherit',
  });
  if (compiled.status !== 0) process.exit(1);
  const out = path.join(folder, 'build', 'berkeley-sockets.node');
  if (values.plain) buildNative({ out });
  else
    buildNative({
      out,
      flags: [
        '-fsanitize=address,undefined',
        // Needs run-time type information, which the core is built without.
        '-fno-sanitize=vptr',
        '-fno-sanitize-recover=all',
        '-fno-omit-frame-pointer',
        '-g',
        '-O1',
        '-Wl,--wrap=syscall',
      ],
      libraries: ['-ldl', path.join(root, 'test', 'fuzz', 'guard.cpp')],
    });
  return folder;
}

function sanitizers() {
  if (values.plain) return {};
  const library = spawnSync(compiler, ['-print-file-name=libasan.so'], { encoding: 'utf8' }).stdout?.trim();
  if (!library || !existsSync(library)) usage(`${compiler} has no libasan.so: say CXX=… or --plain`);
  return {
    // The runtime has to be there before node's own allocator.
    LD_PRELOAD: library,
    // V8 leaves what it has to the end of the process; 256 MiB of freed memory are kept apart.
    ASAN_OPTIONS:
      'detect_leaks=0:abort_on_error=0:exitcode=99:allocator_may_return_null=1:quarantine_size_mb=64',
    UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
  };
}

/** The command in a network namespace of its own, if there may be one. */
function isolated(command) {
  const shell = ['unshare', '--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'];
  const possible = spawnSync(shell[0], [...shell.slice(1), 'true']).status === 0;
  return possible ? { argv: [...shell, ...command], network: '1' } : { argv: command, network: '0' };
}

function run(argv, cwd, env) {
  const ran = spawnSync(argv[0], argv.slice(1), {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (ran.error) usage(ran.error.message);
  return ran;
}

const folder = stage();
const env = sanitizers();
let findings = 0;

if (values.suite) {
  const filters = positionals.length > 0 ? positionals : SUITE;
  const ran = spawnSync(process.execPath, ['scripts/test.mjs', ...filters], {
    cwd: folder,
    env: { ...process.env, ...env, TEST_DEADLINE_SECONDS: '600' },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  process.exit(ran.status ?? 1);
}

for (const name of positionals) if (!TARGETS.includes(name)) usage(`no target is called ${name}`);
const rows = [];
for (const target of positionals.length > 0 ? positionals : TARGETS) {
  const options = ['--seconds', values.seconds, '--seed', values.seed];
  if (values.round !== undefined) options.push('--round', values.round);
  const command = [process.execPath, '--import', 'tsx', 'test/fuzz/run.ts', target, ...options];
  const { argv, network } = isolated(command);
  const ran = run(argv, folder, { ...env, FUZZ_NETWORK: network });
  const last = ran.stdout.trim().split('\n').at(-1);
  if (ran.status === 0) rows.push(JSON.parse(last));
  else {
    findings++;
    console.error(`${target}: ended with ${ran.status ?? ran.signal}\n${ran.stdout}`);
  }
}
for (const { target, seed, rounds, cases, seconds } of rows)
  console.log(`${target}: ${cases} cases in ${rounds} rounds, ${seconds} s, seed ${seed}, nothing found`);
console.log(
  `fuzz: ${values.plain ? 'without' : 'with'} sanitizers, ${findings} of the targets found something`,
);
process.exitCode = findings > 0 ? 1 : 0;
