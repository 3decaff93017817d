// `sock fetch` against Node's http server, and against servers that say what they should not.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import { eventually } from '../support/deadline.ts';
import { unusedPort } from '../support/peer.ts';
import { type Scene, scene } from '../support/scene.ts';
import { tempdir, tempPath } from '../support/tempdir.ts';
import { certificates, openssl } from '../tls/certificate.ts';
import { sock, startSock } from './command.ts';

const large = Buffer.alloc(3_000_000, 'all work and no play makes a dull boy\n');

/** A server of Node's; its address with the port. */
async function serving(
  s: Scene,
  handler: http.RequestListener,
  where: net.ListenOptions = { port: 0 },
): Promise<string> {
  const server = http.createServer(handler);
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', ...where }, resolve));
  s.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address() as net.AddressInfo | string;
  return typeof address === 'string' ? address : `http://127.0.0.1:${address.port}`;
}

/** A server that answers every connection with these bytes, in this many pieces. */
async function saying(
  s: Scene,
  answer: string | Buffer,
  { pieces = 1, stays = false } = {},
): Promise<string> {
  const server = net.createServer((conn) => {
    conn.on('error', () => {});
    conn.once('data', async () => {
      const bytes = Buffer.from(answer as string, 'latin1');
      const step = Math.max(1, Math.ceil(bytes.length / pieces));
      for (let at = 0; at < bytes.length; at += step) {
        conn.write(bytes.subarray(at, at + step));
        if (pieces > 1) await new Promise((resolve) => setImmediate(resolve));
      }
      if (!stays) conn.end();
    });
  });
  const open = new Set<net.Socket>();
  server.on('connection', (conn) => open.add(conn));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  s.after(async () => {
    for (const conn of open) conn.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}

scene('a body with its length, a chunked one, one until the end, and none', async (s) => {
  const url = await serving(s, (request, response) => {
    if (request.url === '/length') response.setHeader('Content-Length', large.length);
    if (request.url === '/end') {
      response.shouldKeepAlive = false;
      response.removeHeader('Transfer-Encoding');
      response.useChunkedEncodingByDefault = false;
    }
    if (request.url === '/none') response.writeHead(204).end();
    else response.end(large);
  });
  for (const place of ['length', 'chunked', 'end']) {
    const { code, stdout, stderr } = await sock(['fetch', `${url}/${place}`]);
    assert.deepEqual([code, stderr], [0, ''], place);
    assert.ok(stdout === large.toString(), place);
  }
  assert.deepEqual(await sock(['fetch', `${url}/none`]), { code: 0, signal: null, stdout: '', stderr: '' });
});

scene('what it asks, and the headers that come', async (s) => {
  const url = await serving(s, (request, response) => {
    response.setHeader('X-Answer', 'yes');
    response.end(JSON.stringify([request.method, request.url, request.rawHeaders]));
  });
  const bare = url.replace('http://', '');
  const { stdout } = await sock([
    'fetch',
    `${bare}/a%20b?c=d#e`,
    '-H',
    'X-Mine: 1',
    '-H',
    'user-agent:me',
    '--headers',
  ]);
  const [head, body] = stdout.split('\r\n\r\n');
  assert.match(head!, /^HTTP\/1\.1 200 OK\r\nX-Answer: yes\r\n/);
  const [method, target, raw] = JSON.parse(body!) as [string, string, string[]];
  assert.deepEqual([method, target], ['GET', '/a%20b?c=d']);
  assert.deepEqual(raw, [
    'Host',
    bare,
    'Accept',
    '*/*',
    'X-Mine',
    '1',
    'user-agent',
    'me',
    'Connection',
    'close',
  ]);
  const only = await sock(['fetch', '-I', url]);
  assert.match(only.stdout, /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\n$/s);
  const named = await sock(['fetch', url.replace('//', '//me:p%40ss@')]);
  assert.ok(named.stdout.includes(`Basic ${Buffer.from('me:p@ss').toString('base64')}`));
});

scene('to a file, which a failure leaves as it is; the status says so', async (s) => {
  const url = await serving(s, (request, response) => {
    if (request.url === '/gone') response.statusCode = 410;
    response.end(request.url === '/empty' ? '' : 'the body');
  });
  const file = path.join(tempdir(s), 'body');
  assert.deepEqual(await sock(['fetch', url, '-o', file]), { code: 0, signal: null, stdout: '', stderr: '' });
  assert.equal(readFileSync(file, 'utf8'), 'the body');
  const failed = await sock(['fetch', `${url}/gone`, '--output', file]);
  assert.deepEqual([failed.code, failed.stdout, failed.stderr], [1, '', 'sock: 410 Gone\n']);
  assert.equal(readFileSync(file, 'utf8'), 'the body');
  const shown = await sock(['fetch', `${url}/gone`]);
  assert.deepEqual([shown.code, shown.stdout, shown.stderr], [1, 'the body', 'sock: 410 Gone\n']);
  assert.equal((await sock(['fetch', `${url}/empty`, '-o', file])).code, 0);
  assert.equal(readFileSync(file, 'utf8'), '');
  const nowhere = await sock(['fetch', url, '-o', path.join(file, 'below')]);
  assert.equal(nowhere.code, 1);
  assert.match(nowhere.stderr, /^sock: ENOTDIR: [^\n]*\n$/);
});

scene('redirects are followed, so many; secrets stay with the first host', async (s) => {
  const seen: unknown[] = [];
  const other = await serving(s, (request, response) => {
    seen.push([request.url, request.headers.authorization, request.headers['x-mine']]);
    response.end('there');
  });
  const url = await serving(s, (request, response) => {
    const left = Number(request.url!.slice(1));
    seen.push([request.url, request.headers.authorization]);
    response.writeHead(302, { Location: left > 0 ? `${left - 1}` : `${other}/end#part` }).end('moved');
  });
  const words = ['-H', 'Authorization: secret', '-H', 'X-Mine: 1'];
  assert.equal((await sock(['fetch', `${url}/2`, ...words])).stdout, 'there');
  assert.deepEqual(seen, [
    ['/2', 'secret'],
    ['/1', 'secret'],
    ['/0', 'secret'],
    ['/end', undefined, '1'],
  ]);
  const many = await sock(['fetch', `${url}/20`]);
  assert.deepEqual([many.code, many.stdout], [1, '']);
  assert.match(many.stderr, /^sock: more than 10 redirects, the last one to 9\n$/);
  assert.equal((await sock(['fetch', `${url}/2`, '--redirects', '3'])).code, 0);
  assert.equal((await sock(['fetch', `${url}/2`, '--redirects', '2'])).code, 1);
  const kept = await sock(['fetch', `${url}/2`, '--redirects', '0']);
  assert.deepEqual([kept.code, kept.stdout], [0, 'moved']);
  const away = await saying(s, 'HTTP/1.1 301 Moved\r\nLocation: ftp://example.com/\r\n\r\n');
  assert.match(
    (await sock(['fetch', away])).stderr,
    /^sock: the redirect to ftp:\/\/example\.com\/ is followed by nobody/,
  );
});

scene('over an AF_UNIX socket', async (s) => {
  const file = tempPath(s);
  const server = http.createServer((request, response) =>
    response.end(`${request.headers.host}${request.url}`),
  );
  await new Promise<void>((resolve) => server.listen(file, resolve));
  s.after(async () => {
    await new Promise((resolve) => server.close(resolve));
  });
  assert.equal((await sock(['fetch', '--unix', file, 'http://somewhere/x'])).stdout, 'somewhere/x');
});

scene(
  'over TLS: the certificate is checked against the name and those who are trusted',
  async (s) => {
    const { server, other, expired, selfSigned, caFile } = await certificates();
    const secure = async (
      { key, cert }: { key: Buffer; cert: Buffer },
      host = 'localhost',
    ): Promise<string> => {
      const made = https.createServer({ key, cert }, (_, response) => void response.end(large));
      made.on('tlsClientError', () => {});
      await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
      s.after(async () => {
        made.closeAllConnections();
        await new Promise((resolve) => made.close(resolve));
      });
      return `https://${host}:${(made.address() as net.AddressInfo).port}/`;
    };
    const good = await secure(server);
    const { code, stdout, stderr } = await sock(['fetch', '-4', '--ca', caFile, '-v', good]);
    assert.equal(code, 0, stderr);
    assert.ok(stdout === large.toString());
    assert.match(stderr, /^sock: TLSv1\.3, TLS_\w+, certificate of localhost, /m);
    assert.equal((await sock(['fetch', '--ca', caFile, good.replace('localhost', '127.0.0.1')])).code, 0);
    for (const url of [good, await secure(selfSigned)]) {
      const refused = await sock(['fetch', '-4', url]);
      assert.deepEqual([refused.code, refused.stdout], [1, '']);
      assert.match(
        refused.stderr,
        /^sock: the certificate of localhost is not to be trusted: [^\n]*--insecure all\n$/,
      );
      assert.equal((await sock(['fetch', '-4', '-k', url])).code, 0);
    }
    for (const identity of [other, expired]) {
      const refused = await sock(['fetch', '-4', '--ca', caFile, await secure(identity)]);
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /^sock: the certificate of localhost is not to be trusted: [^\n]*\n$/);
    }
    // No TLS at all.
    const plain = await serving(s, (_, response) => void response.end());
    const none = await sock(['fetch', plain.replace('http:', 'https:')]);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /^sock: [^\n]+\n$/);
  },
  { skip: openssl.skip ?? false, seconds: 90 },
);

