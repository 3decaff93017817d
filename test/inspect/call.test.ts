// How connections(), interfaces() and routes() are called: arguments, aborts, rights, and kernels
// that refuse.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { AF_INET, AF_UNIX, createServer, setdefaulttimeout, socketpair } from 'berkeley-sockets';
import { connections, interfaces, routes } from 'berkeley-sockets/inspect';
import { compile } from '../support/cprogram.ts';
import { startNode } from '../support/node.ts';
import { requirePeer } from '../support/peer.ts';
import { scene } from '../support/scene.ts';

scene('wrong arguments are refused', async () => {
  for (const call of [connections, interfaces, routes] as ((options: never) => Promise<unknown>)[]) {
    await assert.rejects(call(null as never), TypeError);
    await assert.rejects(call('tcp' as never), TypeError);
    await assert.rejects(call({ source: 'sysfs' } as never), /'netlink' or 'proc' for source/);
    await assert.rejects(call({ signal: 'now' } as never), TypeError);
  }
  const wrong: [object, RegExp | typeof TypeError | typeof RangeError][] = [
    [{ family: 'inet' }, TypeError],
    [{ family: -1 }, RangeError],
    [{ type: 1.5 }, RangeError],
    [{ protocol: 'ftp' }, /one of tcp, .* for protocol but received the string "ftp"/],
    [{ protocol: 6 }, TypeError],
    [{ protocol: ['tcp', 7] }, TypeError],
    [{ state: 'LISTENING' }, /one of UNCONNECTED, ESTABLISHED, .* for state/],
    [{ state: 99 }, RangeError],
    [{ state: 0 }, RangeError],
    [{ state: {} }, TypeError],
    [{ listening: 1 }, TypeError],
    [{ processes: 'yes' }, TypeError],
    [{ tcpInfo: null }, TypeError],
  ];
  for (const [options, error] of wrong) await assert.rejects(connections(options as never), error as RegExp);
});

scene('a signal ends a call, and the call leaves nothing behind', async () => {
  const reason = new Error('enough');
  const controller = new AbortController();
  controller.abort(reason);
  for (const call of [connections, interfaces, routes])
    await assert.rejects(call({ signal: controller.signal }), reason);
  // At whatever point it comes.
  for (let turns = 0; turns < 12; turns++) {
    const later = new AbortController();
    const call = connections({ signal: later.signal }).then(
      () => 'done',
      (error: unknown) => error,
    );
    for (let i = 0; i < turns; i++) await Promise.resolve();
    later.abort(reason);
    const result = await call;
    assert.ok(result === reason || result === 'done', String(result));
  }
});

scene('a signal ends the look at processes', async (s) => {
  // More descriptors than fit into a turn's share.
  for (let i = 0; i < 2500; i++) for (const one of socketpair()) s.own(one);
  s.own(createServer(['127.0.0.1', 0]));
  const reason = new Error('enough');
  const controller = new AbortController();
  // In the first turn that the call leaves to others.
  setImmediate(() => controller.abort(reason));
  const call = connections({ family: AF_INET, signal: controller.signal, source: 'proc' });
  await assert.rejects(call, (error: unknown) => error === reason);
});

scene('the default timeout of sockets is not for these', async (s) => {
  s.after(() => setdefaulttimeout(null));
  setdefaulttimeout(0);
  assert.ok((await interfaces({ source: 'netlink' })).some(({ name }) => name === 'lo'));
  await connections({ source: 'netlink' });
  await routes({ source: 'netlink' });
});

scene('many calls at once', async (s) => {
  const server = s.own(createServer(['127.0.0.1', 0]));
  const lists = await Promise.all(Array.from({ length: 20 }, () => connections({ listening: true })));
  for (const rows of lists)
    assert.ok(rows.some(({ local, pid }) => local[1] === server.getsockname()[1] && pid === process.pid));
});

scene('a table of ten thousands of rows comes whole', async (s) => {
  for (let i = 0; i < 1500; i++) for (const one of socketpair()) s.own(one);
  for (const source of ['netlink', 'proc'] as const) {
    const rows = await connections({ family: AF_UNIX, source });
    const mine = rows.filter(({ pid }) => pid === process.pid);
    assert.ok(mine.length >= 3000, `${mine.length} rows by ${source}`);
    assert.equal(new Set(mine.map(({ inode }) => inode)).size, mine.length, 'each once');
    if (source === 'netlink') {
      const inodes = new Set(mine.map(({ inode }) => inode));
      assert.ok(mine.filter(({ peerInode }) => inodes.has(peerInode!)).length >= 3000);
    }
  }
});

