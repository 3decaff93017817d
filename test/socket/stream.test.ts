// Byte streams: what is sent arrives whole and in order, ends are seen, limits are kept.
import assert from 'node:assert/strict';
import { SHUT_RD, SHUT_RDWR, SHUT_WR, SO_LINGER, SOL_SOCKET, type Socket } from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';
import { staysPending } from '../support/deadline.ts';
import {
  across,
  acrossBoth,
  listening,
  meet,
  pair,
  receive,
  receiveAll,
  streams,
  tcp4,
  tcp6,
} from '../support/transports.ts';

async function sendInPieces(s: Socket, data: Buffer, chance: Chance): Promise<void> {
  for (const piece of chance.pieces(data, 20_000)) await s.sendall(piece);
  s.shutdown(SHUT_WR);
}

async function receiveInPieces(s: Socket, chance: Chance): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (;;) {
    const limit = chance.integer(1, chance.integer(1, 3) === 1 ? 50 : 30_000);
    const chunk = await s.recv(limit);
    assert.ok(chunk.length <= limit, `recv(${limit}) gave ${chunk.length} bytes`);
    if (chunk.length === 0) return Buffer.concat(chunks);
    chunks.push(chunk);
  }
}

across(streams, 'bytes arrive as sent, both ways at once, however they are cut', async (s, transport) => {
  const chance = new Chance(`stream ${transport.name}`);
  const [a, b] = await pair(s, transport);
  const there = chance.bytes(500_000);
  const back = chance.bytes(300_000);
  const [, , fromA, fromB] = await Promise.all([
    sendInPieces(a, there, chance),
    sendInPieces(b, back, chance),
    receiveInPieces(b, chance),
    receiveInPieces(a, chance),
  ]);
  assert.ok(fromA.equals(there));
  assert.ok(fromB.equals(back));
});

across(streams, 'many connections at once keep their bytes apart', async (s, transport) => {
  const listener = listening(s, transport);
  const jobs: Promise<void>[] = [];
  for (let i = 0; i < 20; i++) {
    const [client, server] = await meet(s, transport, listener);
    const chance = new Chance(`connection ${i}`);
    const data = chance.bytes(60_000);
    jobs.push(sendInPieces(client, data, chance));
    jobs.push(receiveInPieces(server, chance).then((all) => assert.ok(all.equals(data), `connection ${i}`)));
  }
  await Promise.all(jobs);
});

acrossBoth(streams, 'the end of the stream is an empty Buffer, again and again', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  await a.sendall('last words');
  a.close();
  assert.equal((await receive(b, 10)).toString(), 'last words');
  for (let i = 0; i < 3; i++) {
    const end = await b.recv(100);
    assert.ok(Buffer.isBuffer(end));
    assert.equal(end.length, 0);
  }
});

across(streams, 'data and the end that came together are told one after the other', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const waiting = b.recv(100);
  await a.sendall('abc');
  a.shutdown(SHUT_WR);
  assert.equal((await waiting).toString(), 'abc');
  assert.equal((await b.recv(100)).length, 0);
});

acrossBoth(streams, 'half close: the other direction goes on', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  await a.sendall('question');
  a.shutdown(SHUT_WR);
  assert.equal((await receiveAll(b)).toString(), 'question');
  await b.sendall('answer');
  assert.equal((await a.recv(100)).toString(), 'answer');
  await assert.rejects(async () => a.send('more'), { code: 'EPIPE', syscall: 'send' });
  b.close();
  assert.equal((await a.recv(100)).length, 0);
});

across(streams, 'shutting down reading ends a recv that waits', async (s, transport) => {
  for (const how of [SHUT_RD, SHUT_RDWR]) {
    const [a] = await pair(s, transport);
    const waiting = a.recv(100);
    await staysPending(waiting, 'recv', 0.02);
    a.shutdown(how);
    assert.equal((await waiting).length, 0);
  }
});

across(streams, 'a recv takes no more than it was asked for, the rest stays', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  await a.sendall('0123456789');
  assert.equal((await receive(b, 3, 3)).toString(), '012');
  assert.equal((await receive(b, 1, 1)).toString(), '3');
  assert.equal((await receive(b, 6)).toString(), '456789');
  await staysPending(b.recv(1), 'recv of nothing', 0.02);
});

acrossBoth(streams, 'what was received is not touched by what comes later', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const kept: Buffer[] = [];
  for (let i = 0; i < 200; i++) {
    await a.sendall(Buffer.alloc(100, i));
    kept.push(await receive(b, 100));
  }
  kept[50]!.fill(0xff);
  for (const [i, chunk] of kept.entries()) {
    assert.ok(
      chunk.every((byte) => byte === (i === 50 ? 0xff : i)),
      `chunk ${i}`,
    );
  }
});

acrossBoth(streams, 'a small Buffer that is kept does not keep much more memory', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  await a.sendall('x');
  const kept = await b.recv(1_000_000);
  assert.ok(kept.buffer.byteLength <= 65536, `one byte keeps ${kept.buffer.byteLength}`);
});

acrossBoth(streams, 'no bytes asked for or sent: done at once', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  assert.equal((await b.recv(0)).length, 0);
  assert.equal(await a.send(''), 0);
  await a.sendall(new Uint8Array(0));
  await a.sendall('x');
  assert.equal((await b.recv(0)).length, 0);
  assert.equal((await b.recv(10)).toString(), 'x');
});

acrossBoth([tcp4, tcp6], 'a reset is an error after the data that came before it', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  await a.sendall('before');
  assert.equal((await b.recv(3)).toString(), 'bef');
  const linger = Buffer.from(new Int32Array([1, 0]).buffer);
  a.setsockopt(SOL_SOCKET, SO_LINGER!, linger);
  a.close();
  assert.equal((await b.recv(100)).toString(), 'ore');
  await assert.rejects(async () => b.recv(100), { code: 'ECONNRESET', syscall: 'recv' });
  assert.equal((await b.recv(100)).length, 0);
});

across(streams, 'a peer that is gone is an error of send, not a signal', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  b.close();
  await assert.rejects(
    async () => {
      for (;;) await a.sendall('into the void');
    },
    (error: Error & { code: string; bytesSent: number }) => {
      assert.match(error.code, /^(EPIPE|ECONNRESET)$/);
      assert.equal(error.bytesSent, 0);
      return true;
    },
  );
});
