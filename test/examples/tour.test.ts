// The tour as `npm start` runs it, what it says when a step fails, and the table of the programs.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { noLeaks } from '../support/leaks.ts';
import { startPeer } from '../support/peer.ts';
import { tempPath } from '../support/tempdir.ts';
import { loader, root, startExample } from './run.ts';

noLeaks();

const examples = readdirSync(path.join(root, 'examples'));
const programs = examples.filter((name) => /^\d\d-.*\.ts$/.test(name));

test('the tour ends by itself, and each program has had its part', async (t) => {
  // Some 20 seconds by itself; here other tests take their share of the machine.
  const result = await startExample(t, 'tour.ts').exit(110);
  assert.equal(result.stderr, '');
  assert.equal(result.code, 0, result.stdout);

  const lines = result.stdout.split('\n');
  for (const line of [
    / client \| It works|<HTML><BODY>It works/,
    / server \| Received connection from \[ '127\.0\.0\.1', \d+ \]$/,
    / telnet \| Hello 127\.0\.0\.1$/,
    / timeout \| settimeout\(0\.5\): timed out/,
    / server \| Received 'Hello World' from/,
    / client \| Received 'GET off my lawn' from/,
    / client \| Hello from the same machine$/,
    / client \| Hello, server$/,
    /client 2 \| OK\.\.\.second$/,
    /client 1 \| OK\.\.\. typed by the first$/,
    /^ {4}telnet localhost 9000$/,
  ]) {
    assert.ok(
      lines.some((each) => line.test(each)),
      `no line like ${line} in\n${result.stdout}`,
    );
  }
  const tour = readFileSync(path.join(root, 'examples/tour.ts'), 'utf8');
  // From 40 on they speak to servers that others wrote.
  for (const name of programs.filter((each) => each < '40'))
    assert.ok(tour.includes(`'${name}'`), `${name} has no part in the tour`);
});

test('a step that fails is named, and the status is 1', async (t) => {
  const file = tempPath(t, 'broken.mts');
  const stage = pathToFileURL(path.join(root, 'examples/stage.ts')).href;
  writeFileSync(
    file,
    `
      import { scene } from ${JSON.stringify(stage)};
      await scene('Good', 'It works.', (stage) => stage.run('it', '10-end-of-stream.ts', [], /the last words/));
      await scene('Bad', 'It does not.', (stage) => stage.run('it', '19-client.ts', ['no-such-host.invalid'], /./));
      console.log('never reached');
    `,
  );
  const env = { ...process.env };
  delete env.NODE_TEST_CONTEXT;
  const result = await startPeer(t, process.execPath, [...loader, file], { cwd: root, env }).exit(30);
  assert.equal(result.code, 1);
  assert.match(result.stdout, /it \| server: 'the last words'/);
  assert.equal(result.stderr, '\nThe tour failed at step 2, Bad: it (19-client.ts): exit status 1\n');
  assert.doesNotMatch(result.stdout, /never reached/);
});

test('a program that ends well without the expected line fails its step', async (t) => {
  const file = tempPath(t, 'silent.mts');
  const stage = pathToFileURL(path.join(root, 'examples/stage.ts')).href;
  writeFileSync(
    file,
    `
      import { scene } from ${JSON.stringify(stage)};
      await scene('Odd', 'It says something else.', (stage) => stage.run('it', '10-end-of-stream.ts', [], /unheard of/));
    `,
  );
  const result = await startPeer(t, process.execPath, [...loader, file], { cwd: root }).exit(30);
  assert.equal(result.code, 1);
  assert.match(result.stderr, /^\nThe tour failed at step 1, Odd: it \(10-end-of-stream\.ts\) did not say /);
});

test('examples/README.md lists every program, and only those', () => {
  const table = readFileSync(path.join(root, 'examples/README.md'), 'utf8');
  const listed = [...table.matchAll(/^\|[^|]*\| \[`?([\w-]+\.ts)`?\]/gm)].map(([, name]) => name);
  assert.deepEqual(listed, programs);
});

test('every program has a test', () => {
  const tests = [new URL('.', import.meta.url), new URL('../services/', import.meta.url)]
    .flatMap((folder) => readdirSync(folder).map((name) => readFileSync(new URL(name, folder), 'utf8')))
    .join('\n');
  const call = (name: string) =>
    new RegExp(String.raw`(?:run|start)(?:Example|Server)\((?:[st], )?'${name}'`);
  for (const name of programs) assert.match(tests, call(name), `${name} has no test`);
});
