// Clients that others wrote, many at once: Python, curl, socat.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { SOCK_STREAM, Socket } from 'berkeley-sockets';
import { serve } from 'berkeley-sockets/server';
import { Chance } from '../support/chance.ts';
import { eventually } from '../support/deadline.ts';
import { requirePeer, runPeer } from '../support/peer.ts';
import { evalPython } from '../support/python.ts';
import { scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';

const at = ['127.0.0.1', 0] as const;

async function echo(conn: Socket<number, SOCK_STREAM>): Promise<void> {
  for await (const chunk of conn) await conn.sendall(chunk);
}

scene(
  'Python: fifty threads, a connection each',
  async (s) => {
    const server = serve(at, echo);
    s.after(() => server.close());
    const script = `
      import json, socket, sys, threading
      results = []
      def client(i):
          data = bytes([i]) * (1000 + i * 997)
          try:
              with socket.create_connection(('127.0.0.1', int(sys.argv[1])), 10) as c:
                  threading.Thread(target=lambda: (c.sendall(data), c.shutdown(socket.SHUT_WR))).start()
                  got = b''
                  while True:
                      chunk = c.recv(65536)
                      if not chunk: break
                      got += chunk
                  results.append(got == data)
          except Exception as error:
              results.append(str(error))
      threads = [threading.Thread(target=client, args=(i,)) for i in range(50)]
      for t in threads: t.start()
      for t in threads: t.join()
      print(json.dumps(results))
    `;
    const results = await evalPython(script, [String(server.address[1])]);
    assert.deepEqual(results, Array(50).fill(true));
    assert.equal(server.accepted, 50);
    assert.equal(server.bytesReceived, server.bytesSent);
    await eventually(() => server.connections === 0, 'the handlers to end');
  },
  requirePeer('python3'),
);

scene(
  'curl: requests one after the other on a connection, and a body of megabytes',
  async (s) => {
    const body = new Chance('curl').bytes(5 << 20);
    const server = serve(at, async (conn) => {
      let text = '';
      for await (const chunk of conn) {
        text += String(chunk);
        for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
          const [, path] = text.split(' ');
          text = text.slice(end + 4);
          const content = path === '/body' ? body : Buffer.from(`you asked for ${path}\n`);
          await conn.sendall(`HTTP/1.1 200 OK\r\nContent-Length: ${content.length}\r\n\r\n`);
          await conn.sendall(content);
        }
      }
    });
    s.after(() => server.close());
    const url = `http://127.0.0.1:${server.address[1]}`;
    const few = await runPeer('curl', ['-sS', `${url}/a`, `${url}/b`, `${url}/c`]);
    assert.equal(few.stdout, 'you asked for /a\nyou asked for /b\nyou asked for /c\n');
    assert.equal(server.accepted, 1);
    const file = tempPath(s, 'body');
    await runPeer('curl', ['-sS', '-o', file, `${url}/body`]);
    const { readFileSync } = await import('node:fs');
    const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    assert.equal(hash(readFileSync(file)), hash(body));
    await eventually(() => server.connections === 0, 'curl’s connections to end');
  },
  requirePeer('curl'),
);

scene(
  'curl: the PROXY protocol as curl speaks it',
  async (s) => {
    const server = serve(
      at,
      async (conn, address, { proxy }) => {
        await conn.recv(65536);
        const text = `${address[0]} by version ${proxy?.version}`;
        await conn.sendall(`HTTP/1.0 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
      },
      { proxyProtocol: 'v1' },
    );
    s.after(() => server.close());
    const url = `http://127.0.0.1:${server.address[1]}/`;
    const { stdout } = await runPeer('curl', ['-sS', '--haproxy-protocol', url]);
    assert.equal(stdout, '127.0.0.1 by version 1');
  },
  requirePeer('curl'),
);

scene(
  'socat: TCP and AF_UNIX, several at once',
  async (s) => {
    const path = tempPath(s);
    const tcp = serve(at, echo);
    s.after(() => tcp.close());
    const unix = serve(path, echo);
    s.after(() => unix.close());
    const input = 'line of text\n'.repeat(5000);
    const results = await Promise.all(
      [`TCP4:127.0.0.1:${tcp.address[1]}`, `UNIX-CONNECT:${path}`].flatMap((target) =>
        Array.from({ length: 3 }, () => runPeer('socat', ['-t', '5', '-', target], { input })),
      ),
    );
    for (const { stdout } of results) assert.equal(stdout, input);
    assert.deepEqual([tcp.accepted, unix.accepted], [3, 3]);
  },
  requirePeer('socat'),
);
