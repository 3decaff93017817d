// The ends that nobody writes out: `using`, and a socket that is forgotten.
import assert from 'node:assert/strict';
import { AF_UNIX, ClosedError, SOCK_STREAM, type Socket, socket, socketpair } from 'berkeley-sockets';
import { sleep, within } from '../support/deadline.ts';
import { collect, collectUntil } from '../support/garbage.ts';
import { openSockets } from '../support/leaks.ts';
import { runNode } from '../support/node.ts';
import { scene } from '../support/scene.ts';

// The engine opens its own descriptors with the first socket: before any test counts.
socket().close();

scene('using closes at the end of the block', () => {
  const before = openSockets();
  let kept: Socket;
  {
    using a = socket();
    kept = a;
    assert.equal(openSockets(), before + 1);
  }
  assert.equal(kept.closed, true);
  assert.equal(openSockets(), before);
});

scene('await using closes too, after a failure as well', async () => {
  const before = openSockets();
  let waiting: Promise<Buffer> | undefined;
  await assert.rejects(async () => {
    await using a = socketpair()[0];
    waiting = a.recv(1);
    waiting.catch(() => {});
    throw new Error('on the way');
  }, /on the way/);
  await assert.rejects(waiting!, ClosedError);
  await collectUntil(() => openSockets() <= before, 'the other half, which was forgotten');
});

scene('dispose may be called again, and on a closed socket', async () => {
  const a = socket();
  a[Symbol.dispose]();
  a[Symbol.dispose]();
  await a[Symbol.asyncDispose]();
  a.close();
  assert.equal(a.closed, true);
});

function listen(s: { after(f: () => void): void }): Error[] {
  const warnings: Error[] = [];
  const note = (warning: Error) => void warnings.push(warning);
  process.on('warning', note);
  s.after(() => void process.off('warning', note));
  return warnings;
}

scene('a socket that is collected unclosed is closed, and warned of', async (s) => {
  const warnings = listen(s);
  const before = openSockets();
  (() => {
    const a = socket();
    a.bind(['127.0.0.1', 0]);
    a.listen();
  })();
  await collectUntil(() => openSockets() === before, 'the descriptor to be closed');
  await collectUntil(() => warnings.length > 0, 'the warning');
  assert.equal(warnings.length, 1);
  assert.equal(warnings[0]!.name, 'ResourceWarning');
  assert.match(warnings[0]!.message, /socket/i);
});

scene('a socket that was closed or detached is not warned of', async (s) => {
  const warnings = listen(s);
  const { fromHandle } = await import('berkeley-sockets');
  let gone = 0;
  const registry = new FinalizationRegistry(() => gone++);
  (() => {
    const a = socket();
    const [b, c] = socketpair();
    for (const one of [a, b, c]) registry.register(one, undefined);
    a.close();
    fromHandle(b.detach()).close();
    c.close();
  })();
  await collectUntil(() => gone === 3, 'three sockets to be collected');
  await collect();
  await sleep(0.01);
  assert.deepEqual(warnings, []);
});

scene('a call that waits keeps its socket, which nobody else holds', async (s) => {
  const warnings = listen(s);
  const [a, b] = socketpair(AF_UNIX, SOCK_STREAM).map((x) => s.own(x)) as [Socket, Socket];
  const waiting = (() => {
    const twin = b.dup();
    return twin.recv(10).then((data) => {
      twin.close();
      return String(data);
    });
  })();
  b.close();
  for (let i = 0; i < 5; i++) {
    await collect();
    await sleep(0.005);
  }
  await a.sendall('alive');
  assert.equal(await within(waiting, 'the recv'), 'alive');
  assert.deepEqual(warnings, []);
});

scene('the forgotten half of a pair ends the other half’s wait', async (s) => {
  const warnings = listen(s);
  const waiting = (() => {
    const [a] = socketpair(AF_UNIX, SOCK_STREAM);
    return a.recv(10).then((data) => {
      a.close();
      return data.length;
    });
  })();
  let length: number | undefined;
  waiting.then((n) => {
    length = n;
  });
  await collectUntil(() => length === 0, 'the end of the stream');
  await collectUntil(() => warnings.length === 1, 'the warning');
});

scene('the warning of a process that goes on: one line on standard error', async () => {
  const { stderr } = await runNode(
    `import { socket } from 'berkeley-sockets';
     socket();
     for (let i = 0; i < 20; i++) { gc(); await new Promise((r) => setTimeout(r, 5)); }`,
    { flags: ['--expose-gc'] },
  );
  assert.match(stderr, /ResourceWarning: .*socket/);
});

scene('a process that ends with open sockets says nothing', async () => {
  const { stderr } = await runNode(
    `import { socket, socketpair } from 'berkeley-sockets';
     globalThis.kept = [socket(), ...socketpair()];`,
  );
  assert.equal(stderr, '');
});
