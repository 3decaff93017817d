// What keeps a process alive, and how processes and threads end with sockets open.
import assert from 'node:assert/strict';
import { Worker } from 'node:worker_threads';
import { socket } from 'berkeley-sockets';
import { eventually, sleep, within } from '../support/deadline.ts';
import { openDescriptors, openSockets } from '../support/leaks.ts';
import { runNode, startNode } from '../support/node.ts';
import { scene } from '../support/scene.ts';

const listener = `
  import * as bs from 'berkeley-sockets';
  const { socket, socketpair } = bs;
  const listener = socket();
  listener.bind(['127.0.0.1', 0]);
  listener.listen();
`;

for (const [what, script] of [
  ['an idle listener', ''],
  ['idle connections', 'const [a, b] = socketpair(); a.trySend("x");'],
  ['a socket whose calls are done', 'const [a, b] = socketpair(); await a.sendall("x"); await b.recv(1);'],
  [
    'calls that failed, timed out or were aborted',
    `const [a, b] = socketpair(); globalThis.kept = b;
     a.settimeout(0.01); await a.recv(1).catch(() => {});
     a.settimeout(null); await a.recv(1, { signal: AbortSignal.timeout(10) }).catch(() => {});`,
  ],
  [
    'a long timeout that no call uses any more',
    'listener.settimeout(1000); socketpair()[0].settimeout(1000);',
  ],
  [
    'a long timeout of a call that is done',
    'const [a, b] = socketpair(); b.settimeout(1000); const p = b.recv(1); await a.send("x"); await p;',
  ],
  ['a call on a socket that was closed', 'listener.accept().catch(() => {}); listener.close();'],
  ['an unref’d socket with a call that waits', 'listener.unref(); listener.accept();'],
  [
    'an unref’d socket with a time limit on its call',
    'listener.unref(); listener.settimeout(1000); listener.accept();',
  ],
  ['a socket unref’d while its call waits', 'listener.accept(); listener.unref();'],
  ['wait() on an unref’d socket', 'listener.unref(); listener.wait({ read: true });'],
  ['a name looked up in good time', 'await bs.gethostbyname("localhost");'],
] as const) {
  scene(`${what}: the process ends by itself, with status 0 and in silence`, async () => {
    const { stderr } = await runNode(`${listener}${script}`, { seconds: 8 });
    assert.equal(stderr, '');
  });
}

for (const [what, script] of [
  ['accept', 'listener.accept().then(([c]) => { c.close(); console.log("done"); });'],
  ['wait', 'listener.wait({ read: true }).then(() => console.log("done"));'],
  [
    'accepted()',
    '(async () => { for await (const [c] of listener.accepted()) { console.log("done"); break; } })();',
  ],
  [
    'accept, unref’d and ref’d again',
    'listener.unref(); listener.accept().then(() => console.log("done")); listener.ref();',
  ],
  [
    'accept, ref’d before',
    'listener.unref(); listener.ref(); listener.accept().then(() => console.log("done"));',
  ],
] as const) {
  scene(`a call that waits keeps the process alive: ${what}`, async (s) => {
    const peer = startNode(s, `${listener}console.log(listener.getsockname()[1]);${script}`);
    const port = Number(await peer.line(/^\d+$/));
    await sleep(0.15);
    assert.equal(peer.child.exitCode, null, 'ended while its call was waiting');
    // The process may end, and reset the connection, before this end has heard that it was made.
    await s
      .own(socket())
      .connect(['127.0.0.1', port])
      .catch(() => {});
    const { stdout, stderr } = await peer.succeed();
    assert.match(stdout, /done/);
    assert.equal(stderr, '');
  });
}

scene('process.exit with calls that wait', async () => {
  const { stderr } = await runNode(`${listener}
    const [a, b] = socketpair();
    a.recv(1); a.sendall(Buffer.alloc(32 << 20)); listener.accept(); listener.wait({ read: true });
    // The other end is kept: one that is collected is closed, and resets this one.
    setTimeout(() => process.exit(b.closed ? 1 : 0), 20);`);
  assert.equal(stderr, '');
});

scene('process.exit out of a continuation', async () => {
  const { stderr } = await runNode(`${listener}
    const [a, b] = socketpair();
    b.recv(1).then(() => process.exit(0));
    b.recv(1);
    a.trySend("xy");`);
  assert.equal(stderr, '');
});

scene('an exception in a continuation is an ordinary one', async () => {
  const { stdout } = await runNode(`${listener}
    process.on('unhandledRejection', (error) => console.log('unhandled', error.message));
    const [a, b] = socketpair();
    b.recv(1).then(() => { throw new Error('mine'); });
    b.recv(1).then((data) => console.log('second', String(data)));
    a.trySend("xy");`);
  assert.match(stdout, /unhandled mine/);
  assert.match(stdout, /second y/);
});

const packageUrl = import.meta.resolve('berkeley-sockets');

