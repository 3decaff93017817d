// A web server of one page, for the clients among these examples that were given no host.
import { AF_INET, SOCK_STREAM, type Socket, socket } from 'berkeley-sockets';

const page = '<HTML><BODY>It works: served by berkeley-sockets</BODY></HTML>\n';

/** Starts the server on a free port and returns its address. It does not keep the program alive. */
export function servePage() {
  const s = socket(AF_INET, SOCK_STREAM);
  s.bind(['127.0.0.1', 0]);
  s.listen(5);
  s.unref();
  const serve = async () => {
    for await (const [conn] of s.accepted()) {
      conn.settimeout(5);
      await answer(conn).catch((error) => console.error(String(error)));
      conn.close();
    }
  };
  serve();
  return s.getsockname();
}

async function answer(conn: Socket) {
  // A request ends with an empty line, and it may arrive in pieces.
  let request = '';
  while (!request.includes('\r\n\r\n') && request.length < 8192) {
    const chunk = await conn.recv(4096);
    if (chunk.length === 0) return;
    request += chunk.toString('latin1');
  }
  const found = / \/(index\.html)? HTTP/.test(request);
  const body = found ? page : 'Not found\n';
  await conn.sendall(
    `HTTP/1.0 ${found ? '200 OK' : '404 Not Found'}\r\n` +
      `Content-type: text/html\r\nContent-length: ${body.length}\r\n\r\n${body}`,
  );
}
