// serveThreads: one port, several threads; what a crash costs, and what a reload does not.
import assert from 'node:assert/strict';
import {
  type Address,
  AF_INET,
  createConnection,
  createServer,
  SOCK_DGRAM,
  type Socket,
  type SocketError,
  socket,
} from 'berkeley-sockets';
import { type CrewErrorPlace, type ServeThreadsOptions, serveThreads } from 'berkeley-sockets/server';
import { eventually, sleep, staysPending, timed, within } from '../support/deadline.ts';
import { openSockets } from '../support/leaks.ts';
import { runNode } from '../support/node.ts';
import { requirePeer } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { type Scene, scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';

const module = (name: string) => new URL(`./modules/${name}`, import.meta.url);
const handler = module('handler.mjs');
const version = (n: number) => new URL(`?version=${n}`, handler);
const at = ['127.0.0.1', 0] as const;

async function serving(s: Scene, options: ServeThreadsOptions = {}, url = handler) {
  const errors: [message: string, during: CrewErrorPlace['during']][] = [];
  const onerror = (error: unknown, { during }: CrewErrorPlace) =>
    void errors.push([(error as Error).message, during]);
  const server = await within(serveThreads(at, url, { threads: 2, onerror, ...options }), 'the server', 30);
  s.after(() => server.close());
  return { server, errors };
}

async function client(s: Scene, address: Address) {
  const c = s.own(await createConnection(address as [string, number])) as Socket;
  c.settimeout(20);
  const reader = c.reader();
  return {
    socket: c,
    say: (line: string) => c.sendall(`${line}\n`),
    heard: async () => String(await reader.readline()).trimEnd(),
    async ask(line: string) {
      await this.say(line);
      return this.heard();
    },
  };
}

async function askOnce(s: Scene, address: Address, line: string): Promise<string> {
  const c = await client(s, address);
  const answer = await c.ask(line);
  c.socket.close();
  return answer;
}

scene('connections spread over the threads, and the numbers add up', async (s) => {
  const { server, errors } = await serving(s);
  const counts = new Map<string, number>();
  const total = 200;
  for (let i = 0; i < total; i++) {
    const [, thread = ''] = (await askOnce(s, server.address, 'hello')).split(' ');
    counts.set(thread, (counts.get(thread) ?? 0) + 1);
  }
  assert.equal(counts.size, 2);
  // A fair coin gives fewer than 60 of 200 once in a hundred million runs.
  for (const [thread, n] of counts) assert.ok(n >= 60, `thread ${thread} had ${n} of ${total}`);
  await eventually(() => server.accepted === total && server.connections === 0, 'the numbers');
  assert.equal(server.bytesReceived, 6 * total);
  assert.ok(server.bytesSent > 8 * total);
  const c = await client(s, server.address);
  await c.ask('x');
  await eventually(() => server.connections === 1, 'one connection');
  await c.say('throw');
  await eventually(() => server.failed === 1 && server.connections === 0, 'its failure');
  assert.deepEqual(errors, [['thrown on purpose', 'handler']]);
  assert.deepEqual([server.threads, server.crashes, server.timeouts], [2, 0, 0]);
});

for (const [name, message] of [
  ['missing.mjs', /missing\.mjs could not be loaded: Cannot find module/],
  ['throws.mjs', /throws\.mjs could not be loaded: broken on purpose/],
  ['nothing.mjs', /nothing\.mjs has to export a function by default/],
] as const) {
  scene(`a module that is no use is named: ${name}`, async (s) => {
    const before = openSockets();
    await assert.rejects(within(serveThreads(at, module(name), { threads: 2 }), 'the failure', 30), {
      message,
    });
    assert.equal(openSockets(), before);
    const { server } = await serving(s);
    await assert.rejects(within(server.reload(module(name)), 'the failure', 30), { message });
    assert.match(await askOnce(s, server.address, 'goes on'), /^1 \d+ goes on$/);
    assert.equal(server.threads, 2);
  });
}

for (const how of ['crash', 'exit'] as const) {
  scene(`a thread that crashes costs its own connections, and is replaced: ${how}`, async (s) => {
    const { server, errors } = await serving(s);
    const others: Awaited<ReturnType<typeof client>>[] = [];
    const victim = await client(s, server.address);
    const [, doomed] = (await victim.ask('x')).split(' ');
    for (let i = 0; i < 20; i++) others.push(await client(s, server.address));
    const threads = [];
    for (const other of others) threads.push((await other.ask('x')).split(' ')[1]);
    await victim.ask(how);
    assert.equal(await victim.heard().catch((error: SocketError) => error.code), '');
    // All the time there is somebody who accepts.
    for (let i = 0; i < 30; i++) await askOnce(s, server.address, 'x');
    for (const [i, other] of others.entries()) {
      if (threads[i] !== doomed) assert.match(await other.ask('still there'), /still there$/);
    }
    await eventually(() => server.crashes === 1 && server.threads === 2, 'the replacement', 20);
    assert.deepEqual(errors, [
      how === 'crash'
        ? ['crash on purpose', 'thread']
        : ['a thread of the server has ended with code 7', 'thread'],
    ]);
    const answering = new Set<string>();
    await eventually(
      async () => {
        answering.add((await askOnce(s, server.address, 'x')).split(' ')[1]!);
        return [...answering].filter((thread) => thread !== doomed).length >= 2;
      },
      'both threads answer',
      20,
    );
  });
}

scene('crash after crash: the pauses grow, the server goes on', async (s) => {
  const { server, errors } = await serving(s, { threads: 1 });
  const [, seconds] = await timed(async () => {
    for (let i = 1; i <= 4; i++) {
      await askOnce(s, server.address, 'crash');
      await eventually(() => server.crashes === i, `crash ${i}`, 20);
      assert.match(await askOnce(s, server.address, 'again'), /again$/);
    }
  });
  // 0, 0.1, 0.2 and 0.4 s.
  assert.ok(seconds >= 0.7, `four crashes in ${seconds} s`);
  assert.equal(errors.length, 4);
});

scene(
  'rolling reloads under load: no connection is refused, reset or lost',
  async (s) => {
    const { server } = await serving(s, {}, version(1));
    const load = startPython(
      s,
      `
      import socket, sys, threading
      port, seen, count, stop = int(sys.argv[1]), set(), 0, False
      def ask():
          global count
          while not stop:
              try:
                  with socket.create_connection(('127.0.0.1', port), 20) as c:
                      f = c.makefile('rb')
                      for i in range(3):
                          c.sendall(b'question\\n')
                          answer = f.readline().split()
                          assert len(answer) == 3 and answer[2] == b'question', answer
                          seen.add(answer[0].decode())
                  count += 1
              except Exception as e:
                  print('FAILED', repr(e))
      threads = [threading.Thread(target=ask) for _ in range(8)]
      for t in threads: t.start()
      print('running')
      sys.stdin.readline()
      stop = True
      for t in threads: t.join()
      print(count, *sorted(seen))
      `,
      [String(server.address[1])],
    );
    await load.line(/running/);
    for (const n of [2, 3, 4]) {
      await sleep(0.3);
      await within(server.reload(version(n)), `reload ${n}`, 30);
    }
    await sleep(0.3);
    load.write('\n');
    const { stdout } = await load.succeed(30);
    assert.doesNotMatch(stdout, /FAILED/);
    const [count, ...seen] = stdout.trim().split('\n').at(-1)!.split(' ');
    assert.deepEqual(seen, ['1', '2', '3', '4']);
    await eventually(() => server.threads === 2, 'the old threads end', 10);
    await eventually(() => server.accepted === Number(count), 'the number of connections');
    assert.equal(server.crashes, 0);
  },
  { seconds: 110, ...requirePeer('python3') },
);

scene('a reload lets connections finish, then aborts them', async (s) => {
  const { server } = await serving(s, { threads: 1 });
  const [early, patient] = [await client(s, server.address), await client(s, server.address)];
  await early.ask('x');
  assert.equal(await patient.ask('wait'), 'waiting');
  await server.reload(version(2), { grace: 1 });
  assert.match(await early.ask('x'), /^1 /);
  early.socket.close();
  assert.equal(await askOnce(s, server.address, 'x').then((answer) => answer[0]), '2');
  assert.equal(await within(patient.heard(), 'the abort', 10), 'aborted');
  await eventually(() => server.threads === 1, 'the old thread is gone', 10);
  // Without a URL: the same module again.
  await server.reload();
  assert.match(await askOnce(s, server.address, 'x'), /^2 /);
});

scene('close({ grace }) lets handlers finish; without it they are aborted', async (s) => {
  const { server } = await serving(s);
  const c = await client(s, server.address);
  await c.ask('x');
  const closing = server.close({ grace: 60 });
  await staysPending(closing, 'the close', 0.1);
  await assert.rejects(createConnection(server.address), { code: 'ECONNREFUSED' });
  assert.match(await c.ask('still here'), /still here$/);
  c.socket.close();
  await within(closing, 'the close', 10);
  assert.equal(server.threads, 0);
  const { server: second } = await serving(s);
  const d = await client(s, second.address);
  assert.equal(await d.ask('wait'), 'waiting');
  await within(second.close(), 'the close', 10);
  assert.equal(await d.heard(), 'aborted');
});

scene('a thread that spins does not hold up the end', async (s) => {
  const { server } = await serving(s, { threads: 1 });
  const c = await client(s, server.address);
  await c.say('spin');
  await sleep(0.2);
  await within(server.close(), 'the close', 15);
  assert.equal(await c.heard().catch((error: SocketError) => error.code), '');
});

scene('a signal ends it', async (s) => {
  const controller = new AbortController();
  const { server } = await serving(s, { signal: controller.signal });
  controller.abort();
  await within(server.closed, 'the end', 10);
  await assert.rejects(createConnection(server.address), { code: 'ECONNREFUSED' });
  await assert.rejects(server.reload(), /closing/);
  await assert.rejects(serveThreads(at, handler, { signal: controller.signal }), { name: 'AbortError' });
});

scene('AF_UNIX: the threads share one queue, and the file goes with the server', async (s) => {
  const path = tempPath(s);
  const server = await within(serveThreads(path, handler, { threads: 2 }), 'the server', 30);
  s.after(() => server.close());
  const asks = Array.from({ length: 40 }, async () => {
    const c = s.own(await createConnection(path));
    await c.sendall('x\n');
    return String(await c.recv(100));
  });
  for (const answer of await Promise.all(asks)) assert.match(answer, /^1 \d+ x\n$/);
  await within(server.reload(version(2)), 'the reload', 30);
  const c = s.own(await createConnection(path));
  await c.sendall('x\n');
  assert.match(String(await c.recv(100)), /^2 /);
  c.close();
  await server.close();
  await assert.rejects(createConnection(path), { code: 'ENOENT' });
});

scene('a socket that listens already is shared', async (s) => {
  const listener = createServer(['127.0.0.1', 0]);
  const server = await within(serveThreads(listener, handler, { threads: 2 }), 'the server', 30);
  s.after(() => server.close());
  assert.match(await askOnce(s, server.address, 'x'), /^1 \d+ x$/);
  await server.close();
  assert.equal(listener.closed, true);
});

scene('datagrams', async (s) => {
  const options = { threads: 2, type: SOCK_DGRAM };
  const server = await within(serveThreads(at, module('datagrams.mjs'), options), 'the server', 30);
  s.after(() => server.close());
  const threads = new Set<string>();
  let sent = 0;
  // Clients are spread by their addresses.
  await eventually(async () => {
    const c = s.own(socket(AF_INET, SOCK_DGRAM));
    c.settimeout(10);
    await c.sendto('ping', server.address);
    sent++;
    const [thread, text] = String(await c.recv(100)).split(' ');
    assert.equal(text, 'ping');
    c.close();
    return threads.add(thread!).size === 2;
  }, 'both threads answer');
  await eventually(() => server.accepted === sent, 'the number of datagrams');
});

scene('maxConnections is for all threads together', async (s) => {
  const { server } = await serving(s, { maxConnections: 4 });
  const clients = [];
  for (let i = 0; i < 12; i++) {
    const c = await client(s, server.address);
    await c.say('x');
    clients.push(c);
  }
  await sleep(0.3);
  assert.ok(server.connections <= 4, `${server.connections} connections`);
  let answered = 0;
  for (const c of clients) {
    await within(c.heard(), 'an answer', 10);
    answered++;
    c.socket.close();
  }
  assert.equal(answered, 12);
});

scene('an unref’d server does not keep the process; one that runs does', async () => {
  const { stdout } = await runNode(
    `import { serveThreads } from 'berkeley-sockets/server';
     const server = await serveThreads(['127.0.0.1', 0], ${JSON.stringify(handler.href)}, { threads: 1 });
     console.log('up');
     server.unref();`,
    { seconds: 30 },
  );
  assert.equal(stdout, 'up\n');
});

scene('bad input is refused at once', async () => {
  for (const [options, expected] of [
    [{ threads: 0 }, RangeError],
    [{ threads: 1.5 }, RangeError],
    [{ threads: '2' }, TypeError],
    [{ type: 7 }, TypeError],
    [{ threads: 4, maxConnections: 3 }, RangeError],
    [{ idleTimeout: -1 }, RangeError],
    [{ onerror: 5 }, TypeError],
    [{ signal: {} }, TypeError],
    [{ proxyProtocol: { trusted: () => true } }, TypeError],
    [null, TypeError],
  ] as const)
    await assert.rejects(serveThreads(at, handler, options as never), expected, JSON.stringify(options));
  await assert.rejects(serveThreads(at, './handler.mjs'), TypeError);
  const taken = createServer(['127.0.0.1', 0]);
  await assert.rejects(serveThreads(taken.getsockname() as [string, number], handler), {
    code: 'EADDRINUSE',
  });
  taken.close();
});
