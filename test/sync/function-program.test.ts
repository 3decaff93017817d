// Connections of the blocking flavour as people use them: in the REPL, and in a thread that is ended.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { eventually, sleep, timed } from '../support/deadline.ts';
import { requirePeer, startPeer } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { scene } from '../support/scene.ts';
import { fullBacklog } from '../support/standstill.ts';
import { tcp4 } from '../support/transports.ts';

const root = new URL('../..', import.meta.url).pathname;

test('a session of the REPL, without await', requirePeer('python3'), async (t) => {
  const echo = startPython(
    t,
    `
    from socket import *
    s = create_server(('127.0.0.1', 0))
    print(s.getsockname()[1])
    c, a = s.accept()
    while True:
        data = c.recv(100)
        if not data: break
        c.sendall(data.upper())
    print('end')
    `,
  );
  const port = await echo.line();
  const repl = startPeer(t, process.execPath, ['-i'], {
    cwd: root,
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  // A line a prompt, as people type: the REPL does not hold back lines while it awaits one.
  let prompts = 0;
  const prompt = () => eventually(() => repl.stdout.split('> ').length - 1 > prompts, 'a prompt', 20);
  for (const line of [
    "const { socket, AF_INET, SOCK_STREAM } = await import('berkeley-sockets/sync')",
    'const s = socket(AF_INET, SOCK_STREAM)',
    `s.connect(['127.0.0.1', ${port}])`,
    "s.sendall('hello')",
    's.recv(1024).toString()',
    's.settimeout(0.05); s.recv(1024)',
    's.close()',
    's',
    '.exit',
  ]) {
    await prompt();
    prompts++;
    repl.write(`${line}\n`);
  }
  const { stdout } = await repl.succeed(20);
  const lines = stdout.split('\n').map((line) => line.replace(/^(?:> )+/, ''));
  assert.ok(lines.includes("'HELLO'"), stdout);
  assert.match(stdout, /Uncaught TimeoutError: timed out: recv/);
  assert.ok(lines.includes('<Socket closed AF_INET SOCK_STREAM>'), stdout);
  assert.equal(await echo.line(), 'end');
});

scene('a thread that connects ends when it is told to', async (s) => {
  const hole = await fullBacklog(s, tcp4);
  const library = import.meta.resolve('berkeley-sockets/sync');
  for (const call of [
    'createConnection(hole)',
    'createConnection(hole, { timeout: 1000 })',
    'socket().connect(hole)',
  ]) {
    const source = `
      import { parentPort, workerData as hole } from 'node:worker_threads';
      import { createConnection, socket } from '${library}';
      parentPort.postMessage('connects');
      ${call};
    `;
    const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
    const worker = new Worker(url, { execArgv: [], workerData: hole });
    await once(worker, 'message');
    await sleep(0.15);
    const [, seconds] = await timed(() => worker.terminate());
    assert.ok(seconds < 2, `${call} went on for ${seconds} s`);
  }
});
