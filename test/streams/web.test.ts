// `readable` and `writable`: byte streams, backpressure, half close, cancel and abort.
import assert from 'node:assert/strict';
import { SHUT_WR, type Socket, socketpair } from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';
import { sleep, staysPending, within } from '../support/deadline.ts';
import { type Scene, scene } from '../support/scene.ts';
import { across, pair, receive, receiveAll, streams, tcp4 } from '../support/transports.ts';

function owned(stage: Scene): [Socket, Socket] {
  const both = socketpair() as [Socket, Socket];
  for (const s of both) stage.own(s);
  return both;
}

across(streams, 'bytes go both ways, and the ends too', async (stage, transport) => {
  const [a, b] = await pair(stage, transport);
  const chance = new Chance('web');
  const [up, down] = [chance.bytes(2 << 20), chance.bytes(1 << 20)];
  const sending = (async () => {
    const writer = a.writable.getWriter();
    for (const piece of chance.pieces(up, 100_000)) await writer.write(piece);
    await writer.close();
  })();
  const answering = b.sendall(down).then(() => b.shutdown(SHUT_WR));
  const got: Uint8Array[] = [];
  const reading = (async () => {
    for await (const chunk of a.readable) got.push(chunk);
  })();
  assert.ok((await receiveAll(b)).equals(up));
  await Promise.all([sending, answering, reading]);
  assert.ok(Buffer.concat(got).equals(down));
  // Both ended: the socket is closed.
  assert.equal(a.closed, true);
});

scene('the streams are made once; they are of stream sockets', (stage) => {
  const [a, b] = owned(stage);
  assert.equal(a.readable, a.readable);
  assert.equal(a.writable, a.writable);
  assert.notEqual(a.readable, b.readable);
});

scene('a BYOB reader’s memory is received into', async (stage) => {
  const [a, b] = owned(stage);
  const reader = a.readable.getReader({ mode: 'byob' });
  const memory = new ArrayBuffer(1000);
  const first = reader.read(new Uint8Array(memory, 10, 100));
  assert.equal(memory.byteLength, 0, 'the memory is the stream’s meanwhile');
  await b.sendall('hello');
  const { value, done } = await first;
  assert.equal(done, false);
  assert.equal(value!.byteOffset, 10);
  assert.equal(value!.buffer.byteLength, 1000);
  assert.equal(Buffer.from(value!).toString(), 'hello');
  // Words: what came is kept until one is whole.
  const words = reader.read(new Uint16Array(4));
  await b.sendall('a');
  await sleep(0.01);
  await b.sendall('bc');
  const got = (await words).value!;
  assert.equal(Buffer.from(got.buffer, got.byteOffset, got.byteLength).toString(), 'ab');
  assert.equal(Buffer.from((await reader.read(new Uint8Array(9))).value!).toString(), 'c');
  b.close();
  const last = await reader.read(new Uint8Array(8));
  assert.equal(last.done, true);
  assert.equal(last.value!.byteLength, 0);
});

scene('a chunk holds no more memory than its own', async (stage) => {
  const [a, b] = owned(stage);
  const reader = a.readable.getReader();
  await b.sendall('tiny');
  const { value } = await reader.read();
  assert.equal(value!.buffer.byteLength, 4);
});

scene('nothing is received before somebody reads', async (stage) => {
  const [a, b] = owned(stage);
  const { readable } = a;
  await b.sendall('mine');
  await sleep(0.02);
  assert.equal((await a.recv(4)).toString(), 'mine');
  const reader = readable.getReader();
  await b.sendall('yours');
  assert.equal(Buffer.from((await reader.read()).value!).toString(), 'yours');
});

scene('a reader that is released takes nothing away from the next', async (stage) => {
  const [a, b] = owned(stage);
  const first = a.readable.getReader();
  const lost = first.read();
  lost.catch(() => {});
  first.releaseLock();
  await assert.rejects(lost, TypeError);
  const second = a.readable.getReader({ mode: 'byob' });
  const reading = second.read(new Uint8Array(10));
  await b.sendall('for you');
  assert.equal(Buffer.from((await reading).value!).toString(), 'for you');
});

