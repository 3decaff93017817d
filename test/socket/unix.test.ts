// AF_UNIX: paths, abstract names, names that the kernel gives; and its two queues that block
// a sender and a connector without any event to tell when room was made (unix(7)).
import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import {
  type Address,
  AF_UNIX,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  type Socket,
  socketpair,
  TimeoutError,
} from 'berkeley-sockets';
import { staysPending, within } from '../support/deadline.ts';
import { bothScenes, type Scene, scene } from '../support/scene.ts';
import { tempdir, tempPath } from '../support/tempdir.ts';
import {
  across,
  acrossBoth,
  bound,
  connections,
  listening,
  open,
  type Transport,
  unixDatagram,
  unixSeqpacket,
  unixStream,
} from '../support/transports.ts';

const transports = [unixStream, unixSeqpacket, unixDatagram];

/** Sends or connects from one fresh socket to `name`, and returns what the other end sees. */
async function reach(s: Scene, transport: Transport, server: Socket, name: Address): Promise<string> {
  const client = open(s, transport);
  if (transport.type === SOCK_DGRAM) {
    await client.sendto('hello', name);
    return String(await server.recv(10));
  }
  server.listen();
  await client.connect(name);
  const [connection] = await server.accept();
  await client.sendall('hello');
  const text = String(await connection.recv(10));
  connection.close();
  return text;
}

acrossBoth(transports, 'a path', async (s, transport) => {
  const path = tempPath(s);
  const server = open(s, transport);
  server.bind(path);
  assert.equal(server.getsockname(), path);
  assert.ok(statSync(path).isSocket());
  assert.equal(await reach(s, transport, server, path), 'hello');
  server.close();
  assert.ok(existsSync(path), 'as in C and Python, the file is its owner’s to remove');
});

acrossBoth(transports, 'the longest path, and one that is not ASCII', async (s, transport) => {
  const folder = tempdir(s);
  for (const path of [`${folder}/${'x'.repeat(106 - folder.length)}`, `${folder}/grüße☎`]) {
    const server = open(s, transport);
    server.bind(path);
    assert.equal(server.getsockname(), path);
    assert.equal(await reach(s, transport, server, path), 'hello');
  }
});

acrossBoth(transports, 'an abstract name, with any bytes in it', async (s, transport) => {
  const unique = `${process.pid}-${performance.now()}`;
  for (const name of [
    Buffer.from(`\0${unique}`),
    Buffer.from(`\0${unique}\0with\0more\0`),
    Buffer.concat([Buffer.from(`\0${unique}`), Buffer.from([0xff, 0xfe, 0])]),
  ]) {
    const server = open(s, transport);
    server.bind(name);
    assert.deepEqual(server.getsockname(), name);
    assert.equal(await reach(s, transport, server, name), 'hello');
    const second = open(s, transport);
    assert.throws(() => second.bind(name), { code: 'EADDRINUSE', syscall: 'bind' });
    server.close();
    second.bind(name);
  }
});

acrossBoth(transports, 'the empty name makes the kernel choose an abstract one', async (s, transport) => {
  const server = open(s, transport);
  assert.equal(server.getsockname(), '');
  server.bind('');
  const name = server.getsockname() as Buffer;
  assert.ok(Buffer.isBuffer(name) && name[0] === 0 && name.length === 6, String(name));
  assert.equal(await reach(s, transport, server, name), 'hello');
});

bothScenes('a sender without a name has the empty one', async (s) => {
  const server = bound(s, unixDatagram);
  await open(s, unixDatagram).sendto('x', server.getsockname());
  assert.deepEqual(await server.recvfrom(10), [Buffer.from('x'), '']);
});

acrossBoth([unixStream, unixSeqpacket], 'a client without a name has the empty one', async (s, transport) => {
  const listener = listening(s, transport);
  const client = open(s, transport);
  await client.connect(listener.getsockname());
  const [server, address] = await listener.accept();
  s.own(server);
  assert.equal(address, '');
  assert.equal(server.getpeername(), '');
  assert.equal(server.getsockname(), listener.getsockname());
  assert.equal(client.getpeername(), listener.getsockname());
});

scene('packets in sequence: whole messages, and an end', async (s) => {
  const [a, b] = socketpair(AF_UNIX, SOCK_SEQPACKET);
  s.own(a);
  s.own(b);
  await a.send('one');
  await a.send('two');
  a.close();
  assert.equal(String(await b.recv(100)), 'one');
  assert.equal(String(await b.recv(100)), 'two');
  assert.equal((await b.recv(100)).length, 0);
});

