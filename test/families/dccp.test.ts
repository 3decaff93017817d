// DCCP (RFC 4340): datagrams over a connection. Linux had it up to 6.15.
import assert from 'node:assert/strict';
import { AF_INET, DCCP_SOCKOPT_SERVICE, IPPROTO_DCCP, SOCK_DCCP, SOL_DCCP, socket } from 'berkeley-sockets';
import { scene } from '../support/scene.ts';
import { missing } from './kernel.ts';

// Both ends name the service, in network order (linux/dccp.h).
const service = Buffer.from('test');

scene(
  'datagrams over a connection keep their bounds',
  async (s) => {
    const server = s.own(socket(AF_INET, SOCK_DCCP, IPPROTO_DCCP));
    const client = s.own(socket(AF_INET, SOCK_DCCP, IPPROTO_DCCP));
    for (const each of [server, client]) each.setsockopt(SOL_DCCP, DCCP_SOCKOPT_SERVICE, service);
    server.bind(['127.0.0.1', 0]);
    server.listen();
    const [[accepted, address]] = await Promise.all([server.accept(), client.connect(server.getsockname())]);
    s.own(accepted);
    assert.deepEqual([accepted.type, accepted.proto], [SOCK_DCCP, IPPROTO_DCCP]);
    assert.deepEqual(address, client.getsockname());
    await client.send('one');
    await client.send('two');
    assert.equal((await accepted.recv(100)).toString(), 'one');
    assert.equal((await accepted.recv(100)).toString(), 'two');
  },
  { skip: missing(AF_INET, SOCK_DCCP, IPPROTO_DCCP) },
);