// Sockets with every kind of call waiting; says so, and goes on as `after` tells.
const waitingWorker = (after: string) => `
  const { parentPort, workerData } = require('node:worker_threads');
  import(workerData).then((bs) => {
    const listener = bs.socket();
    listener.bind(['127.0.0.1', 0]);
    listener.listen();
    const [a, b] = bs.socketpair();
    const quiet = (p) => p.catch(() => {});
    quiet(listener.accept());
    quiet(a.recv(1));
    quiet(a.sendall(Buffer.alloc(32 << 20)));
    quiet(bs.createConnection(listener.getsockname()).then((c) => c.recv(1)));
    b.settimeout(1000);
    quiet(b.recvInto(new Uint8Array(1)));
    globalThis.kept = [listener, a, b];
    setTimeout(() => { parentPort.postMessage('ready'); ${after} }, 20);
  });`;

const start = (script: string) => new Worker(script, { eval: true, workerData: packageUrl, execArgv: [] });

scene(
  'a worker is terminated with calls that wait: the process goes on, its descriptors are closed',
  async () => {
    const before = openDescriptors().size;
    for (let round = 0; round < 5; round++) {
      const w = start(waitingWorker(''));
      await within(
        new Promise((resolve, reject) => w.once('message', resolve).once('error', reject)),
        'the worker',
        15,
      );
      assert.ok(openDescriptors().size > before + 3);
      assert.equal(await within(w.terminate(), 'its end', 5), 1);
    }
    await eventually(() => openDescriptors().size === before, 'its descriptors to be closed');
  },
  { seconds: 60 },
);

scene('a worker that exits with calls that wait', async () => {
  const before = openSockets();
  const w = start(waitingWorker('process.exit(3);'));
  assert.equal(await within(new Promise((resolve) => w.once('exit', resolve)), 'its end', 15), 3);
  await eventually(() => openSockets() === before, 'its descriptors to be closed');
});

scene('a worker that throws with calls that wait', async () => {
  const before = openSockets();
  const w = start(waitingWorker('throw new Error("worker is done");'));
  const error = await within(new Promise<Error>((resolve) => w.once('error', resolve)), 'its error', 15);
  assert.match(error.message, /worker is done/);
  await eventually(() => openSockets() === before, 'its descriptors to be closed');
});

scene('a worker is terminated between a system call and the line behind it', async () => {
  const before = openSockets();
  const binding = new URL('binding.js', packageUrl).href;
  for (const made of [
    'native.socket(bs.AF_INET, bs.SOCK_STREAM, 0)',
    'native.socketpair(bs.AF_UNIX, bs.SOCK_STREAM, 0)',
    'native.dup(kept.fileno())',
    'native.accept(listener.fileno())',
  ]) {
    const w = start(`
      const { parentPort, workerData } = require('node:worker_threads');
      Promise.all([import(workerData), import(${JSON.stringify(binding)})]).then(async ([bs, { native }]) => {
        const kept = bs.socket();
        const listener = bs.createServer(['127.0.0.1', 0]);
        const client = bs.socket();
        await client.connect(listener.getsockname());
        if (${made} < 0) throw new Error(${JSON.stringify(made)});
        parentPort.postMessage('made');
        setInterval(() => {}, 1000);
      });`);
    await within(
      new Promise((resolve, reject) => w.once('message', resolve).once('error', reject)),
      'the worker',
      15,
    );
    assert.ok(openSockets() > before + 3);
    await within(w.terminate(), 'its end', 5);
    await eventually(() => openSockets() === before, `the descriptor of ${made} to be closed`);
  }
});

scene('a worker with idle sockets ends by itself', async () => {
  const before = openSockets();
  const w = start(`
    const { workerData } = require('node:worker_threads');
    import(workerData).then((bs) => { globalThis.kept = [bs.socket(), ...bs.socketpair()]; });`);
  assert.equal(await within(new Promise((resolve) => w.once('exit', resolve)), 'its end', 15), 0);
  await eventually(() => openSockets() === before, 'its descriptors to be closed');
});

// In a process of its own: Node itself leaves files open when it ends a thread that reads its modules.
scene(
  'workers started and terminated at any moment',
  async () => {
    const { stdout, stderr } = await runNode(
      `import { readdirSync, readlinkSync } from 'node:fs';
     import { Worker } from 'node:worker_threads';
     const open = () => readdirSync('/proc/self/fd').filter((fd) => {
       try { return !readlinkSync('/proc/self/fd/' + fd).startsWith('/'); } catch { return false; }
     }).length;
     const before = open();
     for (let round = 0; round < 15; round++) {
       const w = new Worker(${JSON.stringify(waitingWorker(''))}, { eval: true, workerData: ${JSON.stringify(packageUrl)}, execArgv: [] });
       w.on('error', () => {});
       await new Promise((resolve) => setTimeout(resolve, round * 10));
       await w.terminate();
     }
     for (let i = 0; i < 100 && open() > before; i++) await new Promise((resolve) => setTimeout(resolve, 10));
     console.log('left', open() - before);`,
      { seconds: 40 },
    );
    assert.match(stdout, /^left 0$/m);
    assert.equal(stderr, '');
  },
  { seconds: 60 },
);

scene('process.exit while workers wait', async () => {
  const { stderr } = await runNode(
    `import { Worker } from 'node:worker_threads';
import { socket } from 'berkeley-sockets';
     const w = new Worker(${JSON.stringify(waitingWorker(''))}, { eval: true, workerData: ${JSON.stringify(packageUrl)}, execArgv: [] });
     w.once('message', () => process.exit(0));`,
  );
  assert.equal(stderr, '');
});
