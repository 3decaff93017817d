// The package as users get it: packed, installed offline into an empty folder, run and
// type-checked there. Knows the repository only as what `npm pack` makes of it.
import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runPeer } from '../support/peer.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const here = (name: string): string => path.join(root, 'test/package', name);
const consumer = mkdtempSync(path.join(tmpdir(), 'bsd-package-'));
const installed = path.join(consumer, 'node_modules/berkeley-sockets');

// What this process was started with is no part of what a user's npm sees.
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^npm_|^NODE_(OPTIONS|TEST_CONTEXT)$/.test(name)),
);
const npm = (cwd: string, ...args: string[]) => runPeer('npm', args, { cwd, env, seconds: 240 });
const node = (...args: string[]) => runPeer(process.execPath, args, { cwd: consumer, env, seconds: 30 });

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort();
}

describe('the package', () => {
  before(async () => {
    await npm(root, 'pack', '--pack-destination', consumer);
    const [tarball] = readdirSync(consumer).filter((name) => name.endsWith('.tgz'));
    writeFileSync(path.join(consumer, 'package.json'), '{"type": "module", "private": true}');
    await npm(
      consumer,
      'install',
      '--offline',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      `./${tarball}`,
    );
  });
  after(() => rmSync(consumer, { recursive: true }));

  test('holds what it should, and nothing else', () => {
    const files = filesOf(installed);
    const expected =
      /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|bin\/\w+\.cjs|dist\/[\w./-]+\.(js|d\.ts)(\.map)?|src\/[\w./-]+\.ts|docs\/[\w./-]+\.md|bin\/\w+\.cjs|prebuilds\/[\w-]+\/berkeley-sockets\.node)$/;
    assert.deepEqual(
      files.filter((name) => !expected.test(name)),
      [],
    );
    for (const name of [
      'package.json',
      'README.md',
      'LICENSE',
      'CHANGELOG.md',
      'bin/sock.cjs',
      'dist/index.js',
      'dist/index.d.ts',
      'bin/sock.cjs',
    ]) {
      assert.ok(files.includes(name), name);
    }
    assert.ok(files.some((name) => name.startsWith('prebuilds/')));
    // dist/ is made of src/, file by file.
    const stems = (folder: string, ending: RegExp) =>
      files
        .filter((name) => name.startsWith(folder) && ending.test(name))
        .map((name) => name.slice(folder.length).replace(ending, ''));
    assert.deepEqual(stems('dist/', /\.js$/), stems('src/', /\.ts$/));
  });

  test('has source maps that lead to sources in the package', () => {
    for (const name of filesOf(installed).filter((file) => file.endsWith('.map'))) {
      const file = path.join(installed, name);
      const { sources } = JSON.parse(readFileSync(file, 'utf8')) as { sources: string[] };
      for (const source of sources) {
        const target = path.resolve(path.dirname(file), source);
        assert.ok(target.startsWith(`${installed}/src/`) && existsSync(target), `${name} → ${source}`);
      }
    }
  });

  test('depends on nothing, and runs no script when it is installed', () => {
    const manifest = JSON.parse(readFileSync(path.join(installed, 'package.json'), 'utf8'));
    assert.deepEqual(Object.keys(manifest.dependencies ?? {}), []);
    for (const hook of ['preinstall', 'install', 'postinstall'])
      assert.equal(manifest.scripts[hook], undefined, hook);
    // npm would run node-gyp for a package with a binding.gyp.
    assert.ok(!existsSync(path.join(installed, 'binding.gyp')));
    assert.deepEqual(
      readdirSync(path.join(consumer, 'node_modules')).filter((name) => !name.startsWith('.')),
      ['berkeley-sockets'],
    );
  });

  test('loads nothing but itself and what Node has', () => {
    const module = /(?:^(?:import|export)\b[^;'"]*?\bfrom |^import |\bimport\()['"]([^'"]+)['"]/gm;
    const bundle = /\b(?:require|import)\(["']([^"']+)["']/g;
    let count = 0;
    for (const name of filesOf(installed).filter((file) => /^(dist|bin)\/.*\.c?js$/.test(file))) {
      // Without its comments, which may have an example.
      const text = readFileSync(path.join(installed, name), 'utf8').replace(/^\s*(\*|\/\/).*$/gm, '');
      for (const [, target] of text.matchAll(name.startsWith('bin/') ? bundle : module)) {
        assert.match(target!, /^(node:|\.{1,2}\/)/, name);
        if (target!.startsWith('.'))
          assert.ok(existsSync(path.resolve(installed, path.dirname(name), target!)), `${name}: ${target}`);
        count++;
      }
    }
    assert.ok(count > 300, `${count} imports`);
  });

  test('has a command that runs', async () => {
    const command = path.join(consumer, 'node_modules/.bin/sock');
    const run = (...args: string[]) => runPeer(command, args, { cwd: consumer, env, seconds: 30 });
    const { version } = JSON.parse(readFileSync(path.join(installed, 'package.json'), 'utf8'));
    assert.ok((await run('--version')).stdout.includes(version));
    const [service] = JSON.parse((await run('services', 'https', '--json')).stdout);
    assert.equal(service.port, 443);
    // By way of the native core.
    assert.match((await run('resolve', '127.0.0.1', '--json')).stdout, /127\.0\.0\.1/);
  });

  test('has a module and declarations for every entry point', async () => {
    const { exports } = JSON.parse(readFileSync(path.join(installed, 'package.json'), 'utf8'));
    assert.ok('.' in exports && './sync' in exports);
    const entries = Object.keys(exports).filter((entry) => !entry.endsWith('.json'));
    const imports = entries.map((entry) => `await import('berkeley-sockets${entry.slice(1)}')`);
    const { stdout } = await node('--input-type=module', '-e', `${imports.join(';')}; console.log('all')`);
    assert.equal(stdout, 'all\n');
    for (const [entry, targets] of Object.entries(exports)) {
      for (const target of typeof targets === 'string' ? [targets] : Object.values(targets as object))
        assert.ok(existsSync(path.join(installed, target)), `${entry}: ${target}`);
    }
  });

  test('serves and talks, awaited and blocking', async () => {
    for (const [smoke, how] of [
      ['smoke.mjs', 'served'],
      ['smoke-sync.mjs', 'blocked'],
    ] as const) {
      cpSync(here(smoke), path.join(consumer, smoke));
      const { stdout, stderr } = await node(smoke);
      assert.equal(stdout, `${how} and talked over TCP, UDP and AF_UNIX\n`);
      assert.equal(stderr, '');
    }
  });

  test('can be loaded with require() where the runtime can require ES modules', async (t) => {
    if (!(process.features as { require_module?: boolean }).require_module) {
      return t.skip(`Node ${process.version} cannot require() an ES module`);
    }
    for (const entry of ['berkeley-sockets', 'berkeley-sockets/sync']) {
      const { stdout } = await node('--input-type=commonjs', '-p', `typeof require("${entry}").socket`);
      assert.equal(stdout, 'function\n', entry);
    }
  });

  for (const [resolution, module] of [
    ['nodenext', 'nodenext'],
    ['bundler', 'esnext'],
  ] as const) {
    test(`has declarations that check with ${resolution} resolution`, async () => {
      cpSync(here('consumer.ts.txt'), path.join(consumer, 'consumer.ts'));
      const types = path.join(consumer, 'node_modules/@types');
      if (!existsSync(types)) {
        mkdirSync(types);
        symlinkSync(path.join(root, 'node_modules/@types/node'), path.join(types, 'node'));
      }
      const compilerOptions = {
        target: 'es2022',
        lib: ['es2022', 'esnext.disposable'],
        types: ['node'],
        module,
        moduleResolution: resolution,
        strict: true,
        exactOptionalPropertyTypes: true,
        noEmit: true,
        // The declarations themselves are under test.
        skipLibCheck: false,
      };
      const project = path.join(consumer, `${resolution}.json`);
      writeFileSync(project, JSON.stringify({ compilerOptions, files: ['consumer.ts'] }));
      const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
      const { stdout } = await node(tsc, '-p', project);
      assert.equal(stdout, '');
    });
  }

  test('explains itself where it has no binary for the machine', async () => {
    const away = path.join(consumer, 'prebuilds');
    cpSync(path.join(installed, 'prebuilds'), away, { recursive: true });
    rmSync(path.join(installed, 'prebuilds'), { recursive: true });
    try {
      await assert.rejects(
        node('--input-type=module', '-e', 'import "berkeley-sockets"'),
        /could not load its native core for linux-\w+[\s\S]*Tried:[\s\S]*not there/,
      );
    } finally {
      cpSync(away, path.join(installed, 'prebuilds'), { recursive: true });
    }
  });
});
