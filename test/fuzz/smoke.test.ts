// A second of each fuzzer without sanitizers: they run, they call what there is, and a crash shows.
// `npm run fuzz` is the real thing.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const run = fileURLToPath(new URL('run.ts', import.meta.url));
const seed = process.env.TEST_SEED ?? '1';

for (const target of ['codecs', 'calls', 'native']) {
  test(`${target} with hostile arguments, seed ${seed}`, () => {
    const argv = ['--import', 'tsx', run, target, '--seconds', '1', '--seed', seed];
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, argv, {
      encoding: 'utf8',
      timeout: 100_000,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    assert.equal(status, 0, `${signal ?? status}\n${stdout}${stderr}`);
    assert.ok(JSON.parse(stdout.trim().split('\n').at(-1)!).cases >= 100);
  });
}
