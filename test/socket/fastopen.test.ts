// TCP Fast Open (RFC 7413): the first data goes with the handshake. In a network of its own, since
// servers must be allowed to (net.ipv4.tcp_fastopen).
import assert from 'node:assert/strict';
import { MSG_FASTOPEN } from 'berkeley-sockets';
import { noOwnNetwork, ownNetwork, runNode } from '../support/node.ts';
import { scene } from '../support/scene.ts';
import { across, open, tcp4, tcp6 } from '../support/transports.ts';

const skip = noOwnNetwork();
const wrap = ownNetwork('echo 3 > /proc/sys/net/ipv4/tcp_fastopen');

// TCPI_OPT_SYN_DATA of linux/tcp.h: the peer took the data of the SYN. tcpi_options is byte 5.
const prelude = `
  import assert from 'node:assert/strict';
  import { AF_INET6, createServer, IPPROTO_TCP, MSG_FASTOPEN, MSG_WAITALL, socket, TCP_FASTOPEN,
    TCP_FASTOPEN_CONNECT, TCP_INFO, MSG_DONTWAIT } from 'berkeley-sockets';
  import * as blocking from 'berkeley-sockets/sync';
  const listener = createServer(['127.0.0.1', 0]);
  listener.setsockopt(IPPROTO_TCP, TCP_FASTOPEN, 5);
  const address = listener.getsockname();
  const synData = (s) => (s.getsockopt(IPPROTO_TCP, TCP_INFO, 256)[5] & 32) !== 0;
`;

scene(
  'sendto with MSG_FASTOPEN: without a cookie, and then with the data in the SYN',
  async () => {
    await runNode(
      `${prelude}
      for (const [round, text] of ['first', 'second', 'third'].entries()) {
        const s = socket();
        const [sent, [conn]] = await Promise.all([
          s.sendto(text, address, { flags: MSG_FASTOPEN }),
          listener.accept(),
        ]);
        assert.equal(sent, text.length);
        assert.equal((await conn.recv(text.length, { flags: MSG_WAITALL })).toString(), text);
        await conn.sendall('answer');
        assert.equal((await s.recv(100)).toString(), 'answer');
        await s.sendall('more');
        assert.equal((await conn.recv(100)).toString(), 'more');
        assert.equal(synData(s), round > 0, 'round ' + round);
        s.close();
        conn.close();
      }`,
      { wrap },
    );
  },
  { skip },
);

scene(
  'sendmsg with MSG_FASTOPEN',
  async () => {
    await runNode(
      `${prelude}
      for (let round = 0; round < 2; round++) {
        const s = socket();
        const [sent, [conn]] = await Promise.all([
          s.sendmsg(['fi', 'rst'], { flags: MSG_FASTOPEN, address }),
          listener.accept(),
        ]);
        assert.equal(sent, 5);
        assert.equal((await conn.recv(5, { flags: MSG_WAITALL })).toString(), 'first');
        assert.equal(synData(s), round > 0, 'round ' + round);
        s.close();
        conn.close();
      }`,
      { wrap },
    );
  },
  { skip },
);

scene(
  'TCP_FASTOPEN_CONNECT: connect is done at once, and the first send carries the handshake',
  async () => {
    await runNode(
      `${prelude}
      for (let round = 0; round < 3; round++) {
        const s = socket();
        s.setsockopt(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, true);
        await s.connect(address);
        const receiving = s.recv(100);
        const [, [conn]] = await Promise.all([s.sendall('hello'), listener.accept()]);
        assert.equal((await conn.recv(5, { flags: MSG_WAITALL })).toString(), 'hello');
        await conn.sendall('answer');
        assert.equal((await receiving).toString(), 'answer');
        assert.equal(synData(s), round > 0, 'round ' + round);
        s.close();
        conn.close();
      }`,
      { wrap },
    );
  },
  { skip },
);

scene(
  'the blocking flavour, and a socket that never waits',
  async () => {
    await runNode(
      `${prelude}
      for (const text of ['first', 'second']) {
        const s = blocking.socket();
        assert.equal(s.sendto(text, address, { flags: MSG_FASTOPEN }), text.length);
        const [conn] = await listener.accept();
        assert.equal((await conn.recv(100)).toString(), text);
        s.close();
        conn.close();
      }
      // The cookie is there: the kernel takes the data although nobody waits.
      const s = socket();
      s.settimeout(0);
      assert.equal(await s.sendto('third', address, { flags: MSG_FASTOPEN }), 5);
      const [conn] = await listener.accept();
      assert.equal((await conn.recv(100)).toString(), 'third');
      for (const each of [s, conn]) each.close();`,
      { wrap },
    );
  },
  { skip },
);

scene(
  'a handshake without data that fails, or takes too long',
  async () => {
    await runNode(
      `${prelude}
      // Nobody listens, and no cookie is known.
      const gone = socket();
      await assert.rejects(gone.sendto('x', ['127.0.0.2', 9], { flags: MSG_FASTOPEN }), { code: 'ECONNREFUSED' });
      const never = socket();
      never.settimeout(0);
      await assert.rejects(never.sendto('x', ['127.0.0.3', 9], { flags: MSG_FASTOPEN }), { code: 'EINPROGRESS' });
      // A backlog that is full lets nobody in.
      const full = createServer(['127.0.0.4', 0], { backlog: 0 });
      const inside = [];
      for (let i = 0; i < 3; i++) {
        const s = socket();
        s.settimeout(0.3);
        inside.push(s);
        await s.connect(full.getsockname()).catch(() => {});
      }
      const late = socket();
      late.settimeout(0.1);
      await assert.rejects(late.sendto('x', full.getsockname(), { flags: MSG_FASTOPEN }), { message: /^timed out/ });
      const stop = new AbortController();
      const aborted = socket();
      const sending = aborted.sendto('x', full.getsockname(), { flags: MSG_FASTOPEN, signal: stop.signal });
      setTimeout(() => stop.abort(new Error('enough')), 50);
      await assert.rejects(sending, /enough/);
      for (const each of [gone, never, full, late, aborted, ...inside]) each.close();
      listener.close();`,
      { wrap },
    );
  },
  { skip },
);

across([tcp4, tcp6], 'an address that nobody listens at', async (s, transport) => {
  const c = open(s, transport);
  const host = transport === tcp4 ? '127.0.0.1' : '::1';
  await assert.rejects(c.sendto('x', [host, 9] as never, { flags: MSG_FASTOPEN }), { code: 'ECONNREFUSED' });
});
