// What sendmsg, recvmsg and recvmsgInto are given: what is refused and how, code of the caller’s that runs
// in between, memory that goes; and the native calls below, which take nothing on trust.
import assert from 'node:assert/strict';
import os from 'node:os';
import { AF_UNIX, SOCK_DGRAM, type Socket, socketpair } from 'berkeley-sockets';
import { staysPending, within } from '../support/deadline.ts';
import { scene } from '../support/scene.ts';
import { across, pair, tcp4, udp4, unixStream } from '../support/transports.ts';

across([tcp4, unixStream, udp4], 'what is no buffer, no size and no option', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const type = (promise: Promise<unknown>, message: RegExp) =>
    assert.rejects(promise, { name: 'TypeError', message });
  const range = (promise: Promise<unknown>, message: RegExp) =>
    assert.rejects(promise, { name: 'RangeError', message });
  const any = (value: unknown) => value as never;
  for (const buffers of ['text', Buffer.from('x'), null, undefined, 1, {}])
    await type(a.sendmsg(any(buffers)), /^Expected an iterable of buffers for buffers but received /);
  for (const views of ['text', Buffer.alloc(1), null, 1, {}])
    await type(b.recvmsgInto(any(views)), /^Expected an iterable of buffers for views but received /);
  for (const buffer of [1, null, undefined, {}, [1]])
    await type(a.sendmsg(['x', any(buffer)]), /for buffers\[1\] but received /);
  await type(b.recvmsgInto([Buffer.alloc(1), any('text')]), /for views\[1\] but received /);
  for (const size of [-1, 0.5, 2 ** 31, Number.NaN]) {
    await range(b.recvmsg(size), /for bufsize but received/);
    await range(b.recvmsg(1, size), /for ancbufsize but received/);
    await range(b.recvmsgInto([], size), /for ancbufsize but received/);
    await range(
      a.sendmsg(['x'], { flags: any(size === -1 ? 2 ** 31 : size === 2 ** 31 ? -(2 ** 32) : size) }),
      /for flags/,
    );
  }
  for (const size of ['1', null, {}]) {
    await type(b.recvmsg(any(size)), /^Expected a number for bufsize/);
    await type(b.recvmsg(1, any(size)), /^Expected a number for ancbufsize/);
  }
  await type(a.sendmsg(['x'], any(5)), /^Expected an object for options/);
  await type(a.sendmsg(['x'], any({ ancdata: 5 })), /for ancdata/);
  await type(a.sendmsg(['x'], any({ signal: 5 })), /^Expected an AbortSignal for signal/);
  await type(b.recvmsg(1, 0, any({ signal: {} })), /^Expected an AbortSignal for signal/);
  await type(a.sendmsg(['x'], { address: any(5) }), /for address/);
  await assert.rejects(a.sendmsg(['x'], { signal: AbortSignal.abort(new Error('before')) }), /before/);
  // None of it went out.
  await a.send('data');
  assert.equal(String((await b.recvmsg(100))[0]), 'data');
});

across([tcp4, udp4], 'code of the caller’s that runs while arguments are read', async (s, transport) => {
  const fresh = () => pair(s, transport);
  const closing = (each: Socket) => ({
    get flags() {
      each.close();
      return 0;
    },
  });
  const closed = { name: 'ClosedError', code: 'EBADF' };
  let [a, b] = await fresh();
  await assert.rejects(a.sendmsg(['x'], closing(a)), closed);
  await assert.rejects(b.recvmsg(10, 0, closing(b)), closed);
  [a, b] = await fresh();
  const once = function* (each: Socket) {
    yield Buffer.alloc(10);
    each.close();
  };
  await assert.rejects(a.sendmsg(once(a)), closed);
  await assert.rejects(b.recvmsgInto(once(b)), closed);
  [a, b] = await fresh();
  const failing = function* () {
    yield Buffer.alloc(10);
    throw new Error('no more');
  };
  await assert.rejects(a.sendmsg(failing()), /no more/);
  await assert.rejects(b.recvmsgInto(failing()), /no more/);
  // A buffer whose memory goes while the next one is asked for.
  const taken = function* () {
    const view = Buffer.from(new ArrayBuffer(10));
    yield view;
    structuredClone(view.buffer, { transfer: [view.buffer] });
    yield Buffer.alloc(10);
  };
  const gone = { name: 'TypeError', message: /detached or resized/ };
  await assert.rejects(a.sendmsg(taken()), gone);
  await a.send('data');
  await assert.rejects(b.recvmsgInto(taken()), gone);
  assert.equal(String(await b.recv(10)), 'data');
  // A buffer that grows.
  const memory = new (
    ArrayBuffer as new (
      size: number,
      options: object,
    ) => ArrayBuffer & { resize(n: number): void }
  )(4, { maxByteLength: 100 });
  const growing = function* () {
    yield new Uint8Array(memory);
    memory.resize(100);
    yield Buffer.from('x');
  };
  await assert.rejects(a.sendmsg(growing()), gone);
});

