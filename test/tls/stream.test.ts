// What moves through a TLS connection, how it ends, and what is left when a call ends early.
import assert from 'node:assert/strict';
import {
  IncompleteReadError,
  MSG_PEEK,
  SHUT_WR,
  SO_SNDBUF,
  SOL_SOCKET,
  TimeoutError,
} from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';
import { eventually, sleep, staysPending, within } from '../support/deadline.ts';
import { scene as plainScene, type Scene, type SceneOptions } from '../support/scene.ts';
import { pair, streams } from '../support/transports.ts';
import { openssl } from './certificate.ts';
import { over, plain, receive, secured } from './connection.ts';

const scene = (name: string, body: (s: Scene) => Promise<void>, options: SceneOptions = {}): void =>
  plainScene(name, body, { ...openssl, ...options });

const MIB = 1 << 20;

for (const transport of streams) {
  scene(
    `ten MiB both ways at once (${transport.name})`,
    async (s) => {
      const chance = new Chance('ten');
      const ends = await over(s, await pair(s, transport));
      const data = [chance.bytes(10 * MIB), chance.bytes(10 * MIB)] as const;
      const received = ends.map(async (end) => {
        const chunks: Buffer[] = [];
        for await (const chunk of end) chunks.push(chunk);
        return Buffer.concat(chunks);
      });
      await Promise.all(
        ends.map(async (end, i) => {
          for (const piece of chance.pieces(data[i]!, 500_000)) await end.sendall(piece);
          end.shutdown(SHUT_WR);
        }),
      );
      const [second, first] = await Promise.all(received);
      assert.ok(data[0].equals(first!) && data[1].equals(second!));
    },
    { skip: openssl.skip ?? transport.missing, seconds: 60 },
  );
}

scene('calls of one direction are served in their order', async (s) => {
  const [a, b] = await secured(s);
  const waiting = [b.recv(2), b.recv(3), b.recvInto(Buffer.alloc(1)), b.recv(100)];
  await a.sendall('112223four');
  const got = await within(Promise.all(waiting), 'four calls for one record');
  assert.deepEqual(got.map(String), ['11', '222', '1', 'four']);

  const blocks = Array.from({ length: 6 }, (_, i) => Buffer.alloc(300_000 + i, 97 + i));
  const sending = Promise.all(blocks.map((block) => a.sendall(block)));
  const all = Buffer.concat(blocks);
  assert.ok((await receive(b, all.length)).equals(all));
  await sending;
});

scene('nothing is received that nobody asked for', async (s) => {
  const [near, far] = plain(s);
  const [a, b] = await over(s, [near, far]);
  // What a server sends behind the handshake, and this, stays in the kernel.
  await b.sendall('later');
  await sleep(0.05);
  assert.ok(near.tryRecvInto(Buffer.alloc(100), { flags: MSG_PEEK })! > 0);
  assert.equal(a.pending(), 0);
  assert.equal(String(await a.recv(2)), 'la');
  assert.equal(a.pending(), 3);
  assert.deepEqual(await a.wait({ read: true }), { read: true, write: false });
  assert.equal(String(await a.recv(100)), 'ter');

  // A receiver that does not read stops the sender.
  far.setsockopt(SOL_SOCKET, SO_SNDBUF, 20_000);
  const flood = Buffer.alloc(8 * MIB, 'f');
  const sending = b.sendall(flood);
  await staysPending(sending, 'a sendall that nobody receives', 0.2);
  assert.equal(a.pending(), 0);
  assert.ok((await receive(a, flood.length)).equals(flood));
  await sending;
});

scene('a receive that timed out or was aborted has taken nothing', async (s) => {
  const [a, b] = await secured(s);
  b.settimeout(0.05);
  await assert.rejects(b.recv(10), TimeoutError);
  b.settimeout(null);
  const stop = new AbortController();
  const aborted = b.recv(10, { signal: stop.signal });
  const behind = b.recv(10);
  stop.abort(new Error('no'));
  await assert.rejects(aborted, { message: 'no' });
  await a.sendall('for the next');
  assert.equal(String(await behind), 'for the ne');
  assert.equal(String(await b.recv(10)), 'xt');
  await assert.rejects(b.recv(1, { signal: AbortSignal.abort(new Error('before')) }), { message: 'before' });
});

scene('a sendall that ends early says how much went, and the stream goes on behind it', async (s) => {
  const chance = new Chance('early');
  for (const early of ['abort', 'timeout'] as const) {
    const [a, b] = await secured(s);
    const data = chance.bytes(12 * MIB);
    let sent = -1;
    const stop = new AbortController();
    if (early === 'timeout') a.settimeout(0.2);
    else setTimeout(() => stop.abort(new Error('enough')), 200);
    await assert.rejects(a.sendall(data, { signal: stop.signal }), (error: { bytesSent?: number }) => {
      sent = error.bytesSent!;
      return error instanceof TimeoutError === (early === 'timeout');
    });
    a.settimeout(null);
    assert.ok(sent > 0 && sent < data.length, `${sent} bytes`);
    const rest = a.sendall('the rest');
    assert.ok((await receive(b, sent)).equals(data.subarray(0, sent)));
    assert.equal(String(await receive(b, 8)), 'the rest');
    await rest;
  }
});

