// The programs in the pages: type-checked as a user's, and run.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createConnection } from 'berkeley-sockets';
import { eventually } from '../support/deadline.ts';
import { type Peer, requirePeer, runPeer, startPeer, unusedPort } from '../support/peer.ts';
import { runPython } from '../support/python.ts';
import { type Block, blocksOf, pages, root } from './page.ts';

const all = pages.flatMap(blocksOf);
const where = ({ page, line }: Block): string => `${page}:${line}`;

/** The Python of a block, and the TypeScript that stands beside it in comments. */
function columns({ text }: Block): [python: string, typescript: string] {
  const lines = text.split('\n').map((line) => /^(.*?)(?: *# (.*))?$/.exec(line)!);
  return [lines.map(([, left]) => left).join('\n'), lines.map(([, , right = '']) => right).join('\n')];
}

interface Program {
  readonly name: string;
  readonly block: Block;
  readonly text: string;
}

const programs: Program[] = all
  .filter(({ language }) => /^(ts|ts unrun|python)$/.test(language))
  .map((block, at) => ({
    name: `program${at}.ts`,
    block,
    text: block.language === 'python' ? columns(block)[1] : block.text,
  }));

const folder = mkdtempSync(path.join(tmpdir(), 'bsd-docs-'));

const env = { ...process.env };
delete env.NODE_OPTIONS;
delete env.NODE_TEST_CONTEXT;
const command = (file: string): string[] => ['--import', 'tsx', path.join(folder, file)];

/** Runs a program to its end: what it printed. */
async function outputOf(file: string): Promise<string> {
  const { stdout, stderr } = await runPeer(process.execPath, command(file), { cwd: root, env, seconds: 30 });
  assert.equal(stderr, '', file);
  return stdout;
}

describe('the programs of the pages', () => {
  before(() => {
    mkdirSync(path.join(folder, 'node_modules/@types'), { recursive: true });
    symlinkSync(root, path.join(folder, 'node_modules/berkeley-sockets'));
    symlinkSync(path.join(root, 'node_modules/@types/node'), path.join(folder, 'node_modules/@types/node'));
    writeFileSync(path.join(folder, 'package.json'), '{"type": "module"}');
    for (const { name, text } of programs) writeFileSync(path.join(folder, name), text);
  });
  after(() => rmSync(folder, { recursive: true }));

  test('every code block is of a kind that is looked after', () => {
    // Without a language: commands, and what they print. Declarations come from the compiler, and
    // fragments from doc comments.
    for (const block of all)
      assert.match(
        block.language,
        /^(|ts|ts unrun|python|ts declaration|ts fragment)$/,
        `${where(block)}: ${block.language}`,
      );
    for (const block of all.filter(({ language }) => /^ts (declaration|fragment)$/.test(language)))
      assert.equal(block.page, 'docs/api.md');
    // Type-checked only: what needs rights or hardware, or somebody's certificate. Their like is run in
    // test/families and test/tls.
    for (const block of all.filter(({ language }) => language === 'ts unrun'))
      assert.match(block.page, /^docs\/(families|tls)\.md$/);
    assert.ok(programs.some(({ block }) => block.page === 'README.md'));
    assert.ok(programs.some(({ block }) => block.page === 'docs/from-python.md'));
  });

  test('type-check', async () => {
    const compilerOptions = {
      target: 'es2022',
      lib: ['es2023', 'esnext.disposable'],
      types: ['node'],
      module: 'nodenext',
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      // Each is alone: none sees the names of the others.
      moduleDetection: 'force',
    };
    const files = programs.map(({ name }) => name);
    writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
    const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
    const said = await runPeer(process.execPath, [tsc, '-p', folder], { cwd: folder, env, seconds: 60 }).then(
      ({ stdout }) => stdout,
      (error: Error) => error.message,
    );
    const told = programs.reduce(
      (text, { name, block }) => text.replaceAll(name, `${where(block)} ${name}`),
      said,
    );
    assert.equal(told, '');
  });

  for (const { name, block, text } of programs) {
    const title = where(block);
    if (block.language === 'ts unrun') continue;
    if (block.language === 'python') {
      test(`${title} says the same in Python and in TypeScript`, requirePeer('python3'), async () => {
        const python = (await runPython(columns(block)[0])).stdout;
        assert.notEqual(python, '');
        assert.equal(await outputOf(name), python);
      });
    } else if (/\bwhile \(true\)/.test(text)) {
      test(`${title} serves`, async (t) => {
        const port = await unusedPort();
        const served = text.replace('9000', String(port));
        assert.notEqual(served, text, 'the port of the program');
        writeFileSync(path.join(folder, name), served);
        const server: Peer = startPeer(t, process.execPath, command(name), { cwd: root, env });
        const client = await eventually(
          () => createConnection(['127.0.0.1', port]),
          'the server listens',
          20,
        );
        assert.equal((await client.recv(100)).toString(), 'Hello 127.0.0.1\n');
        assert.equal((await client.recv(100)).length, 0);
        client.close();
        assert.match(await server.line(/^Received/), /^Received connection from \[ '127\.0\.0\.1', \d+ \]$/);
        await server.stop();
        assert.equal(server.stderr, '');
      });
    } else {
      test(`${title} prints what its comments say`, async () => {
        const expected = [...text.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(
          ([, line]) => `${line}\n`,
        );
        assert.notEqual(expected.length, 0, 'what it prints is told in comments');
        assert.equal(await outputOf(name), expected.join(''));
      });
    }
  }
});
