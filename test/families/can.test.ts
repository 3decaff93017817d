// AF_CAN over a virtual bus in a network of its own: frames, the broadcast manager, ISO-TP, J1939.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { AF_CAN, CAN_BCM, CAN_ISOTP, CAN_J1939, CAN_RAW, SOCK_DGRAM, SOCK_RAW } from 'berkeley-sockets';
import { noOwnNetwork, ownNetwork, runNode } from '../support/node.ts';
import { scene } from '../support/scene.ts';
import { missing } from './kernel.ts';

const wrap = ownNetwork('ip link add bus0 type vcan; ip link set bus0 up');

function noBus(): string | false {
  const [program, ...args] = [...wrap, 'true'];
  return spawnSync(program!, args).status === 0 ? false : 'this kernel has no virtual CAN bus (module vcan)';
}

const skipFor = (type: number, proto: number) => missing(AF_CAN, type, proto) || noOwnNetwork() || noBus();

const head = `
  import assert from 'node:assert/strict';
  import { AF_CAN, CAN_BCM, CAN_ISOTP, CAN_J1939, CAN_RAW, SOCK_DGRAM, SOCK_RAW, socket } from 'berkeley-sockets';
  const open = (type, proto) => {
    const s = socket(AF_CAN, type, proto);
    s.settimeout(10);
    return s;
  };
`;

async function inside(body: string): Promise<void> {
  const { stdout } = await runNode(`${head}${body}\nconsole.log('passed');`, { wrap, seconds: 20 });
  assert.equal(stdout.trim(), 'passed');
}

scene(
  'frames, by CAN_RAW',
  () =>
    inside(`
      const [a, b] = [open(SOCK_RAW, CAN_RAW), open(SOCK_RAW, CAN_RAW)];
      a.bind(['bus0']);
      b.bind(['']);
      assert.deepEqual([a.getsockname(), b.getsockname()], [['bus0'], ['']]);
      // struct can_frame: identifier, length, three bytes, eight of data.
      const frame = Buffer.alloc(16);
      new DataView(frame.buffer, frame.byteOffset).setUint32(0, 0x123, true);
      frame[4] = 2;
      frame.set([0xab, 0xcd], 8);
      await a.send(frame);
      assert.deepEqual(await b.recvfrom(16), [frame, ['bus0']]);
      await b.sendto(frame, ['bus0']);
      assert.deepEqual(await a.recvfrom(16), [frame, ['bus0']]);
      a.close();
      b.close();
    `),
  { skip: skipFor(SOCK_RAW, CAN_RAW) },
);

scene(
  'the broadcast manager connects to an interface',
  () =>
    inside(`
      const s = open(SOCK_DGRAM, CAN_BCM);
      await s.connect(['bus0']);
      s.close();
    `),
  { skip: skipFor(SOCK_DGRAM, CAN_BCM) },
);

scene(
  'a message longer than a frame, by CAN_ISOTP',
  () =>
    inside(`
      const [a, b] = [open(SOCK_DGRAM, CAN_ISOTP), open(SOCK_DGRAM, CAN_ISOTP)];
      a.bind(['bus0', 0x111, 0x222]);
      b.bind(['bus0', 0x222, 0x111]);
      assert.deepEqual(a.getsockname(), ['bus0', 0x111, 0x222]);
      const message = Buffer.from('more than the eight bytes of a frame');
      const [received] = await Promise.all([b.recv(100), a.send(message)]);
      assert.deepEqual(received, message);
      a.close();
      b.close();
    `),
  { skip: skipFor(SOCK_DGRAM, CAN_ISOTP) },
);

scene(
  'messages between addresses, by CAN_J1939',
  () =>
    inside(`
      const NO_NAME = 0n, NO_PGN = 0x40000, PGN = 0x12300;
      const [a, b] = [open(SOCK_DGRAM, CAN_J1939), open(SOCK_DGRAM, CAN_J1939)];
      a.bind(['bus0', NO_NAME, NO_PGN, 0x20]);
      b.bind(['bus0', NO_NAME, NO_PGN, 0x30]);
      assert.deepEqual(a.getsockname(), ['bus0', NO_NAME, NO_PGN, 0x20]);
      await a.sendto('hello', ['bus0', NO_NAME, PGN, 0x30]);
      assert.deepEqual(await b.recvfrom(100), [Buffer.from('hello'), ['bus0', NO_NAME, PGN, 0x20]]);
      a.close();
      b.close();
    `),
  { skip: skipFor(SOCK_DGRAM, CAN_J1939) },
);
