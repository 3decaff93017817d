// `destroy` of a stream over a socket in every state: one `close`, the right errors, nothing left open.
import assert from 'node:assert/strict';
import { SHUT_WR, type Socket, type SocketDuplex, socket } from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';
import { eventually, sleep, within } from '../support/deadline.ts';
import { scene } from '../support/scene.ts';
import { listening, pair, receiveAll, tcp4 } from '../support/transports.ts';
import { ends, event, story } from './ends.ts';

// --- destroy in every state ------------------------------------------------------------------------

const boom = new Error('boom');
const states: [name: string, prepare: (s: SocketDuplex, b: Socket) => unknown][] = [
  ['at once', () => {}],
  ['while it waits to receive', () => sleep(0.01)],
  [
    'with data unread',
    async (_s, b) => {
      await b.sendall(Buffer.alloc(1000));
      await sleep(0.01);
    },
  ],
  [
    'while it flows',
    async (s, b) => {
      s.resume();
      await b.sendall(Buffer.alloc(100_000));
    },
  ],
  ['while a large write waits', (s) => s.write(Buffer.alloc(16 << 20))],
  [
    'while many writes wait',
    (s) => {
      for (let i = 0; i < 50; i++) s.write(Buffer.alloc(1 << 20));
    },
  ],
  [
    'while it is corked',
    (s) => {
      s.cork();
      s.write('corked');
    },
  ],
  ['while it ends', (s) => s.end(Buffer.alloc(16 << 20))],
  ['after its end', (s) => event(s.end(), 'finish')],
  [
    'after the peer’s end',
    (s, b) => {
      b.shutdown(SHUT_WR);
      s.read();
      return sleep(0.01);
    },
  ],
  [
    'after the peer’s end was read',
    (s, b) => {
      b.shutdown(SHUT_WR);
      return event(s.resume(), 'end');
    },
  ],
  [
    'in the middle of its data event',
    async (s, b) => {
      await b.sendall(Buffer.alloc(10));
      s.once('data', () => s.destroy());
      await event(s, 'close');
    },
  ],
  ['after destroy', (s) => s.destroy()],
  ['with a timer', (s) => s.setTimeout(60_000)],
];

for (const [name, prepare] of states) {
  for (const error of [undefined, boom]) {
    scene(`destroy${error ? ' with an error' : ''} ${name}: one close, nothing open`, async (stage) => {
      const { s, b } = await ends(stage, tcp4, { allowHalfOpen: true });
      const told = story(s);
      await prepare(s, b);
      const already = s.destroyed;
      s.destroy(error);
      assert.equal(s.destroyed, true);
      assert.equal(s.readable, false);
      assert.equal(s.writable, false);
      await eventually(() => told.some((each) => each.startsWith('close')), 'close');
      await sleep(0.005);
      const wrong = error !== undefined && !already;
      const last = told.filter((each) => /^(error|close)/.test(each));
      assert.deepEqual(last, wrong ? ['error Error: boom', 'close true'] : ['close false']);
      // Nothing works, nothing throws.
      s.on('error', () => {});
      const late = new Promise<unknown>((resolve) => s.write('x', resolve));
      assert.equal(
        ((await late) as NodeJS.ErrnoException).code,
        s.writableEnded ? 'ERR_STREAM_WRITE_AFTER_END' : 'ERR_STREAM_DESTROYED',
      );
      s.destroySoon();
      assert.deepEqual(
        last,
        told.filter((each) => /^(error|close)/.test(each)),
      );
      // The descriptor is gone: the peer's reading ends, one way or the other.
      await within(
        receiveAll(b).catch(() => {}),
        'the end of the connection',
      );
    });
  }
}

scene('destroy while it connects: no connect, one close', async (stage) => {
  const listener = listening(stage, tcp4);
  for (const host of ['127.0.0.1', 'localhost']) {
    const s = socket().toDuplex();
    const told = story(s);
    const port = (listener.getsockname() as [string, number])[1];
    s.connect(port, host);
    const written = new Promise<unknown>((resolve) => s.write('never', resolve));
    s.destroy();
    await event(s, 'close');
    assert.notEqual(await written, undefined);
    await sleep(0.02);
    assert.deepEqual(told, ['close false']);
    assert.equal(s.listenerCount('connect') <= 1, true);
  }
});

scene('destroy before it connects', async () => {
  for (const end of ['destroy', 'destroySoon', 'resetAndDestroy'] as const) {
    const s = socket().toDuplex();
    s[end]();
    await event(s, 'close');
    assert.equal(s.pending, true);
  }
});

scene('destroySoon sends everything first', async (stage) => {
  const { s, b } = await ends(stage);
  const sent = new Chance('soon').bytes(4 << 20);
  s.write(sent);
  s.destroySoon();
  assert.equal(s.destroyed, false);
  assert.ok((await receiveAll(b)).equals(sent));
  if (!s.closed) await event(s, 'close');
});

scene('using destroys it', async (stage) => {
  const [a, b] = await pair(stage, tcp4);
  const s = a.toDuplex();
  s.on('error', () => {});
  await (s as unknown as AsyncDisposable)[Symbol.asyncDispose]();
  assert.equal(s.destroyed, true);
  assert.equal((await b.recv(1)).length, 0);
});
