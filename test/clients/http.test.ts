// HTTP in all its forms on both ends: Node's servers on our listeners (`listen`), Node's clients,
// undici and ws on our connections.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import type { Socket as NetSocket } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import tls from 'node:tls';
import { AF_UNIX, createConnection, type SocketDuplex, socket } from 'berkeley-sockets';
import { serve } from 'berkeley-sockets/server';
import { listen, type NodeServer } from 'berkeley-sockets/streams';
import { Agent, request } from 'undici';
import { WebSocket, WebSocketServer } from 'ws';
import { Chance } from '../support/chance.ts';
import { eventually } from '../support/deadline.ts';
import { requirePeer, runPeer } from '../support/peer.ts';
import type { Scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';
import { certificate, client } from './row.ts';

const node = `Node ${process.version.slice(1)}`;
const page = new Chance('page').bytes(300_000);

/** Answers with its request: method, path, and the bytes of the body; /page is a large one. */
const app: http.RequestListener = (request, response) => {
  if (request.url === '/page') {
    response.end(page);
    return;
  }
  let size = 0;
  request.on('data', (chunk) => {
    size += chunk.length;
  });
  request.on('end', () => response.end(`${request.method} ${request.url} ${size}`));
};

/** `server` on a listener of ours: its port. */
function serving(stage: Scene, server: NodeServer): number {
  const listener = listen(server, ['127.0.0.1', 0]);
  stage.after(() => listener.close());
  return listener.address[1];
}

/** As a type, a `net.Socket`: what these clients ask for. */
const asNet = (stream: Duplex): NetSocket => stream as unknown as NetSocket;

/** A connection in the making, for hooks that want a stream at once. */
const connecting = (port: number): SocketDuplex =>
  socket().toDuplex().setNoDelay().connect(port, '127.0.0.1');

interface Answer {
  status: number | undefined;
  body: Buffer;
  socket: Duplex;
}

function ask(
  options: http.RequestOptions,
  body?: Buffer,
  through: typeof http | typeof https = http,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = through.request(options, async (response) => {
      const socket = response.socket;
      resolve({ status: response.statusCode, body: Buffer.concat(await response.toArray()), socket });
    });
    request.on('error', reject);
    request.end(body);
  });
}

client(
  {
    client: 'node:http',
    hook: '`Agent.createConnection`',
    exercised: 'kept-alive requests, uploads, a large answer',
  },
  async (stage) => {
    const port = serving(stage, http.createServer(app));
    let connections = 0;
    class OurAgent extends http.Agent {
      override createConnection(): Duplex {
        connections++;
        return connecting(port);
      }
    }
    const agent = new OurAgent({ keepAlive: true, maxSockets: 2 });
    stage.after(() => agent.destroy());
    const to = { host: '127.0.0.1', port, agent };
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        ask({ ...to, method: 'POST', path: `/${i}` }, page.subarray(0, i * 10_000)),
      ),
    );
    answers.forEach(({ body }, i) => {
      assert.equal(String(body), `POST /${i} ${i * 10_000}`);
    });
    assert.ok((await ask({ ...to, path: '/page' })).body.equals(page));
    assert.equal(connections, 2);
    return `node:http of ${node}, on \`listen\``;
  },
);

client(
  {
    client: 'node:https',
    hook: '`Agent.createConnection`, `tls.connect({ socket })`',
    exercised: 'requests, certificate checked',
  },
  async (stage) => {
    const { key, cert } = certificate(stage);
    const port = serving(stage, https.createServer({ key, cert }, app));
    const createOne = (): Duplex =>
      tls.connect({ socket: connecting(port), ca: cert, servername: 'localhost' });
    const { body, socket: used } = await ask(
      { path: '/page', createConnection: createOne },
      undefined,
      https,
    );
    assert.ok(body.equals(page));
    assert.equal((used as tls.TLSSocket).authorized, true);
    const stranger = (): Duplex => tls.connect({ socket: connecting(port), servername: 'localhost' });
    await assert.rejects(ask({ path: '/', createConnection: stranger }, undefined, https), {
      code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    });
    return `node:https of ${node}, on \`listen\``;
  },
);

