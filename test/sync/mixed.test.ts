// Both flavours in one thread: sockets move between them, and a call that blocks holds up the other
// flavour, but nothing that it was given before.
import assert from 'node:assert/strict';
import * as awaited from 'berkeley-sockets';
import { fromHandle, Socket, socketpair, TimeoutError } from 'berkeley-sockets/sync';
import { within } from '../support/deadline.ts';
import { scene } from '../support/scene.ts';

scene('a socket goes from one flavour to the other and back', async (s) => {
  const [a, b] = awaited.socketpair();
  s.own(b);
  await b.sendall('one two');
  assert.equal((await a.recv(4)).toString(), 'one ');
  const here = fromHandle(a.detach());
  assert.ok(here instanceof Socket && !((here as object) instanceof awaited.Socket));
  assert.equal(here.recv(10).toString(), 'two');
  const there = s.own(awaited.fromHandle(here.detach()));
  assert.ok(here.closed && there instanceof awaited.Socket);
  await b.sendall('three');
  assert.equal((await there.recv(10)).toString(), 'three');
  assert.ok(s.own(there.dup()) instanceof awaited.Socket);
});

scene('small sends of the other flavour leave before a call blocks', async (s) => {
  // They are gathered only in a turn that served several sockets.
  const pairs = Array.from({ length: 8 }, () => {
    const [a, b] = awaited.socketpair();
    return [s.own(a), s.own(fromHandle(b.detach()))] as const;
  });
  const answers = pairs.map(async ([a, b]) => {
    const asked = await a.recv(10);
    const sent = a.sendall(`answer to ${asked}`);
    b.settimeout(5);
    const answer = b.recv(100).toString();
    await sent;
    return answer;
  });
  for (const [, b] of pairs) b.sendall('question');
  for (const answer of await Promise.all(answers)) assert.equal(answer, 'answer to question');
});

scene('the event loop stands still while a call blocks, and goes on behind it', async (s) => {
  const [a, b] = socketpair();
  s.own(a);
  s.own(b);
  let ticks = 0;
  const timer = setInterval(() => ticks++, 10);
  a.settimeout(0.2);
  assert.throws(() => a.recv(1), TimeoutError);
  assert.equal(ticks, 0);
  await within(
    (async () => {
      while (ticks === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    })(),
    'a tick',
  );
  clearInterval(timer);
});