const list = `
  import { readFileSync } from 'node:fs';
  import { AF_NETLINK, SOCK_RAW, createServer, socket } from 'berkeley-sockets';
  import { connections, interfaces, routes } from 'berkeley-sockets/inspect';
  const server = createServer(['127.0.0.1', 0]);
  const wanted = [server.getsockname()[1], Number(process.env.OTHER_PORT)];
  const rows = await connections({ listening: true, family: 2 });
  const found = wanted.map((port) => rows.find(({ local }) => local[1] === port));
  let refused = '';
  try {
    socket(AF_NETLINK, SOCK_RAW, 0).close();
  } catch (error) {
    refused = error.code;
  }
  const asked = await connections({ source: 'netlink' }).then(() => '', (error) => error.code);
  console.log(JSON.stringify({
    found: found.map((row) => row && [row.state, row.pid === process.pid, row.process, row.holders.length, row.uid]),
    lo: (await interfaces()).find(({ name }) => name === 'lo')?.addresses.some(({ address }) => address === '127.0.0.1'),
    routes: (await routes({ table: 0 })).length > 0,
    refused,
    asked,
  }));
  server.close();
`;

// A user who may not read the repository cannot run this: then there is nobody to be.
const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];

function noNobody(): string | false {
  if (process.getuid!() !== 0) return 'only root can become somebody else';
  const [program, ...args] = [...NOBODY, process.execPath, '-e', "import('berkeley-sockets/inspect')"];
  const { status, stderr } = spawnSync(program!, args, {
    encoding: 'utf8',
    cwd: new URL('../..', import.meta.url),
  });
  return status === 0 ? false : `another user cannot run this: ${stderr.trim().slice(0, 200)}`;
}

scene(
  'another user sees every socket, and of processes its own',
  async (s) => {
    const other = s.own(createServer(['127.0.0.1', 0]));
    const peer = startNode(s, list, {
      wrap: NOBODY,
      env: { OTHER_PORT: String(other.getsockname()[1]) },
    });
    const { stdout } = await peer.succeed(30);
    assert.deepEqual(JSON.parse(stdout), {
      found: [
        ['LISTEN', true, 'node', 1, 65534],
        ['LISTEN', false, null, 0, 0],
      ],
      lo: true,
      routes: true,
      refused: '',
      asked: '',
    });
  },
  { skip: noNobody() },
);

// Refuses AF_NETLINK with the errno given, as container runtimes and service managers do, and
// becomes the program given.
const sealed = `
  #include <errno.h>
  #include <linux/filter.h>
  #include <linux/seccomp.h>
  #include <stddef.h>
  #include <stdio.h>
  #include <stdlib.h>
  #include <sys/prctl.h>
  #include <sys/socket.h>
  #include <sys/syscall.h>
  #include <unistd.h>
  int main(int argc, char **argv) {
    struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)atoi(argv[1])),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof filter / sizeof *filter, filter };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
      return perror("seccomp"), 1;
    execvp(argv[2], argv + 2);
    return perror(argv[2]), 1;
  }
`;

scene(
  'where AF_NETLINK is refused the text is read',
  async (s) => {
    const program = await compile(s, sealed);
    // EPERM and EAFNOSUPPORT: a profile of seccomp, and systemd's RestrictAddressFamilies=.
    for (const [errno, code] of [
      [1, 'EPERM'],
      [97, 'EAFNOSUPPORT'],
    ] as const) {
      const other = s.own(createServer(['127.0.0.1', 0], { family: AF_INET }));
      const env = { OTHER_PORT: String(other.getsockname()[1]) };
      const peer = startNode(s, list, { wrap: [program, String(errno)], env });
      const { stdout } = await peer.succeed(30);
      const { found, ...rest } = JSON.parse(stdout);
      const uid = process.getuid!();
      assert.deepEqual(found[0], ['LISTEN', true, 'node', 1, uid]);
      assert.deepEqual([found[1][0], found[1][1], found[1][4]], ['LISTEN', false, uid]);
      assert.deepEqual(rest, { lo: true, routes: true, refused: code, asked: code });
    }
  },
  requirePeer('cc') as { skip?: string },
);
