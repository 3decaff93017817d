// A thread that blocks in a call can be terminated: soon, and with nothing of it left. (What the
// project promises of startThread, 250 ms, is two slices; this is a loaded machine.)
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { socketpair } from 'berkeley-sockets/sync';
import { timed, within } from '../support/deadline.ts';
import { noLeaks } from '../support/leaks.ts';

const entry = import.meta.resolve('berkeley-sockets/sync');

// What the first thread opens once and keeps: before any test counts.
for (const s of socketpair()) s.close();
await (await blocked('sockets.socketpair()[0].recv(1)')).terminate();

noLeaks();

/** A worker that has begun to block in `call`. */
async function blocked(call: string): Promise<Worker> {
  const worker = new Worker(
    `import('${entry}').then((sockets) => {
      const { AF_INET, AF_UNIX, SOCK_DGRAM } = sockets;
      const opened = [];
      require('node:worker_threads').parentPort.postMessage('begins');
      ${call};
    });`,
    // The tests' own loader is no part of it.
    { eval: true, execArgv: [], env: { ...process.env, NODE_OPTIONS: '' } },
  );
  await within(once(worker, 'message'), 'the start of the worker', 20);
  await new Promise((resolve) => setTimeout(resolve, 120));
  return worker;
}

const calls: Record<string, string> = {
  recv: 'sockets.socketpair()[0].recv(100)',
  'recv with a timeout': 'const [a] = sockets.socketpair(); a.settimeout(60); a.recv(100)',
  recvInto: 'sockets.socketpair()[0].recvInto(new Uint8Array(10))',
  recvfrom: `const s = sockets.socket(AF_INET, SOCK_DGRAM); s.bind(['127.0.0.1', 0]); s.recvfrom(100)`,
  recvmany: `const s = sockets.socket(AF_INET, SOCK_DGRAM); s.bind(['127.0.0.1', 0]); s.recvmany(10)`,
  accept: `sockets.createServer(['127.0.0.1', 0]).accept()`,
  sendall: 'opened.push(...sockets.socketpair()); opened[0].sendall(Buffer.alloc(64 << 20))',
  'sendto a full queue': `
    const name = Buffer.from('\\0calls-' + process.pid + Math.random());
    const r = sockets.socket(AF_UNIX, SOCK_DGRAM);
    r.bind(name);
    opened.push(r);
    const s = sockets.socket(AF_UNIX, SOCK_DGRAM);
    for (;;) s.sendto('x', name)`,
  wait: 'sockets.socketpair()[0].wait({ read: true })',
  // The backlog of 0 takes one; what comes then gets no answer (tcp(7)).
  connect: `
    const listener = sockets.createServer(['127.0.0.1', 0], { backlog: 0 });
    opened.push(listener);
    for (;;) { const c = sockets.socket(); opened.push(c); c.connect(listener.getsockname()); }`,
};

for (const [name, call] of Object.entries(calls)) {
  test(`terminate() ends a thread that blocks in ${name}`, async () => {
    const worker = await blocked(call);
    const [status, took] = await timed(() => within(worker.terminate(), 'the end of the thread', 10));
    assert.equal(status, 1);
    assert.ok(took < 2, `after ${took} s`);
  });
}

test('threads that accept are terminated at any moment, and lose no descriptor', async () => {
  // Connections come and go all the time: the end comes in the middle of one.
  const worker = new Worker(
    `import('${entry}').then((sockets) => {
      const server = sockets.createServer(['127.0.0.1', 0], { backlog: 100 });
      require('node:worker_threads').parentPort.postMessage(server.getsockname());
      for (;;) { const [c] = server.accept(); c.close(); }
    });`,
    { eval: true, execArgv: [], env: { ...process.env, NODE_OPTIONS: '' } },
  );
  const [address] = await within(once(worker, 'message'), 'the address', 20);
  const { socket } = await import('berkeley-sockets');
  let refused = 0;
  const connecting = (async () => {
    while (refused === 0) {
      using c = socket();
      await c.connect(address).catch(() => refused++);
    }
  })();
  await new Promise((resolve) => setTimeout(resolve, 200));
  await within(worker.terminate(), 'the end of the thread', 10);
  await within(connecting, 'a connect that is refused', 10);
});
