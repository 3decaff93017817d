// The test tools themselves: a leak guard that sees nothing would make every other test blind.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import { describe, test } from 'node:test';
import { eventually, sleep, staysPending, timed, within } from './deadline.ts';
import { collectUntil } from './garbage.ts';
import { noLeaks, openSockets, Snapshot } from './leaks.ts';
import { Peer, requirePeer, runPeer, startPeer, unusedPort } from './peer.ts';
import { evalPython, runPython, startPython } from './python.ts';
import { tempPath } from './tempdir.ts';

noLeaks();

describe('leaks', () => {
  test('an open socket and an open handle are seen, and gone once closed', async () => {
    const before = new Snapshot();
    const sockets = openSockets();
    const server = net.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    assert.equal(openSockets(), sockets + 1);
    const left = before.since();
    assert.ok(
      left.some((line) => /descriptor \d+ → socket:/.test(line)),
      left.join('; '),
    );
    assert.ok(left.includes('active TCPServerWrap'), left.join('; '));
    await assert.rejects(before.assertNothingLeft(0.02), /left open after the test/);
    server.close();
    await before.assertNothingLeft();
  });

  test('a timer is seen', async () => {
    const before = new Snapshot();
    const timer = setTimeout(() => {}, 60_000);
    assert.deepEqual(before.since(), ['active Timeout']);
    clearTimeout(timer);
    await before.assertNothingLeft();
  });
});

describe('the guard', () => {
  // A test file of its own, run by a test runner of its own.
  const leaky = `
    import net from 'node:net';
    import { describe, test } from 'node:test';
    import { noLeaks } from ${JSON.stringify(new URL('./leaks.ts', import.meta.url).href)};
    noLeaks();
    const open = [];
    const leak = () => { open.push(net.createServer().listen(0)); };
    test('leaks at the top', leak);
    describe('suite', () => {
      test('leaks in a suite', leak);
      test('leaks before a subtest', async (t) => { leak(); await t.test('that is clean', () => {}); });
      test('tidies up in t.after', (t) => {
        const server = net.createServer().listen(0);
        t.after(() => new Promise((resolve) => server.close(resolve)));
      });
    });
    test('the end', () => { for (const server of open) server.close(); });
  `;

  test('fails the tests that leave something open, and only those', async (t) => {
    const file = tempPath(t, 'leaky.test.mjs');
    writeFileSync(file, leaky);
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const runner = startPeer(
      t,
      process.execPath,
      ['--import', 'tsx', '--test', '--test-reporter=tap', file],
      { env },
    );
    const { code, stdout } = await runner.exit(30);
    assert.equal(code, 1);
    const outcomes = [...stdout.matchAll(/^ *((?:not )?ok) \d+ - (.*)$/gm)].map(
      ([, ok, name]) => `${name}: ${ok}`,
    );
    assert.deepEqual(outcomes, [
      'leaks at the top: not ok',
      'leaks in a suite: not ok',
      'that is clean: ok',
      'leaks before a subtest: not ok',
      'tidies up in t.after: ok',
      'suite: not ok',
      'the end: ok',
    ]);
  });
});

describe('deadlines', () => {
  test('within passes a value and a failure on, and gives up in time', async () => {
    assert.equal(await within(Promise.resolve(1), 'one'), 1);
    await assert.rejects(within(Promise.reject(new Error('no')), 'no'), /^Error: no$/);
    const [, seconds] = await timed(() =>
      assert.rejects(
        within(new Promise(() => {}), 'the impossible', 0.02),
        /the impossible: not within 0.02 s/,
      ),
    );
    assert.ok(seconds < 2);
  });

  test('staysPending tells a settled promise from a waiting one', async () => {
    await staysPending(new Promise(() => {}), 'a wait', 0.01);
    await assert.rejects(staysPending(Promise.resolve(), 'a result', 0.01), /should still be waiting/);
  });

  test('eventually retries, and keeps the last failure', async () => {
    let calls = 0;
    assert.equal(await eventually(() => (++calls === 3 ? 'third' : false), 'three calls'), 'third');
    const error: unknown = await eventually(() => assert.equal(1, 2), 'equality', 0.01).catch(
      (e: unknown) => e,
    );
    assert.ok(error instanceof Error && error.cause instanceof assert.AssertionError);
  });

  test('garbage is collected on demand', async () => {
    const gone = new WeakRef(new ArrayBuffer(1 << 20));
    await sleep(0);
    await collectUntil(() => gone.deref() === undefined, 'a collected buffer');
  });
});

describe('peers', requirePeer('python3'), () => {
  test('lines are read in order, and input is written', async (t) => {
    const peer = startPython(
      t,
      `
        import sys
        print('ready', *sys.argv[1:])
        for line in sys.stdin:
            print('got', line.strip())
        print('done')
      `,
      ['a b'],
    );
    assert.equal(await peer.line(), 'ready a b');
    peer.write('one\ntwo\n');
    assert.equal(await peer.line(/two/), 'got two');
    peer.endInput();
    assert.equal((await peer.succeed()).stdout, 'ready a b\ngot one\ngot two\ndone\n');
  });

  test('a program that fails or stays silent is told of with what it printed', async (t) => {
    await assert.rejects(runPython('import sys; print("hm"); sys.exit(3)'), /exit status 3[\s\S]*hm/);
    await assert.rejects(startPython(t, 'print(1)').line(/2/), /ended without a line[\s\S]*"1\\n"/);
    const silent = startPython(t, 'import time; time.sleep(60)');
    await assert.rejects(silent.line(/x/, { seconds: 0.05 }), /not within 0.05 s[\s\S]*still running/);
    await silent.stop();
    assert.equal((await silent.exit()).signal, 'SIGTERM');
  });

  test('one that ignores SIGTERM is killed', async () => {
    const peer = new Peer('/bin/sh', ['-c', 'trap "" TERM; echo up; while :; do sleep 0.1; done']);
    await peer.line();
    await peer.stop();
    assert.equal((await peer.exit()).signal, 'SIGKILL');
  });

  test('one that cannot be started rejects', async (t) => {
    const peer = startPeer(t, '/nonexistent/program');
    await assert.rejects(peer.line(), /ENOENT/);
    await assert.rejects(peer.exit(), /ENOENT/);
  });

  test('values come out of Python as JSON; input and environment go in', async () => {
    assert.deepEqual(await evalPython('import json; print(json.dumps({"a": [1, None]}))'), { a: [1, null] });
    const r = await runPeer('/bin/sh', ['-c', 'cat; echo $X'], { input: 'in ', env: { X: 'y' } });
    assert.equal(r.stdout, 'in y\n');
  });

  test('paths fit into sockaddr_un, ports are free', async (t) => {
    assert.ok(tempPath(t, 'server').length < 80);
    const server = net.createServer().listen(await unusedPort(), '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    server.close();
  });
});
