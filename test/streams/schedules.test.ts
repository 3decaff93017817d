// A thousand random schedules of writes, reads, pauses, corks and ends, both directions at once, against
// a model: every byte arrives once, in order, and the stream ends as it was ended.
import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import { type SocketDuplex, socketpair } from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';
import { eventually, within } from '../support/deadline.ts';
import { type Scene, scene } from '../support/scene.ts';
import { pair, tcp4 } from '../support/transports.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Writes `data` in pieces, one way or another, and ends if it is told to. */
async function write(s: Duplex, data: Buffer, chance: Chance, end: boolean): Promise<void> {
  let corked = 0;
  for (const piece of chance.pieces(data, chance.integer(1, 80_000))) {
    switch (chance.integer(0, 9)) {
      case 0:
        s.cork();
        corked++;
        break;
      case 1:
        if (corked > 0) {
          s.uncork();
          corked--;
        }
        break;
      case 2:
        await turn();
        break;
    }
    const fits = chance.integer(0, 4) === 0 ? s.write(piece.toString('latin1'), 'latin1') : s.write(piece);
    if (!fits && corked === 0 && chance.integer(0, 3) > 0)
      await Promise.race([new Promise((resolve) => s.once('drain', resolve)), turn()]);
  }
  for (; corked > 0; corked--) s.uncork();
  if (end) s.end();
}

/** Reads to the end or to `size` bytes, one way or another. */
async function read(s: Duplex, size: number, chance: Chance): Promise<Buffer> {
  const got: Buffer[] = [];
  let have = 0;
  const take = (chunk: Buffer): void => {
    got.push(chunk);
    have += chunk.length;
  };
  let over = false;
  s.once('end', () => {
    over = true;
  });
  const way = chance.integer(0, 2);
  if (way === 0) {
    s.on('data', (chunk: Buffer) => {
      take(chunk);
      if (chance.integer(0, 3) === 0) {
        s.pause();
        setImmediate(() => s.resume());
      }
    });
    await eventually(() => have >= size, 'the data', 20);
    s.removeAllListeners('data');
  } else if (way === 1) {
    s.on('readable', () => {
      for (;;) {
        const chunk = s.read(chance.integer(0, 1) === 0 ? undefined : chance.integer(1, 5000)) ?? s.read();
        if (chunk === null) break;
        take(chunk);
      }
    });
    await eventually(() => have >= size, 'the data', 20);
    s.removeAllListeners('readable');
  } else {
    while (have < size && !over) {
      const chunk = s.read(Math.min(chance.integer(1, 70_000), size - have)) ?? s.read();
      if (chunk !== null) take(chunk);
      else await turn();
    }
  }
  return Buffer.concat(got);
}

async function schedule(stage: Scene, number: number): Promise<void> {
  const chance = new Chance(`schedule ${number}`);
  const sockets = chance.integer(0, 3) === 0 ? await pair(stage, tcp4) : socketpair();
  const [a, b] = sockets.map((s) => s.toDuplex({ allowHalfOpen: true })) as [SocketDuplex, SocketDuplex];
  const data = [0, 0].map(() =>
    chance.bytes(chance.integer(0, 3) === 0 ? chance.integer(0, 400_000) : chance.integer(0, 9000)),
  );
  const ends = chance.integer(0, 1) === 0;
  const closed = [a, b].map((s) => new Promise((resolve) => s.once('close', resolve)));
  const [, , fromB, fromA] = await Promise.all([
    write(a, data[0]!, new Chance(`a ${number}`), ends),
    write(b, data[1]!, new Chance(`b ${number}`), ends),
    read(a, data[1]!.length, new Chance(`ra ${number}`)),
    read(b, data[0]!.length, new Chance(`rb ${number}`)),
  ]);
  assert.ok(fromA.equals(data[0]!), 'what b has read');
  assert.ok(fromB.equals(data[1]!), 'what a has read');
  for (const [s, sent, received] of [
    [a, data[0]!, data[1]!],
    [b, data[1]!, data[0]!],
  ] as const) {
    assert.equal(s.bytesWritten, sent.length);
    assert.equal(s.bytesRead, received.length);
  }
  if (ends) for (const s of [a, b]) s.resume();
  else if (chance.integer(0, 1) === 0) for (const s of [a, b]) s.destroy();
  else {
    a.destroySoon();
    b.resume();
    b.end();
  }
  assert.deepEqual(await Promise.all(closed), [false, false]);
}

scene(
  '1,000 random schedules lose nothing, double nothing, and end',
  async (stage) => {
    for (let first = 0; first < 1000; first += 10) {
      const ten = Array.from({ length: 10 }, (_, i) =>
        within(schedule(stage, first + i), `schedule ${first + i}`, 30).catch((error) => {
          error.message = `schedule ${first + i}: ${error.message}`;
          throw error;
        }),
      );
      await Promise.all(ten);
    }
  },
  { seconds: 120 },
);
