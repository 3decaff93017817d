// FTP by hand (RFC 959, 2428): a list of files, one fetched, one stored.  [HOST] [PORT] [FETCH] [STORE] [AS]
import { open } from 'node:fs/promises';
import { createConnection } from 'berkeley-sockets';
import { Dialogue } from './dialogue.ts';

const [host = 'localhost', port = 21, file = 'README', store, as = 'stored'] = process.argv.slice(2);

const s = await createConnection([host, Number(port)], { timeout: 10 });
const ftp = new Dialogue(s);
await ftp.reply(220);
await ftp.command('USER anonymous', 331);
await ftp.command('PASS guest@', 230);
await ftp.command('TYPE I', 200); // bytes as they are

// Each file goes over a connection of its own, to a port that the server tells: "229 … (|||57424|)".
async function dataConnection() {
  const reply = await ftp.command('EPSV', 229);
  const dataPort = Number(/\(\|\|\|(\d+)\|\)/.exec(reply)?.[1]);
  return createConnection([s.getpeername()[0], dataPort], { timeout: 10 });
}

async function fetched(command: string): Promise<Buffer> {
  const data = await dataConnection();
  await ftp.command(command, 125, 150);
  const content = await data.reader().readall({ limit: 1 << 30 });
  data.close();
  await ftp.reply(226, 250); // says that it was all: the end of a connection does not
  return content;
}

console.log((await fetched('LIST')).toString().replaceAll('\r\n', '\n').trimEnd());
console.log((await fetched(`RETR ${file}`)).toString().trimEnd());

if (store) {
  const data = await dataConnection();
  await ftp.command(`STOR ${as}`, 125, 150);
  const source = await open(store);
  const sent = await data.sendfile(source); // from the file to the socket, inside the kernel
  await source.close();
  data.close(); // the end of the connection is the end of the file
  await ftp.reply(226, 250);
  console.log(`Stored ${sent} bytes`);
}
await ftp.command('QUIT', 221);
s.close();
