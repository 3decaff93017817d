// The reader against a model: whatever the pieces in which the bytes come, the messages are the same.
import assert from 'node:assert/strict';
import {
  IncompleteReadError,
  LimitError,
  type Reader,
  SHUT_WR,
  type Socket,
  socketpair,
  TimeoutError,
} from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';
import { sleep, staysPending, within } from '../support/deadline.ts';
import { type Scene, scene } from '../support/scene.ts';
import { across, pair, streams } from '../support/transports.ts';

/** Sends pieces with pauses, so that each has a good chance to be received by itself. */
async function trickle(socket: Socket, pieces: Iterable<Buffer>, chance: Chance): Promise<void> {
  for (const piece of pieces) {
    await socket.sendall(piece);
    if (chance.integer(0, 3) === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  socket.shutdown(SHUT_WR);
}

type Step = [what: string, read: (reader: Reader) => Promise<unknown>, expected: unknown];

/** A random conversation: the bytes of it, and the reads that take it apart. */
function conversation(chance: Chance): [bytes: Buffer, steps: Step[]] {
  const parts: Buffer[] = [];
  const steps: Step[] = [];
  const body = (most: number) => chance.bytes(chance.integer(0, most)).map((byte) => byte | 0x80) as Buffer;
  for (let i = chance.integer(1, 12); i > 0; i--) {
    const data = body([4, 300, 20_000][chance.integer(0, 2)]!);
    const kind = chance.integer(0, 5);
    if (kind === 0) {
      parts.push(data);
      steps.push([`readexactly(${data.length})`, (r) => r.readexactly(data.length), data]);
    } else if (kind === 1) {
      const line = Buffer.concat([data, Buffer.from('\n')]);
      parts.push(line);
      steps.push(['readline()', (r) => r.readline(), line]);
    } else if (kind === 2) {
      const delimiter = ['\r\n.\r\n', '\0', 'abab'][chance.integer(0, 2)]!;
      const message = Buffer.concat([data, Buffer.from(delimiter)]);
      parts.push(message);
      steps.push([`readuntil(${JSON.stringify(delimiter)})`, (r) => r.readuntil(delimiter), message]);
    } else if (kind === 3) {
      const lengthBytes = ([2, 4, 8] as const)[chance.integer(0, 2)]!;
      const endian = (['big', 'little'] as const)[chance.integer(0, 1)]!;
      const header = Buffer.alloc(lengthBytes);
      if (endian === 'big')
        header.writeUIntBE(data.length, Math.max(0, lengthBytes - 6), Math.min(6, lengthBytes));
      else header.writeUIntLE(data.length, 0, Math.min(6, lengthBytes));
      parts.push(header, data);
      steps.push([`readframe(${lengthBytes}, ${endian})`, (r) => r.readframe({ lengthBytes, endian }), data]);
    } else if (kind === 4) {
      parts.push(data);
      steps.push([`peek(${data.length})`, (r) => r.peek(data.length), data]);
      steps.push([`readexactly(${data.length})`, (r) => r.readexactly(data.length), data]);
    } else {
      // Several at once: they are served in the order in which they are made.
      parts.push(data);
      const cut = chance.integer(0, data.length);
      steps.push([
        'two readexactly at once',
        (r) => Promise.all([r.readexactly(cut), r.readexactly(data.length - cut)]),
        [data.subarray(0, cut), data.subarray(cut)],
      ]);
    }
  }
  const rest = body(2000);
  parts.push(rest);
  steps.push(['readall()', (r) => r.readall(), rest]);
  return [Buffer.concat(parts), steps];
}

across(streams, 'messages are what was sent, in 100 random conversations', async (s, transport) => {
  const chance = new Chance(`conversations ${transport.name}`);
  for (let round = 0; round < 100; round++) {
    const [a, b] = await pair(s, transport);
    const [bytes, steps] = conversation(chance);
    const sending = trickle(
      a,
      chance.pieces(bytes, [1, 7, 500, 70_000][chance.integer(bytes.length > 5000 ? 2 : 0, 3)]!),
      chance,
    );
    const reader = b.reader();
    for (const [what, read, expected] of steps)
      assert.deepEqual(
        await within(read(reader), `round ${round}: ${what}`),
        expected,
        `round ${round}: ${what}`,
      );
    assert.equal((await reader.readline()).length, 0);
    assert.equal((await reader.read(10)).length, 0);
    assert.equal((await reader.peek(10)).length, 0);
    await sending;
    a.close();
    b.close();
  }
});

function readers(s: Scene): [Socket, Socket] {
  const [a, b] = socketpair();
  return [s.own(a), s.own(b)];
}

scene('a read that timed out or was aborted has lost nothing', async (s) => {
  const [a, b] = readers(s);
  const reader = b.reader();
  await a.sendall('first ha');
  b.settimeout(0.05);
  for (const read of [
    () => reader.readexactly(10),
    () => reader.readuntil('X'),
    () => reader.readline(),
    () => reader.readall(),
    () => reader.peek(10),
    () => reader.readframe({ lengthBytes: 2 }),
  ])
    await assert.rejects(read, TimeoutError);
  b.settimeout(null);
  const aborting = new AbortController();
  const waiting = reader.readline({ signal: aborting.signal });
  await staysPending(waiting, 'half a line');
  const reason = new Error('enough');
  aborting.abort(reason);
  await assert.rejects(waiting, reason);
  await assert.rejects(reader.readline({ signal: aborting.signal }), reason);
  await a.sendall('lf\nsecond\n');
  assert.equal((await reader.readline()).toString(), 'first half\n');
  assert.equal((await reader.readline()).toString(), 'second\n');
  assert.equal(reader.buffered, 0);
});

scene('the timeout is one of the whole read, however often something comes', async (s) => {
  const [a, b] = readers(s);
  const reader = b.reader();
  b.settimeout(0.3);
  const drip = (async () => {
    for (let i = 0; i < 100 && !a.closed; i++) {
      await a.sendall('.');
      await sleep(0.02);
    }
  })();
  await assert.rejects(within(reader.readexactly(1000), 'a read that is never whole'), TimeoutError);
  a.close();
  await drip.catch(() => {});
  assert.ok(reader.buffered > 0);
});

scene('a non-blocking socket: EAGAIN, and nothing is lost', async (s) => {
  const [a, b] = readers(s);
  b.settimeout(0);
  const reader = b.reader();
  await assert.rejects(reader.readexactly(2), { code: 'EAGAIN' });
  await a.sendall('x');
  await assert.rejects(reader.readexactly(2), { code: 'EAGAIN' });
  await a.sendall('y');
  assert.equal((await reader.readexactly(2)).toString(), 'xy');
});

scene('the end inside a message tells what came of it', async (s) => {
  const cases: [sent: string, read: (r: Reader) => Promise<unknown>, expected: number | undefined][] = [
    ['abc', (r) => r.readexactly(5), 5],
    ['abc', (r) => r.readuntil('x'), undefined],
    ['\0', (r) => r.readframe({ lengthBytes: 2 }), 2],
    ['\0\u0005abc', (r) => r.readframe({ lengthBytes: 2 }), 7],
  ];
  for (const [sent, read, expected] of cases) {
    const [a, b] = readers(s);
    const reader = b.reader();
    const failing = read(reader);
    await a.sendall(sent);
    a.close();
    await assert.rejects(within(failing, sent), (error: unknown) => {
      assert.ok(error instanceof IncompleteReadError);
      assert.equal(error.partial.toString(), sent);
      assert.equal(error.expected, expected);
      assert.match(error.message, new RegExp(`after ${sent.length} `));
      return true;
    });
    assert.equal(await reader.readframe({ lengthBytes: 2 }), null);
    await assert.rejects(reader.readexactly(1), IncompleteReadError);
    assert.equal((await reader.readexactly(0)).length, 0);
  }
  const [a, b] = readers(s);
  await a.sendall('no newline');
  a.close();
  const reader = b.reader();
  assert.equal((await reader.readline()).toString(), 'no newline');
  assert.equal((await reader.readline()).length, 0);
});

scene('a message over the limit stays to be read', async (s) => {
  const [a, b] = readers(s);
  const reader = b.reader({ limit: 10 });
  await a.sendall(`${'x'.repeat(20)}\n`);
  for (const read of [
    () => reader.readline(),
    () => reader.readuntil('\n'),
    () => reader.readline({ limit: 20 }),
    () => reader.readuntil('never'),
    () => reader.readall(),
  ])
    await assert.rejects(within(read(), 'a message that is too long'), LimitError);
  assert.equal((await reader.readline({ limit: 21 })).length, 21);
  await a.sendall(Buffer.from('000000ffffffffffffffffffffffffffff', 'hex'));
  // A length that lies is told before the peer has sent as much.
  for (const [lengthBytes, skip] of [
    [4, 2],
    [8, 5],
  ] as const) {
    await reader.readexactly(skip);
    await assert.rejects(within(reader.readframe({ lengthBytes }), 'a frame that lies'), LimitError);
  }
  const [c, d] = readers(s);
  const flood = c.sendall(Buffer.alloc(300_000, 120));
  await assert.rejects(d.reader().readline(), { name: 'LimitError', limit: 65536 });
  d.close();
  await flood.catch(() => {});
});

scene('lines and frames are iterated over', async (s) => {
  const [a, b] = readers(s);
  await a.sendall('one\ntwo\r\n\n\r\nvier ü\nlast');
  a.close();
  const lines: string[] = [];
  for await (const line of b.reader().lines()) lines.push(line);
  assert.deepEqual(lines, ['one', 'two', '', '', 'vier ü', 'last']);

  const [c, d] = readers(s);
  await c.sendall('\0\u0003abc\0\0\0\u0001d');
  c.close();
  const frames: string[] = [];
  for await (const frame of d.reader().frames({ lengthBytes: 2 })) frames.push(frame.toString());
  assert.deepEqual(frames, ['abc', '', 'd']);

  const [e, f] = readers(s);
  await e.sendall('1\n2\n3\n');
  const reader = f.reader();
  for await (const line of reader.lines({ encoding: 'latin1' })) if (line === '1') break;
  assert.equal((await reader.readline()).toString(), '2\n');
  assert.equal(reader.rest().toString(), '3\n');
  assert.equal(reader.buffered, 0);
  await e.sendall('4\n5\n6\n');
  for await (const line of reader.lines()) if (line === '4') break;
  assert.equal(reader.rest().toString(), '5\n6\n');
  assert.equal(reader.buffered, 0);
});

scene('another read in the midst of lines goes on behind the last one', async (s) => {
  const [a, b] = readers(s);
  await a.sendall('eins\r\nzwei\nBODY:drei ü\nvier\nfünf\nlast');
  a.close();
  const reader = b.reader();
  const seen: string[] = [];
  for await (const line of reader.lines()) {
    seen.push(line);
    if (line === 'zwei') {
      assert.equal(reader.buffered, 28);
      seen.push((await reader.readexactly(5)).toString());
    }
    if (line === 'vier') break;
  }
  const other = reader.lines({ encoding: 'latin1' });
  seen.push((await other.next()).value!);
  for await (const line of reader.lines()) seen.push(line);
  assert.equal((await other.next()).done, true);
  assert.deepEqual(seen, ['eins', 'zwei', 'BODY:', 'drei ü', 'vier', 'f\u00c3\u00bcnf', 'last']);
});

scene('batches hold every line once, and lines over the limit are found among others', async (s) => {
  const chance = new Chance('batches');
  const lines = Array.from({ length: 20_000 }, (_, i) => `${i} ${'ü'.repeat(chance.integer(0, 50))}`);
  const [a, b] = readers(s);
  const sending = trickle(a, chance.pieces(Buffer.from(`${lines.join('\n')}\n`), 100_000), chance);
  const seen: string[] = [];
  let batches = 0;
  for await (const batch of b.reader().lineBatches()) {
    batches++;
    seen.push(...batch);
  }
  await sending;
  assert.deepEqual(seen, lines);
  assert.ok(batches < lines.length / 10, `${batches} batches`);

  for (const [long, limit] of [
    ['x'.repeat(10), 10],
    ['ü'.repeat(5), 10],
    ['\ufffd\ufffd', 6],
  ] as const) {
    const [c, d] = readers(s);
    await c.sendall(`one\n${long}\ntwo\n`);
    c.close();
    const reader = d.reader({ limit });
    const iterated = reader.lines();
    assert.equal((await iterated.next()).value, 'one');
    await assert.rejects(async () => iterated.next(), LimitError);
    assert.equal((await reader.readline({ limit: 100 })).toString(), `${long}\n`);
    assert.equal((await iterated.next()).value, 'two');
    assert.equal((await iterated.next()).done, true);
  }
});

scene('one piece serves all reads that wait for it', async (s) => {
  const [a, b] = readers(s);
  const reader = b.reader();
  const lines = [reader.readline(), reader.readline(), reader.readexactly(2), reader.readline()];
  await a.sendall('one\ntwo\n34five\n');
  const served = await within(Promise.all(lines), 'all four');
  assert.deepEqual(served.map(String), ['one\n', 'two\n', '34', 'five\n']);

  // One that is given up leaves what it could not use to those behind it.
  b.settimeout(0.2);
  const late = reader.readexactly(100);
  await a.sendall('six\n');
  await sleep(0.05);
  b.settimeout(null);
  const behind = [reader.readline(), reader.readline()];
  await assert.rejects(late, TimeoutError);
  assert.equal(String(await within(behind[0]!, 'the line that was there')), 'six\n');
  await a.sendall('seven\n');
  assert.equal(String(await behind[1]), 'seven\n');

  // So does one that fails, and the end of the stream is for all.
  const rest = [reader.readline({ limit: 2 }), reader.readline(), reader.readline(), reader.readall()];
  const failing = assert.rejects(rest[0]!, LimitError);
  await a.sendall('eight\n');
  a.shutdown(SHUT_WR);
  await failing;
  assert.deepEqual((await within(Promise.all(rest.slice(1)), 'the end')).map(String), ['eight\n', '', '']);
});

scene('lines that are taken one by one between other reads cost what they are long', async (s) => {
  const [a, b] = readers(s);
  const count = 20_000;
  const sending = a.sendall('$3\nabc'.repeat(count)).then(() => a.close());
  const reader = b.reader();
  const lines = reader.lines();
  const decoded: number[] = [];
  const own = Buffer.prototype.toString;
  Buffer.prototype.toString = function (this: Buffer, ...args: Parameters<Buffer['toString']>) {
    if (args.length === 3) decoded.push(args[2]! - args[1]!);
    return own.apply(this, args);
  };
  try {
    for (let i = 0; i < count; i++) {
      assert.equal((await lines.next()).value, '$3');
      assert.equal((await reader.readexactly(3)).length, 3);
    }
  } finally {
    Buffer.prototype.toString = own;
  }
  assert.equal((await lines.next()).done, true);
  await sending;
  assert.ok(Math.max(...decoded) <= 1024, 'a line, and little beyond it');
});

scene('what is buffered is told in the midst of lines, short ones in front of a long one', async (s) => {
  const [a, b] = readers(s);
  const text = `${'ab\n'.repeat(5000)}${'x'.repeat(30_000)}\nend\n`;
  const sending = a.sendall(text).then(() => a.close());
  const reader = b.reader();
  await reader.peek(text.length);
  let left = text.length;
  for await (const line of reader.lines()) {
    left -= line.length + 1;
    assert.equal(reader.buffered, left);
    if (left === text.length - 3) assert.equal((await reader.peek(left)).toString(), text.slice(3));
  }
  assert.equal(left, 0);
  await sending;
});

scene('closing the socket ends reads that wait; what was received can still be read', async (s) => {
  const [a, b] = readers(s);
  const reader = b.reader();
  await a.sendall('line\nmore');
  const first = await reader.readline();
  const waiting = [reader.readline(), reader.readexactly(100)];
  b.close();
  for (const each of waiting)
    await assert.rejects(within(each, 'a read of a closed socket'), { code: 'EBADF' });
  assert.equal(first.toString(), 'line\n');
  assert.equal((await reader.readexactly(4)).toString(), 'more');
  await assert.rejects(reader.readexactly(1), { code: 'EBADF' });
});

scene('a flood does not keep the event loop from its turn', async (s) => {
  const [a, b] = readers(s);
  const reader = b.reader();
  const block = Buffer.alloc(1 << 20);
  let flooding = true;
  const flood = (async () => {
    while (flooding) await a.sendall(block);
  })().catch(() => {});
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  await within(reader.readexactly(200 << 20), 'two hundred MiB', 60);
  clearInterval(timer);
  assert.ok(ticks > 5, `${ticks} ticks`);
  flooding = false;
  b.close();
  await flood;
});

scene('arguments are checked', async (s) => {
  const [, b] = readers(s);
  const reader = b.reader();
  const calls = reader as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  assert.throws(() => b.reader({ limit: 0 }), RangeError);
  assert.throws(() => b.reader({ limit: '1' as unknown as number }), TypeError);
  for (const [method, args, type] of [
    ['readexactly', [-1], RangeError],
    ['readexactly', ['1'], TypeError],
    ['readuntil', [''], RangeError],
    ['readuntil', [10], TypeError],
    ['readuntil', ['x', { limit: 1.5 }], RangeError],
    ['readline', [{ limit: -1 }], RangeError],
    ['readline', [{ signal: {} }], TypeError],
    ['readall', [10], TypeError],
    ['peek', [undefined], TypeError],
    ['read', [1.5], RangeError],
    ['readframe', [undefined], TypeError],
    ['readframe', [{ lengthBytes: 3 }], RangeError],
    ['readframe', [{ lengthBytes: '2' }], TypeError],
    ['readframe', [{ lengthBytes: 2, endian: 'middle' }], TypeError],
  ] as const)
    await assert.rejects(async () => calls[method]!(...args), type, `${method}(${JSON.stringify(args)})`);
  assert.throws(() => reader.lines({ encoding: 'utf16le' as 'utf8' }), TypeError);
  assert.throws(() => calls.frames!(), TypeError);
  assert.throws(() => calls.frames!({ lengthBytes: 3 }), RangeError);
  assert.throws(() => calls.frames!({ lengthBytes: 4, endian: 'middle' }), TypeError);
});
