// HTTP by hand against nginx: over TCP, inside TLS, and over AF_UNIX as Docker's API.
import assert from 'node:assert/strict';
import { assertLines, runExample, startExample } from '../examples/run.ts';
import { nginx } from '../support/daemons.ts';
import { requirePeer } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';

const needed = requirePeer('nginx', 'openssl');

const files = {
  'index.html': '<HTML>It works</HTML>\n',
  'large.txt': `${'0123456789'.repeat(50_000)}\n`,
  // Put together while it is sent, so that nobody knows its size beforehand: it goes out in pieces.
  'parts.html': 'One <!--#include virtual="/index.html" --> and <!--#include virtual="/index.html" -->.\n',
  version: '{"Version": "27.0", "ApiVersion": "1.46"}\n',
};

scene(
  'HTTP: pages of every length, and none, over one connection',
  async (s) => {
    const { http } = await nginx(s, files);
    const pages = ['/', '/parts.html', '/no such page', '/large.txt', '/'];
    const lines = await runExample('45-http.ts', ['127.0.0.1', http, ...pages]);
    assertLines(lines.slice(0, 7), [
      '/: 200, text/html, 22 bytes',
      '<HTML>It works</HTML>',
      '/parts.html: 200, text/html, 55 bytes',
      'One <HTML>It works</HTML>',
      ' and <HTML>It works</HTML>',
      '.',
      /^\/no such page: 404, text\/html, \d+ bytes$/,
    ]);
    assertLines(lines.slice(-4), [
      '/large.txt: 200, text/plain, 500001 bytes',
      '0123456789'.repeat(50_000),
      '/: 200, text/html, 22 bytes',
      '<HTML>It works</HTML>',
    ]);
  },
  { ...needed, seconds: 60 },
);

scene(
  'HTTPS: the certificate is checked, against the name too',
  async (s) => {
    const { https, certificate } = await nginx(s, files);
    assertLines(await runExample('46-https.ts', ['localhost', https, '/', certificate]), [
      '200, text/html, 22 bytes',
      '<HTML>It works</HTML>',
    ]);
    const unknown = await startExample(s, '46-https.ts', ['localhost', https, '/']).exit(30);
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /DEPTH_ZERO_SELF_SIGNED_CERT/);
    // The certificate is for localhost.
    const other = await startExample(s, '46-https.ts', ['127.0.0.1', https, '/', certificate]).exit(30);
    assert.equal(other.code, 1);
    assert.match(other.stderr, /ERR_TLS_CERT_ALTNAME_INVALID/);
    for (const { stdout } of [unknown, other]) assert.equal(stdout, '');
  },
  { ...needed, seconds: 60 },
);

scene(
  "Docker's API: HTTP on an AF_UNIX socket of nginx",
  async (s) => {
    const { socket } = await nginx(s, files);
    assertLines(await runExample('51-docker.ts', ['/version', socket]), [
      '/version: 200',
      'Version: 27.0',
      'ApiVersion: 1.46',
    ]);
  },
  needed,
);

scene(
  "Docker's API: an answer in pieces, behind another that says to wait",
  async (s) => {
    const file = tempPath(s, 'docker.sock');
    const server = startPython(
      s,
      `
      import sys, time
      from socket import *
      s = socket(AF_UNIX)
      s.bind(sys.argv[1])
      s.listen()
      print('ready')
      c, _ = s.accept()
      print(c.recv(1000).split(b'\\r\\n'))
      answer = b'HTTP/1.1 103 Early Hints\\r\\n\\r\\nHTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n'
      answer += b'4;name=value\\r\\n{"I"\\r\\n00A\\r\\n: "abcdef"\\r\\n1\\r\\n}\\r\\n0\\r\\nTrailer: yes\\r\\n\\r\\n'
      for i in range(len(answer)):
          c.sendall(answer[i:i+1])
          if i % 40 == 0: time.sleep(0.01)
      print(c.recv(1))
      `,
      [file],
    );
    await server.line(/^ready$/);
    assertLines(await runExample('51-docker.ts', ['/info', file]), ['/info: 200', 'I: abcdef']);
    assert.equal(
      await server.line(),
      "[b'GET /info HTTP/1.1', b'Host: docker', b'Accept: application/json', b'', b'']",
    );
    assert.equal(await server.line(), "b''");
  },
  requirePeer('python3'),
);