scene('a write is done when the kernel has it', async (stage) => {
  const [a, b] = owned(stage);
  const writer = a.writable.getWriter();
  const large = writer.write(Buffer.alloc(8 << 20));
  await staysPending(large, 'the write');
  assert.equal(writer.desiredSize, 0);
  await receive(b, 8 << 20);
  await large;
  await writer.write('text, too');
  assert.equal((await b.recv(100)).toString(), 'text, too');
  await assert.rejects(writer.write(5 as never), TypeError);
});

scene('cancelling ends the receiving, not the sending', async (stage) => {
  const [a, b] = owned(stage);
  const reader = a.readable.getReader();
  const reading = reader.read();
  await reader.cancel('enough');
  assert.deepEqual(await reading, { value: undefined, done: true });
  const writer = a.writable.getWriter();
  await writer.write('still here');
  assert.equal((await b.recv(100)).toString(), 'still here');
  // The peer learns of it (AF_UNIX: its writes fail).
  await assert.rejects(b.sendall('x'), { code: 'EPIPE' });
  await writer.close();
  assert.equal(a.closed, true);
});

scene('aborting closes the socket, a write that waits included', async (stage) => {
  const [a, b] = owned(stage);
  const writer = a.writable.getWriter();
  const writing = writer.write(Buffer.alloc(8 << 20));
  const reader = a.readable.getReader();
  const reading = reader.read();
  const failed = [assert.rejects(writing), assert.rejects(reading, /no more/), assert.rejects(writer.closed)];
  await within(writer.abort(new Error('no more')), 'the abort');
  await Promise.all([...failed, assert.rejects(reader.closed, /no more/)]);
  assert.equal(a.closed, true);
  await within(receiveAll(b), 'the end');
});

scene('a reset fails both streams and closes the socket', async (stage) => {
  const [a, b] = await pair(stage, tcp4);
  const reader = a.readable.getReader();
  const writer = a.writable.getWriter();
  writer.closed.catch(() => {});
  const reading = reader.read();
  b.toDuplex().resetAndDestroy();
  await assert.rejects(reading, { code: 'ECONNRESET' });
  await assert.rejects(writer.write('x'), { code: 'ECONNRESET' });
  assert.equal(a.closed, true);
});

scene('close() of the socket fails what waits', async (stage) => {
  const [a] = owned(stage);
  const reading = a.readable.getReader().read();
  a.close();
  await assert.rejects(reading, { code: 'EBADF' });
});

scene('pipeTo and pipeThrough work with them', async (stage) => {
  const [a, b] = owned(stage);
  const [c, d] = owned(stage);
  const piping = b.readable.pipeThrough(new TransformStream()).pipeTo(c.writable);
  const sent = new Chance('pipe').bytes(1 << 20);
  const writer = a.writable.getWriter();
  const writing = writer.write(sent).then(() => writer.close());
  assert.ok((await receiveAll(d)).equals(sent));
  await Promise.all([writing, piping]);
});

scene('500 random schedules against a model', async (stage) => {
  for (let number = 0; number < 500; number++) {
    const chance = new Chance(`web ${number}`);
    const [a, b] = socketpair() as [Socket, Socket];
    const sent = chance.bytes(chance.integer(0, chance.integer(0, 9) === 0 ? 300_000 : 5000));
    const writing = (async () => {
      const writer = a.writable.getWriter();
      for (const piece of chance.pieces(sent, chance.integer(1, 50_000))) {
        const done = writer.write(piece);
        if (chance.integer(0, 1) === 0) await done;
        else done.catch(() => {});
      }
      await writer.close();
    })();
    const got: Buffer[] = [];
    const reads = new Chance(`reads ${number}`);
    for (let done = false; !done; ) {
      if (reads.integer(0, 1) === 0) {
        const reader = b.readable.getReader({ mode: 'byob' });
        const result = await reader.read(new Uint8Array(reads.integer(1, 70_000)));
        done = result.done;
        if (!done) got.push(Buffer.from(result.value!));
        reader.releaseLock();
      } else {
        const reader = b.readable.getReader();
        const result = await reader.read();
        done = result.done;
        if (!done) got.push(Buffer.from(result.value!));
        reader.releaseLock();
      }
    }
    await writing;
    assert.ok(Buffer.concat(got).equals(sent), `schedule ${number}`);
    if (number % 2 === 0) await b.writable.close();
    else await b.writable.abort();
    await a.readable.cancel();
    assert.equal(a.closed, true, `schedule ${number}`);
    assert.equal(b.closed, true, `schedule ${number}`);
  }
  void stage;
});
