// HTTP by hand (RFC 9112): several pages over one connection.  [HOST] [PORT] [PATH]...
import { createConnection } from 'berkeley-sockets';
import { readAnswer } from './http.ts';

const [host = 'localhost', port = 80, ...paths] = process.argv.slice(2);

const s = await createConnection([host, Number(port)], { timeout: 10 });
const reader = s.reader();
for (const path of paths.length > 0 ? paths : ['/']) {
  await s.sendall(`GET ${encodeURI(path)} HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`);
  const { status, headers, body } = await readAnswer(reader);
  console.log(`${path}: ${status}, ${headers.get('content-type')}, ${body.length} bytes`);
  console.log(body.toString().trimEnd());
  if (headers.get('connection') === 'close') break;
}
s.close();
