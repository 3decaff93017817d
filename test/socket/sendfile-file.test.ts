// sendfile: the file. One that goes away or changes meanwhile, and those that the kernel does not send.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { open as openFile } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { ClosedError, SO_SNDBUF, SOL_SOCKET } from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';
import { staysPending } from '../support/deadline.ts';
import { data, file, opened, size } from '../support/filetosend.ts';
import { scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';
import { across, pair, receive, streams, tcp4, unixStream } from '../support/transports.ts';

across([tcp4], 'a file that is closed meanwhile, and whose number goes to another', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const handle = await openFile(file(s));
  const { fd } = handle;
  const sending = a.sendfile(handle);
  await receive(b, 1000);
  await handle.close();
  const other = opened(s, Buffer.alloc(size, 'other'));
  assert.equal(other, fd, 'the number is used again at once');
  assert.ok((await receive(b, size - 1000)).equals(data.subarray(1000)));
  assert.equal(await sending, size);
  await assert.rejects(a.sendfile(handle), { code: 'EBADF' });
});

across([tcp4], 'a file that shrinks or grows meanwhile', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  a.setsockopt(SOL_SOCKET, SO_SNDBUF, 65536);
  const big = new Chance('much').bytes(20 << 20);
  const fd = opened(s, big);
  const sending = a.sendfile(fd);
  const first = await receive(b, 1_000_000);
  ftruncateSync(fd, 15 << 20);
  const sent = await Promise.all([sending, receive(b, (15 << 20) - first.length)]);
  assert.equal(sent[0], 15 << 20);
  assert.ok(Buffer.concat([first, sent[1]]).equals(big.subarray(0, 15 << 20)));
  const growing = a.sendfile(fd, { offset: (15 << 20) - 5 });
  await growing;
  writeSync(fd, 'more', 15 << 20);
  assert.equal(await a.sendfile(fd, { offset: 15 << 20 }), 4);
});

across(streams, 'files that sendfile(2) does not take, or that have no size', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  for (const path of ['/proc/self/environ', '/proc/version', '/proc/self/mounts']) {
    const want = readFileSync(path);
    const fd = openSync(path, 'r');
    s.after(() => closeSync(fd));
    const sending = a.sendfile(fd);
    assert.ok((await receive(b, want.length)).equals(want), path);
    assert.equal(await sending, want.length, path);
    const part = a.sendfile(fd, { offset: 3, count: 5 });
    assert.ok((await receive(b, 5)).equals(want.subarray(3, 8)), path);
    assert.equal(await part, 5);
  }
  const zero = openSync('/dev/zero', 'r');
  s.after(() => closeSync(zero));
  const sending = a.sendfile(zero, { count: 300_000 });
  assert.ok((await receive(b, 300_000)).every((byte) => byte === 0));
  assert.equal(await sending, 300_000);
  const directory = openSync('/proc', 'r');
  s.after(() => closeSync(directory));
  await assert.rejects(a.sendfile(directory), { code: 'EISDIR' });
});

scene('a pipe, whose end is the end, and which holds nobody up while it is empty', async (s) => {
  const [a, b] = await pair(s, unixStream);
  const path = tempPath(s);
  spawnSync('mkfifo', [path]);
  // Without waiting for a writer, and with one of our own: reading does not end by itself.
  const handle = await openFile(path, 'r+');
  const told: (number | undefined)[] = [];
  const sending = a.sendfile(handle.fd, { onprogress: (_, total) => void told.push(total) });
  await staysPending(sending, 'an empty pipe');
  await handle.write('abc');
  assert.equal((await receive(b, 3)).toString(), 'abc');
  await staysPending(sending, 'an empty pipe', 0.01);
  const stop = new AbortController();
  const behind = a.sendfile(handle.fd, { signal: stop.signal });
  await handle.write(data.subarray(0, 20_000));
  assert.ok((await receive(b, 20_000)).equals(data.subarray(0, 20_000)));
  stop.abort();
  await assert.rejects(behind, { name: 'AbortError' });
  await assert.rejects(a.sendfile(handle.fd, { count: 1, signal: AbortSignal.abort() }), {
    name: 'AbortError',
  });
  a.close();
  await assert.rejects(sending, ClosedError);
  assert.ok(told.length >= 2 && told.every((total) => total === undefined));
  await handle.close();
});

scene('standard output of a program, to its end', async (s) => {
  const [a, b] = await pair(s, unixStream);
  const path = tempPath(s);
  spawnSync('mkfifo', [path]);
  const writer = new Worker(
    `require('node:fs').writeFileSync(${JSON.stringify(path)}, 'x'.repeat(500_000))`,
    {
      eval: true,
    },
  );
  s.after(() => void writer.terminate());
  const handle = await openFile(path, 'r');
  s.after(() => handle.close());
  const [sent, got] = await Promise.all([a.sendfile(handle), receive(b, 500_000)]);
  assert.equal(sent, 500_000);
  assert.ok(got.every((byte) => byte === 120));
  const refused = a.sendfile(handle, { offset: 1 });
  await assert.rejects(refused, { code: 'ESPIPE' });
});
