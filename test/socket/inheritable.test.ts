// Descriptors that programs inherit: none by itself, one that is told to, and one that is given.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, writeFileSync } from 'node:fs';
import { socketpair } from 'berkeley-sockets';
import * as blocking from 'berkeley-sockets/sync';
import { staysPending, within } from '../support/deadline.ts';
import { type Scene, scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';
import { across, everything, listening, open, pair, tcp4, unixStream } from '../support/transports.ts';

const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';

/** Runs a Python script with these descriptors at 3, 4, …: what it printed. */
async function run(s: Scene, script: string, args: string[], fds: number[] = []): Promise<string> {
  const child = spawn(python, ['-I', '-c', script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit', ...fds],
  });
  s.after(() => void child.kill());
  const ended = new Promise((resolve) => child.on('close', resolve));
  let out = '';
  child.stdout!.on('data', (chunk) => {
    out += chunk;
  });
  await within(ended, 'the program', 20);
  return out.trim();
}

const isOpen =
  'import os, stat, sys\nfor fd in sys.argv[1:]:\n  try: print(stat.S_ISSOCK(os.fstat(int(fd)).st_mode))\n  except OSError: print(None)';

across(everything, 'no socket is inherited, however it was made', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const all = [a, b, s.own(a.dup())];
  for (const each of all) assert.equal(each.get_inheritable(), false);
  const fds = all.map((each) => String(each.fileno()));
  assert.deepEqual((await run(s, isOpen, fds)).split('\n'), ['None', 'None', 'None']);
});

scene('one that is told to be is, under its own number', async (s) => {
  const [a, b] = socketpair();
  s.own(a);
  s.own(b);
  a.set_inheritable(true);
  assert.equal(a.get_inheritable(), true);
  assert.equal(s.own(a.dup()).get_inheritable(), false);
  const script = `
import socket, sys
s = socket.socket(fileno=int(sys.argv[1]))
s.settimeout(10)
s.sendall(b'from the child')
print(s.recv(100).decode())`;
  const [out, got] = await Promise.all([
    run(s, script, [String(a.fileno())]),
    b.recv(100).then(async (data) => {
      await b.sendall('from the parent');
      return data;
    }),
  ]);
  assert.equal(got.toString(), 'from the child');
  assert.equal(out, 'from the parent');
  a.set_inheritable(false);
  assert.equal(a.get_inheritable(), false);
  assert.equal(await run(s, isOpen, [String(a.fileno())]), 'None');
});

scene('one that is given to a program by spawn, in the place of a descriptor', async (s) => {
  const listener = listening(s, tcp4);
  // It stays O_NONBLOCK, here and there: one open file description, and the parent must not block.
  const script = `
import os, select, socket
assert not os.get_blocking(3)
listener = socket.socket(fileno=3)
select.select([listener], [], [])
conn, address = listener.accept()
conn.setblocking(True)
conn.sendall(b'accepted in the child')`;
  const client = open(s, tcp4);
  const [, data] = await Promise.all([
    run(s, script, [], [listener.fileno()]),
    client.connect(listener.getsockname()).then(() => client.recv(100)),
  ]);
  assert.equal(data.toString(), 'accepted in the child');
  // It is still the parent's as well.
  assert.equal(listener.closed, false);
  const next = open(s, tcp4);
  const [[conn]] = await Promise.all([listener.accept(), next.connect(listener.getsockname())]);
  conn.close();
});

scene('a program that makes the socket blocking, for all who share it', async (s) => {
  const listener = listening(s, tcp4);
  const [a, b] = await pair(s, unixStream);
  const client = open(s, tcp4);
  await client.connect(listener.getsockname());
  const blockingNow = 'import os\nfor fd in 3, 4, 5: os.set_blocking(fd, True); print(os.get_blocking(fd))';
  assert.equal(
    await run(s, blockingNow, [], [listener.fileno(), a.fileno(), b.fileno()]),
    'True\nTrue\nTrue',
  );
  const [conn] = await listener.accept();
  conn.close();
  // None of these may block in the kernel: the test's own deadline would never pass.
  await staysPending(listener.accept(), 'accept', 0.02);
  await staysPending(b.recv(1), 'recv', 0.02);
  const path = tempPath(s);
  writeFileSync(path, Buffer.alloc(3_000_000));
  const fd = openSync(path, 'r');
  s.after(() => closeSync(fd));
  await staysPending(a.sendfile(fd), 'sendfile', 0.02);
});

scene('standard output that is a socket', async (s) => {
  const [a, b] = await pair(s, unixStream);
  const child = spawn(python, ['-I', '-c', 'print("hello from the child")'], {
    stdio: ['ignore', a.fileno(), 'inherit'],
  });
  const ended = new Promise((resolve) => child.on('close', resolve));
  a.close();
  let text = '';
  for await (const chunk of b) text += chunk;
  assert.equal(text, 'hello from the child\n');
  await ended;
});

scene('the blocking flavour', async (s) => {
  const [a, b] = blocking.socketpair();
  s.own(a);
  s.own(b);
  assert.equal(a.get_inheritable(), false);
  a.set_inheritable(true);
  const script = "import socket, sys\nsocket.socket(fileno=int(sys.argv[1])).sendall(b'hello')";
  await run(s, script, [String(a.fileno())]);
  assert.equal(b.recv(100).toString(), 'hello');
});
