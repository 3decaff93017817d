// The server with limits, with Python at the other end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noLeaks } from '../support/leaks.ts';
import { requirePeer } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { startServer } from './run.ts';

noLeaks();

test('30 serve: clients side by side, and a graceful end', requirePeer('python3'), async (t) => {
  const [server, port] = await startServer(t, '30-serve.ts');
  const client = startPython(
    t,
    `
    import sys
    from socket import *
    many = [create_connection(('127.0.0.1', int(sys.argv[1]))) for _ in range(3)]
    files = [c.makefile('rw') for c in many]
    for f in files: print(f.readline(), end='')
    for f in reversed(files):
        print('hello', file=f, flush=True)
        print(f.readline(), end='')
    sys.stdin.readline()
    print('last word', file=files[0], flush=True)
    print(files[0].readline(), end='')
    for c in many: c.shutdown(SHUT_WR)
    print([c.recv(1) for c in many])
    `,
    [String(port)],
  );
  for (let i = 0; i < 3; i++)
    assert.equal(await client.line(), 'Welcome to the server. Type something and hit enter');
  for (let i = 0; i < 3; i++) assert.equal(await client.line(), 'OK... hello');
  server.child.kill('SIGINT');
  assert.equal(await server.line(/may finish/), '3 connections may finish');
  client.write('go on\n');
  assert.equal(await client.line(), 'OK... last word');
  assert.equal(await client.line(), "[b'', b'', b'']");
  assert.equal(await server.line(/^Served/), 'Served 3, received 28 bytes');
  await server.succeed();
  assert.equal(server.stderr, '');
});
