// AF_ALG: the kernel hashes for us, and Node's own hash is the judge.
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { AF_ALG, ALG_SET_KEY, SOCK_SEQPACKET, SOL_ALG, type SocketError, socket } from 'berkeley-sockets';
import { scene } from '../support/scene.ts';
import { missing } from './kernel.ts';

const skip = missing(AF_ALG, SOCK_SEQPACKET);

scene(
  'a hash: each message that ends is answered by its digest',
  async (s) => {
    const algorithm = s.own(socket(AF_ALG, SOCK_SEQPACKET));
    algorithm.bind(['hash', 'sha256']);
    const [operation] = await algorithm.accept();
    s.own(operation);
    for (const text of ['', 'abc', 'x'.repeat(100_000)]) {
      await operation.sendall(text);
      assert.deepEqual(await operation.recv(64), createHash('sha256').update(text).digest());
    }
  },
  { skip },
);

scene(
  'a hash with a key',
  async (s) => {
    const algorithm = s.own(socket(AF_ALG, SOCK_SEQPACKET));
    algorithm.bind(['hash', 'hmac(sha1)']);
    algorithm.setsockopt(SOL_ALG, ALG_SET_KEY, 'Jefe');
    const [operation] = await algorithm.accept();
    s.own(operation);
    await operation.sendall('what do ya want for nothing?');
    const judge = createHmac('sha1', 'Jefe').update('what do ya want for nothing?').digest();
    assert.deepEqual(await operation.recv(64), judge);
  },
  { skip },
);

scene(
  'an algorithm that is none',
  (s) => {
    const algorithm = s.own(socket(AF_ALG, SOCK_SEQPACKET));
    assert.throws(
      () => algorithm.bind(['hash', 'no-such-hash']),
      (error: SocketError) => {
        assert.equal(error.code, 'ENOENT');
        assert.equal(error.message, 'bind ENOENT hash no-such-hash');
        return true;
      },
    );
  },
  { skip },
);
