// curl at the other end: a small HTTP server of ours for it, over TCP, IPv6 and AF_UNIX; and
// its telnet as a plain client. A client of ours against a server that others wrote: Python's.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { AF_UNIX, createConnection, type Socket } from 'berkeley-sockets';
import { requirePeer, runPeer, startPeer } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { type Scene, scene } from '../support/scene.ts';
import { tempdir } from '../support/tempdir.ts';
import { listening, receiveAll, streams, type Transport, tcp4 } from '../support/transports.ts';

const curl = requirePeer('curl');

interface Request {
  head: string;
  body: Buffer;
}

/** One request, as far as curl's are concerned: a head, and a body of Content-Length bytes. */
async function readRequest(s: Socket): Promise<Request> {
  let all = Buffer.alloc(0);
  let end = -1;
  while (end < 0) {
    const chunk = await s.recv(65536);
    assert.ok(chunk.length > 0, 'ended inside a head');
    all = Buffer.concat([all, chunk]);
    end = all.indexOf('\r\n\r\n');
  }
  const head = all.toString('latin1', 0, end);
  if (/^expect: 100-continue/im.test(head)) await s.sendall('HTTP/1.1 100 Continue\r\n\r\n');
  const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
  let body = all.subarray(end + 4);
  while (body.length < length) {
    const chunk = await s.recv(65536);
    assert.ok(chunk.length > 0, 'ended inside a body');
    body = Buffer.concat([body, chunk]);
  }
  return { head, body };
}

async function answer(s: Socket, { head, body }: Request): Promise<void> {
  const content = head.startsWith('GET') ? 'x'.repeat(200_000) : body.toString().toUpperCase();
  await s.sendall(`HTTP/1.1 200 OK\r\nContent-Length: ${content.length}\r\nConnection: close\r\n\r\n`);
  await s.sendall(content);
}

/** Serves every connection of `listener` until it is closed. */
function serve(listener: Socket): Promise<void> {
  return (async () => {
    for await (const [s] of listener.accepted()) {
      void (async () => {
        using connection = s;
        await answer(connection, await readRequest(connection));
      })();
    }
  })().catch((error: Error) => {
    assert.equal(error.name, 'ClosedError');
  });
}

function target(transport: Transport, listener: Socket): string[] {
  const address = listener.getsockname();
  if (transport.family === AF_UNIX) return ['--unix-socket', address as string, 'http://localhost/page'];
  const [host, port] = address as [string, number];
  return [`http://${host.includes(':') ? `[${host}]` : host}:${port}/page`];
}

for (const transport of streams) {
  const options = { skip: curl.skip ?? transport.missing };
  scene(
    `curl gets a page and posts a large one (${transport.name})`,
    async (s: Scene) => {
      const listener = listening(s, transport);
      const serving = serve(listener);
      const quiet = ['--silent', '--show-error', '--max-time', '10', '--noproxy', '*'];
      const page = await runPeer('curl', [...quiet, ...target(transport, listener)]);
      assert.equal(page.stdout, 'x'.repeat(200_000));
      const file = path.join(tempdir(s), 'body');
      writeFileSync(file, 'abc'.repeat(500_000));
      const posted = await runPeer(
        'curl',
        [...quiet, '--data-binary', `@${file}`, ...target(transport, listener)],
        { seconds: 20 },
      );
      assert.equal(posted.stdout, 'ABC'.repeat(500_000));
      listener.close();
      await serving;
    },
    options,
  );
}

scene(
  'twenty curls at once',
  async (s) => {
    const listener = listening(s, tcp4);
    const serving = serve(listener);
    const pages = await Promise.all(
      Array.from({ length: 20 }, () =>
        runPeer('curl', ['--silent', '--max-time', '15', '--noproxy', '*', ...target(tcp4, listener)], {
          seconds: 20,
        }),
      ),
    );
    for (const page of pages) assert.equal(page.stdout.length, 200_000);
    listener.close();
    await serving;
  },
  curl,
);

scene(
  'curl as a telnet client',
  async (s) => {
    const listener = listening(s, tcp4);
    const [host, port] = listener.getsockname() as [string, number];
    const peer = startPeer(s, 'curl', [
      '--silent',
      '--max-time',
      '10',
      '--noproxy',
      '*',
      '-N',
      `telnet://${host}:${port}`,
    ]);
    const [server] = await listener.accept();
    s.own(server);
    await server.sendall('Hello 127.0.0.1\n');
    assert.equal(await peer.line(), 'Hello 127.0.0.1');
    peer.write('typed\n');
    assert.match(String(await server.recv(100)), /^typed\r?\n$/);
    server.close();
    await peer.exit();
  },
  curl,
);

scene(
  'a client of ours and Python’s HTTP server',
  async (s) => {
    const folder = tempdir(s);
    writeFileSync(path.join(folder, 'index.html'), '<p>hello</p>'.repeat(10_000));
    const peer = startPython(
      s,
      `
      import http.server, sys, functools
      h = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
      s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), h)
      print(s.server_address[1])
      s.serve_forever()
    `,
      [folder],
    );
    const port = Number(await peer.line());
    const client = s.own(await createConnection(['127.0.0.1', port], { timeout: 5 }));
    await client.sendall('GET /index.html HTTP/1.0\r\n\r\n');
    const reply = String(await receiveAll(client));
    assert.match(reply, /^HTTP\/1\.0 200 OK\r\n/);
    assert.equal(reply.slice(reply.indexOf('\r\n\r\n') + 4), '<p>hello</p>'.repeat(10_000));
  },
  requirePeer('python3'),
);
