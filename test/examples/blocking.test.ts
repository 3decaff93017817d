// The blocking examples, with the other side written by others.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sleep } from '../support/deadline.ts';
import { noLeaks } from '../support/leaks.ts';
import { requirePeer, runPeer, startPeer, unusedPort } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { assertLines, runExample, startExample, startServer } from './run.ts';

noLeaks();

describe('blocking', requirePeer('python3', 'nc.openbsd'), () => {
  test('25 client: to a server in Python', async (t) => {
    const server = startPython(
      t,
      `
      from socket import *
      s = create_server(('127.0.0.1', 0))
      print(s.getsockname()[1])
      c, a = s.accept()
      print(c.makefile().read())
      c.sendall(b'and hello to you')
      c.close()
      `,
    );
    const port = await server.line();
    assertLines(await runExample('25-blocking-client.ts', ['localhost', port]), [
      'Socket Created',
      'Socket Connected to localhost on ip 127.0.0.1',
      'Message sent successfully',
      'and hello to you',
    ]);
    assert.equal(await server.line(), 'Hello, server');
  });

  test('25 client: what fails is told, and the status is 1', async (t) => {
    const refused = await startExample(t, '25-blocking-client.ts', ['127.0.0.1', await unusedPort()]).exit();
    assert.equal(refused.code, 1);
    assert.match(
      refused.stdout,
      /\nFailed to connect\. Error code: ECONNREFUSED, message: connect ECONNREFUSED/,
    );
    const unresolved = await startExample(t, '25-blocking-client.ts', ['no-such-host.invalid']).exit();
    assert.equal(unresolved.code, 1);
    assert.match(unresolved.stdout, /\nFailed to getaddrinfo\. Error code: EAI_\w+/);
  });

  test('26 server: one client after the other, and Ctrl-C ends it', async (t) => {
    const [server, port] = await startServer(t, '26-blocking-server.ts');
    const ask = (text: string) => runPeer('nc.openbsd', ['-N', '127.0.0.1', String(port)], { input: text });
    assert.equal((await ask('one\n')).stdout, 'OK...one\n');
    const silent = startPeer(t, 'nc.openbsd', ['127.0.0.1', String(port)]);
    await sleep(0.2);
    const other = startPeer(t, 'nc.openbsd', ['-N', '127.0.0.1', String(port)]);
    other.write('me first\n');
    await sleep(0.3);
    assert.equal(other.stdout, '');
    silent.write('no, me\n');
    assert.equal(await silent.line(), 'OK...no, me');
    await silent.stop();
    assert.equal(await other.line(), 'OK...me first');
    for (let i = 0; i < 3; i++) await server.line(/^Connected with 127\.0\.0\.1:\d+$/);
    process.kill(server.pid, 'SIGINT');
    assert.equal((await server.exit()).signal, 'SIGINT');
  });

  test('27 timeouts', async () => {
    assertLines(await runExample('27-blocking-timeout.ts', [0.4]), [
      /^settimeout\(0\.4\): timed out: recv, after [01]\.\d seconds$/,
      'settimeout(0): EAGAIN',
      "select: 'for the second'",
      /^select\(0\.2\): 0 sockets, after [01]\.\d seconds$/,
    ]);
  });

  test('28 and 29: a UDP server and its client', async (t) => {
    const [server, port] = await startServer(t, '28-blocking-udp-server.ts');
    assertLines(await runExample('29-blocking-udp-client.ts', ['localhost', port]), [
      `Received 'GET off my lawn' from [ '127.0.0.1', ${port} ]`,
    ]);
    assert.match(await server.line(), /^Received 'Hello World' from \[ '127\.0\.0\.1', \d+ \]$/);
    const nc = await runPeer('nc.openbsd', ['-u', '-w1', '127.0.0.1', String(port)], { input: 'from nc' });
    assert.equal(nc.stdout, 'GET off my lawn');
  });

  test('29 UDP client: nobody answers', async (t) => {
    const mute = startPython(
      t,
      `
      from socket import *
      s = socket(AF_INET, SOCK_DGRAM)
      s.bind(('127.0.0.1', 0))
      print(s.getsockname()[1])
      while True: print(s.recvfrom(100)[0])
      `,
    );
    const port = await mute.line();
    const { code, stdout } = await startExample(t, '29-blocking-udp-client.ts', ['127.0.0.1', port]).exit();
    assert.equal(code, 1);
    assertLines(
      stdout.trimEnd().split('\n'),
      [1, 2, 3].map((attempt) => `No response to attempt ${attempt}: timed out: recvfrom`),
    );
    for (let i = 0; i < 3; i++) assert.equal(await mute.line(), "b'Hello World'");
  });
});
