// connections() against ss(8): UDP and AF_UNIX; the choice among rows; who has a socket; the text of /proc.
import assert from 'node:assert/strict';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  createConnection,
  createServer,
  type InetAddress,
  SHUT_WR,
  SO_REUSEADDR,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  SOL_SOCKET,
  type Socket,
  socket,
  socketpair,
  TCP_LISTEN,
} from 'berkeley-sockets';
import { type Connection, connections } from 'berkeley-sockets/inspect';
import { eventually } from '../support/deadline.ts';
import { inOwnNetwork } from '../support/network.ts';
import { startPython } from '../support/python.ts';
import { scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';
import { connected, ends, listener, pair, protocols, sameAsSs, skip } from './stage.ts';

inOwnNetwork(import.meta.url, () => {
  scene(
    'UDP: unconnected, connected, on every address, and received data',
    async (s) => {
      const anybody = s.own(socket(AF_INET6, SOCK_DGRAM));
      anybody.bind(['', 0]);
      const bound = s.own(socket(AF_INET, SOCK_DGRAM));
      bound.bind(['127.0.0.1', 0]);
      const client = s.own(socket(AF_INET, SOCK_DGRAM));
      await client.connect(bound.getsockname());
      await client.send('some bytes');
      const rows = (await sameAsSs(s)).filter(({ protocol }) => protocol === 'udp');
      assert.deepEqual(ends(rows, 'UNCONNECTED'), [
        `127.0.0.1,${bound.getsockname()[1]} null`,
        `::,${anybody.getsockname()[1]},0,0 null`,
      ]);
      assert.deepEqual(ends(rows, 'ESTABLISHED'), [pair(client.getsockname(), client.getpeername())]);
      assert.ok(rows.find(({ local }) => local[1] === bound.getsockname()[1])!.recvQueue! > 0);
      for (const row of rows) assert.equal(row.type, SOCK_DGRAM);
    },
    { skip },
  );

  scene(
    'AF_UNIX: paths, abstract names, the name of the other end, all three types',
    async (s) => {
      const path = tempPath(s, 'ünix');
      const server = s.own(createServer(path, { backlog: 3 }));
      const client = s.own(await createConnection(path));
      const abstract = Buffer.from('\0abstract name'.replace(' ', '-'));
      const packets = s.own(socket(AF_UNIX, SOCK_SEQPACKET));
      packets.bind(abstract);
      packets.listen();
      const datagrams = s.own(socket(AF_UNIX, SOCK_DGRAM));
      datagrams.bind(tempPath(s));
      const sender = s.own(socket(AF_UNIX, SOCK_DGRAM));
      await sender.connect(datagrams.getsockname());
      const [a, b] = socketpair(AF_UNIX, SOCK_STREAM);
      s.own(a);
      s.own(b);
      await b.sendall('abc');
      const waiting = (await sameAsSs(s)).find(({ local }) => local === path)!;
      assert.deepEqual([waiting.state, waiting.recvQueue, waiting.sendQueue], ['LISTEN', 1, 3]);
      const [accepted] = await server.accept();
      s.own(accepted);
      const rows = (await sameAsSs(s)).filter(({ pid }) => pid === process.pid);
      const of = (one: Socket) => rows.find(({ holders }) => holders[0]!.fd === one.fileno())!;
      assert.deepEqual([of(server).state, of(server).remote], ['LISTEN', null]);
      assert.deepEqual([of(client).state, of(client).remote], ['ESTABLISHED', path]);
      assert.equal(of(client).peerInode, of(accepted).inode);
      assert.deepEqual([of(accepted).local, of(accepted).remote], [path, '']);
      assert.deepEqual([of(packets).type, of(packets).state], [SOCK_SEQPACKET, 'LISTEN']);
      assert.deepEqual(of(packets).local, abstract);
      assert.deepEqual([of(datagrams).state, of(datagrams).remote], ['UNCONNECTED', null]);
      assert.deepEqual([of(sender).local, of(sender).remote], ['', datagrams.getsockname()]);
      assert.deepEqual([of(a).recvQueue, of(a).peerInode], [3, of(b).inode]);
      assert.equal(of(a).uid, process.getuid!());
    },
    { skip },
  );

  scene(
    'every filter leaves what it says, and the kernel is asked for no more',
    async (s) => {
      const server = listener(s);
      const [client] = await connected(s, server);
      const udp = s.own(socket(AF_INET, SOCK_DGRAM));
      udp.bind(['127.0.0.1', 0]);
      s.own(createServer(tempPath(s)));
      const all = await connections();
      const same = async (options: object, matches: (row: Connection) => boolean) => {
        const inodes = (rows: Connection[]) => rows.map(({ inode, local }) => `${inode} ${local}`).sort();
        // Its own netlink socket is another one each time.
        const stays = all.filter((row) => row.protocol !== 'netlink' && matches(row));
        const found = (await connections(options)).filter((row) => row.protocol !== 'netlink');
        assert.deepEqual(inodes(found), inodes(stays), JSON.stringify(options));
        assert.ok(stays.length > 0, JSON.stringify(options));
      };
      await same({}, () => true);
      await same({ family: AF_INET }, (row) => row.family === AF_INET);
      await same({ family: AF_UNIX }, (row) => row.family === AF_UNIX);
      await same({ type: SOCK_DGRAM }, (row) => row.type === SOCK_DGRAM);
      await same(
        { type: SOCK_STREAM, family: AF_INET },
        (row) => row.protocol === 'tcp' && row.family === AF_INET,
      );
      await same({ protocol: 'udp' }, (row) => row.protocol === 'udp');
      await same({ protocol: ['udp', 'unix'] }, (row) => ['udp', 'unix'].includes(row.protocol));
      await same({ state: 'LISTEN' }, (row) => row.state === 'LISTEN');
      await same({ state: TCP_LISTEN }, (row) => row.state === 'LISTEN');
      await same({ state: ['LISTEN', 'UNCONNECTED'] }, ({ state }) =>
        ['LISTEN', 'UNCONNECTED'].includes(state),
      );
      const listens = (row: Connection) => row.state === 'LISTEN' || row.protocol === 'udp';
      await same({ listening: true }, listens);
      await same({ listening: false }, (row) => !listens(row));
      assert.ok(
        (await connections({ listening: true })).some(({ inode }) => inode === ofSocket(all, server)),
      );
      assert.deepEqual(await connections({ family: 12345 }), []);
      assert.deepEqual(
        (await connections({ protocol: 'tcp', processes: false })).filter(({ pid }) => pid !== null),
        [],
      );
      const [row] = (await connections({ protocol: 'tcp', state: 'ESTABLISHED', tcpInfo: true })).filter(
        ({ local }) => pair(local, '') === pair(client.getsockname(), ''),
      );
      const { rtt, sndMss, state } = client.tcpInfo();
      assert.deepEqual([row!.tcpInfo!.rtt, row!.tcpInfo!.sndMss, row!.tcpInfo!.state], [rtt, sndMss, state]);
    },
    { skip },
  );

  scene(
    'a socket that several processes hold names them all',
    async (s) => {
      const path = tempPath(s);
      const server = s.own(createServer(path));
      const peer = startPython(
        s,
        `
        import socket, os, sys
        a = socket.create_server(('127.0.0.1', 0))
        a.dup()
        r, w = os.pipe()
        if os.fork() == 0:
            os.close(w)
            os.read(r, 1)
            sys.exit()
        print(a.getsockname()[1])
        sys.stdin.read()
        `,
      );
      const port = Number(await peer.line());
      const [row] = await connections({ listening: true, family: AF_INET });
      assert.equal(row!.local[1], port);
      assert.equal(row!.pid, peer.pid, 'the first of them');
      assert.equal(row!.process, 'python3');
      assert.deepEqual(
        row!.holders.map(({ name }) => name),
        ['python3', 'python3'],
      );
      assert.equal(new Set(row!.holders.map(({ pid }) => pid)).size, 2);
      assert.ok(server.fileno() >= 0);
    },
    { skip },
  );

  scene(
    'the text of /proc tells the same, as far as it goes',
    async (s) => {
      const server = listener(s);
      const [client, accepted] = await connected(s, server);
      await client.sendall('12345');
      const six = listener(s, '::1');
      const [half] = await connected(s, six);
      half.shutdown(SHUT_WR);
      const udp = s.own(socket(AF_INET6, SOCK_DGRAM));
      udp.bind(['::1', 0]);
      const other = s.own(socket(AF_INET6, SOCK_DGRAM));
      await other.connect(udp.getsockname());
      const path = tempPath(s, 'with space and ü');
      s.own(createServer(path));
      s.own(await createConnection(path));
      const abstract = s.own(socket(AF_UNIX, SOCK_DGRAM));
      abstract.bind(Buffer.from('\0abstract\0name'));
      assert.ok(accepted.fileno() >= 0);
      const options = { protocol: protocols };
      // What the text leaves out.
      const known = (row: Connection) => ({
        ...row,
        ...(row.family === AF_UNIX
          ? {
              peerInode: null,
              remote: row.remote === null ? null : '',
              uid: null,
              recvQueue: null,
              sendQueue: null,
            }
          : {}),
        ...(row.state === 'LISTEN' ? { sendQueue: null } : {}),
      });
      const byInode = (a: { inode: number }, b: { inode: number }) => a.inode - b.inode;
      await eventually(async () => {
        const asked = await connections({ ...options, source: 'netlink' });
        const read = await connections({ ...options, source: 'proc' });
        assert.deepEqual(
          read.sort(byInode),
          asked
            .filter(({ state }) => state !== 'CLOSE')
            .map(known)
            .sort(byInode),
        );
        assert.ok(read.length > 10);
      }, 'the same rows');
    },
    { skip },
  );

  scene('a port in use is found by whoever wants it', async (s) => {
    const server = listener(s);
    const late = s.own(socket());
    late.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1);
    assert.throws(() => late.bind(server.getsockname() as InetAddress), { code: 'EADDRINUSE' });
    const [holder, ...others] = (await connections({ family: AF_INET, listening: true })).filter(
      ({ local }) => local[1] === server.getsockname()[1],
    );
    assert.deepEqual(others, []);
    assert.deepEqual([holder!.pid, holder!.process], [process.pid, 'node']);
  });
});

/** The inode of a socket's row. */
function ofSocket(rows: readonly Connection[], one: Socket): number {
  return rows.find(({ holders }) =>
    holders.some(({ pid, fd }) => pid === process.pid && fd === one.fileno()),
  )!.inode;
}
