// connections() against ss(8): TCP in every state that a test can bring about.
import assert from 'node:assert/strict';
import {
  createConnection,
  type InetAddress,
  IPPROTO_TCP,
  SHUT_WR,
  socket,
  TCP_DEFER_ACCEPT,
} from 'berkeley-sockets';
import { connections } from 'berkeley-sockets/inspect';
import { eventually } from '../support/deadline.ts';
import { atPeer, inOwnNetwork } from '../support/network.ts';
import { runPeer } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { scene } from '../support/scene.ts';
import { connected, ends, listener, pair, sameAsSs, skip } from './stage.ts';

inOwnNetwork(import.meta.url, () => {
  scene(
    'TCP: listening, established, half closed, in both families',
    async (s) => {
      for (const host of ['127.0.0.1', '::1']) {
        const server = listener(s, host);
        const [open, accepted] = await connected(s, server);
        await open.sendall('seven b');
        const [half, left] = await connected(s, server);
        half.shutdown(SHUT_WR);
        const waiting = s.own(await createConnection(server.getsockname() as [string, number]));
        const rows = (await sameAsSs(s)).filter(({ local }) => local[0] === host);
        const listening = rows.find(({ state }) => state === 'LISTEN')!;
        assert.deepEqual(listening.local, server.getsockname());
        assert.equal(listening.remote, null);
        assert.equal(listening.recvQueue, 1, 'a connection that waits to be accepted');
        assert.equal(listening.sendQueue, 16, 'the backlog');
        assert.equal(listening.uid, process.getuid!());
        assert.equal(listening.pid, process.pid);
        assert.deepEqual(listening.holders, [{ pid: process.pid, name: 'node', fd: server.fileno() }]);
        const received = rows.find(({ local, remote }) => {
          return pair(local, remote) === pair(accepted.getsockname(), accepted.getpeername());
        })!;
        assert.equal(received.recvQueue, 7);
        assert.ok(ends(rows, 'ESTABLISHED').includes(pair(waiting.getsockname(), waiting.getpeername())));
        assert.deepEqual(ends(rows, 'FIN_WAIT2'), [pair(half.getsockname(), half.getpeername())]);
        assert.deepEqual(ends(rows, 'CLOSE_WAIT'), [pair(left.getsockname(), left.getpeername())]);
      }
    },
    { skip },
  );

  scene(
    'TCP: what is left after close belongs to nobody',
    async (s) => {
      const server = listener(s);
      const [first, second] = await connected(s, server);
      const names = pair(first.getsockname(), first.getpeername());
      first.close();
      await second.recv(1);
      const orphan = await eventually(async () => {
        const rows = await connections({ protocol: 'tcp', state: 'FIN_WAIT2' });
        const row = rows.find(({ local, remote }) => pair(local, remote) === names);
        assert.ok(row !== undefined);
        return row;
      }, 'a closed socket in FIN_WAIT2');
      assert.deepEqual([orphan.inode, orphan.uid, orphan.pid, orphan.process], [0, null, null, null]);
      second.close();
      await eventually(async () => {
        const rows = await connections({ protocol: 'tcp', state: 'TIME_WAIT' });
        assert.ok(ends(rows, 'TIME_WAIT').includes(names));
      }, 'TIME_WAIT');
      await sameAsSs(s);
    },
    { skip },
  );

  scene(
    'TCP: connecting to a full backlog, half open on the other side, and only bound',
    async (s) => {
      const full = listener(s, '127.0.0.1', 0);
      s.own(await createConnection(full.getsockname() as [string, number]));
      const connecting = s.own(socket());
      connecting.settimeout(0);
      await assert.rejects(connecting.connect(full.getsockname() as InetAddress), { code: 'EINPROGRESS' });
      const deferring = listener(s);
      deferring.setsockopt(IPPROTO_TCP, TCP_DEFER_ACCEPT, 30);
      const silent = s.own(await createConnection(deferring.getsockname() as [string, number]));
      const bound = s.own(socket());
      bound.bind(['127.0.0.1', 0]);
      const rows = await sameAsSs(s);
      assert.deepEqual(ends(rows, 'SYN_SENT'), [pair(connecting.getsockname(), full.getsockname())]);
      assert.deepEqual(ends(rows, 'SYN_RECV'), [pair(silent.getpeername(), silent.getsockname())]);
      // Linux tells of them since 6.8.
      const idle = rows.filter(({ state }) => state === 'CLOSE');
      if (idle.length > 0) {
        assert.deepEqual(ends(idle, 'CLOSE'), [`${bound.getsockname()} null`]);
        assert.equal(idle[0]!.pid, process.pid);
      }
    },
    { skip },
  );

  scene(
    'TCP: ends that nobody acknowledges',
    async (s) => {
      const peer = startPython(
        s,
        `
        import socket, sys
        a = socket.create_server(('10.7.0.2', 0))
        print(a.getsockname()[1])
        c, _ = a.accept()
        d, _ = a.accept()
        d.shutdown(socket.SHUT_WR)
        print('ready')
        sys.stdin.read()
        `,
        [],
        { wrap: atPeer },
      );
      const port = Number(await peer.line());
      const first = s.own(await createConnection(['10.7.0.2', port]));
      const last = s.own(await createConnection(['10.7.0.2', port]));
      await peer.line(/ready/);
      assert.equal((await last.recv(1)).length, 0);
      const [one, two] = [first, last].map((each) => pair(each.getsockname(), each.getpeername()));
      await runPeer('ip', ['-n', 'peer', 'link', 'set', 'v1', 'down']);
      s.after(async () => {
        await runPeer('ip', ['-n', 'peer', 'link', 'set', 'v1', 'up']);
      });
      await first.sendall('nobody takes this');
      first.shutdown(SHUT_WR);
      last.close();
      const rows = await sameAsSs(s);
      assert.deepEqual(ends(rows, 'FIN_WAIT1'), [one]);
      assert.deepEqual(ends(rows, 'LAST_ACK'), [two]);
      const [sent] = rows.filter(({ state }) => state === 'FIN_WAIT1');
      assert.equal(sent!.sendQueue, 'nobody takes this'.length + 1, 'the bytes, and the end counts as one');
    },
    { skip },
  );
});
