// Ctrl-C and its relatives: a script that blocks ends by the signal, as any program does; a REPL
// comes back to its prompt. And processes that end: an idle blocking socket keeps none alive.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timed } from '../support/deadline.ts';
import { noLeaks } from '../support/leaks.ts';
import { runNode, startNode } from '../support/node.ts';
import { requirePeer } from '../support/peer.ts';
import { startPython } from '../support/python.ts';

noLeaks();

const calls = {
  recv: 'socketpair()[0].recv(1)',
  accept: "createServer(['127.0.0.1', 0]).accept()",
  sendall: 'socketpair()[0].sendall(Buffer.alloc(64 << 20))',
  wait: 'socketpair()[0].wait({ read: true })',
};

for (const [name, call] of Object.entries(calls)) {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    test(`${signal} ends a script that blocks in ${name}`, async (t) => {
      const node = startNode(
        t,
        `import { createServer, socketpair } from 'berkeley-sockets/sync';
        console.log('ready');
        ${call};`,
      );
      await node.line(/ready/);
      await new Promise((resolve) => setTimeout(resolve, 100));
      node.child.kill(signal);
      const [result, took] = await timed(() => node.exit());
      assert.equal(result.signal, signal);
      assert.ok(took < 3, `after ${took} s`);
    });
  }
}

test('a handler of SIGINT runs when the call is over, not before', async (t) => {
  const node = startNode(
    t,
    `import { socketpair } from 'berkeley-sockets/sync';
    process.on('SIGINT', () => { console.log('handled'); process.exit(7); });
    const [a, b] = socketpair();
    a.settimeout(0.8);
    console.log('ready');
    try { a.recv(1); } catch (error) { console.log(error.name); }
    setInterval(() => {}, 1000);`,
  );
  await node.line(/ready/);
  await new Promise((resolve) => setTimeout(resolve, 100));
  node.child.kill('SIGINT');
  const result = await node.exit();
  assert.equal(result.code, 7);
  assert.match(result.stdout, /TimeoutError\nhandled/);
});

test(
  'Ctrl-C brings a REPL back to its prompt, and the socket is as it was',
  requirePeer('python3'),
  async (t) => {
    // A terminal of its own, whose Ctrl-C is a SIGINT to what runs in it.
    const repl = startPython(
      t,
      `
    import os, pty, sys, select, time
    pid, tty = pty.fork()
    if pid == 0:
        os.chdir(sys.argv[2])
        os.environ.pop('NODE_OPTIONS', None)
        os.environ.update(NODE_NO_READLINE='1', TERM='dumb', NO_COLOR='1')
        os.execvp(sys.argv[1], [sys.argv[1], '-i'])
    seen = b''
    def until(text, seconds=20):
        global seen
        end = time.time() + seconds
        while text not in seen:
            if time.time() > end: sys.exit('no %r in %r' % (text, seen))
            if select.select([tty], [], [], 0.1)[0]: seen += os.read(tty, 65536)
        seen = seen[seen.index(text) + len(text):]
    def type_(line): os.write(tty, line + b'\\r')
    until(b'> ')
    type_(b"const net = await import('berkeley-sockets/sync'); 'load' + 'ed'")
    until(b"'loaded'")
    type_(b"const [a, b] = net.socketpair(); 'pair' + 'ed'")
    until(b"'paired'")
    type_(b"a")
    until(b"<Socket fd")
    type_(b"a.recv(10)")
    time.sleep(0.5)
    start = time.time()
    os.write(tty, b'\\x03')
    until(b'interrupted')
    print('interrupted after', time.time() - start)
    type_(b"b.sendall('hello'); 'answer: ' + a.recv(10)")
    until(b"'answer: hello'")
    type_(b".exit")
    print('status', os.waitpid(pid, 0)[1])
    `,
      [process.execPath, new URL('../..', import.meta.url).pathname],
    );
    const { stdout } = await repl.succeed(60);
    assert.match(stdout, /interrupted after [0-4]\./);
    assert.match(stdout, /status 0/);
  },
);

test('an idle blocking socket keeps no process alive', async () => {
  const { stdout } = await runNode(
    `import { createServer, socket, socketpair } from 'berkeley-sockets/sync';
    globalThis.kept = [socket(), ...socketpair(), createServer(['127.0.0.1', 0])];
    console.log('end');`,
    { seconds: 10 },
  );
  assert.equal(stdout, 'end\n');
});

test('a process whose sockets all block never starts to watch', async () => {
  const { stdout } = await runNode(
    `import { socketpair, createServer, createConnection } from 'berkeley-sockets/sync';
    import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
    const server = createServer(['127.0.0.1', 0]);
    const client = createConnection(server.getsockname());
    const [connection] = server.accept();
    client.sendall('x');
    connection.recv(1);
    client.settimeout(0.05);
    try { client.recv(1); } catch {}
    const own = [server, client, connection].map((s) => s.fileno());
    // Every epoll descriptor of the process tells what is registered with it (proc(5)).
    const watched = readdirSync('/proc/self/fd').flatMap((fd) => {
      try {
        if (!readlinkSync('/proc/self/fd/' + fd).includes('eventpoll')) return [];
        return [...readFileSync('/proc/self/fdinfo/' + fd, 'utf8').matchAll(/tfd:\\s*(\\d+)/g)].map((m) => +m[1]);
      } catch { return []; }
    });
    console.log(watched.length > 0, own.some((fd) => watched.includes(fd)));`,
  );
  assert.equal(stdout, 'true false\n');
});

test('one that is not closed is warned of and closed', async () => {
  const { stdout, stderr } = await runNode(
    `import { socketpair } from 'berkeley-sockets/sync';
    let [a, b] = socketpair();
    const fd = a.fileno();
    a = undefined;
    for (let i = 0; i < 50; i++) { gc(); await new Promise((resolve) => setTimeout(resolve, 5)); }
    console.log(b.recv(1).length);`,
    { flags: ['--expose-gc'] },
  );
  assert.match(stderr, /ResourceWarning: unclosed socket: fd \d+/);
  assert.equal(stdout, '0\n');
});