async function multiplex(session: http2.ClientHttp2Session): Promise<void> {
  const one = async (path: string, body: Buffer): Promise<Buffer> => {
    const stream = session.request({ ':path': path, ':method': body.length > 0 ? 'POST' : 'GET' });
    if (body.length > 0) stream.end(body);
    return Buffer.concat(await stream.toArray());
  };
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, i) => one(`/${i}`, page.subarray(0, i * 5000))),
  );
  answers.forEach((answer, i) => {
    assert.equal(String(answer), `${i === 0 ? 'GET' : 'POST'} /${i} ${i * 5000}`);
  });
  assert.ok((await one('/page', Buffer.alloc(0))).equals(page));
  await new Promise<void>((resolve) => session.close(resolve));
}

client(
  {
    client: 'node:http2',
    hook: '`connect({ createConnection })`',
    exercised: '30 streams at once, in the clear and over TLS',
  },
  async (stage) => {
    const plain = http2.createServer(app as never);
    const clear = serving(stage, plain);
    await multiplex(http2.connect('http://localhost', { createConnection: () => connecting(clear) }));
    const { key, cert } = certificate(stage);
    const secret = serving(stage, http2.createSecureServer({ key, cert }, app as never));
    const createSecret = (): Duplex =>
      tls.connect({ socket: connecting(secret), ca: cert, servername: 'localhost', ALPNProtocols: ['h2'] });
    await multiplex(http2.connect('https://localhost', { createConnection: createSecret }));
    return `node:http2 of ${node}, on \`listen\``;
  },
);

client(
  {
    client: 'undici',
    hook: '`Agent({ connect })`',
    exercised: 'request and fetch: pipelined, kept alive, over TLS, over AF_UNIX',
  },
  async (stage) => {
    const { key, cert } = certificate(stage);
    const port = serving(stage, http.createServer(app));
    const secret = serving(stage, https.createServer({ key, cert }, app));
    const path = tempPath(stage);
    const local = listen(http.createServer(app), path);
    stage.after(() => local.close());

    const agent = new Agent({
      pipelining: 4,
      connections: 2,
      connect: ({ hostname, port, protocol }, done) => {
        const opening =
          hostname === 'daemon' ? createConnection(path) : createConnection([hostname, Number(port)]);
        opening.then(
          (s) => {
            const stream = asNet(s.toDuplex());
            if (protocol !== 'https:') done(null, stream);
            else {
              const secured = tls.connect({ socket: stream, ca: cert, servername: hostname });
              secured
                .once('secureConnect', () => done(null, secured))
                .once('error', (error) => done(error, null));
            }
          },
          (error) => done(error, null),
        );
      },
    });
    stage.after(() => agent.destroy());
    const origins = [`http://127.0.0.1:${port}`, `https://localhost:${secret}`, 'http://daemon'];
    for (const origin of origins) {
      const answers = await Promise.all(
        Array.from({ length: 20 }, async (_, i) => {
          const { body } = await request(`${origin}/${i}`, { dispatcher: agent });
          return body.text();
        }),
      );
      assert.deepEqual(
        answers,
        Array.from({ length: 20 }, (_, i) => `GET /${i} 0`),
      );
      const { fetch } = await import('undici');
      const response = await fetch(`${origin}/page`, { dispatcher: agent });
      assert.ok(Buffer.from(await response.arrayBuffer()).equals(page));
      const upload = await fetch(`${origin}/up`, { dispatcher: agent, method: 'PUT', body: page });
      assert.equal(await upload.text(), `PUT /up ${page.length}`);
    }
    await assert.rejects(request('http://127.0.0.1:1/', { dispatcher: agent }), { code: 'ECONNREFUSED' });
    return `node:http and node:https of ${node}, on \`listen\``;
  },
);