// A datagram sender that is not connected gets no writable event when its receiver makes
// room: the kernel only wakes those that are connected to it.
for (const connected of [false, true]) {
  const kind = connected ? 'connected' : 'unconnected';

  const full = async (s: Scene) => {
    const receiver = bound(s, unixDatagram);
    const sender = open(s, unixDatagram);
    const to = receiver.getsockname();
    if (connected) await sender.connect(to);
    const send = (text: string, signal?: AbortSignal) => {
      const options = signal === undefined ? {} : { signal };
      return connected ? sender.send(text, options) : sender.sendto(text, to, options);
    };
    sender.settimeout(0);
    let count = 0;
    await assert.rejects(
      async () => {
        for (; ; count++) await send(`filler ${count}`);
      },
      { code: 'EAGAIN', syscall: connected ? 'send' : 'sendto' },
    );
    assert.ok(count > 0);
    sender.settimeout(null);
    return { receiver, sender, send, count };
  };

  scene(`a full queue makes a ${kind} sender wait, and it goes on when there is room`, async (s) => {
    const { receiver, send, count } = await full(s);
    const waiting = [send('first'), send('second'), send('third')];
    await staysPending(waiting[0]!, 'a send to a full queue');
    for (let i = 0; i < count; i++) assert.equal(String(await receiver.recv(100)), `filler ${i}`);
    for (const text of ['first', 'second', 'third']) {
      assert.equal(String(await within(receiver.recv(100), text)), text);
    }
    assert.deepEqual(await within(Promise.all(waiting), 'the sends'), [5, 6, 5]);
  });

  scene(`a full queue: a ${kind} sender's timeout and abort send nothing`, async (s) => {
    const { receiver, sender, send, count } = await full(s);
    sender.settimeout(0.03);
    await assert.rejects(send('late'), TimeoutError);
    sender.settimeout(null);
    const stop = new AbortController();
    const waiting = send('aborted', stop.signal);
    waiting.catch(() => {});
    await staysPending(waiting, 'a send', 0.02);
    stop.abort(new Error('enough'));
    await assert.rejects(waiting, /enough/);
    for (let i = 0; i < count; i++) assert.equal(String(await receiver.recv(100)), `filler ${i}`);
    await send('now');
    assert.equal(String(await receiver.recv(100)), 'now');
  });

  scene(`a full queue whose owner goes away ends a ${kind} sender's wait`, async (s) => {
    const { receiver, send } = await full(s);
    const waiting = send('to nobody');
    waiting.catch(() => {});
    await staysPending(waiting, 'a send', 0.02);
    receiver.close();
    await assert.rejects(within(waiting, 'the end of the wait'), { code: 'ECONNREFUSED' });
  });
}

// connect(2) to a listener whose backlog is full gives EAGAIN and, unlike TCP's, starts
// nothing: no event comes either.
across(
  [unixStream, unixSeqpacket],
  'a full backlog makes a connect wait, and it goes on',
  async (s, transport) => {
    const listener = listening(s, transport, 0);
    const to = listener.getsockname();
    const clients: Socket[] = [];
    const connect = async () => {
      const client = open(s, transport);
      clients.push(client);
      client.settimeout(0);
      await client.connect(to);
    };
    await assert.rejects(
      async () => {
        for (;;) await connect();
      },
      { code: 'EAGAIN', syscall: 'connect' },
    );

    const late = open(s, transport);
    late.settimeout(0.03);
    await assert.rejects(late.connect(to), TimeoutError);

    const patient = open(s, transport);
    const waiting = patient.connect(to);
    await staysPending(waiting, 'connect to a full backlog');
    for (let i = 0; i < clients.length; i++) {
      s.own((await within(listener.accept(), 'a client that was in the backlog'))[0]);
      if (i === clients.length - 2) await within(waiting, 'connect after room was made');
    }
    await patient.sendall('here');
  },
);

acrossBoth(
  connections.filter((t) => t.family === AF_UNIX),
  'a path that nobody listens at',
  async (s, transport) => {
    const path = tempPath(s);
    await assert.rejects(async () => open(s, transport).connect(path), {
      code: 'ENOENT',
      syscall: 'connect',
      path,
    });
    bound(s, transport).close();
    const stale = open(s, transport);
    stale.bind(path);
    await assert.rejects(async () => open(s, transport).connect(path), {
      code: 'ECONNREFUSED',
      message: `connect ECONNREFUSED ${path}`,
    });
  },
);
