// Everybody else's clients over our sockets: runs the tests of test/clients, those included whose servers
// take too long for `npm test` (*.extra.ts), and writes docs/interop.md from what they have shown.
//   npm run interop               needs root for the packages, or the packages
//   npm run interop -- FILTER…    only these files, nothing is written
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const page = path.join(root, 'docs/interop.md');
const filters = process.argv.slice(2);

// Beside those of test/support/peers.json, which `npm test` installs.
const packages = { mariadbd: 'mariadb-server' };

const there = (command) =>
  spawnSync('sh', ['-c', `command -v ${command} || command -v /usr/sbin/${command}`]).status === 0;
const missing = Object.entries(packages).filter(([command]) => !there(command));
if (missing.length > 0) {
  const names = missing.map(([, name]) => name);
  console.error(`interop: installing ${names.join(' ')}`);
  const options = { stdio: 'inherit', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  const done = spawnSync(
    'apt-get',
    ['-qq', 'install', '--yes', '--no-install-recommends', ...names],
    options,
  );
  if (done.status !== 0) process.exit(1);
}

const folder = path.join(root, 'test/clients');
const files = readdirSync(folder)
  .filter((name) => /\.(test|extra)\.ts$/.test(name))
  .filter((name) => filters.length === 0 || filters.some((filter) => name.includes(filter)))
  .map((name) => path.join(folder, name));

const scratch = mkdtempSync(path.join(tmpdir(), 'bsd-interop-'));
const record = path.join(scratch, 'rows');
writeFileSync(record, '');
const run = spawnSync(
  process.execPath,
  [
    '--import=tsx',
    '--enable-source-maps',
    '--test',
    '--test-concurrency=1',
    '--test-reporter=spec',
    ...files,
  ],
  { cwd: root, stdio: 'inherit', env: { ...process.env, CI: 'true', INTEROP_RECORD: record } },
);
const rows = readFileSync(record, 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => JSON.parse(line))
  .sort((a, b) => a.client.replace('node:', '').localeCompare(b.client.replace('node:', '')));
rmSync(scratch, { recursive: true });

if (run.status !== 0) process.exit(1);
if (filters.length === 0) {
  const cell = (text) => text.replaceAll('|', '\\|');
  const table = rows
    .map(
      (row) =>
        `| ${[row.client, row.version, row.hook, row.server, row.exercised].map(cell).join(' | ')} |\n`,
    )
    .join('');
  const marked = /(<!-- rows -->\n)[\s\S]*?(<!-- \/rows -->)/;
  const head = '| client | version | hook | server | exercised |\n|---|---|---|---|---|\n';
  writeFileSync(
    page,
    readFileSync(page, 'utf8').replace(marked, (_all, a, b) => `${a}${head}${table}${b}`),
  );
  console.log(`docs/interop.md: ${rows.length} rows`);
}