scene('send tells what TLS took, and takes nothing where it cannot', async (s) => {
  const [a, b] = await secured(s);
  assert.equal(await a.send('abc'), 3);
  const taken = await a.send(Buffer.alloc(MIB, 'x'));
  assert.ok(taken > 0 && taken < MIB);
  assert.equal((await receive(b, 3 + taken)).length, 3 + taken);
  // Until the kernel is full.
  let sent = 0;
  for (let refused = 0; refused < 20; ) {
    const n = a.trySend(Buffer.alloc(100_000, 'y'));
    sent += n ?? 0;
    refused = n === undefined ? refused + 1 : 0;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(sent > 100_000);
  a.settimeout(0.05);
  await assert.rejects(a.send('z'), TimeoutError);
  a.settimeout(null);
  const behind = a.sendall('!');
  const got = await receive(b, sent + 1);
  assert.equal(got.length, sent + 1);
  assert.equal(String(got.subarray(-3)), 'yy!');
  await behind;
});

scene('a connection that does not block', async (s) => {
  const [a, b] = await secured(s);
  for (const each of [a, b]) each.setblocking(false);
  assert.equal(b.getblocking(), false);
  await assert.rejects(b.recv(10), { code: 'EAGAIN' });
  assert.equal(b.tryRecvInto(Buffer.alloc(10)), undefined);
  assert.equal(await a.send('now'), 3);
  b.settimeout(5);
  await b.wait({ read: true });
  b.settimeout(0);
  assert.equal(String(await b.recv(10)), 'now');
  await eventually(() => a.trySend('more') === 4, 'TLS to have finished the first');
  const view = Buffer.alloc(10);
  assert.equal(await eventually(() => b.tryRecvInto(view) ?? false, 'the rest'), 4);
  assert.equal(String(view.subarray(0, 4)), 'more');
  let accepted = 0;
  await assert.rejects(
    (async () => {
      for (;;) {
        await a.sendall(Buffer.alloc(50_000, 'q'));
        accepted += 50_000;
      }
    })(),
    (error: { code?: string; bytesSent?: number }) => {
      accepted += error.bytesSent!;
      return error.code === 'EAGAIN';
    },
  );
  b.settimeout(5);
  // What TLS had taken goes out all the same.
  assert.equal((await receive(b, accepted)).length, accepted);
});

// --- arguments ----------------------------------------------------------------------------------

scene('arguments are checked', async (s) => {
  const [a, b] = await secured(s);
  const calls = a as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  for (const [method, args, type] of [
    ['recv', [-1], RangeError],
    ['recv', ['1'], TypeError],
    ['recv', [1, { flags: MSG_PEEK }], RangeError],
    ['recv', [1, 5], TypeError],
    ['recvInto', ['text'], TypeError],
    ['recvInto', [Buffer.alloc(2), { nbytes: 3 }], RangeError],
    ['send', [5], TypeError],
    ['send', ['x', { flags: 1 }], RangeError],
    ['sendall', [{}], TypeError],
    ['sendall', ['x', { signal: 'no' }], TypeError],
    ['wait', [{}], TypeError],
    ['wait', [], TypeError],
  ] as const)
    await assert.rejects(async () => calls[method]!(...args), type, `${method}(${JSON.stringify(args)})`);
  assert.throws(() => a.settimeout(-1), RangeError);
  assert.equal((await a.recv(0)).length, 0);
  assert.equal(await a.send(''), 0);
  await a.sendall('');
  assert.equal(a.trySend(''), 0);
  // Every form of bytes.
  const shared = new SharedArrayBuffer(2);
  Buffer.from(shared).set([51, 52]);
  for (const data of ['12', shared, new Uint16Array([0x3635]), Buffer.from('789').buffer.slice(0, 0)])
    await a.sendall(data);
  assert.equal(String(await receive(b, 6)), '123456');
});

// --- on top -------------------------------------------------------------------------------------

scene('messages are read', async (s) => {
  const [a, b] = await secured(s);
  const reader = b.reader({ limit: 100 });
  const reads = [reader.readline(), reader.readexactly(4), reader.readuntil('--'), reader.readline()];
  await a.sendall('line\n1234until--');
  await a.sendall('half');
  const first = await within(Promise.all(reads.slice(0, 3)), 'three messages of one record');
  assert.deepEqual(first.map(String), ['line\n', '1234', 'until--']);
  await staysPending(reads[3]!, 'half a line');
  await a.sendall('way\n');
  assert.equal(String(await reads[3]), 'halfway\n');
  b.settimeout(0.05);
  await assert.rejects(reader.readline(), TimeoutError);
  b.settimeout(null);
  await a.sendall('a\nb\nc\n\0\x02zz\0\x05');
  a.shutdown(SHUT_WR);
  const lines: string[] = [];
  for await (const line of reader.lines()) if (lines.push(line) === 3) break;
  assert.deepEqual(lines, ['a', 'b', 'c']);
  const frames = reader.frames({ lengthBytes: 2 });
  assert.equal(String((await frames.next()).value), 'zz');
  await assert.rejects(frames.next(), IncompleteReadError);
});

scene('a connection as streams', async (s) => {
  const chance = new Chance('streams');
  const data = chance.bytes(3 * MIB);
  const [a, b] = await secured(s);
  const stream = a.toDuplex();
  const writer = b.writable.getWriter();
  const sending = (async () => {
    for (const piece of chance.pieces(data, 100_000)) await writer.write(piece);
    await writer.close();
  })();
  const chunks: Buffer[] = [];
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer);
  await sending;
  assert.ok(Buffer.concat(chunks).equals(data));

  const [c, d] = await secured(s);
  const answer = c.toDuplex({ allowHalfOpen: true });
  for (const piece of chance.pieces(data, 100_000)) answer.write(piece);
  answer.end();
  const got: Uint8Array[] = [];
  for await (const chunk of d.readable) got.push(chunk);
  assert.ok(Buffer.concat(got).equals(data));
  answer.destroy();
});
