// AF_VSOCK: addresses as the kernel has them, and a connection over the machine's own loopback where
// there is one. Never to the host: what listens there is not ours.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import {
  AF_VSOCK,
  SOCK_STREAM,
  SocketError,
  socket,
  VMADDR_CID_ANY,
  VMADDR_CID_LOCAL,
  VMADDR_PORT_ANY,
} from 'berkeley-sockets';
import { runNode } from '../support/node.ts';
import { requirePeer, runPeer } from '../support/peer.ts';
import { evalPython, startPython } from '../support/python.ts';
import { scene } from '../support/scene.ts';
import { tempdir } from '../support/tempdir.ts';
import { missing } from './kernel.ts';

const skip = missing(AF_VSOCK, SOCK_STREAM);
const python = requirePeer('python3').skip ?? false;
const noLoopback = existsSync('/sys/module/vsock_loopback')
  ? false
  : 'this kernel has no loopback for AF_VSOCK (module vsock_loopback)';

scene(
  'a bound socket has the address that it was given',
  (s) => {
    const listener = s.own(socket(AF_VSOCK));
    assert.deepEqual(listener.getsockname(), [VMADDR_CID_ANY, VMADDR_PORT_ANY]);
    listener.bind([VMADDR_CID_ANY, VMADDR_PORT_ANY]);
    const [cid, port] = listener.getsockname();
    assert.equal(cid, VMADDR_CID_ANY);
    assert.ok(port > 1023 && port < VMADDR_PORT_ANY, String(port));
    listener.listen();
    const second = s.own(socket(AF_VSOCK));
    assert.throws(() => second.bind([VMADDR_CID_ANY, port]), {
      code: 'EADDRINUSE',
      syscall: 'bind',
      message: `bind EADDRINUSE ${VMADDR_CID_ANY}:${port}`,
    });
  },
  { skip },
);

scene(
  "Python's socket has the same address",
  async (s) => {
    const ours = s.own(socket(AF_VSOCK));
    ours.bind([VMADDR_CID_ANY, VMADDR_PORT_ANY]);
    const name = await evalPython(`
      import json, socket
      s = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
      s.bind((socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY))
      a = s.getsockname()
      print(json.dumps([a[0], 1023 < a[1] < socket.VMADDR_PORT_ANY]))
    `);
    assert.deepEqual(name, [ours.getsockname()[0], true]);
  },
  { skip: skip || python },
);

scene(
  'an echo by Python over the loopback',
  async (s) => {
    const listener = s.own(socket(AF_VSOCK));
    listener.bind([VMADDR_CID_LOCAL, VMADDR_PORT_ANY]);
    listener.listen();
    const [, port] = listener.getsockname();
    const peer = startPython(
      s,
      `
      import socket, sys
      s = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
      s.connect((1, int(sys.argv[1])))
      while data := s.recv(65536): s.sendall(data.upper())
      `,
      [String(port)],
    );
    const [connection, [cid]] = await listener.accept();
    s.own(connection);
    assert.equal(cid, VMADDR_CID_LOCAL);
    assert.equal(connection.getpeername()[0], VMADDR_CID_LOCAL);
    await connection.sendall('hello');
    assert.equal((await connection.recv(100)).toString(), 'HELLO');
    connection.close();
    assert.equal((await peer.exit()).code, 0);
  },
  { skip: skip || noLoopback || python },
);

scene(
  'nobody listens: an error, at once',
  async (s) => {
    const client = s.own(socket(AF_VSOCK));
    await assert.rejects(client.connect([VMADDR_CID_LOCAL, 4_000_000_000]), (error: SocketError) => {
      assert.ok(error instanceof SocketError);
      assert.equal(error.code, 'ECONNRESET');
      assert.equal(error.port, 4_000_000_000);
      return true;
    });
  },
  { skip: skip || noLoopback },
);

// What a kernel with a transport does, played by a library that is loaded in front of the C library:
// connect(2) goes on to answer EALREADY once it has failed (net/vmw_vsock/af_vsock.c).
const kernel = `
  #define _GNU_SOURCE
  #include <dlfcn.h>
  #include <errno.h>
  #include <sys/socket.h>
  static int mine = -1, calls;
  int socket(int family, int type, int proto) {
    static int (*real)(int, int, int, int *);
    int pair[2];
    if (family != 40) return ((int (*)(int, int, int))dlsym(RTLD_NEXT, "socket"))(family, type, proto);
    if (!real) real = (int (*)(int, int, int, int *))dlsym(RTLD_NEXT, "socketpair");
    return real(AF_UNIX, type, 0, pair) ? -1 : (calls = 0, mine = pair[0]);
  }
  int connect(int fd, const struct sockaddr *address, socklen_t length) {
    if (fd != mine) return ((int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "connect"))(fd, address, length);
    errno = calls++ == 0 ? EINPROGRESS : EALREADY;
    return -1;
  }
  int getsockopt(int fd, int level, int name, void *value, socklen_t *length) {
    static int (*real)(int, int, int, void *, socklen_t *);
    if (!real) real = (int (*)(int, int, int, void *, socklen_t *))dlsym(RTLD_NEXT, "getsockopt");
    int r = real(fd, level, name, value, length);
    if (fd == mine && level == SOL_SOCKET && name == SO_ERROR && r == 0) *(int *)value = ECONNRESET;
    return r;
  }
`;

scene(
  'a connect that fails later is told of, though the kernel says EALREADY for ever',
  async (s) => {
    const library = path.join(tempdir(s), 'kernel.so');
    const flags = ['-x', 'c', '-shared', '-fPIC', '-o', library, '-', '-ldl'];
    await runPeer('cc', flags, { input: kernel, seconds: 60 });
    const { stdout } = await runNode(
      `
      for (const flavour of ['berkeley-sockets', 'berkeley-sockets/sync']) {
        const { AF_VSOCK, socket } = await import(flavour);
        const s = socket(AF_VSOCK);
        s.settimeout(20);
        try {
          await s.connect([1, 5000]);
        } catch (error) {
          console.log(error.message);
        }
        s.close();
      }
      `,
      { env: { LD_PRELOAD: library } },
    );
    assert.equal(stdout, 'connect ECONNRESET 1:5000\n'.repeat(2));
  },
  { skip: requirePeer('cc').skip ?? false },
);
