// Help, man pages and completion of every command: they are made of the same rows as the parser.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { commands } from '../../dist/cli/commands.js';
import { requirePeer, runPeer } from '../support/peer.ts';
import { sock, sockFile } from './command.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

test('the list of commands', async () => {
  for (const words of [['help'], ['--help'], ['-h']]) {
    const { code, stdout, stderr } = await sock(words);
    assert.deepEqual([code, stderr], [0, '']);
    for (const { name } of commands) assert.match(stdout, new RegExp(`^ {2}${name} `, 'm'));
    assert.ok(stdout.split('\n').every((line) => line.length <= 80));
  }
  // Nothing to do is a mistake, too.
  assert.equal((await sock([])).code, 2);
});

test('the version', async () => {
  for (const words of [['--version'], ['-V']]) assert.equal((await sock(words)).stdout, `${version}\n`);
});

for (const spec of commands) {
  test(`help of ${spec.name}: every argument and option, and lines that fit`, async () => {
    const asked = await sock(['help', spec.name]);
    assert.deepEqual([asked.code, asked.stderr], [0, '']);
    for (const words of [
      [spec.name, '--help'],
      [spec.name, '-h'],
    ])
      assert.deepEqual(await sock(words), asked, words.join(' '));
    const { stdout } = asked;
    assert.ok(stdout.startsWith(`usage: sock ${spec.name}`));
    for (const { name } of spec.arguments) assert.ok(stdout.includes(name), name);
    for (const { name, short, value } of spec.options) {
      const text = `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
      assert.ok(stdout.includes(text), text);
    }
    for (const status of [0, 1, 2]) assert.match(stdout, new RegExp(`^ {2}${status} {2}`, 'm'));
    for (const [line] of spec.examples) assert.ok(stdout.includes(line), line);
    // Examples are lines of a shell, which are not broken.
    const long = stdout.split('\n').filter((line) => line.length > 80 && !line.startsWith('  sock '));
    assert.deepEqual(long, []);
  });

  test(`the rows of ${spec.name} are sound`, async () => {
    const names = spec.options.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    const shorts = spec.options.flatMap(({ short }) => short ?? []);
    assert.equal(new Set(shorts).size, shorts.length);
    // -h is help everywhere.
    assert.ok(!shorts.includes('h') && shorts.every((short) => /^[0-9A-Za-z]$/.test(short)));
    for (const { type, value, name } of spec.options)
      assert.ok(type === undefined || value !== undefined, name);
    assert.match(spec.summary, /^[a-z].*[^.]$/);
    assert.equal(typeof (await spec.load()).run, 'function');
  });

  test(`an option that ${spec.name} does not know`, async () => {
    const { code, stdout, stderr } = await sock([spec.name, '--no-such-option-at-all']);
    assert.deepEqual([code, stdout], [2, '']);
    assert.equal(stderr, `sock: no option --no-such-option-at-all\nTry: sock help ${spec.name}\n`);
  });
}

test('a command that is none', async () => {
  const near = await sock(['conect', 'localhost']);
  assert.deepEqual([near.code, near.stdout], [2, '']);
  assert.equal(near.stderr, 'sock: no command conect: did you mean connect?\nTry: sock help\n');
  assert.match((await sock(['help', 'quux'])).stderr, /^sock: no command quux\n/);
  assert.equal((await sock(['--completion', 'tcsh'])).code, 2);
});

test('man pages that man(1) shows without a warning', requirePeer('man'), async () => {
  for (const name of ['sock', ...commands.map((spec) => spec.name)]) {
    const page = (await sock(['--man', name])).stdout;
    const { stdout, stderr } = await runPeer('man', ['--warnings', '-l', '-'], {
      input: page,
      env: { ...process.env, MANWIDTH: '100', LC_ALL: 'C.UTF-8', MAN_KEEP_FORMATTING: '' },
    });
    assert.equal(stderr, '', name);
    assert.match(stdout, new RegExp(`^SOCK${name === 'sock' ? '' : `-${name.toUpperCase()}`}\\(1\\)`));
    const spec = commands.find((each) => each.name === name);
    const text = stdout.replace(/\s+/g, ' ').replaceAll('‐ ', '');
    for (const option of spec?.options ?? [])
      assert.ok(text.includes(`--${option.name}`), `${name} --${option.name}`);
    // Quotes and backslashes as a shell needs them.
    for (const [line] of spec?.examples ?? []) assert.ok(text.includes(line.replace(/\s+/g, ' ')), line);
    assert.match(text, /EXIT STATUS 0 done/);
  }
});

/** What bash would complete. */
async function completed(...words: string[]): Promise<string[]> {
  const script = [
    'source <("$0" "$1" --completion bash)',
    'shift',
    'COMP_WORDS=(sock "$@")',
    'COMP_CWORD=$#',
    '_sock',
    `printf '%s\\n' "\${COMPREPLY[@]}"`,
  ].join('\n');
  const { stdout, stderr } = await runPeer('bash', ['-c', script, process.execPath, sockFile, ...words]);
  assert.equal(stderr, '');
  return stdout.trim().split('\n').filter(Boolean);
}

test('completion in bash', requirePeer('bash'), async () => {
  const names = commands.map(({ name }) => name);
  assert.deepEqual((await completed('')).sort(), [...names, 'help'].sort());
  assert.deepEqual(await completed('nets'), ['netstat']);
  assert.deepEqual(await completed('help', 'netst'), ['netstat']);
  assert.deepEqual(await completed('netstat', '--li'), ['--listening']);
  assert.deepEqual((await completed('netstat', '--pr')).sort(), ['--process', '--processes']);
  for (const { name, options } of commands)
    assert.deepEqual(
      (await completed(name, '--')).sort(),
      options.map((option) => `--${option.name}`).sort(),
    );
  // The few values of an argument or an option; files elsewhere.
  for (const { name, arguments: all } of commands) {
    const [first] = all;
    if (first?.choices !== undefined)
      assert.deepEqual(await completed(name, first.choices[0]!.slice(0, -1)), [first.choices[0]]);
  }
  assert.deepEqual(await completed('fetch', '--output', sockFile.slice(0, -1)), [sockFile]);
});

test('completion is loaded by zsh and fish as their own', async () => {
  const zsh = (await sock(['--completion', 'zsh'])).stdout;
  assert.ok(zsh.startsWith('autoload -U +X bashcompinit && bashcompinit\n'));
  const fish = (await sock(['--completion', 'fish'])).stdout.trim().split('\n');
  assert.ok(fish.every((line) => line.startsWith('complete -c sock ')));
  for (const { name, options } of commands) {
    for (const option of options)
      assert.ok(
        fish.some((line) => line.includes(`__fish_seen_subcommand_from ${name}' -l ${option.name} `)),
        `${name} --${option.name}`,
      );
  }
});
