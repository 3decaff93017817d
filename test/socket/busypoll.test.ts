// setBusyPoll: the engine polls for a while before it lets the thread sleep. Nothing else changes.
import assert from 'node:assert/strict';
import { setBusyPoll } from 'berkeley-sockets';
import { runNode } from '../support/node.ts';
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

scene('what is no time is refused', () => {
  for (const seconds of ['1', null, undefined, {}, 1n])
    assert.throws(() => setBusyPoll(seconds as number), TypeError);
  for (const seconds of [-1, Number.NaN, 1, Number.POSITIVE_INFINITY])
    assert.throws(() => setBusyPoll(seconds), RangeError);
});
