// The notes' threaded server, with a hundred clients at once.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { noLeaks } from '../support/leaks.ts';
import { requirePeer, startPeer } from '../support/peer.ts';
import { runPython } from '../support/python.ts';
import { startServer } from './run.ts';

noLeaks();

describe('threads', requirePeer('python3', 'nc.openbsd'), () => {
  test('31 threaded server: a silent client holds up nobody, and Ctrl-C ends it', async (t) => {
    const [server, port] = await startServer(t, '31-threaded-server.ts');
    const [silent, other] = [0, 1].map(() => startPeer(t, 'nc.openbsd', ['-N', '127.0.0.1', String(port)]));
    const greeting = /^Welcome to the server\. Type something and hit enter$/;
    await silent!.line(greeting, { seconds: 30 });
    await other!.line(greeting, { seconds: 30 });
    other!.write('hello\n');
    await other!.line(/^OK\.\.\. hello$/);
    silent!.write('at last\n');
    await silent!.line(/^OK\.\.\. at last$/);
    for (let i = 0; i < 2; i++) await server.line(/^Connected with 127\.0\.0\.1:\d+$/);
    assert.equal(server.stderr, '');
    process.kill(server.pid, 'SIGINT');
    assert.equal((await server.exit()).signal, 'SIGINT');
  });

  test('31 threaded server: a hundred clients at once', async (t) => {
    const [, port] = await startServer(t, '31-threaded-server.ts');
    const { stdout } = await runPython(
      `
      import socket, sys
      port = int(sys.argv[1])
      for round in range(2):
          clients = [socket.create_connection(('127.0.0.1', port), 100) for _ in range(100)]
          files = [c.makefile('rb') for c in clients]
          for f in files: assert f.readline().startswith(b'Welcome')
          for i, c in enumerate(clients): c.sendall(b'client %d\\n' % i)
          for i, f in enumerate(files): assert f.readline() == b'OK... client %d\\n' % i
          for c in clients: c.shutdown(socket.SHUT_WR)
          for f in files: assert f.read() == b''
          for f, c in zip(files, clients): f.close(); c.close()
          print('served', len(clients))
      `,
      [String(port)],
      { seconds: 115 },
    );
    assert.equal(stdout, 'served 100\nserved 100\n');
  });
});
