// Servers that lie, stop in the middle or never end a line, for every program that speaks by hand: each
// ends with an error that says what came, and none hangs.
import assert from 'node:assert/strict';
import { createServer, type Socket, socketpair } from 'berkeley-sockets';
import { readAnswer } from '../../examples/http.ts';
import { startExample } from '../examples/run.ts';
import { within } from '../support/deadline.ts';
import { type Scene, scene } from '../support/scene.ts';

/** Says `text` to whoever connects, and then ends, or stays silent until the client has gone. */
function liar(s: Scene, text: string, ends: boolean): number {
  const server = createServer(['127.0.0.1', 0]);
  const talking: Promise<void>[] = [];
  s.after(async () => {
    server.close();
    await Promise.all(talking);
  });
  const talk = async (conn: Socket): Promise<void> => {
    try {
      await conn.sendall(Buffer.from(text, 'latin1'));
      if (ends) conn.shutdown(1);
      while ((await conn.recv(65536)).length > 0);
    } catch {
      // A client that has heard enough may reset the connection.
    } finally {
      conn.close();
    }
  };
  talking.push(
    (async () => {
      for await (const [conn] of server.accepted()) talking.push(talk(conn));
    })(),
  );
  return server.getsockname()[1];
}

const pop3 = ['42-pop3.ts', 'you', 'secret'];
// Any file will do: none gets so far.
const certificate = '/dev/null';
const http = ['45-http.ts', '/'];
const long = 'x'.repeat(100_000);
const ok = 'HTTP/1.1 200 OK\r\n';

/** The program, what it is told, whether that is all, and how it fails. */
const lies: readonly (readonly [program: string[], text: string, ends: boolean, error: RegExp])[] = [
  [['40-ftp.ts'], '220 rea', true, /IncompleteReadError/],
  [['40-ftp.ts'], '220-ready\r\n220-still\r\n', true, /IncompleteReadError/],
  [['40-ftp.ts'], long, false, /LimitError/],
  [['41-smtp.ts'], '', true, /IncompleteReadError/],
  [['41-smtp.ts'], 'SSH-2.0-x\r\n', false, /The server says: SSH-2\.0-x/],
  [['41-smtp.ts'], `220 ${long}`, false, /LimitError/],
  [pop3, '+OK\r\n+OK\r\n+OK\r\n+OK 1 10\r\n+OK\r\nSubject: x\r\n\r\ntext', true, /IncompleteReadError/],
  [pop3, '-ERR busy\r\n', false, /The server says: -ERR busy/],
  // Behind the answer, in plain text: what would be taken as if it had come inside TLS.
  [[...pop3, certificate], '+OK\r\n+OK\r\n+OK injected\r\n', false, /they may be injected/],
  [[...pop3, certificate], '+OK\r\n-ERR no TLS\r\n', false, /The server says: -ERR no TLS/],
  [['43-nntp.ts'], '200 a\r\n200 b\r\n211 1 1 1 g\r\n224 o\r\n', true, /IncompleteReadError/],
  [['44-telnet.ts'], `\xff\xfa${'x'.repeat(2000)}`, false, /A subnegotiation without an end/],
  [['44-telnet.ts'], 'text\xff', true, /IncompleteReadError/],
  [http, 'SSH-2.0-x\r\n\r\n', false, /No HTTP: "SSH-2\.0-x"/],
  [['46-https.ts'], 'HTTP/1.1 400 Bad Request\r\n\r\n', false, /ERR_SSL_WRONG_VERSION_NUMBER/],
  [['46-https.ts'], '', true, /ERR_SSL_UNEXPECTED_EOF_WHILE_READING/],
];

const shown = (text: string): string =>
  text.length > 60 ? `${text.slice(0, 50)}… (${text.length} bytes)` : text;

for (const [[program, ...args], text, ends, error] of lies) {
  scene(
    `${program} hears ${JSON.stringify(shown(text))}${ends ? ', and the end' : ''}`,
    async (s) => {
      const port = liar(s, text, ends);
      const result = await startExample(s, program!, ['127.0.0.1', port, ...args]).exit(30);
      assert.equal(result.code, 1, result.stderr);
      assert.match(result.stderr, error);
    },
    { seconds: 60 },
  );
}

/** Answers that are none, each read by itself: what programs would do with them, and quicker. */
const answers: readonly (readonly [text: string, ends: boolean, error: RegExp])[] = [
  [`${ok}Content-Length: 100\r\n\r\nshort`, true, /IncompleteReadError/],
  [`${ok}Content-Length: 99999999999\r\n\r\n`, false, /Not the size of an answer/],
  [`${ok}Content-Length: -1\r\n\r\n`, false, /Not the size of an answer/],
  [`${ok}Transfer-Encoding: chunked\r\n\r\nffffffff\r\n`, false, /Not the size of an answer/],
  [`${ok}Transfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n0\r\n\r\n`, false, /longer than it says/],
  [`${ok}Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n`, true, /IncompleteReadError/],
  [`${ok}${'X: y\r\n'.repeat(20_000)}`, false, /longer than 64 KiB/],
  ['HTTP/1.1 100 Continue\r\n\r\n', true, /IncompleteReadError/],
];

for (const [text, ends, error] of answers) {
  scene(`an answer of HTTP: ${JSON.stringify(shown(text))}${ends ? ', and the end' : ''}`, async (s) => {
    const [client, server] = socketpair();
    s.own(client);
    s.own(server);
    const refused = assert.rejects(within(readAnswer(client.reader()), 'an error'), (failure) =>
      error.test(String(failure)),
    );
    await server.sendall(text);
    if (ends) server.close();
    await refused;
  });
}
