// select and waitAny: what they take, and what they tell of each.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import {
  ClosedError,
  SHUT_RDWR,
  SHUT_WR,
  type Socket,
  select,
  socket,
  socketpair,
  waitAny,
} from 'berkeley-sockets';
import * as blocking from 'berkeley-sockets/sync';
import { staysPending, timed, within } from '../support/deadline.ts';
import { evalPython } from '../support/python.ts';
import { type Scene, scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';
import { udp4 } from '../support/transports.ts';

const own = (s: Scene): [Socket, Socket] => {
  const both = socketpair();
  for (const each of both) s.own(each);
  return both;
};

scene('a closed socket, before or meanwhile', async (s) => {
  const [a, b] = own(s);
  const [c] = own(s);
  const waiting = [select([c, a], [], []), waitAny([c, a]), select([], [], [a])];
  a.close();
  for (const each of waiting) await assert.rejects(each, ClosedError);
  await assert.rejects(select([c], [a], []), ClosedError);
  await assert.rejects(waitAny([a]), ClosedError);
  // Nothing is left of it on the others.
  assert.deepEqual(await select([c], [], [], 0.01), [[], [], []]);
  const detaching = select([b], [], []);
  // At its end, b is readable.
  assert.deepEqual(await detaching, [[b], [], []]);
  const other = select([c], [], []);
  const handle = c.detach();
  await assert.rejects(other, ClosedError);
  closeSync(handle.fd);
});

scene('a number that is no descriptor, or is closed', async (s) => {
  const [a] = own(s);
  await assert.rejects(select([100_000], [], []), { code: 'EBADF', syscall: 'select' });
  await assert.rejects(waitAny([100_000]), { code: 'EBADF', syscall: 'poll' });
  for (const bad of [-1, 1.5, Number.NaN, 2 ** 31]) {
    await assert.rejects(select([bad], [], []), RangeError);
    await assert.rejects(select([{ fileno: () => (bad === -1 ? -2 : bad) }], [], []), RangeError);
  }
  const wrong = select as (...args: unknown[]) => Promise<unknown>;
  for (const bad of ['1', null, {}, undefined]) await assert.rejects(wrong([bad], [], []), TypeError);
  for (const bad of [a, null, undefined, 1]) await assert.rejects(wrong([], bad, []), TypeError);
  for (const bad of [-1, Number.NaN]) await assert.rejects(wrong([a], [], [], bad), RangeError);
  await assert.rejects(wrong([a], [], [], '1'), TypeError);
  await assert.rejects(wrong([a], [], [], 1, 5), TypeError);
  await assert.rejects(wrong([a], [], [], 1, { signal: 1 }), TypeError);
  const wrongAny = waitAny as (...args: unknown[]) => Promise<unknown>;
  for (const bad of [[[a, {}]], [[a, null]], [[a]], [{}], a, undefined])
    await assert.rejects(wrongAny(bad), TypeError);
});

scene('descriptors that are no sockets: pipes, files', async (s) => {
  const file = openSync(tempPath(s), 'w+');
  s.after(() => closeSync(file));
  assert.deepEqual(await select([file], [file], [file]), [[file], [file], []]);
  const path = tempPath(s);
  spawnSync('mkfifo', [path]);
  // Both ends at once, so that it never is at its end.
  const pipe = openSync(path, 'r+');
  s.after(() => closeSync(pipe));
  const [a, b] = own(s);
  const waiting = select([pipe, a], [], [pipe]);
  await staysPending(waiting, 'an empty pipe', 0.02);
  writeSync(pipe, 'hello');
  assert.deepEqual(await within(waiting, 'select'), [[pipe], [], []]);
  assert.deepEqual(await waitAny([[pipe, { read: true, write: true }], a]), [
    { socket: pipe, read: true, write: true },
  ]);
  readSync(pipe, new Uint8Array(10));
  const both = waitAny([pipe, [b, { read: true }]]);
  const stop = new AbortController();
  const alone = waitAny([pipe], { signal: stop.signal });
  await a.send('x');
  assert.deepEqual(await both, [{ socket: b, read: true, write: false }]);
  stop.abort(new Error('enough'));
  await assert.rejects(alone, /enough/);
});

scene('a descriptor that is closed while it is waited for, and whose number goes to another', async (s) => {
  const path = tempPath(s);
  spawnSync('mkfifo', [path]);
  const pipe = openSync(path, 'r+');
  const waiting = select([pipe], [], [], 5);
  closeSync(pipe);
  // What is at that number now is always ready, and not what was asked for.
  const file = openSync(tempPath(s), 'w+');
  s.after(() => closeSync(file));
  assert.equal(file, pipe);
  const writer = openSync(path, 'r+');
  s.after(() => closeSync(writer));
  writeSync(writer, 'x');
  // It is the pipe that is told, by the number that it was given with.
  assert.deepEqual(await within(waiting, 'select'), [[pipe], [], []]);
});

scene('waitAny tells what each is ready for', async (s) => {
  const [a, b] = own(s);
  const [c] = own(s);
  const waiting = waitAny([a, [b, { read: true }], c]);
  await staysPending(waiting, 'waitAny', 0.01);
  await a.send('x');
  assert.deepEqual(await within(waiting, 'waitAny'), [{ socket: b, read: true, write: false }]);
  const both = { read: true, write: true };
  assert.deepEqual(await waitAny([a, [b, both], [c, both], [c, { write: true }]]), [
    { socket: b, read: true, write: true },
    { socket: c, read: false, write: true },
    { socket: c, read: false, write: true },
  ]);
  assert.deepEqual(await waitAny([a, c], { timeout: 0 }), []);
  const [late, seconds] = await timed(() => waitAny([a, c], { timeout: 0.05 }));
  assert.deepEqual(late, []);
  assert.ok(seconds >= 0.048, `${seconds} s`);
  assert.deepEqual(await waitAny([], { timeout: 0.01 }), []);
  // A hang-up counts as both, as in wait().
  b.shutdown(SHUT_RDWR);
  const ready = await waitAny([[a, both]]);
  assert.deepEqual(ready, [{ socket: a, ...(await a.wait(both)) }]);
});

scene('it says what Python says', async () => {
  // A fresh TCP socket is hung up; a listener is nothing; one end of a pair is shut down.
  const theirs = await evalPython(`
    import json, select, socket
    fresh, listener = socket.socket(), socket.socket()
    listener.bind(('127.0.0.1', 0)); listener.listen()
    a, b = socket.socketpair()
    b.shutdown(socket.SHUT_WR)
    c, d = socket.socketpair()
    d.close()
    udp = socket.socket(type=socket.SOCK_DGRAM)
    all = [fresh, listener, a, b, c, udp]
    print(json.dumps([[all.index(each) for each in part] for part in select.select(all, all, all, 0.1)]))
  `);
  const fresh = socket();
  const listener = socket();
  listener.bind(['127.0.0.1', 0]);
  listener.listen();
  const [a, b] = socketpair();
  b.shutdown(SHUT_WR);
  const [c, d] = socketpair();
  d.close();
  const udp = socket(udp4.family, udp4.type);
  const all = [fresh, listener, a, b, c, udp];
  const ours = (await select(all, all, all, 0.1)).map((part) => part.map((each) => all.indexOf(each)));
  assert.deepEqual(ours, theirs);
  const fds = all.map((each) => each.fileno());
  assert.deepEqual(
    blocking.select(fds, fds, fds, 0.1).map((part) => part.map((each) => fds.indexOf(each))),
    theirs,
  );
  for (const each of all) each.close();
});
