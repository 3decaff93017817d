// How a TLS connection ends: on purpose, cut, changed on the way, closed.
import assert from 'node:assert/strict';
import {
  ClosedError,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  type Socket,
  type TlsSocket,
  wrapTls,
} from 'berkeley-sockets';
import { eventually, sleep, within } from '../support/deadline.ts';
import { scene as plainScene, type Scene, type SceneOptions } from '../support/scene.ts';
import { certificates, openssl } from './certificate.ts';
import { over, plain, secured } from './connection.ts';

const scene = (name: string, body: (s: Scene) => Promise<void>, options: SceneOptions = {}): void =>
  plainScene(name, body, { ...openssl, ...options });

const MIB = 1 << 20;

scene('each direction has its own end', async (s) => {
  const [a, b] = await secured(s);
  await a.sendall('last words');
  a.shutdown(SHUT_WR);
  await assert.rejects(a.sendall('more'), { code: 'EPIPE' });
  assert.equal(String(await b.recv(100)), 'last words');
  assert.equal((await b.recv(100)).length, 0);
  assert.equal((await b.recv(100)).length, 0);
  await b.sendall('answer');
  assert.equal(String(await a.recv(100)), 'answer');
  const ends = [a.recv(1), a.recv(1)];
  b.shutdown(SHUT_RDWR);
  assert.deepEqual((await within(Promise.all(ends), 'both ends')).map(String), ['', '']);

  const [c, d] = await secured(s);
  await d.sendall('unread');
  assert.equal(String(await c.recv(2)), 'un');
  c.shutdown(SHUT_RD);
  assert.equal(String(await c.recv(100)), 'read');
  assert.equal((await c.recv(100)).length, 0);
  assert.throws(() => c.shutdown(7), TypeError);
});

scene('a connection that is cut is no end of the stream', async (s) => {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    for (const suppressRaggedEofs of [false, true]) {
      const [near, far] = plain(s);
      const [a] = await over(s, [near, far], { client: { suppressRaggedEofs, maxVersion: version } });
      const waiting = a.recv(10);
      far.close();
      if (suppressRaggedEofs) {
        assert.equal((await within(waiting, 'the end')).length, 0);
        assert.equal((await a.recv(10)).length, 0);
      } else {
        const code = 'ERR_SSL_UNEXPECTED_EOF_WHILE_READING';
        await assert.rejects(within(waiting, 'the cut'), { code });
        await assert.rejects(a.recv(10), { code });
      }
    }
  }
});

/** A relay that hands on what the server sends, changed by `change`. */
async function tampered(
  s: Scene,
  change: (record: Buffer) => Buffer | undefined,
): Promise<[client: TlsSocket, server: TlsSocket]> {
  const [near, relayNear] = plain(s);
  const [relayFar, far] = plain(s);
  const { ca, server } = await certificates();
  let tampering = false;
  const forward = async (from: Socket, to: Socket, through: boolean): Promise<void> => {
    for await (const item of from) {
      const chunk = item as Buffer;
      const bytes = tampering && through ? change(Buffer.from(chunk)) : chunk;
      if (bytes === undefined) break;
      await to.sendall(bytes);
    }
    to.close();
  };
  void forward(relayNear, relayFar, false).catch(() => {});
  void forward(relayFar, relayNear, true).catch(() => {});
  const both = await Promise.all([
    wrapTls(near, { ca, servername: 'localhost' }),
    wrapTls(far, { key: server.key, cert: server.cert, isServer: true }),
  ]);
  for (const each of both) s.own(each);
  await both[1].sendall('hello');
  assert.equal(String(await both[0].recv(100)), 'hello');
  tampering = true;
  return both;
}

scene('a record that was changed, or cut in its midst', async (s) => {
  const [a, b] = await tampered(s, (record) => {
    record[record.length - 1]! ^= 1;
    return record;
  });
  const waiting = a.recv(100);
  await b.sendall('secret');
  const code = 'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC';
  await assert.rejects(within(waiting, 'the error'), { code });
  await assert.rejects(a.recv(1), { code });
  await assert.rejects(a.sendall('x'), { code });
  // The peer is told.
  await assert.rejects(within(b.recv(1), 'the alert'), { code: /ALERT_BAD_RECORD_MAC$/ });

  let records = 0;
  const [c, d] = await tampered(s, (record) => (++records === 1 ? record.subarray(0, 10) : undefined));
  const message = c.reader().readexactly(100);
  await d.sendall('half of it');
  await d.sendall('never');
  await assert.rejects(within(message, 'the cut'), { code: 'ERR_SSL_UNEXPECTED_EOF_WHILE_READING' });
});

scene('what came before an error is received first', async (s) => {
  const [near, far] = plain(s);
  const [a, b] = await over(s, [near, far]);
  await b.sendall('good');
  await far.sendall(Buffer.concat([Buffer.from([0x17, 3, 3, 0, 32]), Buffer.alloc(32, 1)]));
  await sleep(0.02);
  assert.equal(String(await a.recv(2)), 'go');
  assert.equal(String(await a.recv(2)), 'od');
  await assert.rejects(a.recv(2), { code: 'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC' });
});

scene('closing ends what waits, and says goodbye', async (s) => {
  const [a, b] = await secured(s);
  const waiting = [a.recv(1), a.recvInto(Buffer.alloc(1)), a.reader().readline(), a.wait({ read: true })];
  const rejected = Promise.all(waiting.map((each) => assert.rejects(each, ClosedError)));
  a.close();
  a.close();
  await within(rejected, 'all of them');
  assert.ok(a.closed);
  assert.equal(a.fileno(), -1);
  for (const call of [
    () => a.recv(1),
    () => a.recv(0),
    () => a.recvInto(Buffer.alloc(1)),
    () => a.sendall('x'),
    () => a.send(''),
    () => a.wait({ read: true }),
    async () => a.trySend('x'),
    async () => a.tryRecvInto(Buffer.alloc(1)),
    async () => a.shutdown(SHUT_WR),
    async () => a.getpeername(),
  ])
    await assert.rejects(call, ClosedError);
  assert.equal((await b.recv(1)).length, 0);

  for (const closing of ['at once', 'after sendall', 'after trySend', 'after shutdown'] as const) {
    const [c, d] = await secured(s);
    if (closing === 'after sendall') await d.sendall('x');
    if (closing === 'after trySend') assert.ok(await eventually(() => d.trySend('x') ?? false, 'room'));
    if (closing === 'after shutdown') d.shutdown(SHUT_WR);
    d.close();
    const message = /send/i.test(closing) ? 'x' : '';
    assert.equal(String(await c.reader().readall()), message, closing);
  }
  {
    await using e = (await secured(s))[0];
    using f = (await secured(s))[1];
    assert.ok(!e.closed && !f.closed);
  }
});

scene('a large sendall that is closed in its midst', async (s) => {
  const [a, b] = await secured(s);
  const sending = assert.rejects(a.sendall(Buffer.alloc(16 * MIB)), ClosedError);
  await b.recv(1);
  a.close();
  await within(sending, 'the sendall');
  await assert.rejects(b.reader({ limit: 32 * MIB }).readall(), {
    code: 'ERR_SSL_UNEXPECTED_EOF_WHILE_READING',
  });
});
