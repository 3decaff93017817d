// Telnet, the debugging aid: what you type goes to the server, what it says comes to you.  [HOST] [PORT]
import { createConnection, SHUT_WR } from 'berkeley-sockets';

const host = process.argv[2] ?? 'localhost';
const port = Number(process.argv[3] ?? 9000);

const s = await createConnection([host, port]);
console.log(`Connected to ${host}.`);

const typing = async () => {
  for await (const typed of process.stdin) await s.sendall(typed);
  s.shutdown(SHUT_WR);
};
typing().catch((error) => console.error(String(error)));

for await (const chunk of s) process.stdout.write(chunk);
console.log('Connection closed by foreign host.');
process.exit(); // with standard input still open
