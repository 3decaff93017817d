// `sock wait`: servers that come, that never come, and that go.
import assert from 'node:assert/strict';
import { AF_UNIX, createServer, type InetAddress, SOCK_STREAM, socket } from 'berkeley-sockets';
import { timed } from '../support/deadline.ts';
import { unusedPort } from '../support/peer.ts';
import { scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';
import { sock, startSock } from './command.ts';

scene('a server that is there: at once, without a word', async (s) => {
  const listener = s.own(createServer(['127.0.0.1', 0] as InetAddress));
  const [, port] = listener.getsockname();
  for (const words of [['127.0.0.1', String(port)], [`127.0.0.1:${port}`], ['-4', String(port)]])
    assert.deepEqual(await sock(['wait', ...words]), { code: 0, signal: null, stdout: '', stderr: '' });
});

scene('a server that comes later, and the reason meanwhile, once', async (s) => {
  const port = await unusedPort();
  const waiting = startSock(s, ['wait', '127.0.0.1', String(port), '--interval', '0.05']);
  const reason = await waiting.line(/waiting/, { from: 'stderr' });
  assert.equal(reason, `sock: waiting for 127.0.0.1:${port}: connect ECONNREFUSED 127.0.0.1:${port}`);
  s.own(createServer(['127.0.0.1', port] as InetAddress));
  const { code, stderr } = await waiting.exit();
  assert.equal(code, 0);
  assert.equal(stderr, `${reason}\n`);
});

scene('an AF_UNIX path that comes later', async (s) => {
  const path = tempPath(s);
  const waiting = startSock(s, ['wait', `unix:${path}`, '--interval', '0.05']);
  await waiting.line(/ENOENT/, { from: 'stderr' });
  const listener = s.own(socket(AF_UNIX, SOCK_STREAM));
  listener.bind(path);
  listener.listen();
  assert.equal((await waiting.exit()).code, 0);
});

scene('none comes: status 1 after the time, and why', async () => {
  const port = await unusedPort();
  const [{ code, stderr }, seconds] = await timed(() =>
    sock(['wait', '127.0.0.1', String(port), '-q', '--timeout', '0.5', '--interval', '0.1']),
  );
  assert.equal(code, 1);
  assert.equal(
    stderr,
    `sock: 127.0.0.1:${port}: no answer after 0.5 s: connect ECONNREFUSED 127.0.0.1:${port}\n`,
  );
  assert.ok(seconds < 10);
});

scene('until it does not answer any more', async (s) => {
  const listener = s.own(createServer(['127.0.0.1', 0] as InetAddress));
  const [, port] = listener.getsockname();
  const waiting = startSock(s, ['wait', String(port), '-4', '--gone', '--interval', '0.05']);
  await waiting.line(/ to go: it still answers$/, { from: 'stderr' });
  listener.close();
  assert.equal((await waiting.exit()).code, 0);
  assert.equal((await sock(['wait', String(port), '-4', '--gone'])).code, 0);
});

scene('what makes no sense', async () => {
  for (const [words, message] of [
    [['localhost', '99999'], /^sock: port 99999: a port is a number from 0 to 65535\n/],
    [['localhost'], /^sock: PORT is missing: where at localhost\?\n/],
    [['-4', '-6', '80'], /^sock: --ipv4 and --ipv6: /],
    [['80', '--timeout', 'soon'], /^sock: --timeout soon: expected a number of seconds, such as 2\.5\n/],
  ] as const) {
    const { code, stdout, stderr } = await sock(['wait', ...words]);
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, message);
  }
});
