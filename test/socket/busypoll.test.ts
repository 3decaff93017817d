// setBusyPoll: the engine polls for a while before it lets the thread sleep. Nothing else changes.
import assert from 'node:assert/strict';
import { setBusyPoll } from 'berkeley-sockets';
import * as sync from 'berkeley-sockets/sync';
import { runNode } from '../support/node.ts';
import { requirePeer } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { scene } from '../support/scene.ts';
import { across, everything, pair } from '../support/transports.ts';

across(everything, 'calls are served as without it', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  setBusyPoll(50e-6);
  s.after(() => setBusyPoll(0));
  for (let i = 0; i < 200; i++) {
    const waiting = b.recv(10);
    await a.send(String(i));
    assert.equal(String(await waiting), String(i));
  }
  b.settimeout(0.02);
  await assert.rejects(b.recv(1), { name: 'TimeoutError' });
});

scene('a process with it ends by itself, and its timers fire', async () => {
  const { stdout, stderr } = await runNode(`
    import { setBusyPoll, socketpair } from 'berkeley-sockets';
    setBusyPoll(100e-6);
    const [a, b] = socketpair();
    let ticks = 0;
    const timer = setInterval(() => { if (++ticks === 20) { clearInterval(timer); a.close(); } }, 2);
    (async () => { try { for await (const chunk of b) await b.sendall(chunk); } catch {} console.log('end', ticks); })();
    (async () => { try { for (;;) { await a.sendall('x'); await a.recv(1); } } catch {} })();
  `);
  assert.match(stdout, /^end 20$/m);
  assert.equal(stderr, '');
});

scene(
  'calls that block are served as without it',
  async (s) => {
    const echo = startPython(
      s,
      `
      from socket import *
      s = create_server(('127.0.0.1', 0))
      print(s.getsockname()[1])
      c, a = s.accept()
      while c.send(c.recv(100)): pass
      `,
    );
    const client = s.own(sync.createConnection(['127.0.0.1', Number(await echo.line())], { timeout: 10 }));
    sync.setBusyPoll(50e-6);
    s.after(() => sync.setBusyPoll(0));
    for (let i = 0; i < 200; i++) {
      client.sendall(String(i));
      assert.equal(String(client.recv(10)), String(i));
    }
    client.settimeout(0.02);
    assert.throws(() => client.recv(1), sync.TimeoutError);
    assert.throws(() => client.wait({ read: true }), sync.TimeoutError);
    client.shutdown(sync.SHUT_WR);
    await echo.succeed();
  },
  requirePeer('python3'),
);

scene('what is no time is refused', () => {
  for (const seconds of ['1', null, undefined, {}, 1n])
    assert.throws(() => setBusyPoll(seconds as number), TypeError);
  for (const seconds of [-1, Number.NaN, 1, Number.POSITIVE_INFINITY])
    assert.throws(() => setBusyPoll(seconds), RangeError);
});
