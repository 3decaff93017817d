// Runs the soak tests in full length: ten thousand open connections, a hundred thousand that
// come and go. Minutes, so by hand: node scripts/soak.mjs [--node PATH] [NAME PATTERN]
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const [first, second, third] = process.argv.slice(2);
const node = first === '--node' ? ['--node', second] : [];
const pattern = first === '--node' ? third : first;

const run = spawnSync(
  process.execPath,
  [
    fileURLToPath(new URL('test.mjs', import.meta.url)),
    ...node,
    ...(pattern === undefined ? [] : ['--name', pattern]),
    'soak/',
  ],
  { stdio: 'inherit', env: { ...process.env, SOAK: '1', TEST_DEADLINE_SECONDS: '0' } },
);
process.exitCode = run.status ?? 1;
