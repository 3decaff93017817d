// The services by hand against every server, those included that npm test leaves out since they take
// long to install: npm run services
// INN is fetched and unpacked into a folder of its own, not installed: its package would set up a mail
// server, and wants to know the machine's name in the domain system.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const folder = mkdtempSync(path.join(tmpdir(), 'bsd-inn-'));

function run(command, args, options = {}) {
  const r = spawnSync(command, args, { encoding: 'utf8', ...options });
  return r.status === 0 ? undefined : r.stderr || r.error?.message || `status ${r.status}`;
}

// INN is linked with an interpreter of Perl and one of Python, which are no small things to unpack.
function missingLibraries() {
  const libraries = readdirSync(path.join(folder, 'usr/lib')).map((name) =>
    path.join(folder, 'usr/lib', name),
  );
  const env = { ...process.env, LD_LIBRARY_PATH: libraries.join(':') };
  const innd = path.join(folder, 'usr/lib/news/bin/innd');
  const { stdout } = spawnSync('ldd', [innd], { encoding: 'utf8', env });
  const missing = [...stdout.matchAll(/(\S+) => not found/g)].map(([, name]) => name);
  return missing.length > 0 ? `it needs ${missing.join(', ')}` : undefined;
}

/** INN with the libraries that few machines have: what went wrong, if something did. */
function unpack() {
  // As root apt fetches as a user of its own, who may not write here.
  const packages = ['inn2', 'inn2-inews', 'libcanlock3'];
  const download = ['-qq', '-o', 'APT::Sandbox::User=root', 'download', ...packages];
  const fetch = () => run('apt-get', download, { cwd: folder });
  const problem = fetch() === undefined ? undefined : (run('apt-get', ['-qq', 'update']) ?? fetch());
  if (problem !== undefined) return problem;
  for (const name of readdirSync(folder).filter((each) => each.endsWith('.deb'))) {
    const failed = run('dpkg-deb', ['--extract', name, '.'], { cwd: folder });
    if (failed !== undefined) return failed;
  }
  return missingLibraries() ?? run('chmod', ['755', folder]);
}

const problem = unpack();
if (problem !== undefined) console.error(`INN could not be had: ${problem}`);
const tests = ['--import=tsx', '--enable-source-maps', '--test', '--test-reporter=spec'];
const inn = problem === undefined ? ['test/services/nntp.ts'] : [];
const files = readdirSync(path.join(root, 'test/services')).filter((name) => name.endsWith('.test.ts'));
const r = spawnSync(
  process.execPath,
  [...tests, '--test-concurrency=2', ...inn, ...files.map((name) => `test/services/${name}`)],
  { cwd: root, stdio: 'inherit', env: { ...process.env, INN: folder } },
);
rmSync(folder, { recursive: true });
process.exitCode = r.status === 0 && problem === undefined ? 0 : 1;
