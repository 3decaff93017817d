// The stream side of `toDuplex()`: what the stream functions of Node make of it, half close, errors,
// backpressure.
import assert from 'node:assert/strict';
import { PassThrough, Readable, Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { MSG_DONTWAIT, SHUT_WR, SO_RCVBUF, SOL_SOCKET, socket } from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';
import { eventually, sleep } from '../support/deadline.ts';
import { scene } from '../support/scene.ts';
import {
  across,
  listening,
  pair,
  receive,
  receiveAll,
  streams,
  tcp4,
  unixStream,
} from '../support/transports.ts';
import { ends, event, story } from './ends.ts';

// --- both directions ----------------------------------------------------------------------------

across(streams, 'an end that is read ends the stream, as net.Socket does', async (stage, transport) => {
  const { s, b } = await ends(stage, transport);
  const told = story(s);
  s.write('last words');
  b.shutdown(SHUT_WR);
  s.resume();
  assert.equal((await receiveAll(b)).toString(), 'last words');
  if (!s.closed) await event(s, 'close');
  assert.deepEqual(told, ['end', 'finish', 'close false']);
});

across(streams, 'with allowHalfOpen the writable side stays', async (stage, transport) => {
  const { s, b } = await ends(stage, transport, { allowHalfOpen: true });
  const told = story(s);
  b.shutdown(SHUT_WR);
  s.resume();
  await event(s, 'end');
  await sleep(0.02);
  assert.equal(s.readyState, 'writeOnly');
  s.write('and ');
  s.end('now');
  assert.equal((await receiveAll(b)).toString(), 'and now');
  if (!s.closed) await event(s, 'close');
  assert.deepEqual(told, ['end', 'finish', 'close false']);
});

scene('end() leaves the readable side to the peer', async (stage) => {
  const { s, b } = await ends(stage);
  s.end('question');
  assert.equal((await receiveAll(b)).toString(), 'question');
  assert.equal(s.readyState, 'readOnly');
  await b.sendall('answer');
  b.close();
  const chunks = await s.toArray();
  assert.equal(Buffer.concat(chunks).toString(), 'answer');
});

scene('a write behind the peer’s end fails with EPIPE, as net.Socket says it', async (stage) => {
  const { s, b } = await ends(stage);
  b.close();
  s.resume();
  await event(s, 'end');
  await eventually(() => s.writableEnded, 'the writable side ended');
  const [error] = await new Promise<[NodeJS.ErrnoException]>((resolve) => {
    s.once('error', () => {});
    s.write('x', (given) => resolve([given as NodeJS.ErrnoException]));
  });
  // The stream may be closed by then, which Node's own stream code says.
  assert.ok(error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED', error.code);
});

scene('pipeline, finished, async iteration, setEncoding, compose with it', async (stage) => {
  const chance = new Chance('pipeline');
  const sent = chance.bytes(3 << 20);
  const { s, b } = await ends(stage);
  const receiving = receiveAll(b);
  await pipeline(Readable.from(chance.pieces(sent, 200_000)), s, { end: true });
  assert.ok((await receiving).equals(sent));
  const sending = b.sendall(sent).then(() => b.close());
  const got: Buffer[] = [];
  await pipeline(s, new PassThrough(), async (source: AsyncIterable<Buffer>) => {
    for await (const chunk of source) got.push(chunk);
  });
  await sending;
  assert.ok(Buffer.concat(got).equals(sent));
  await finished(s);
  assert.equal(s.destroyed, true);

  const { s: text, b: other } = await ends(stage);
  text.setEncoding('utf8');
  const euro = Buffer.from('€€');
  let heard = '';
  const reading = (async () => {
    for await (const part of text) heard += part;
  })();
  await other.sendall(euro.subarray(0, 2));
  await sleep(0.01);
  await other.sendall(euro.subarray(2));
  other.close();
  await reading;
  assert.equal(heard, '€€');
});

scene('cork gathers small writes into one packet of the peer’s', async (stage) => {
  const { s, b } = await ends(stage, unixStream);
  s.cork();
  for (const part of ['one ', Buffer.from('two '), 'three']) s.write(part);
  s.write('666f7572', 'hex');
  assert.equal(b.tryRecvInto(new Uint8Array(1), { flags: MSG_DONTWAIT }), undefined);
  s.uncork();
  // A stream of AF_UNIX keeps what was sent by one call in one piece, if it is small.
  assert.equal((await b.recv(1000)).toString(), 'one two threefour');
});

scene('many large chunks at once arrive in order', async (stage) => {
  const chance = new Chance('writev');
  for (const transport of [tcp4, unixStream]) {
    const { s, b } = await ends(stage, transport);
    const chunks = Array.from({ length: 700 }, () => chance.bytes(chance.integer(0, 9000)));
    const all = Buffer.concat(chunks);
    const receiving = receive(b, all.length);
    let called = 0;
    s.cork();
    for (const chunk of chunks) s.write(chunk, () => called++);
    s.uncork();
    assert.ok((await receiving).equals(all));
    await eventually(() => called === chunks.length, 'every callback');
    assert.equal(s.bytesWritten, all.length);
    s.destroy();
  }
});

// --- backpressure -------------------------------------------------------------------------------

scene('who does not read holds the sender up, in the kernel', async (stage) => {
  const listener = listening(stage, tcp4);
  listener.setsockopt(SOL_SOCKET, SO_RCVBUF, 32768);
  const b = stage.own(socket());
  const [, [a]] = await Promise.all([
    b.connect(listener.getsockname() as [string, number]),
    listener.accept(),
  ]);
  const s = a.toDuplex();
  stage.after(() => void s.destroy());
  let sent = 0;
  const piece = Buffer.alloc(65536);
  let quiet = performance.now();
  while (performance.now() - quiet < 100) {
    const taken = b.trySend(piece);
    if (taken === undefined) await sleep(0.005);
    else {
      sent += taken;
      quiet = performance.now();
    }
  }
  const held = s.readableLength;
  assert.ok(held <= s.readableHighWaterMark + 2 * 65536, `${held} bytes were taken from the kernel`);
  assert.ok(sent < 32 << 20, 'the sender was never held up');
  let read = 0;
  s.on('data', (chunk) => {
    read += chunk.length;
  });
  await eventually(() => read === sent, 'everything that was sent');
});

scene('write says false, and drain comes when the peer reads', async (stage) => {
  const { s, b } = await ends(stage, unixStream);
  const piece = Buffer.alloc(100_000);
  let written = 0;
  while (s.write(piece)) written += piece.length;
  written += piece.length;
  while (s.writableLength === 0) {
    s.write(piece);
    written += piece.length;
  }
  assert.equal(s.writableNeedDrain, true);
  const drained = event(s, 'drain');
  await receive(b, written);
  await drained;
  assert.equal(s.writableLength, 0);
});

scene('a paused stream takes nothing while it is full, and all when it flows', async (stage) => {
  const { s, b } = await ends(stage);
  s.pause();
  const sent = new Chance('paused').bytes(2 << 20);
  const sending = b.sendall(sent).then(() => b.close());
  await sleep(0.05);
  assert.ok(s.readableLength <= s.readableHighWaterMark + 2 * 65536);
  const got: Buffer[] = [];
  s.on('data', (chunk: Buffer) => {
    got.push(chunk);
    s.pause();
    setImmediate(() => s.resume());
  });
  s.resume();
  await event(s, 'end');
  await sending;
  assert.ok(Buffer.concat(got).equals(sent));
});

// --- errors -------------------------------------------------------------------------------------

scene('a reset destroys the stream with ECONNRESET', async (stage) => {
  const { s, b } = await ends(stage);
  const told = story(s);
  s.resume();
  b.toDuplex().resetAndDestroy();
  await event(s, 'close');
  assert.deepEqual(told, ['error ECONNRESET', 'close true']);
  await assert.rejects(finished(s), { code: 'ECONNRESET' });
});

scene('a write into a closed connection fails with EPIPE or ECONNRESET', async (stage) => {
  const { s, b } = await ends(stage, unixStream, { allowHalfOpen: true });
  b.close();
  const failed = event(s, 'error') as Promise<NodeJS.ErrnoException>;
  s.on('error', () => {});
  const write = new Promise<unknown>((resolve) => s.write('x', resolve));
  assert.equal((await failed).code, 'EPIPE');
  assert.equal(((await write) as NodeJS.ErrnoException).code, 'EPIPE');
});

scene('an error of the other end of a pipeline closes the socket', async (stage) => {
  const { s, b } = await ends(stage);
  const sink = new Writable({ write: (_chunk, _encoding, done) => done(new Error('the disk is full')) });
  await b.sendall('data');
  await assert.rejects(pipeline(s, sink), /the disk is full/);
  assert.equal(s.destroyed, true);
  assert.equal((await b.recv(10)).length, 0);
});

scene('a socket that is closed behind the stream’s back is an error of the stream', async (stage) => {
  const [a] = await pair(stage, tcp4);
  const s = a.toDuplex();
  const failed = event(s, 'error') as Promise<NodeJS.ErrnoException>;
  a.close();
  assert.equal((await failed).code, 'EBADF');
});
