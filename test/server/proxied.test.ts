// Servers behind a load balancer: the PROXY header in pieces, with bytes behind it, missing, late and
// malformed; from those who are trusted; and HAProxy itself.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import {
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  createConnection,
  SHUT_WR,
  type SOCK_STREAM,
  type Socket,
  SocketError,
  socketpair,
} from 'berkeley-sockets';
import {
  type ConnectionContext,
  encodeProxyHeader,
  PP2_TYPE_AUTHORITY,
  PP2_TYPE_CRC32C,
  PP2_TYPE_UNIQUE_ID,
  type ProxyHeader,
  type ProxyProtocol,
  ProxyProtocolError,
  readProxyHeader,
  serve,
} from 'berkeley-sockets/server';
import { Chance } from '../support/chance.ts';
import { eventually, sleep, staysPending, within } from '../support/deadline.ts';
import { type Peer, requirePeer, startPeer, unusedPort } from '../support/peer.ts';
import { type Scene, scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';
import { receiveAll } from '../support/transports.ts';

const at = ['127.0.0.1', 0] as const;
type Seen = { address: unknown; proxy: ProxyHeader | undefined; peer: unknown };

// Tells in one line who the client is, then echoes.
function whoami(s: Scene, proxyProtocol: ProxyProtocol, more: object = {}, address: unknown = at) {
  const seen: Seen[] = [];
  const errors: Error[] = [];
  const handler = async (conn: Socket<number, SOCK_STREAM>, from: unknown, { proxy }: ConnectionContext) => {
    seen.push({ address: from, proxy, peer: conn.getpeername() });
    await conn.sendall(`you are ${JSON.stringify(from)}\n`);
    for await (const chunk of conn) await conn.sendall(chunk);
  };
  const server = serve(address as typeof at, handler, {
    proxyProtocol,
    onerror: (error) => errors.push(error as Error),
    ...more,
  });
  s.after(() => server.close());
  return { server, seen, errors };
}

const header1 = 'PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\n';
const header2 = encodeProxyHeader({
  source: ['2001:db8::1', 4711],
  destination: ['2001:db8::2', 443],
  tlvs: [[PP2_TYPE_AUTHORITY, 'example.org']],
  checksum: true,
});
const addresses = { 1: ['203.0.113.7', 4711], 2: ['2001:db8::1', 4711, 0, 0] };

for (const [version, header] of [
  [1, Buffer.from(header1)],
  [2, header2],
] as const) {
  scene(
    `version ${version}: in one piece, a byte at a time, and with the first bytes behind it`,
    async (s) => {
      const { server, seen } = whoami(s, true);
      const chance = new Chance(`pieces ${version}`);
      const body = Buffer.from('\r\nPROXY TCP4 is not read again\r\n');
      const cuts = [
        (all: Buffer) => [all],
        (all: Buffer) => [...all].map((byte) => Buffer.from([byte])),
        (all: Buffer) => [...chance.pieces(all, 20)],
        (all: Buffer) => [all.subarray(0, header.length - 1), all.subarray(header.length - 1)],
      ];
      for (const cut of cuts) {
        const c = s.own(await createConnection(server.address));
        for (const piece of cut(Buffer.concat([header, body]))) {
          await c.sendall(piece);
          await sleep(0.001);
        }
        c.shutdown(SHUT_WR);
        assert.equal(String(await receiveAll(c)), `you are ${JSON.stringify(addresses[version])}\n${body}`);
      }
      assert.equal(seen.length, cuts.length);
      for (const { address, proxy, peer } of seen) {
        assert.deepEqual(address, addresses[version]);
        assert.equal(proxy!.version, version);
        assert.equal(proxy!.family, version === 1 ? AF_INET : AF_INET6);
        assert.equal((peer as [string])[0], '127.0.0.1');
      }
      assert.equal(server.bytesReceived, cuts.length * (header.length + body.length));
    },
  );
}

scene('local and unknown: the connection is the client’s own', async (s) => {
  const { server, seen } = whoami(s, true);
  for (const header of [encodeProxyHeader({ local: true }), 'PROXY UNKNOWN\r\n', encodeProxyHeader()]) {
    const c = s.own(await createConnection(server.address));
    await c.sendall(header);
    c.shutdown(SHUT_WR);
    assert.equal(String(await receiveAll(c)), `you are ${JSON.stringify(c.getsockname())}\n`);
  }
  assert.deepEqual(
    seen.map(({ proxy }) => [proxy!.local, proxy!.family]),
    [
      [true, AF_UNSPEC],
      [false, AF_UNSPEC],
      [false, AF_UNSPEC],
    ],
  );
});

scene('no header, half a header, another version: refused, and onerror told', async (s) => {
  const { server, seen, errors } = whoami(s, 'v2');
  for (const [data, what] of [
    ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', /no header, but "GET/],
    [header1, /version 1, where 2 is expected/],
    [header2.subarray(0, 20), /ended within the header/],
    ['', /ended without a header/],
  ] as const) {
    const c = s.own(await createConnection(server.address));
    await c.sendall(data);
    c.shutdown(SHUT_WR);
    // What the client has sent and nobody has read makes the end a reset.
    await receiveAll(c).catch((error: SocketError) => assert.equal(error.code, 'ECONNRESET'));
    await eventually(() => errors.length > 0, 'the error');
    const error = errors.pop()!;
    assert.ok(error instanceof ProxyProtocolError);
    assert.match(error.message, what);
  }
  assert.deepEqual([seen.length, server.failed, server.connections], [0, 4, 0]);
});

scene('a header that does not come in time: handshakeTimeout', async (s) => {
  const { server, seen, errors } = whoami(s, true, { handshakeTimeout: 0.5 });
  const silent = s.own(await createConnection(server.address));
  const slow = s.own(await createConnection(server.address));
  await slow.sendall(header1.slice(0, 20));
  const good = s.own(await createConnection(server.address));
  await good.sendall(header1);
  for (const c of [silent, slow])
    await within(receiveAll(c), 'the end').catch((error: SocketError) =>
      assert.equal(error.code, 'ECONNRESET'),
    );
  await eventually(() => errors.length === 2, 'two errors');
  assert.match(String(errors[0]), /TimeoutError: timed out: the client said nothing for 0.5 s/);
  assert.equal(seen.length, 1);
  await good.recv(100);
  await staysPending(good.recv(1, { signal: AbortSignal.timeout(1000) }), 'the good one', 0.8);
});

scene('trusted: networks, functions, and those who are not', async (s) => {
  for (const trusted of [['127.0.0.0/8'], ['127.0.0.1'], ['::/0', '127.0.0.1/32'], () => true]) {
    const { server, seen } = whoami(s, { trusted });
    const c = s.own(await createConnection(server.address));
    await c.sendall(header1);
    await c.recv(100);
    assert.deepEqual(seen[0]!.address, addresses[1]);
  }
  for (const trusted of [['10.0.0.0/8', '::1'], [], () => false]) {
    const { server, seen } = whoami(s, { trusted }, { handshakeTimeout: 5 });
    const c = s.own(await createConnection(server.address));
    await c.sendall(header1);
    c.shutdown(SHUT_WR);
    // Not a header then, but what the client says.
    assert.equal(String(await receiveAll(c)), `you are ${JSON.stringify(c.getsockname())}\n${header1}`);
    assert.equal(seen[0]!.proxy, undefined);
  }
  const { server, errors } = whoami(s, {
    trusted: () => {
      throw new Error('of the function');
    },
  });
  const c = s.own(await createConnection(server.address));
  assert.equal((await c.recv(1)).length, 0);
  assert.match(String(errors[0]), /of the function/);
});

scene('an IPv4 network matches what a dual-stack socket calls it', async (s) => {
  const { server, seen } = whoami(s, { trusted: ['127.0.0.0/8'] }, { dualstackIPv6: true }, ['::', 0]);
  const c = s.own(await createConnection(['127.0.0.1', server.address[1]]));
  await c.sendall(header1);
  await c.recv(100);
  assert.deepEqual(seen[0]!.address, addresses[1]);
  assert.equal((seen[0]!.peer as [string])[0], '::ffff:127.0.0.1');
});

scene('readProxyHeader by itself takes the header and nothing else', async (s) => {
  const [a, b] = socketpair();
  s.own(a);
  s.own(b);
  await a.sendall(Buffer.concat([header2, Buffer.from('body')]));
  assert.deepEqual((await readProxyHeader(b)).source, addresses[2]);
  assert.equal(String(await b.recv(100)), 'body');
  await assert.rejects(readProxyHeader(b, { signal: AbortSignal.timeout(20) }), { name: 'TimeoutError' });
  await a.sendall(header1);
  await assert.rejects(readProxyHeader(b, { version: 2 }), ProxyProtocolError);
});

// --- HAProxy ------------------------------------------------------------------------------

async function haproxy(s: Scene, lines: (port: number) => string): Promise<[Peer, number]> {
  const port = await unusedPort();
  const file = tempPath(s, 'haproxy.cfg');
  writeFileSync(
    file,
    `defaults
  mode tcp
  timeout connect 5s
  timeout client 10s
  timeout server 10s
${lines(port)}
`,
  );
  const peer = startPeer(s, 'haproxy', ['-db', '-f', file]);
  await eventually(async () => {
    const c = await createConnection(['127.0.0.1', port]);
    c.close();
  }, 'HAProxy to listen');
  return [peer, port];
}

for (const [word, version] of [
  ['send-proxy', 1],
  ['send-proxy-v2', 2],
  ['send-proxy-v2 proxy-v2-options crc32c,unique-id', 2],
] as const) {
  scene(
    `HAProxy: ${word}`,
    async (s) => {
      const { server, seen, errors } = whoami(s, true);
      const [, port] = await haproxy(
        s,
        (own) => `listen test
  bind 127.0.0.1:${own}
  ${word.includes('unique-id') ? 'unique-id-format id-%pid' : ''}
  server ours 127.0.0.1:${server.address[1]} ${word}`,
      );
      const c = s.own(await createConnection(['127.0.0.1', port]));
      await c.sendall('through the balancer');
      c.shutdown(SHUT_WR);
      const own = c.getsockname();
      assert.equal(String(await receiveAll(c)), `you are ${JSON.stringify(own)}\nthrough the balancer`);
      // Others have looked whether HAProxy listens.
      const { proxy } = seen.find(({ address }) => JSON.stringify(address) === JSON.stringify(own))!;
      assert.deepEqual(
        [proxy!.version, proxy!.source, proxy!.destination],
        [version, own, ['127.0.0.1', port]],
      );
      if (word.includes('crc32c'))
        assert.deepEqual(
          proxy!.tlvs.map(([type]) => type).sort((a, b) => a - b),
          [PP2_TYPE_CRC32C, PP2_TYPE_UNIQUE_ID],
        );
      assert.deepEqual(
        errors.filter((error) => error instanceof ProxyProtocolError),
        [],
      );
    },
    requirePeer('haproxy'),
  );
}

scene(
  'HAProxy: its health checks are local connections, and an AF_UNIX server gets TCP clients',
  async (s) => {
    const path = tempPath(s, 'backend');
    const { server, seen, errors } = whoami(s, true, {}, path);
    const [, port] = await haproxy(
      s,
      (own) => `listen test
  bind 127.0.0.1:${own}
  server ours unix@${path} send-proxy-v2 check inter 100ms`,
    );
    await eventually(() => seen.some(({ proxy }) => proxy!.local), 'a health check');
    const c = s.own(await createConnection(['127.0.0.1', port]));
    await c.sendall('x');
    const own = c.getsockname();
    await eventually(() => seen.some(({ address }) => JSON.stringify(address) === JSON.stringify(own)), 'us');
    assert.ok(server.accepted > 1);
    // A check that has seen enough goes away whenever it likes.
    assert.deepEqual(
      errors.filter(
        (error) => !(error instanceof SocketError && ['EPIPE', 'ECONNRESET'].includes(error.code)),
      ),
      [],
    );
  },
  requirePeer('haproxy'),
);

scene(
  'HAProxy takes the headers that we write',
  async (s) => {
    // HAProxy in front as the receiver: it tells by its own header, to us, whom it has seen.
    const { server, seen } = whoami(s, true);
    const [, port] = await haproxy(
      s,
      (own) => `listen test
  bind 127.0.0.1:${own} accept-proxy
  server ours 127.0.0.1:${server.address[1]} send-proxy-v2`,
    );
    for (const version of [1, 2] as const) {
      for (const source of [
        ['203.0.113.7', 4711],
        ['2001:db8::1', 4711],
      ] as const) {
        const destination = [source[0] === '203.0.113.7' ? '198.51.100.1' : '2001:db8::2', 443] as const;
        const c = s.own(await createConnection(['127.0.0.1', port]));
        await c.sendall(encodeProxyHeader({ version, source, destination, checksum: version === 2 }));
        assert.match(String(await within(c.recv(100), 'the answer')), /you are/);
        const last = seen.at(-1)!;
        assert.deepEqual((last.address as string[]).slice(0, 2), [...source]);
        assert.deepEqual((last.proxy!.destination as unknown as string[]).slice(0, 2), [...destination]);
        c.close();
      }
    }
  },
  requirePeer('haproxy'),
);
