// The file of an AF_UNIX server: taken from one that is gone, never from one that lives, and removed
// at the end.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, readdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { AF_UNIX, createServer, SOCK_DGRAM, socket } from 'berkeley-sockets';
import { serve, serveDatagrams } from 'berkeley-sockets/server';
import { startNode } from '../support/node.ts';
import { scene } from '../support/scene.ts';
import { tempdir, tempPath } from '../support/tempdir.ts';

const taken = { code: 'EADDRINUSE' };

/** A file whose server is gone. */
function stale(file: string): string {
  const s = createServer(file);
  s.close();
  assert.ok(lstatSync(file).isSocket());
  return file;
}

scene('a stale file is taken over, and removed at the end', async (s) => {
  const file = stale(tempPath(s));
  const server = serve(file, (conn) => conn.sendall('new'));
  const c = s.own(socket(AF_UNIX));
  await c.connect(file);
  assert.equal(String(await c.recv(10)), 'new');
  await server.close();
  assert.deepEqual(readdirSync(path.dirname(file)), []);
});

scene('datagrams: a stale file is taken over, a living one is not', async (s) => {
  const file = tempPath(s);
  const before = socket(AF_UNIX, SOCK_DGRAM);
  before.bind(file);
  assert.throws(() => serveDatagrams(file, () => {}), taken);
  before.close();
  const server = serveDatagrams(file, () => {});
  await server.close();
  assert.equal(existsSync(file), false);
});

scene('a living server’s path is refused, and the server keeps it', async (s) => {
  const folder = tempdir(s);
  const file = path.join(folder, 'sock');
  const server = serve(file, (conn) => conn.sendall('mine'));
  s.after(() => server.close());
  assert.throws(() => serve(file, () => {}), taken);
  assert.deepEqual(readdirSync(folder), ['sock']);
  const c = s.own(socket(AF_UNIX));
  await c.connect(file);
  assert.equal(String(await c.recv(10)), 'mine');
});

scene('one that is bound and does not listen yet is alive', async (s) => {
  const file = tempPath(s);
  const slow = s.own(socket(AF_UNIX));
  slow.bind(file);
  assert.throws(() => serve(file, () => {}), taken);
  slow.listen();
  const c = s.own(socket(AF_UNIX));
  await c.connect(file);
});

scene('one whose backlog is full is alive', async (s) => {
  const file = tempPath(s);
  const busy = s.own(socket(AF_UNIX));
  busy.bind(file);
  busy.listen(0);
  const c = s.own(socket(AF_UNIX));
  await c.connect(file);
  assert.throws(() => serve(file, () => {}), taken);
});

scene('what is no socket is never removed', async (s) => {
  const folder = tempdir(s);
  const file = path.join(folder, 'precious');
  writeFileSync(file, 'data');
  assert.throws(() => serve(file, () => {}), taken);
  const link = path.join(folder, 'link');
  symlinkSync(stale(path.join(folder, 'behind')), link);
  assert.throws(() => serve(link, () => {}), taken);
  assert.deepEqual(readdirSync(folder).sort(), ['behind', 'link', 'precious']);
});

scene('a file that has become somebody else’s is left alone at the end', async (s) => {
  const file = tempPath(s);
  const first = serve(file, () => {});
  renameSync(file, `${file}.old`);
  const second = serve(file, () => {});
  await first.close();
  assert.ok(existsSync(file));
  await second.close();
  assert.equal(existsSync(file), false);
});

scene('an abstract name has no file; a socket of one’s own keeps its', async (s) => {
  const name = Buffer.from(`\0bsd-${process.pid}-${Math.random()}`);
  const server = serve(name, () => {});
  assert.throws(() => serve(name, () => {}), taken);
  await server.close();
  await serve(name, () => {}).close();
  const file = tempPath(s);
  await serve(createServer(file), () => {}).close();
  assert.ok(existsSync(file));
});

scene('many processes that find one stale file: one of them gets it', async (s) => {
  const file = stale(tempPath(s));
  const script = `
    import { serve } from 'berkeley-sockets/server';
    await new Promise((resolve) => process.stdin.once('data', resolve));
    try {
      serve(${JSON.stringify(file)}, (conn) => conn.sendall(String(process.pid)));
      console.log('serving');
    } catch (error) {
      console.log(error.code);
      process.exit();
    }
    await new Promise((resolve) => process.stdin.once('data', resolve));
    process.exit();
  `;
  const nodes = Array.from({ length: 4 }, () => startNode(s, script));
  for (const node of nodes) node.write('go\n');
  const words = await Promise.all(nodes.map((node) => node.line()));
  assert.deepEqual(words.sort(), ['EADDRINUSE', 'EADDRINUSE', 'EADDRINUSE', 'serving']);
  const c = s.own(socket(AF_UNIX));
  await c.connect(file);
  assert.match(String(await c.recv(100)), /^\d+$/);
});

scene('a server that was killed leaves a file, which the next one takes', async (s) => {
  const file = tempPath(s);
  const child = spawn(process.execPath, [
    '--input-type=module',
    '-e',
    `import { serve } from 'berkeley-sockets/server';
     serve(${JSON.stringify(file)}, () => {});
     console.log('up');`,
  ]);
  s.after(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'close');
  assert.ok(existsSync(file));
  await serve(file, () => {}).close();
});
