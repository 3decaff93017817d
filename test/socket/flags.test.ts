// The flags of recv and send, as the kernel understands them.
import assert from 'node:assert/strict';
import { MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC } from 'berkeley-sockets';
import { staysPending } from '../support/deadline.ts';
import { across, connections, everything, messages, pair, tcp4, tcp6 } from '../support/transports.ts';

across(everything, 'MSG_PEEK leaves the data where it is', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const waiting = b.recv(3, { flags: MSG_PEEK });
  await a.send('abcdef');
  assert.equal((await waiting).toString(), 'abc');
  assert.equal((await b.recv(100, { flags: MSG_PEEK })).toString(), 'abcdef');
  const view = Buffer.alloc(10);
  assert.equal(b.tryRecvInto(view, { flags: MSG_PEEK }), 6);
  assert.equal(view.toString('latin1', 0, 6), 'abcdef');
  assert.equal((await b.recvfrom(100, { flags: MSG_PEEK }))[0].toString(), 'abcdef');
  assert.equal((await b.recv(100)).toString(), 'abcdef');
  await staysPending(b.recv(1), 'recv after the data was taken', 0.01);
});

across(everything, 'MSG_DONTWAIT gives what is there, and EAGAIN where nothing is', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  await assert.rejects(b.recv(1, { flags: MSG_DONTWAIT }), { code: 'EAGAIN', syscall: 'recv' });
  await assert.rejects(b.recvInto(new Uint8Array(1), { flags: MSG_DONTWAIT }), { code: 'EAGAIN' });
  await assert.rejects(b.recvfrom(1, { flags: MSG_DONTWAIT }), { code: 'EAGAIN' });
  await a.send('abc');
  await b.wait({ read: true });
  assert.equal((await b.recv(10, { flags: MSG_DONTWAIT })).toString(), 'abc');
});

across(messages, 'MSG_TRUNC tells the length that a message had', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const around = new Uint8Array(8).fill(0xee);
  await a.send('0123456789');
  assert.equal(await b.recvInto(around.subarray(0, 4), { flags: MSG_TRUNC }), 10);
  assert.equal(Buffer.from(around).toString('latin1'), '0123îîîî');
  await a.send('0123456789');
  await b.wait({ read: true });
  assert.equal(b.tryRecvInto(around.subarray(4), { flags: MSG_TRUNC! | MSG_PEEK }), 10);
  assert.equal((await b.recvfromInto(around.subarray(4), { flags: MSG_TRUNC }))[0], 10);
  // A Buffer cannot be longer than what was received.
  await a.send('0123456789');
  assert.equal((await b.recv(4, { flags: MSG_TRUNC })).toString(), '0123');
});

across(
  [tcp4, tcp6],
  'MSG_TRUNC on TCP hands out no memory that nothing was received into',
  async (s, transport) => {
    const [a, b] = await pair(s, transport);
    await a.sendall('thrown away');
    await b.wait({ read: true });
    const got = await b.recv(11, { flags: MSG_TRUNC });
    assert.ok(
      got.every((byte) => byte === 0) || got.length === 0,
      `received ${JSON.stringify(got.toString('latin1'))}`,
    );
  },
);

across(connections, 'flags that go together', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  await a.send('abc');
  await b.wait({ read: true });
  assert.equal((await b.recv(2, { flags: MSG_PEEK | MSG_DONTWAIT! })).toString(), 'ab');
  assert.equal((await b.recv(3)).toString(), 'abc');
});
