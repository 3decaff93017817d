// What only a call that blocks does: it waits without the event loop, for the time that is left,
// whatever interrupts it. The other end is another process.
import assert from 'node:assert/strict';
import * as awaited from 'berkeley-sockets';
import {
  AF_UNIX,
  ClosedError,
  MSG_PEEK,
  SO_PEEK_OFF,
  SO_RCVBUF,
  SO_SNDBUF,
  SOCK_DGRAM,
  SOL_SOCKET,
  type Socket,
  type SocketError,
  socket,
  socketpair,
  TimeoutError,
} from 'berkeley-sockets/sync';
import { timed, within } from '../support/deadline.ts';
import { blockingFlavour as flavour } from '../support/flavours.ts';
import { runNode, startNode } from '../support/node.ts';
import { requirePeer } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { type Scene, scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';

const python = requirePeer('python3').skip ?? false;

/** A listener, and a Python client that connects to it and goes on as the script says. */
async function withPython(s: Scene, script: string): Promise<Socket> {
  const listener = s.own(socket());
  listener.bind(['127.0.0.1', 0]);
  listener.listen();
  const port = String(listener.getsockname()[1]);
  startPython(
    s,
    `import socket, sys, time\nc = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n${script}`,
    [port],
  );
  listener.settimeout(15);
  const [connection] = listener.accept();
  return s.own(connection) as Socket;
}

const blocking = { flavour };

scene(
  'waits in accept and recv for another process, and sees its end',
  async (s) => {
    const c = await withPython(
      s,
      'time.sleep(0.3)\nc.sendall(b"late")\ntime.sleep(0.3)\nc.sendall(b"r")\nc.close()',
    );
    assert.equal(c.recv(100).toString(), 'late');
    assert.equal(c.recv(100).toString(), 'r');
    assert.equal(c.recv(100).length, 0);
    assert.equal(c.recv(100).length, 0);
  },
  { ...blocking, skip: python },
);

scene(
  'sendall feeds a slow reader until all is gone',
  async (s) => {
    const c = await withPython(
      s,
      'n = 0\nwhile True:\n    d = c.recv(200000)\n    if not d: break\n    n += len(d)\n    time.sleep(0.001)\nc.sendall(str(n).encode())',
    );
    c.setsockopt(SOL_SOCKET, SO_SNDBUF, 16384);
    const data = Buffer.alloc(8 << 20, 'x');
    c.sendall(data);
    c.shutdown(awaited.SHUT_WR);
    assert.equal(c.recv(100).toString(), String(data.length));
  },
  { ...blocking, skip: python },
);

scene(
  'sendall has one time for the whole call, and tells what it sent',
  async (s) => {
    // Slow, but never idle for as long as the limit: a limit for each step would not be reached.
    const c = await withPython(s, 'while c.recv(2000): time.sleep(0.02)');
    c.setsockopt(SOL_SOCKET, SO_SNDBUF, 8192);
    c.settimeout(0.5);
    const [error, took] = await timed(() => {
      try {
        return c.sendall(Buffer.alloc(64 << 20));
      } catch (e) {
        return e;
      }
    });
    assert.ok(error instanceof TimeoutError, String(error));
    assert.equal(error.syscall, 'send');
    assert.ok(error.bytesSent! > 0 && error.bytesSent! < 64 << 20, String(error.bytesSent));
    assert.ok(took >= 0.49 && took < 5, `${took} s`);
  },
  { ...blocking, skip: python },
);

scene(
  'a send takes what fits, trySend fills up to undefined',
  (s) => {
    const [a, b] = socketpair();
    s.own(a);
    s.own(b);
    const piece = Buffer.alloc(1 << 22, 'y');
    const first = a.send(piece);
    assert.ok(first > 0 && first < piece.length);
    let total = first;
    for (let n = a.trySend(piece); n !== undefined; n = a.trySend(piece)) total += n;
    a.settimeout(0);
    assert.throws(() => a.send(piece), { code: 'EAGAIN', syscall: 'send' });
    const memory = Buffer.alloc(1 << 16);
    let got = 0;
    for (let n = b.tryRecvInto(memory); n !== undefined; n = b.tryRecvInto(memory)) got += n;
    assert.equal(got, total);
    assert.throws(() => b.setblocking(false) ?? b.recv(1), { code: 'EAGAIN', syscall: 'recv' });
  },
  blocking,
);

scene(
  'no signal is taken: nobody could abort',
  (s) => {
    const a = s.own(socket());
    const { signal } = new AbortController();
    const options = { signal } as object;
    const none = { name: 'TypeError', message: /signal/ };
    for (const call of [
      () => a.recv(1, options),
      () => a.recvInto(new Uint8Array(1), options),
      () => a.send('x', options),
      () => a.accept(options),
      () => a.connect(['127.0.0.1', 9], options),
      () => a.connect(['localhost', 9], options),
      () => a.wait({ read: true }, options),
    ])
      assert.throws(call, none);
    assert.equal(a.closed, false);
  },
  blocking,
);

scene(
  'a closed socket says so, in every call',
  () => {
    const [a, b] = socketpair();
    b.close();
    a.close();
    a.close();
    const closed = (e: unknown) => e instanceof ClosedError && e.code === 'EBADF';
    for (const call of [
      () => a.recv(1),
      () => a.recv(0),
      () => a.recvInto(new Uint8Array(1)),
      () => a.recvfrom(1),
      () => a.recvmany(1),
      () => a.tryRecvInto(new Uint8Array(1)),
      () => a.send('x'),
      () => a.sendall('x'),
      () => a.trySend('x'),
      () => a.sendto('x', '/nowhere'),
      () => a.sendmany([['x']]),
      () => a.accept(),
      () => a.connect('/nowhere'),
      () => a.wait({ read: true }),
      () => a.detach(),
    ])
      assert.throws(call, closed);
  },
  blocking,
);

scene(
  'a name is looked up within the call',
  (s) => {
    const listener = s.own(socket());
    listener.bind(['127.0.0.1', 0]);
    listener.listen();
    const [, port] = listener.getsockname();
    // Of a form that only the system's resolver knows (inet_aton(3)): "localhost" needs none.
    const client = s.own(socket());
    client.connect(['127.1', port]);
    s.own(listener.accept()[0]);
    const other = s.own(socket());
    other.settimeout(0);
    // TCP over the loopback may be done at once.
    try {
      other.connect(['127.1', port]);
    } catch (error) {
      assert.equal((error as SocketError).code, 'EINPROGRESS');
    }
    const udp = s.own(socket(awaited.AF_INET, SOCK_DGRAM));
    udp.bind(['127.0.0.1', 0]);
    assert.equal(udp.sendto('by name', ['127.1', udp.getsockname()[1]]), 7);
    assert.equal(udp.recv(100).toString(), 'by name');
    const lost = s.own(socket());
    assert.throws(() => lost.connect(['name.invalid', 1]), { name: 'AddressInfoError' });
  },
  blocking,
);

scene(
  'a queue that no event tells of: a datagram waits until its receiver reads',
  async (s) => {
    const path = tempPath(s);
    const peer = startPython(
      s,
      `
      import socket, sys, time
      r = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
      r.bind(sys.argv[1])
      print('bound')
      sys.stdin.readline()
      time.sleep(0.3)
      n = 0
      while r.recv(100) != b'end': n += 1
      print(n)
      `,
      [path],
    );
    await peer.line(/bound/);
    const a = s.own(socket(AF_UNIX, SOCK_DGRAM));
    let sent = 0;
    a.settimeout(0);
    for (;;) {
      try {
        a.sendto('x', path);
        sent++;
      } catch (error) {
        assert.equal((error as SocketError).code, 'EAGAIN');
        break;
      }
    }
    a.settimeout(0.1);
    assert.throws(() => a.sendto('x', path), { name: 'TimeoutError', syscall: 'sendto' });
    a.settimeout(15);
    peer.write('go\n');
    // The pipe's bytes leave in the event loop.
    await within(new Promise((resolve) => setTimeout(resolve, 20)), 'a moment');
    for (let i = 0; i < 500; i++, sent++) a.sendto('x', path);
    a.sendto('end', path);
    assert.equal(await peer.line(/\d+/), String(sent));
  },
  { ...blocking, skip: python },
);

scene(
  'a signal that interrupts does not shorten the wait, nor end it',
  async (s) => {
    const node = startNode(
      s,
      `
      import { socketpair } from 'berkeley-sockets/sync';
      let handled = 0;
      process.on('SIGUSR2', () => handled++);
      const [a, b] = socketpair();
      a.settimeout(1);
      console.log('ready');
      const start = performance.now();
      try { a.recv(1); } catch (error) { console.log(error.name, Math.round(performance.now() - start)); }
      console.log('handled', handled);
      setTimeout(() => console.log('then', handled > 0), 50);
      `,
    );
    await node.line(/ready/);
    for (let i = 0; i < 5; i++) {
      await within(new Promise((resolve) => setTimeout(resolve, 60)), 'a moment');
      process.kill(node.pid, 'SIGUSR2');
    }
    const [name, took] = (await node.line(/Error/)).split(' ');
    assert.equal(name, 'TimeoutError');
    assert.ok(Number(took) >= 990, took);
    // Handlers are JavaScript, for which there is no time before the call is over.
    assert.equal(await node.line(/handled/), 'handled 0');
    assert.equal(await node.line(/then/), 'then true');
    await node.succeed();
  },
  blocking,
);

scene(
  'an end that another process shuts down, and a descriptor that is closed elsewhere',
  async (s) => {
    const c = await withPython(s, 'time.sleep(0.3)\nc.shutdown(socket.SHUT_RDWR)\ntime.sleep(30)');
    assert.equal(c.recv(10).length, 0);
    // In a process of its own: the number is nobody's then.
    const result = await runNode(`
      import { Worker } from 'node:worker_threads';
      import { closeSync } from 'node:fs';
      const worker = new Worker(\`
        import { parentPort } from 'node:worker_threads';
        import { socketpair } from 'berkeley-sockets/sync';
        const [a] = socketpair();
        parentPort.postMessage(a.fileno());
        try { a.recv(1); } catch (error) { console.log(error.code, error.syscall); }
        try { a.wait({ read: true }); } catch (error) { console.log(error.code, error.syscall); }
        process.exit();
      \`, { eval: true });
      worker.once('message', (fd) => setTimeout(closeSync, 150, fd));
    `);
    assert.equal(result.stdout, 'EBADF recv\nEBADF poll\n');
  },
  { ...blocking, skip: python },
);

scene(
  'shutting down through another descriptor wakes the call',
  async () => {
    const result = await runNode(`
      import { Worker } from 'node:worker_threads';
      import { fromfd, SHUT_RDWR } from 'berkeley-sockets';
      const worker = new Worker(\`
        import { parentPort } from 'node:worker_threads';
        import { socketpair } from 'berkeley-sockets/sync';
        const [a, b] = socketpair();
        parentPort.postMessage(a.fileno());
        console.log('got', a.recv(1).length);
        a.close();
        b.close();
      \`, { eval: true });
      worker.once('message', (fd) => setTimeout(() => { const s = fromfd(fd); s.shutdown(SHUT_RDWR); s.close(); }, 150));
    `);
    assert.match(result.stdout, /got 0/);
  },
  blocking,
);

scene(
  'looking past what was peeked at waits without burning the processor',
  (s) => {
    const [a, b] = socketpair();
    s.own(a);
    s.own(b);
    a.sendall('abc');
    b.setsockopt(SOL_SOCKET, SO_PEEK_OFF as number, 0);
    assert.equal(b.recv(10, { flags: MSG_PEEK }).toString(), 'abc');
    b.settimeout(0.4);
    const before = process.cpuUsage();
    assert.throws(() => b.recv(10, { flags: MSG_PEEK }), TimeoutError);
    const { user, system } = process.cpuUsage(before);
    assert.ok(user + system < 250_000, `${user + system} µs of processor time in 0.4 s`);
    b.settimeout(5);
    a.sendall('def');
    assert.equal(b.recv(10, { flags: MSG_PEEK }).toString(), 'def');
    assert.equal(b.recv(10).toString(), 'abcdef');
  },
  blocking,
);

scene(
  'a wait of many slices burns no processor time either',
  (s) => {
    const [a, b] = socketpair();
    s.own(a);
    s.own(b);
    a.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096);
    a.settimeout(0.5);
    const before = process.cpuUsage();
    for (const call of [() => a.recv(1), () => a.recvInto(new Uint8Array(1)), () => a.wait({ read: true })])
      assert.throws(call, TimeoutError);
    const { user, system } = process.cpuUsage(before);
    assert.ok(user + system < 500_000, `${user + system} µs of processor time in 1.5 s`);
  },
  blocking,
);
