// Python's socket module at the other end, in both roles, over every transport.
import assert from 'node:assert/strict';
import { type Address, AF_UNIX, SHUT_WR, SOCK_DGRAM, type Socket } from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';
import { type Peer, requirePeer } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { type Scene, scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';
import {
  bound,
  connections,
  datagrams,
  listening,
  open,
  receive,
  receiveAll,
  type Transport,
} from '../support/transports.ts';

const python = requirePeer('python3');

/** One scenario on each transport, with Python at the other end. */
function withPython(
  transports: readonly Transport[],
  name: string,
  body: (s: Scene, transport: Transport) => Promise<void>,
): void {
  for (const transport of transports) {
    const skip = python.skip ?? transport.missing;
    scene(`${name} (${transport.name})`, (s) => body(s, transport), { skip, seconds: 60 });
  }
}

/** Starts a script that has the family, type and address as variables, and `bytes` that repeat. */
function start(s: Scene, transport: Transport, address: Address, script: string): Peer {
  return startPython(
    s,
    `
    import hashlib, json, socket, sys
    family, kind = int(sys.argv[1]), int(sys.argv[2])
    address = json.loads(sys.argv[3])
    if isinstance(address, list): address = tuple(address)
    def sha(data): return hashlib.sha256(data).hexdigest()
    ${script}`,
    [String(transport.family), String(transport.type), JSON.stringify(address)],
  );
}

async function sha(data: Buffer): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', data)).toString('hex');
}

/** Receives to the end, one message a call where it is messages. */
async function drain(socket: Socket, transport: Transport): Promise<Buffer> {
  return transport.name.includes('seqpacket')
    ? receive(socket, Number.POSITIVE_INFINITY, 1 << 20)
    : receiveAll(socket);
}

const big = (transport: Transport) => (transport.name.includes('seqpacket') ? 50_000 : 3_000_000);