across([unixStream, udp4], 'memory that goes while the call waits', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const view = Buffer.from(new ArrayBuffer(10));
  const waiting = b.recvmsgInto([Buffer.alloc(2), view, Buffer.alloc(2)]);
  await staysPending(waiting, 'recvmsgInto', 0.005);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  await a.send('data');
  await assert.rejects(within(waiting, 'the error'), { name: 'TypeError', message: /detached or resized/ });
  assert.equal(String((await within(b.recvmsg(10), 'the data, still there'))[0]), 'data');
});

scene('the native calls take no length on trust', async (s) => {
  const [a, b] = socketpair(AF_UNIX, SOCK_DGRAM).map((each) => s.own(each)) as [Socket, Socket];
  const binding = new URL('binding.js', import.meta.resolve('berkeley-sockets')).href;
  const { native } = (await import(binding)) as { native: Record<string, (...given: unknown[]) => number> };
  const { EFAULT, EINVAL, EMSGSIZE, EBADF } = os.constants.errno;
  const bytes = Buffer.alloc(8);
  const gone = new Uint8Array(8);
  structuredClone(gone.buffer, { transfer: [gone.buffer] });
  const none = Buffer.alloc(0);
  const calls = {
    recvmsg: (buffers: unknown, length: unknown) => native.recvmsg!(b.fileno(), buffers, length, none, 0, 0),
    sendmsg: (buffers: unknown, length: unknown) => native.sendmsg!(a.fileno(), buffers, length, null, 0, -2),
  };
  for (const [name, call] of Object.entries(calls)) {
    for (const [buffers, length] of [
      [bytes, 9],
      [bytes, -1],
      [bytes, 2 ** 40],
      [gone, 8],
      [[bytes], 7],
      [[bytes], 9],
      [[bytes, bytes], 8],
      [[bytes, gone], 16],
      [[bytes, 'text'], 16],
      [[bytes, undefined], 8],
      [[bytes, new Uint16Array(4)], 16],
      [new Uint16Array(4), 8],
      [new DataView(new ArrayBuffer(8)), 8],
      ['text', 4],
      [null, 0],
      [{}, 0],
    ])
      assert.equal(call(buffers, length), -EFAULT, `${name} of ${typeof buffers}, ${length}`);
    assert.equal(call(new Array(1025).fill(none), 0), -EMSGSIZE, name);
  }
  for (const [control, room] of [
    [bytes, 9],
    [bytes, -1],
    [bytes, 2 ** 40],
    [gone, 8],
    [null, 1],
    ['text', 1],
  ])
    assert.equal(native.recvmsg!(b.fileno(), bytes, 8, control, room, 0), -EINVAL, `room ${room}`);
  assert.equal(native.sendmsg!(a.fileno(), bytes, 8, null, 0, 129), -EINVAL);
  assert.equal(native.recvmsg!(-1, bytes, 8, none, 0, 0), -EBADF);
  assert.equal(native.sendmsg!(-1, bytes, 8, null, 0, -2), -EBADF);
  // Nobody has received anything: there is nothing to keep or to close.
  native.keep!();
  native.discard!();
  b.settimeout(0);
  await assert.rejects(b.recvmsg(10), { code: 'EAGAIN' });
});
