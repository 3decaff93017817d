// Memory that is not there any more, that others would take away, or that is larger than most.
import assert from 'node:assert/strict';
import type { Socket, SocketError } from 'berkeley-sockets';
import { sleep, within } from '../support/deadline.ts';
import { scene } from '../support/scene.ts';
import { across, bound, pair, streams, unixDatagram, unixStream } from '../support/transports.ts';

/** Moves what stands behind `view` to another owner. */
const take = (view: Uint8Array): unknown =>
  structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] });

across(
  streams,
  'what was received cannot be taken away from under the next receive',
  async (s, transport) => {
    const [a, b] = await pair(s, transport);
    for (const text of ['first', 'second', 'third']) {
      for (const waits of [true, false]) {
        const receiving = waits ? b.recv(100) : undefined;
        await a.sendall(text);
        await sleep(0.005);
        const got = await within(receiving ?? b.recv(100), text);
        assert.equal(got.toString(), text);
        // Refused, or answered with a copy: as the runtime has it for the memory of small Buffers.
        try {
          take(got);
        } catch (error) {
          assert.equal((error as Error).name, 'DataCloneError');
        }
        assert.equal(got.toString(), text);
      }
    }
  },
);

/** Sends to `target` until it is full. */
async function fill(sender: Socket, target: Socket): Promise<number> {
  sender.settimeout(0);
  for (let count = 0; ; count++) {
    const code = await sender
      .sendto('filler', target.getsockname())
      .catch((error: SocketError) => error.code);
    if (code !== 6) {
      assert.equal(code, 'EAGAIN');
      sender.settimeout(null);
      return count;
    }
  }
}

scene('a datagram whose memory is taken away while it waits is not sent', async (s) => {
  const target = bound(s, unixDatagram);
  const sender = bound(s, unixDatagram);
  const count = await fill(sender, target);
  const view = new Uint8Array(100);
  const sends = [
    sender.sendto(view, target.getsockname()),
    sender.sendmany([[view, target.getsockname()]]),
    sender.sendmany([
      ['there', target.getsockname()],
      [view, target.getsockname()],
    ]),
  ];
  const ends = Promise.allSettled(sends);
  take(view);
  for (let i = 0; i < count; i++) assert.equal(String(await target.recv(100)), 'filler');
  const [one, many, some] = await within(ends, 'the sends');
  for (const end of [one, many]) {
    assert.ok(end?.status === 'rejected' && end.reason instanceof TypeError, String(end?.status));
    assert.match(end.reason.message, /detached or resized/);
  }
  // Those in front of it go out, and are told.
  assert.deepEqual(some, { status: 'fulfilled', value: 1 });
  assert.equal(String(await within(target.recv(100), 'the one that was there')), 'there');
  assert.equal(target.tryRecvInto(Buffer.alloc(10)), undefined);
});

// Pages that were never written are the kernel's one page of zeros: this costs time, not memory.
const huge = 2 ** 31 + 12_345;

scene(
  'more than 2 GiB in one call',
  async (s) => {
    const [a, b] = await pair(s, unixStream);
    const sending = a.sendall(new Uint8Array(huge));
    const memory = new Uint8Array(1 << 20);
    for (let left = huge; left > 0; )
      left -= await b.recvInto(memory, { nbytes: Math.min(left, memory.length) });
    await sending;
    assert.equal(b.tryRecvInto(memory), undefined);
  },
  { seconds: 60 },
);

scene('a receive into memory of more than 2 GiB', async (s) => {
  const [a, b] = await pair(s, unixStream);
  const memory = new Uint8Array(huge);
  const receiving = b.recvInto(memory);
  await a.sendall('waited');
  assert.equal(await receiving, 6);
  await a.sendall('there');
  assert.equal(await b.recvInto(memory), 5);
  assert.equal(Buffer.from(memory.buffer, 0, 6).toString(), 'thered');
});
