// The other way to wake the event loop: a thread that watches the engine, for runtimes that
// have no libuv. Node has it too when it is made to look like one of these; the suites that
// know most of wake-ups run on it here.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runNode } from '../support/node.ts';
import { Peer } from '../support/peer.ts';
import { scene } from '../support/scene.ts';

const root = new URL('../..', import.meta.url).pathname;
const disguise = 'data:text/javascript,Object.defineProperty(process.versions, "bun", { value: "0" })';

for (const room of ['stream', 'queue', 'crowd', 'unix', 'timeout', 'abort', 'close', 'reuse', 'disposal']) {
  test(`the suite "${room}" with a notifier thread`, async () => {
    const env = { ...process.env };
    delete env.NODE_TEST_CONTEXT;
    const args = ['--import=tsx', `--import=${disguise}`, '--test', `test/socket/${room}.test.ts`];
    const peer = new Peer(process.execPath, args, { input: '', env, cwd: root });
    try {
      const { code, stdout } = await peer.exit(90);
      assert.equal(code, 0, stdout);
      assert.match(stdout, /^(#|ℹ) pass [1-9]/m);
    } finally {
      await peer.stop('SIGKILL');
    }
  });
}

for (const [what, script] of [
  ['idle sockets', 'listener.getsockname();'],
  ['an unref’d socket with a call that waits', 'listener.unref(); listener.accept();'],
  ['calls that are done', 'const [a, b] = bs.socketpair(); await a.sendall("x"); await b.recv(1);'],
  [
    'a call that waits for a moment',
    'const [a, b] = bs.socketpair(); b.recv(1); setTimeout(() => a.trySend("x"), 50);',
  ],
  ['process.exit with calls that wait', 'listener.accept(); setTimeout(() => process.exit(0), 20);'],
] as const) {
  scene(`${what}: the process ends by itself`, async () => {
    const { stderr } = await runNode(
      `Object.defineProperty(process.versions, 'bun', { value: '0' });
       const bs = await import('berkeley-sockets');
       const listener = bs.socket();
       listener.bind(['127.0.0.1', 0]);
       listener.listen();
       ${script}`,
      { seconds: 8 },
    );
    assert.equal(stderr, '');
  });
}

scene(
  'a worker is terminated with calls that wait',
  async () => {
    const worker = `
    Object.defineProperty(process.versions, 'bun', { value: '0' });
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData).then((bs) => {
      const [a, b] = bs.socketpair();
      a.recv(1).catch(() => {});
      b.sendall(Buffer.alloc(32 << 20)).catch(() => {});
      globalThis.kept = [a, b];
      setTimeout(() => parentPort.postMessage('ready'), 20);
    });`;
    const { stdout, stderr } = await runNode(
      `import { readdirSync } from 'node:fs';
     import { Worker } from 'node:worker_threads';
     const open = () => readdirSync('/proc/self/fd').length;
     const threads = () => readdirSync('/proc/self/task').length;
     const round = async () => {
       const w = new Worker(${JSON.stringify(worker)}, { eval: true, workerData: ${JSON.stringify(import.meta.resolve('berkeley-sockets'))}, execArgv: [] });
       await new Promise((resolve) => w.once('message', resolve));
       await w.terminate();
     };
     await round();
     const before = [open(), threads()];
     for (let i = 0; i < 5; i++) await round();
     for (let i = 0; i < 100 && (open() > before[0] || threads() > before[1]); i++) await new Promise((resolve) => setTimeout(resolve, 10));
     console.log('left', open() - before[0], threads() - before[1]);`,
      { seconds: 30 },
    );
    assert.match(stdout, /^left 0 0$/m);
    assert.equal(stderr, '');
  },
  { seconds: 45 },
);
