// Out of descriptors: an error like another, after which all goes on.
import assert from 'node:assert/strict';
import { runNode } from '../support/node.ts';
import { scene } from '../support/scene.ts';

const wrap = ['sh', '-c', 'ulimit -n 64; exec "$@"', 'sh'];

const script = `
  import assert from 'node:assert/strict';
  import { existsSync, readdirSync } from 'node:fs';
  import * as bs from 'berkeley-sockets';
  const { socket, socketpair, SocketError, AF_UNIX, SOCK_STREAM } = bs;
  const open = () => { let n = 0; for (let fd = 0; fd < 64; fd++) if (existsSync('/proc/self/fd/' + fd)) n++; return n; };
  const emfile = { code: 'EMFILE', errno: -24 };
  const fill = () => {
    const kept = [];
    for (;;) {
      try { kept.push(socket(AF_UNIX, SOCK_STREAM)); }
      catch (error) {
        assert.ok(error instanceof SocketError);
        assert.equal(error.code, 'EMFILE');
        assert.equal(error.syscall, 'socket');
        return kept;
      }
    }
  };
`;

const run = (name: string, body: string) =>
  scene(name, async () => {
    const { stdout } = await runNode(`${script}${body}\nconsole.log('passed');`, { wrap });
    assert.match(stdout, /passed/);
  });

run(
  'every call that makes a descriptor says EMFILE, and works again when there is one',
  `
    const listener = socket();
    listener.bind(['127.0.0.1', 0]);
    listener.listen();
    const kept = fill();
    assert.throws(() => socketpair(), { ...emfile, syscall: 'socketpair' });
    assert.throws(() => listener.dup(), emfile);
    assert.throws(() => bs.fromfd(listener.fileno()), emfile);
    await assert.rejects(bs.createConnection(listener.getsockname()), (error) => {
      assert.ok(JSON.stringify([error.code, error.errors?.map((e) => e.code)]).includes('EMFILE'), error);
      return true;
    });
    assert.throws(() => bs.createServer(['127.0.0.1', 0]), emfile);
    for (const s of kept.splice(0, 6)) s.close();
    for (const s of socketpair()) s.close();
    listener.dup().close();
    (await bs.createConnection(listener.getsockname())).close();
    for (const s of kept) s.close();
  `,
);

run(
  'a pair for which only one descriptor is left takes none',
  `
    const kept = fill();
    kept.pop().close();
    const before = open();
    assert.throws(() => socketpair(), emfile);
    assert.equal(open(), before);
  `,
);

run(
  'accept says EMFILE and leaves the connection in the backlog',
  `
    const listener = socket();
    listener.bind(['127.0.0.1', 0]);
    listener.listen();
    const client = socket();
    const late = listener.accept();
    const kept = fill();
    await client.connect(listener.getsockname());
    await client.sendall('hello');
    await assert.rejects(late, { ...emfile, syscall: 'accept' });
    await assert.rejects(listener.accept(), { ...emfile, syscall: 'accept' });
    kept.pop().close();
    // No new edge comes for a connection that was there all the time.
    const [server] = await listener.accept();
    assert.equal(String(await server.recv(10)), 'hello');
  `,
);

run(
  'calls that wait go on while there are no descriptors',
  `
    const [a, b] = socketpair();
    const kept = fill();
    const waiting = b.recv(10);
    await a.sendall('x');
    assert.equal(String(await waiting), 'x');
    a.settimeout(0.01);
    await assert.rejects(a.recv(1), { name: 'TimeoutError' });
  `,
);

run(
  'the first call that waits, when there are no descriptors left for anything',
  `
    const kept = fill();
    const listener = kept.pop();
    listener.bind('');
    listener.listen();
    const waiting = listener.accept();
    const outcome = await Promise.race([
      waiting.then(() => 'accepted', (error) => error.code),
      new Promise((resolve) => setTimeout(resolve, 50, 'waits')),
    ]);
    assert.match(outcome, /^(waits|EMFILE)$/);
    for (const s of kept) s.close();
    listener.close();
  `,
);
