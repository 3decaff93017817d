// HTTPS by hand: the same inside TLS, with the server's certificate checked.  [HOST] [PORT] [PATH] [CA FILE]
import { readFileSync } from 'node:fs';
import { createConnection, wrapTls } from 'berkeley-sockets';
import { readAnswer } from './http.ts';

const [host = 'localhost', port = 443, path = '/', ca] = process.argv.slice(2);

const s = await createConnection([host, Number(port)], { timeout: 10 });
// Without `ca`: the authorities that Node trusts.
const secure = await wrapTls(s, {
  servername: host,
  ALPNProtocols: ['http/1.1'],
  ...(ca && { ca: readFileSync(ca) }),
});
await secure.sendall(`GET ${encodeURI(path)} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
const { status, headers, body } = await readAnswer(secure.reader());
console.log(`${status}, ${headers.get('content-type')}, ${body.length} bytes`);
console.log(body.toString().trimEnd());
secure.close();