withPython(connections, 'Python connects: bytes both ways, half closes', async (s, transport) => {
  const listener = listening(s, transport);
  const data = new Chance('to Python').bytes(big(transport));
  const peer = start(
    s,
    transport,
    listener.getsockname(),
    `
    s = socket.socket(family, kind)
    s.connect(address)
    names = json.dumps(s.getpeername()), json.dumps(s.getsockname())
    sent = bytes(i * 7 & 255 for i in range(${big(transport)}))
    import threading
    def send():
        s.sendall(sent)
        s.shutdown(socket.SHUT_WR)
    t = threading.Thread(target=send)
    t.start()
    chunks = []
    while True:
        chunk = s.recv(100000)
        if not chunk: break
        chunks.append(chunk)
    t.join()
    print(sha(sent))
    print(sha(b''.join(chunks)))
    print(*names)
    `,
  );
  const [server, address] = await listener.accept();
  s.own(server);
  const sending = server.sendall(data).then(() => server.shutdown(SHUT_WR));
  const got = await drain(server, transport);
  await sending;
  assert.equal(await peer.line(), await sha(got));
  assert.equal(await peer.line(), await sha(data));
  const [remote, local] = (await peer.line()).split(/(?<=["\]]) /).map((text) => JSON.parse(text));
  assert.deepEqual(remote, listener.getsockname());
  assert.deepEqual(local, address);
  await peer.succeed();
});

withPython(connections, 'Python listens: bytes both ways, half closes', async (s, transport) => {
  const peer = start(
    s,
    transport,
    transport.free(s),
    `
    l = socket.socket(family, kind)
    l.bind(address)
    l.listen()
    print(json.dumps(l.getsockname()))
    c, a = l.accept()
    while True:
        chunk = c.recv(65536)
        if not chunk: break
        c.sendall(chunk.upper())
    c.sendall(b'THE END')
    c.close()
    `,
  );
  const client = open(s, transport);
  await client.connect(JSON.parse(await peer.line()));
  const text = 'abcdefghij'.repeat(big(transport) / 10);
  const receiving = drain(client, transport);
  await client.sendall(text);
  client.shutdown(SHUT_WR);
  assert.equal(String(await receiving), `${text.toUpperCase()}THE END`);
  await peer.succeed();
});

withPython(datagrams, 'Python sends first: datagrams there and back', async (s, transport) => {
  const server = bound(s, transport);
  const own =
    transport.family === AF_UNIX ? tempPath(s) : (transport.free(s) as readonly unknown[]).slice(0, 2);
  const peer = start(
    s,
    transport,
    server.getsockname(),
    `
    s = socket.socket(family, kind)
    own = ${JSON.stringify(own)}
    s.bind(tuple(own) if isinstance(own, list) else own)
    for size in (5, 0, 1400, 9000, 30000):
        s.sendto(b'x' * size, address)
        data, sender = s.recvfrom(65536)
        assert data == b'X' * size, (size, len(data))
        assert sender == address, (sender, address)
    s.connect(address)
    s.send(b'connected')
    assert s.recv(100) == b'CONNECTED'
    print(json.dumps(s.getsockname()))
    `,
  );
  let from: Address | undefined;
  for (let i = 0; i < 6; i++) {
    const [data, address] = await server.recvfrom(65536);
    from = address;
    await server.sendto(data.toString().toUpperCase(), address);
  }
  assert.deepEqual(from, JSON.parse(await peer.line()));
  await peer.succeed();
});

withPython(datagrams, 'Python answers: datagrams and batches', async (s, transport) => {
  const peer = start(
    s,
    transport,
    transport.free(s),
    `
    s = socket.socket(family, kind)
    s.bind(address)
    print(json.dumps(s.getsockname()))
    while True:
        data, sender = s.recvfrom(65536)
        if data == b'stop': break
        s.sendto(data[::-1], sender)
    `,
  );
  const to = JSON.parse(await peer.line());
  const client = bound(s, transport);
  await client.sendto('hello', to);
  assert.deepEqual(await client.recvfrom(100), [Buffer.from('olleh'), to]);
  assert.equal(
    await client.sendmany([
      ['abc', to],
      ['', to],
      ['def', to],
    ]),
    3,
  );
  const got: string[] = [];
  while (got.length < 3) for (const [data] of await client.recvmany(10)) got.push(data.toString());
  assert.deepEqual(got, ['cba', '', 'fed']);
  await client.connect(to);
  await client.send('xyz');
  assert.equal(String(await client.recv(100)), 'zyx');
  await client.send('stop');
  await peer.succeed();
});

withPython(connections, 'Python goes away without a word: reset or end', async (s, transport) => {
  const listener = listening(s, transport);
  const peer = start(
    s,
    transport,
    listener.getsockname(),
    `
    import os, signal
    s = socket.socket(family, kind)
    s.connect(address)
    s.sendall(b'last words')
    os.kill(os.getpid(), signal.SIGKILL)
    `,
  );
  const [server] = await listener.accept();
  s.own(server);
  await peer.exit();
  assert.equal(String(await server.recv(100)), 'last words');
  assert.equal((await server.recv(100)).length, 0);
});

scene(
  'abstract names mean the same to both',
  async (s) => {
    const transport = datagrams.find((t) => t.type === SOCK_DGRAM && t.family === AF_UNIX)!;
    const server = open(s, transport);
    server.bind('');
    const name = server.getsockname() as Buffer;
    const peer = startPython(
      s,
      `
        import socket, sys
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        s.bind('\\0' + sys.argv[1] + '-python')
        s.sendto(b'hello', bytes.fromhex(sys.argv[2]))
        print(s.recv(100).decode())
      `,
      [`${process.pid}`, name.toString('hex')],
    );
    const [data, from] = await server.recvfrom(100);
    assert.equal(String(data), 'hello');
    assert.deepEqual(from, Buffer.from(`\0${process.pid}-python`));
    await server.sendto('back', from);
    assert.equal(await peer.line(), 'back');
    await peer.succeed();
  },
  python,
);

scene(
  'a descriptor that Python made and this process inherited',
  async (s) => {
    // Python passes its listener down, as a service manager does.
    const root = new URL('../..', import.meta.url).pathname;
    const script = `
      import { fromfd } from 'berkeley-sockets';
      const listener = fromfd(3);
      const [server] = await listener.accept();
      await server.sendall('family ' + listener.family + ' type ' + listener.type);
      server.close();
      listener.close();`;
    const peer = startPython(
      s,
      `
        import os, socket, subprocess, sys
        l = socket.create_server(('127.0.0.1', 0))
        fd = l.fileno()
        def child():
            os.dup2(fd, 3, inheritable=True)
        p = subprocess.Popen([sys.argv[1], '--input-type=module', '-e', sys.argv[2]], cwd=sys.argv[3], pass_fds=[3], close_fds=True, preexec_fn=child)
        c = socket.create_connection(l.getsockname())
        print(c.makefile().read())
        sys.exit(p.wait())
      `,
      [process.execPath, script, root],
    );
    assert.equal(await peer.line(), 'family 2 type 1');
    await peer.succeed();
  },
  python,
);