scene('answers in pieces of any size, interim answers, trailers, folded lines', async (s) => {
  const answer = [
    'HTTP/1.1 103 Early Hints',
    'Link: x',
    '',
    'HTTP/1.1 200 Fine',
    'X-Folded: one',
    '  two',
    'Transfer-Encoding: chunked',
    '',
    '5;extension=1',
    'hello',
    'A',
    ', world!\r\n',
    '0',
    'X-Trailer: 1',
    '',
    'ignored behind the end',
  ].join('\r\n');
  for (const pieces of [1, 3, 1000]) {
    const { stdout, code } = await sock(['fetch', '-i', await saying(s, answer, { pieces, stays: true })]);
    assert.equal(code, 0);
    assert.equal(
      stdout,
      'HTTP/1.1 200 Fine\r\nX-Folded: one two\r\nTransfer-Encoding: chunked\r\n\r\nhello, world!\r\n',
    );
  }
});

const refused: [string, string, RegExp][] = [
  ['no HTTP', 'SSH-2.0-OpenSSH_9\r\n', /this is no HTTP\/1\.1: SSH-2\.0-OpenSSH_9/],
  ['escapes', '\x1b]0;owned\x07\r\n', /this is no HTTP\/1\.1: \\x1b\]0;owned\\x07/],
  ['nothing', '', /the connection ended in front of the answer/],
  ['half a head', 'HTTP/1.1 200 OK\r\nContent-', /the connection ended in the headers/],
  [
    'half a body',
    'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345',
    /the connection ended after 5 of 10 bytes/,
  ],
  [
    'two lengths',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx',
    /Content-Length: 1, 2: expected one/,
  ],
  [
    'a negative length',
    'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n',
    /Content-Length: -1: expected one number/,
  ],
  ['a header that is none', 'HTTP/1.1 200 OK\r\nno colon\r\n\r\n', /a header that is none: no colon/],
  [
    'a chunk without a size',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello',
    /the connection ended in a chunk/,
  ],
  [
    'a size that is none',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello',
    /the size of a chunk is none: -5/,
  ],
  [
    'a long chunk',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n',
    /a chunk is longer than it says/,
  ],
  [
    'no last chunk',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
    /the connection ended in front of a chunk/,
  ],
  [
    'another coding',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n',
    /Transfer-Encoding: gzip, chunked: expected chunked/,
  ],
  ['an endless line', 'x'.repeat(70_000), /the answer is too long: this is no HTTP/],
  ['endless headers', `HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(1100)}\r\n`, /more than 1000 headers/],
];

