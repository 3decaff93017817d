// The queue of received bytes against a plain Buffer of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteQueue } from '../../src/bytequeue.ts';
import { Chance } from '../support/chance.ts';

test('the queue gives what a Buffer would, however the bytes came and are taken', () => {
  const chance = new Chance('bytequeue');
  for (let round = 0; round < 300; round++) {
    const queue = new ByteQueue();
    let model: Buffer = Buffer.alloc(0);
    // Few letters, so that delimiters and beginnings of them are everywhere.
    const letters = chance.integer(1, 3);
    const most = [3, 40, 600, 5000][chance.integer(0, 3)]!;
    for (let step = 0; step < 100; step++) {
      const piece = chance.bytes(chance.integer(0, most)).map((byte) => byte % letters) as Buffer;
      queue.push(Buffer.from(piece));
      model = Buffer.concat([model, piece]);
      assert.equal(queue.size, model.length);

      const delimiter = chance.bytes(chance.integer(1, 6)).map((byte) => byte % letters) as Buffer;
      const found = model.indexOf(delimiter);
      const end = found < 0 ? -1 : found + delimiter.length;
      assert.equal(queue.find(delimiter, 0), end, `${delimiter.toString('hex')} in ${model.toString('hex')}`);
      // Any number of bytes that do not hold the end of one may be left out.
      const without = chance.integer(0, (end < 0 ? model.length + 1 : end) - 1);
      assert.equal(queue.find(delimiter, without), end);

      const n = chance.integer(0, Math.min(model.length + 3, most * 2));
      assert.deepEqual(queue.peek(n), model.subarray(0, n));
      if (chance.integer(0, 2) > 0) {
        assert.deepEqual(queue.take(n), model.subarray(0, n));
        model = model.subarray(n);
      }
    }
    assert.deepEqual(queue.take(model.length), model);
    assert.equal(queue.size, 0);
    assert.equal(queue.take(1).length, 0);
  }
});

test('a piece that was handed in is never written to, nor one that was handed out', () => {
  const queue = new ByteQueue();
  const memory = Buffer.from('abcdef');
  queue.push(memory.subarray(0, 3) as Buffer);
  queue.push(Buffer.from('1'));
  const peeked = queue.peek(4);
  queue.push(Buffer.from('2'));
  assert.equal(queue.take(5).toString(), 'abc12');
  assert.equal(peeked.toString(), 'abc1');
  assert.equal(memory.toString(), 'abcdef');
});

test('bytes that come one by one are kept together', () => {
  const queue = new ByteQueue();
  for (let i = 0; i < 100_000; i++) queue.push(Buffer.from([i & 0xff]));
  const all = queue.take(100_000);
  assert.ok(all.every((byte, i) => byte === (i & 0xff)));
});
