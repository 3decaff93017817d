// Sees to it that the programs of others that tests speak to are there (`pretest`). The table
// is test/support/peers.json. Whoever cannot install them still runs the tests: those that
// need a missing program are skipped with that reason, except with CI=true.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import path from 'node:path';

const table = JSON.parse(readFileSync(new URL('../test/support/peers.json', import.meta.url), 'utf8'));
const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'].filter(Boolean);

const executable = (file) => {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};
const there = (command) => folders.some((folder) => executable(path.join(folder, command)));

const absent = () => table.filter((row) => !there(row.command));

function install(packages) {
  const options = { encoding: 'utf8', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  const apt = (...args) => {
    const r = spawnSync('apt-get', ['-qq', '-o', 'Acquire::Retries=3', ...args], options);
    return r.status === 0 ? undefined : r.stderr || r.error?.message || `status ${r.status}`;
  };
  // Not at the price of what is there: a mail server may be in use.
  const wanted = ['install', '--yes', '--no-install-recommends', '--no-remove', ...packages];
  // The lists of a fresh machine are missing or old: fetched only when the first try says so.
  if (apt(...wanted) === undefined) return undefined;
  return apt('update') ?? apt(...wanted);
}

let missing = absent();
if (missing.length > 0) {
  const packages = [...new Set(missing.map((row) => row.package))];
  let reason = 'only root can install packages';
  if (process.getuid?.() === 0 && there('apt-get')) {
    console.error(`peers: installing ${packages.join(' ')}`);
    reason = install(packages)?.trim();
    missing = absent();
  } else if (!there('apt-get')) {
    reason = 'there is no apt-get here';
  }
  for (const row of missing) {
    console.error(
      `peers: ${row.command} (package ${row.package}) is missing; skipped: its part of ${row.usedBy}`,
    );
  }
  if (missing.length > 0) {
    console.error(`peers: not installed: ${reason ?? 'the packages did not bring these commands'}`);
    if (process.env.CI === 'true') process.exit(1);
  }
}
