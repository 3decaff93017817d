// Installs the pinned runtimes of package.json beside this file, and tests that each starts.
// No install script runs: every binary lies inside its platform's package.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { programOf, servers } from '../plan.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const npm = ['install', '--prefix', here, '--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund'];
const installed = spawnSync('npm', npm, { stdio: 'inherit', cwd: here });
if (installed.status !== 0) process.exit(installed.status ?? 1);

const programs = new Set(
  Object.keys(servers)
    .map(programOf)
    .filter((file) => file.startsWith(path.join(here, 'node_modules'))),
);
let failed = false;
for (const file of programs) {
  const name = path.relative(path.join(here, 'node_modules'), file);
  if (!existsSync(file)) {
    console.log(`${name}: no package for ${process.platform}-${process.arch}`);
    continue;
  }
  chmodSync(file, 0o755);
  const started = spawnSync(file, ['--version'], { encoding: 'utf8' });
  failed ||= started.status !== 0;
  console.log(`${name}: ${started.stdout?.split('\n')[0] || started.error?.message || started.stderr}`);
}
process.exit(failed ? 1 : 0);
