// Tables that change while they are read: each answer has everything that did not change, once.
import assert from 'node:assert/strict';
import type { SocketError } from 'berkeley-sockets';
import { interfaces } from 'berkeley-sockets/inspect';
import { inOwnNetwork } from '../support/network.ts';
import { requirePeer, runPeer, startPeer } from '../support/peer.ts';
import { scene } from '../support/scene.ts';

// So many that the answer comes in several parts.
const ADDRESSES = 1500;
const flipping = 'while :; do ip addr add 10.200.0.9/32 dev v0; ip addr del 10.200.0.9/32 dev v0; done';

inOwnNetwork(import.meta.url, () => {
  scene(
    'addresses that come and go',
    async (s) => {
      const still = Array.from({ length: ADDRESSES }, (_, i) => `10.66.${i >> 8}.${i & 255}`);
      await runPeer('ip', ['-batch', '-'], {
        input: still.map((address) => `addr add ${address}/32 dev v0\n`).join(''),
      });
      const change = startPeer(s, 'sh', ['-c', flipping]);
      let with9 = 0;
      let without9 = 0;
      for (let rounds = 0; rounds < 2000 && (with9 < 30 || without9 < 30); rounds++) {
        const list = await interfaces().catch((error: SocketError) => {
          // On a slow machine every reading may be interrupted.
          assert.equal(error.code, 'EAGAIN');
          assert.match(error.message, /changed 20 times/);
        });
        if (list === undefined) continue;
        const found = list.find(({ name }) => name === 'v0')!.addresses;
        const texts = found.map(({ address }) => address);
        assert.equal(new Set(texts).size, texts.length, 'each once');
        const known = new Set(texts);
        for (const address of still) assert.ok(known.has(address), address);
        if (known.has('10.200.0.9')) with9++;
        else without9++;
      }
      await change.stop();
      assert.ok(with9 > 0 && without9 > 0, `seen ${with9} times with it, ${without9} without`);
    },
    { skip: requirePeer('ip').skip ?? false, seconds: 60 },
  );
});
