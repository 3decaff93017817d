// MPTCP (RFC 8684): a TCP socket of another protocol, and plain TCP where one end knows no more.
import assert from 'node:assert/strict';
import {
  AF_INET,
  AF_INET6,
  IPPROTO_MPTCP,
  IPPROTO_TCP,
  SHUT_WR,
  SO_PROTOCOL,
  SOCK_STREAM,
  SOL_SOCKET,
  type Socket,
  SocketError,
  socket,
  TCP_IS_MPTCP,
} from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';
import { requirePeer } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { type Scene, scene } from '../support/scene.ts';
import { receiveAll } from '../support/transports.ts';
import { missing } from './kernel.ts';

const skip = missing(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
const python = requirePeer('python3').skip ?? false;

type Inet = AF_INET | AF_INET6;

function listener(s: Scene, family: Inet, proto: number): Socket<Inet, SOCK_STREAM> {
  const made = s.own(socket<Inet, SOCK_STREAM>(family, SOCK_STREAM, proto));
  made.bind([family === AF_INET6 ? '::1' : '127.0.0.1', 0]);
  made.listen();
  return made;
}

async function meet(
  s: Scene,
  server: Socket<Inet, SOCK_STREAM>,
  proto: number,
): Promise<[Socket<Inet, SOCK_STREAM>, Socket<Inet, SOCK_STREAM>]> {
  const client = s.own(socket<Inet, SOCK_STREAM>(server.family as Inet, SOCK_STREAM, proto));
  const [[accepted, address]] = await Promise.all([server.accept(), client.connect(server.getsockname())]);
  s.own(accepted);
  assert.deepEqual(address, client.getsockname());
  return [client, accepted];
}

/** Whether the connection is MPTCP's, or has fallen back to TCP (TCP_IS_MPTCP, Linux 5.16). */
const isMptcp = (s: Socket<Inet, SOCK_STREAM>): boolean => s.getsockopt(IPPROTO_TCP, TCP_IS_MPTCP!) === 1;

async function echo(
  client: Socket<Inet, SOCK_STREAM>,
  server: Socket<Inet, SOCK_STREAM>,
  size: number,
): Promise<void> {
  const data = new Chance(`mptcp ${size}`).bytes(size);
  const serving = (async () => {
    for await (const chunk of server) await server.sendall(chunk);
    server.shutdown(SHUT_WR);
  })();
  const sending = client.sendall(data).then(() => client.shutdown(SHUT_WR));
  assert.ok((await receiveAll(client)).equals(data));
  await Promise.all([serving, sending]);
}

for (const [family, name] of [
  [AF_INET, 'IPv4'],
  [AF_INET6, 'IPv6'],
] as const) {
  scene(
    `an echo of a megabyte, ${name}`,
    async (s) => {
      const server = listener(s, family, IPPROTO_MPTCP);
      assert.equal(server.proto, IPPROTO_MPTCP);
      const [client, accepted] = await meet(s, server, IPPROTO_MPTCP);
      assert.equal(accepted.proto, IPPROTO_MPTCP, 'as the listener');
      assert.equal(accepted.getsockopt(SOL_SOCKET, SO_PROTOCOL), IPPROTO_MPTCP);
      assert.deepEqual([isMptcp(client), isMptcp(accepted)], [true, true]);
      await echo(client, accepted, 1 << 20);
    },
    { skip: missing(family, SOCK_STREAM, IPPROTO_MPTCP) },
  );
}

scene(
  'small messages back and forth: no end of a queue is missed',
  async (s) => {
    const [client, server] = await meet(s, listener(s, AF_INET, IPPROTO_MPTCP), IPPROTO_MPTCP);
    const serving = (async () => {
      for await (const chunk of server) await server.sendall(chunk);
    })();
    for (let i = 0; i < 500; i++) {
      const message = Buffer.alloc(1 + (i % 64), i);
      await client.sendall(message);
      let have = 0;
      // Asked for more than there is: what comes short proves nothing here.
      while (have < message.length) have += (await client.recv(65536)).length;
    }
    client.shutdown(SHUT_WR);
    await serving;
  },
  { skip },
);

scene(
  'a client that speaks plain TCP: the connection is TCP, and goes on all the same',
  async (s) => {
    const [client, accepted] = await meet(s, listener(s, AF_INET, IPPROTO_MPTCP), IPPROTO_TCP);
    assert.equal(accepted.proto, IPPROTO_MPTCP, 'as the listener, as in Python');
    await echo(client, accepted, 100_000);
  },
  { skip },
);

scene(
  'a server that speaks plain TCP: the client falls back',
  async (s) => {
    const [client, accepted] = await meet(s, listener(s, AF_INET, IPPROTO_TCP), IPPROTO_MPTCP);
    assert.equal(isMptcp(client), false);
    assert.equal(client.proto, IPPROTO_MPTCP);
    await echo(client, accepted, 100_000);
  },
  { skip },
);

scene(
  'nobody listens: the error is told',
  async (s) => {
    const server = listener(s, AF_INET, IPPROTO_MPTCP);
    const address = server.getsockname();
    server.close();
    const client = s.own(socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP));
    await assert.rejects(client.connect(address as [string, number]), (error: SocketError) => {
      assert.ok(error instanceof SocketError);
      assert.equal(error.code, 'ECONNREFUSED');
      assert.equal(error.port, address[1]);
      return true;
    });
  },
  { skip },
);

scene(
  "Python's client and our server",
  async (s) => {
    const server = listener(s, AF_INET, IPPROTO_MPTCP);
    const peer = startPython(
      s,
      `
      import socket, sys
      s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
      s.connect(('127.0.0.1', int(sys.argv[1])))
      s.sendall(b'hello')
      s.shutdown(socket.SHUT_WR)
      print(s.recv(100).decode(), s.recv(100))
      `,
      [String(server.getsockname()[1])],
    );
    const [accepted] = await server.accept();
    s.own(accepted);
    assert.ok(isMptcp(accepted));
    assert.equal((await receiveAll(accepted as Socket)).toString(), 'hello');
    await accepted.sendall('and back');
    accepted.close();
    assert.equal(await peer.line(), "and back b''");
  },
  { skip: skip || python },
);