for (const [name, answer, message] of refused) {
  scene(`an answer that is none: ${name}`, async (s) => {
    const { code, stderr } = await sock(['fetch', await saying(s, answer)]);
    assert.equal(code, 1);
    assert.match(stderr, /^sock: [^\n]*\n$/);
    assert.match(stderr, message);
  });
}

scene('a server that says nothing: the time', async (s) => {
  const { code, stderr } = await sock(['fetch', await saying(s, '', { stays: true }), '--timeout', '0.3']);
  assert.equal(code, 1);
  assert.match(stderr, /^sock: 127\.0\.0\.1:\d+: nothing came for 0\.3 s\n$/);
});

scene('whoever reads it may have had enough', async (s) => {
  const url = await serving(s, (_, response) => {
    response.on('error', () => {});
    const more = (): void => {
      while (!response.destroyed && response.write(large));
      if (!response.destroyed) response.once('drain', more);
    };
    more();
  });
  const peer = startSock(s, ['fetch', url]);
  await eventually(() => peer.stdout.length > 0, 'some of the body');
  peer.child.stdout.destroy();
  const { code, stderr } = await peer.exit();
  assert.deepEqual([code, stderr], [0, '']);
});

scene('what makes no sense, and nobody there', async (s) => {
  const port = await unusedPort();
  const file = path.join(tempdir(s), 'none');
  for (const [words, code, message] of [
    [['ftp://example.com/'], 2, /^sock: ftp:\/\/example\.com\/: expected http or https, not ftp\n/],
    [['http://'], 2, /^sock: http:\/\/: expected http:\/\/HOST/],
    [['http://localhost:99999/'], 2, /expected http:\/\/HOST\[:PORT\]\/PATH\n/],
    [['http://x/', '-H', 'no colon'], 2, /^sock: --header no colon: expected NAME: VALUE\n/],
    [['http://x/', '-H', 'A: b\r\nC: d'], 2, /^sock: --header A: b\\x0d\\x0aC: d: expected NAME: VALUE\n/],
    [['http://x/', '-t', '0'], 2, /^sock: --timeout 0: expected more\n/],
    [[`http://127.0.0.1:${port}/`, '-o', file], 1, /^sock: [^\n]*ECONNREFUSED 127\.0\.0\.1:\d+\n$/],
    [['http://no.such.name.invalid/'], 1, /^sock: getaddrinfo EAI_\w+ no\.such\.name\.invalid:80: [^\n]*\n$/],
    [['https://x/', '--ca', file], 1, /^sock: ENOENT: [^\n]*\n$/],
  ] as const) {
    const result = await sock(['fetch', ...words]);
    assert.deepEqual([result.code, result.stdout], [code, ''], words.join(' '));
    assert.match(result.stderr, message);
  }
  assert.ok(!existsSync(file));
});
