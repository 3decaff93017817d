// Runs the tests: npm test [-- [--node PATH] [--name PATTERN] FILTER…]
//   FILTER        only files whose path contains one of the filters (socket, interop/python …)
//   --name        only tests whose name matches the pattern
//   --node        with another Node binary than the one at hand
// A process a file, two files at a time. TEST_DEADLINE_SECONDS is the limit of one test.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const fileDeadline = 300;

function usage(message) {
  console.error(`${message}\nusage: npm test [-- [--node PATH] [--name PATTERN] FILTER…]`);
  process.exit(2);
}

function readArguments() {
  try {
    const options = { node: { type: 'string' }, name: { type: 'string' } };
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    return usage(error.message);
  }
}

const { values, positionals } = readArguments();
// `node --test` of Node 20 takes no glob.
const files = readdirSync(path.join(root, 'test'), { recursive: true })
  .map((name) => path.join('test', name))
  .filter((name) => name.endsWith('.test.ts'))
  .filter((name) => positionals.length === 0 || positionals.some((filter) => name.includes(filter)))
  .sort();
if (files.length === 0) usage(`no test file matches ${positionals.join(' ')}`);

const folder = mkdtempSync(path.join(tmpdir(), 'bsd-test-'));
const record = path.join(folder, 'tap');
const run = spawnSync(
  values.node ?? process.execPath,
  [
    '--import=tsx',
    // tsx puts a file on one line: without its map every failure is on line 1.
    '--enable-source-maps',
    `--import=${new URL('../test/support/watchdog.mjs', import.meta.url).href}`,
    '--test',
    '--test-concurrency=2',
    `--test-timeout=${fileDeadline * 1000}`,
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    // A second record: the runner's closing lines in their plain form.
    '--test-reporter=tap',
    `--test-reporter-destination=${record}`,
    ...(values.name === undefined ? [] : [`--test-name-pattern=${values.name}`]),
    ...files,
  ],
  { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
);
if (run.error) usage(`the test runner could not be started: ${run.error.message}`);

const lines = existsSync(record) ? readFileSync(record, 'utf8').split('\n') : [];
rmSync(folder, { recursive: true });
const skipped = lines.filter((line) => /^ *ok \d+ - .* # SKIP/.test(line) && values.name === undefined);
if (skipped.length > 0) console.log('\nskipped:');
for (const line of skipped)
  console.log(
    `  ${line
      .trim()
      .replace(/^ok \d+ - /, '')
      .replace(' # SKIP', ':')}`,
  );

const closing = lines.filter((line) =>
  /^# (tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /.test(line),
);
console.log(`\n${closing.join('\n')}`);
const count = Number(closing.find((line) => line.startsWith('# tests '))?.slice('# tests '.length));
if (!(count > 0)) console.error('no test ran');
process.exitCode = run.status === 0 && count > 0 ? 0 : run.status || 1;
