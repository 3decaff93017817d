// SCTP (RFC 9260): one connection a socket (SOCK_STREAM), and many on one (SOCK_SEQPACKET).
import assert from 'node:assert/strict';
import { AF_INET, IPPROTO_SCTP, SOCK_SEQPACKET, SOCK_STREAM, socket } from 'berkeley-sockets';
import { requirePeer } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { scene } from '../support/scene.ts';
import { missing } from './kernel.ts';

const one = missing(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
const many = missing(AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP);
const python = requirePeer('python3').skip ?? false;

scene(
  'one to one: messages keep their bounds, a short read ends none of them',
  async (s) => {
    const server = s.own(socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP));
    server.bind(['127.0.0.1', 0]);
    server.listen();
    const client = s.own(socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP));
    const [[accepted]] = await Promise.all([server.accept(), client.connect(server.getsockname())]);
    s.own(accepted);
    assert.equal(accepted.proto, IPPROTO_SCTP);
    for (const message of ['one', 'two', 'three']) await client.send(message);
    for (const message of ['one', 'two', 'three'])
      assert.equal((await accepted.recv(65536)).toString(), message);
    await accepted.send('in two pieces');
    assert.equal((await client.recv(6)).toString(), 'in two');
    assert.equal((await client.recv(100)).toString(), ' pieces');
    client.close();
    assert.equal((await accepted.recv(100)).length, 0);
  },
  { skip: one },
);

scene(
  'one to many: sendto makes the association, recvfrom tells whose message it is',
  async (s) => {
    const [a, b] = [0, 1].map(() => {
      const made = s.own(socket(AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP));
      made.bind(['127.0.0.1', 0]);
      made.listen();
      return made;
    }) as [ReturnType<typeof socket>, ReturnType<typeof socket>];
    await a.sendto('hello', b.getsockname());
    assert.deepEqual(await b.recvfrom(100), [Buffer.from('hello'), a.getsockname()]);
    await b.sendto('and back', a.getsockname());
    assert.deepEqual(await a.recvfrom(100), [Buffer.from('and back'), b.getsockname()]);
  },
  { skip: many },
);

scene(
  "Python's client and our server",
  async (s) => {
    const server = s.own(socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP));
    server.bind(['127.0.0.1', 0]);
    server.listen();
    const peer = startPython(
      s,
      `
      import socket, sys
      s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)
      s.connect(('127.0.0.1', int(sys.argv[1])))
      s.send(b'hello')
      print(s.recv(100).decode())
      `,
      [String(server.getsockname()[1])],
    );
    const [accepted] = await server.accept();
    s.own(accepted);
    assert.equal((await accepted.recv(100)).toString(), 'hello');
    await accepted.send('and back');
    assert.equal(await peer.line(), 'and back');
  },
  { skip: one || python },
);
