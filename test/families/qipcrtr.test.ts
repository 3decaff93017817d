// AF_QIPCRTR within this node.
import assert from 'node:assert/strict';
import { AF_QIPCRTR, SOCK_DGRAM, socket } from 'berkeley-sockets';
import { scene } from '../support/scene.ts';
import { missing } from './kernel.ts';

scene(
  'datagrams between two ports',
  async (s) => {
    const [a, b] = [s.own(socket(AF_QIPCRTR, SOCK_DGRAM)), s.own(socket(AF_QIPCRTR, SOCK_DGRAM))];
    const [node] = a.getsockname();
    a.bind([node, 0]);
    b.bind([node, 0]);
    assert.notDeepEqual(a.getsockname(), b.getsockname());
    await a.sendto('hello', b.getsockname());
    assert.deepEqual(await b.recvfrom(100), [Buffer.from('hello'), a.getsockname()]);
  },
  { skip: missing(AF_QIPCRTR, SOCK_DGRAM) },
);
