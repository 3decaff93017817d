// POP3 by hand (RFC 1939): how many messages there are, and the last one; inside TLS (RFC 2595) if it is
// told against which certificates the server's is checked.  [HOST] [PORT] [USER] [PASSWORD] [CA FILE]
import { readFileSync } from 'node:fs';
import { createConnection, startTls, type TlsSocket } from 'berkeley-sockets';
import { Dialogue } from './dialogue.ts';

const [host = 'localhost', port = 110, user = 'me', password = '', ca] = process.argv.slice(2);

const s = await createConnection([host, Number(port)], { timeout: 10 });
let secure: TlsSocket | undefined;
let pop = new Dialogue(s);

async function ok(command?: string, secret?: string): Promise<string> {
  if (command !== undefined) await pop.send(command, secret);
  const status = await pop.line();
  if (!status.startsWith('+OK')) throw new Error(`The server says: ${status}`);
  return status;
}

await ok();
if (ca) {
  await ok('STLS'); // a server that refuses hears no password
  secure = await startTls(pop.reader, { servername: host, ca: readFileSync(ca) });
  pop = new Dialogue(secure);
}
await ok(`USER ${user}`);
await ok(`PASS ${password}`, password); // without TLS anybody on the way can read it
const [, count, size] = (await ok('STAT')).split(' ').map(Number);
console.log(`${count} messages of ${size} bytes`);
if (count! > 0) {
  await ok(`RETR ${count}`);
  const message = await pop.text();
  console.log(`The last one has ${message.length} lines`);
}
await ok('QUIT');
(secure ?? s).close();
