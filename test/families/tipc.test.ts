// AF_TIPC: services by name, within this node.
import assert from 'node:assert/strict';
import {
  AF_TIPC,
  SOCK_RDM,
  SOCK_STREAM,
  socket,
  TIPC_ADDR_ID,
  TIPC_ADDR_NAME,
  TIPC_ADDR_NAMESEQ,
  TIPC_NODE_SCOPE,
} from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';
import { scene } from '../support/scene.ts';
import { missing } from './kernel.ts';

// Types up to 63 are the system's.
const TYPE = 2000 + (process.pid % 100_000);

scene(
  'datagrams to a name come to who has it, with the address of the sender',
  async (s) => {
    const server = s.own(socket(AF_TIPC, SOCK_RDM));
    const client = s.own(socket(AF_TIPC, SOCK_RDM));
    server.bind([TIPC_ADDR_NAMESEQ, TYPE, 200, 210, TIPC_NODE_SCOPE]);
    assert.equal(client.getsockname()[0], TIPC_ADDR_ID);
    await client.sendto('hello', [TIPC_ADDR_NAME, TYPE, 205, 0]);
    const [data, from] = await server.recvfrom(100);
    assert.equal(data.toString(), 'hello');
    assert.deepEqual(from, client.getsockname());
    await server.sendto('and back', from);
    assert.equal((await client.recv(100)).toString(), 'and back');
  },
  { skip: missing(AF_TIPC, SOCK_RDM) },
);

scene(
  'a stream to a name',
  async (s) => {
    const server = s.own(socket(AF_TIPC, SOCK_STREAM));
    server.bind([TIPC_ADDR_NAMESEQ, TYPE, 1, 1, TIPC_NODE_SCOPE]);
    server.listen();
    const client = s.own(socket(AF_TIPC, SOCK_STREAM));
    const [[accepted, address]] = await Promise.all([
      server.accept(),
      client.connect([TIPC_ADDR_NAME, TYPE, 1, 0]),
    ]);
    s.own(accepted);
    assert.equal(address[0], TIPC_ADDR_ID);
    const data = new Chance('tipc').bytes(100_000);
    const sending = client.sendall(data).then(() => client.close());
    const chunks: Buffer[] = [];
    for await (const chunk of accepted) chunks.push(chunk);
    await sending;
    assert.ok(Buffer.concat(chunks).equals(data));
  },
  { skip: missing(AF_TIPC, SOCK_STREAM) },
);
