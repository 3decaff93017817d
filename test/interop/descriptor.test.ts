// Descriptors and ancillary data between this library and Python's socket module, both ways.
import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import {
  AF_UNIX,
  CMSG_SPACE,
  MSG_CTRUNC,
  recvFds,
  SCM_CREDENTIALS,
  SCM_RIGHTS,
  SO_PASSCRED,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  SOL_SOCKET,
  type Socket,
  sendFds,
  socket,
} from 'berkeley-sockets';
import { within } from '../support/deadline.ts';
import { type Peer, requirePeer } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { type Scene, type SceneOptions, scene } from '../support/scene.ts';
import { tempdir } from '../support/tempdir.ts';

const python = requirePeer('python3');

/** Python at the other end of a pair, as `s`; its script runs line by line. */
async function withPython(s: Scene, type: number, script: string): Promise<[Socket, Peer]> {
  const [here, there] = [0, 1].map((i) => path.join(tempdir(s), `${i}`)) as [string, string];
  const own = s.own(socket(AF_UNIX, type));
  own.bind(here);
  if (type !== SOCK_DGRAM) own.listen();
  const peer = startPython(
    s,
    `
    import array, json, os, socket, sys
    s = socket.socket(socket.AF_UNIX, int(sys.argv[1]))
    if int(sys.argv[1]) == socket.SOCK_DGRAM: s.bind(sys.argv[3])
    s.connect(sys.argv[2])
    print('connected')
    ${script}`,
    [String(type), here, there],
  );
  await within(peer.line(/connected/), 'Python', 20);
  if (type === SOCK_DGRAM) {
    await own.connect(there);
    return [own, peer];
  }
  const [end] = await within(own.accept(), 'its connection');
  return [s.own(end), peer];
}

const types = { stream: SOCK_STREAM, datagram: SOCK_DGRAM, seqpacket: SOCK_SEQPACKET };

for (const [kind, type] of Object.entries(types)) {
  const options: SceneOptions = { skip: python.skip ?? false, seconds: 60 };

  scene(
    `Python sends descriptors (${kind})`,
    async (s) => {
      const [end, peer] = await withPython(
        s,
        type,
        `
    r, w = os.pipe()
    f = os.memfd_create('file')
    os.write(f, b'from Python')
    socket.send_fds(s, [b'one', b' ', b'message'], [w, f])
    os.close(w); os.close(f)
    print('read', os.read(r, 100).decode())
    socket.send_fds(s, [b'many'], [r] * 253)
    print('sent')
    sys.stdin.read()`,
      );
      const [data, fds, msgFlags] = await within(recvFds(end, 100, 2), 'the message', 20);
      assert.equal(String(data), 'one message');
      assert.deepEqual([fds.length, msgFlags & MSG_CTRUNC], [2, 0]);
      const [pipe, memory] = fds as [number, number];
      const text = Buffer.alloc(11);
      readSync(memory, text, 0, 11, 0);
      assert.equal(String(text), 'from Python');
      writeSync(pipe, 'through the pipe');
      await within(peer.line(/^read through the pipe$/), 'what Python read');
      await within(peer.line(/^sent$/), 'Python');
      const [, many] = await within(recvFds(end, 100, 253), 'the message');
      assert.equal(many.length, 253);
      for (const fd of [...fds, ...many]) closeSync(fd);
    },
    options,
  );

  scene(
    `Python receives descriptors (${kind})`,
    async (s) => {
      const [end, peer] = await withPython(
        s,
        type,
        `
    data, fds, flags, address = socket.recv_fds(s, 100, 3)
    print(json.dumps([data.decode(), [os.pread(fd, 100, 0).decode() for fd in fds], flags & socket.MSG_CTRUNC]))
    os.pwrite(fds[2], b'written by Python', 0)
    data, fds, flags, address = socket.recv_fds(s, 100, 253)
    print(json.dumps([data.decode(), len(set(fds)), flags & socket.MSG_CTRUNC]))
    sys.stdin.read()`,
      );
      const folder = tempdir(s);
      const names = ['one', 'two', 'three'].map((name) => path.join(folder, name));
      const fds = names.map((name) => {
        writeFileSync(name, path.basename(name));
        return openSync(name, 'r+');
      });
      await sendFds(end, ['some ', Buffer.from('data')], fds);
      assert.deepEqual(JSON.parse(await within(peer.line(/^\[/), 'Python')), [
        'some data',
        ['one', 'two', 'three'],
        0,
      ]);
      await end.sendmsg(['many'], { ancdata: [[SOL_SOCKET, SCM_RIGHTS, new Int32Array(253).fill(fds[0]!)]] });
      assert.deepEqual(JSON.parse(await within(peer.line(/^\["many/), 'Python')), ['many', 253, 0]);
      assert.equal(readFileSync(names[2]!, 'utf8'), 'written by Python');
      for (const fd of fds) closeSync(fd);
    },
    options,
  );

  scene(
    `credentials and descriptors in one message, both ways (${kind})`,
    async (s) => {
      const [end, peer] = await withPython(
        s,
        type,
        `
    s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    print('ready')
    data, anc, flags, address = s.recvmsg(100, 1000)
    rows = [(level, kind, len(data), list(array.array('i', data))) for level, kind, data in anc]
    print(json.dumps([data.decode(), rows, os.getpid()]))
    f = os.memfd_create('file')
    os.write(f, b'from Python')
    me = array.array('i', [os.getpid(), os.getuid(), os.getgid()])
    s.sendmsg([b'both'], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, me),
                          (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [f, f]))])
    sys.stdin.read()`,
      );
      await within(peer.line(/^ready$/), 'Python');
      const name = path.join(tempdir(s), 'file');
      writeFileSync(name, 'content');
      const fd = openSync(name, 'r');
      const me = Int32Array.of(process.pid, process.getuid!(), process.getgid!());
      await end.sendmsg(['both'], {
        ancdata: [
          [SOL_SOCKET, SCM_CREDENTIALS, me],
          [SOL_SOCKET, SCM_RIGHTS, Int32Array.of(fd, fd)],
        ],
      });
      closeSync(fd);
      end.setsockopt(SOL_SOCKET, SO_PASSCRED, 1);
      const [text, rows, pid] = JSON.parse(await within(peer.line(/^\["both/), 'Python')) as [
        string,
        [number, number, number, number[]][],
        number,
      ];
      assert.equal(text, 'both');
      assert.deepEqual(rows[0], [SOL_SOCKET, SCM_CREDENTIALS, 12, [...me]]);
      assert.deepEqual(rows[1]!.slice(0, 3), [SOL_SOCKET, SCM_RIGHTS, 8]);
      const [, received, msgFlags] = await within(
        end.recvmsg(100, CMSG_SPACE(12) + CMSG_SPACE(8)),
        'the message',
      );
      assert.equal(msgFlags & MSG_CTRUNC, 0);
      const ints = received.map(([level, type, data]) => [
        level,
        type,
        ...new Int32Array(data.buffer, data.byteOffset, data.length / 4),
      ]);
      assert.deepEqual(ints[0], [SOL_SOCKET, SCM_CREDENTIALS, pid, process.getuid!(), process.getgid!()]);
      const [level, rights, ...fds] = ints[1]!;
      assert.deepEqual([level, rights, fds.length], [SOL_SOCKET, SCM_RIGHTS, 2]);
      for (const each of fds) {
        const memory = Buffer.alloc(11);
        readSync(each!, memory, 0, 11, 0);
        assert.equal(String(memory), 'from Python');
        closeSync(each!);
      }
    },
    options,
  );
}
