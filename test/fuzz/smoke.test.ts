// A second of each fuzzer without sanitizers: they run, they call what there is, and a crash shows.
// `npm run fuzz` is the real thing.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fstatSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
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

test('what is no descriptor is not taken for standard input', () => {
  const native = createRequire(import.meta.url)('../../build/berkeley-sockets.node');
  const { EBADF } = os.constants.errno;
  for (const call of [
    () => native.close(undefined),
    () => native.dup('0'),
    () => native.send(undefined, Buffer.alloc(1), 0, 1, 0),
    () => native.recvmsg(null, Buffer.alloc(1), 1, Buffer.alloc(0), 0, 0),
    () => native.sendfile({}, undefined, 0, 1),
  ])
    assert.equal(call(), -EBADF, String(call));
  fstatSync(0);
});