client(
  {
    client: 'ws',
    hook: '`createConnection` option',
    exercised: 'text, binary, a large message, ping, close; both ends',
  },
  async (stage) => {
    const web = http.createServer();
    const server = new WebSocketServer({ server: web });
    stage.after(() => server.close());
    server.on('connection', (socket) => {
      socket.on('message', (data, binary) => socket.send(data, { binary }));
    });
    const port = serving(stage, web);
    const ws = new WebSocket('ws://localhost/', { createConnection: () => asNet(connecting(port)) });
    stage.after(() => ws.terminate());
    await once(ws, 'open');
    for (const message of ['text', page, new Chance('frame').bytes(5 << 20)]) {
      ws.send(message);
      const [data, binary] = await once(ws, 'message');
      assert.ok(Buffer.from(message).equals(data));
      assert.equal(binary, typeof message !== 'string');
    }
    ws.ping('are you there');
    assert.equal(String((await once(ws, 'pong'))[0]), 'are you there');
    ws.close(4001, 'enough');
    const [code] = await once(ws, 'close');
    assert.equal(code, 4001);
    await eventually(() => server.clients.size === 0, 'the server’s end');
    return 'WebSocketServer of ws, on `listen`';
  },
);

const curl = requirePeer('curl');
client(
  {
    client: 'node:http',
    hook: '`listen` (server)',
    exercised: 'curl: requests, upload, AF_UNIX, half close, a graceful end',
  },
  async (stage) => {
    const web = http.createServer(app);
    const path = tempPath(stage);
    const [tcp, unix] = [listen(web, ['127.0.0.1', 0]), listen(web, path)];
    stage.after(() => Promise.all([tcp.close(), unix.close()]).then(() => {}));
    const url = `http://127.0.0.1:${tcp.address[1]}`;
    const get = await runPeer('curl', ['-sS', `${url}/a`, `${url}/b`]);
    assert.equal(get.stdout, 'GET /a 0GET /b 0');
    const put = await runPeer('curl', ['-sS', '-T', '-', `${url}/up`], { input: page });
    assert.equal(put.stdout, `PUT /up ${page.length}`);
    assert.equal((await runPeer('curl', ['-sS', '--unix-socket', path, 'http://x/u'])).stdout, 'GET /u 0');
    // A client that ends its side behind the request is answered.
    const s = await createConnection(path);
    await s.sendall('GET /half HTTP/1.0\r\n\r\n');
    s.shutdown(1);
    assert.match(String(await s.reader().readall()), /GET \/half 0$/);
    s.close();
    assert.equal(s.family, AF_UNIX);
    // An idle connection is ended by Node's own function, what runs by the grace.
    const idle = await createConnection(tcp.address);
    await idle.sendall('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await idle.reader().readuntil('GET / 0');
    const ended = tcp.close({ grace: 20 });
    await ended;
    assert.equal((await idle.recv(1)).length, 0);
    idle.close();
    const { stdout } = await runPeer('curl', ['--version']);
    return stdout.split(' ').slice(0, 2).join(' ');
  },
  { skip: curl.skip },
);

client(
  {
    client: 'fetch',
    hook: 'none: a bridge, `serve` with `pipeline(a, b, a)`',
    exercised: 'the fetch of Node itself to a server on AF_UNIX',
  },
  async (stage) => {
    const path = tempPath(stage);
    const daemon = listen(http.createServer(app), path);
    const bridge = serve(['127.0.0.1', 0], async (conn) => {
      const half = { allowHalfOpen: true };
      const [a, b] = [conn.toDuplex(half), (await createConnection(path)).toDuplex(half)];
      await pipeline(a, b, a);
    });
    stage.after(() => Promise.all([bridge.close(), daemon.close()]).then(() => {}));
    const url = `http://127.0.0.1:${bridge.address[1]}`;
    const close = { headers: { connection: 'close' } };
    const answer = await fetch(`${url}/page`, close);
    assert.ok(Buffer.from(await answer.arrayBuffer()).equals(page));
    const upload = await fetch(`${url}/up`, { method: 'PUT', body: page, ...close });
    assert.equal(await upload.text(), `PUT /up ${page.length}`);
    return `node:http of ${node}, on \`listen\``;
  },
);
