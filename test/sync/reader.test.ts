// The reader of a blocking socket: the same messages, as plain values.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IncompleteReadError, LimitError, socketpair, TimeoutError } from 'berkeley-sockets/sync';

test('messages, lines and frames without await', () => {
  const [a, b] = socketpair();
  using _a = a;
  using _b = b;
  a.sendall('one\ntwo\r\n1234567890END\0\u0003abc');
  const reader = b.reader({ limit: 20 });
  assert.equal(reader.readline().toString(), 'one\n');
  const lines = reader.lines();
  assert.deepEqual(lines.next(), { done: false, value: 'two' });
  assert.equal(reader.peek(4).toString(), '1234');
  assert.equal(reader.readexactly(10).toString(), '1234567890');
  assert.equal(reader.readuntil('END').toString(), 'END');
  assert.equal(reader.readframe({ lengthBytes: 2 })?.toString(), 'abc');
  b.settimeout(0.05);
  assert.throws(() => reader.readline(), TimeoutError);
  a.sendall(`half`);
  assert.throws(() => reader.readline(), TimeoutError);
  assert.equal(reader.buffered, 4);
  a.sendall(` a line\n${'x'.repeat(30)}\n`);
  assert.equal(reader.readline().toString(), 'half a line\n');
  assert.throws(() => reader.readline(), LimitError);
  assert.equal(reader.readline({ limit: 31 }).length, 31);
  a.sendall('a\nb\nc');
  a.close();
  assert.deepEqual([...reader.lines()], ['a', 'b', 'c']);
  assert.throws(() => reader.readexactly(1), IncompleteReadError);
  assert.equal(reader.readframe({ lengthBytes: 2 }), null);
});

test('a message larger than the kernel keeps is read while it comes', () => {
  const [a, b] = socketpair();
  using _a = a;
  using _b = b;
  const data = Buffer.alloc(3 << 20, 'abc');
  const reader = b.reader();
  let sent = 0;
  for (let n: number | undefined; sent < data.length; sent += n) {
    n = a.trySend(data.subarray(sent));
    if (n === undefined) {
      const before: number = reader.buffered;
      reader.peek(before + 1);
      n = 0;
    }
  }
  a.close();
  assert.ok(reader.readall({ limit: Number.POSITIVE_INFINITY }).equals(data));
});
