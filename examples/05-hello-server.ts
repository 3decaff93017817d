// Hello server: greets whoever connects and hangs up. Try `telnet localhost 9000`.  [PORT] [HOST]
import { AF_INET, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, socket } from 'berkeley-sockets';

const port = Number(process.argv[2] ?? 9000);
const host = process.argv[3] ?? '';

const s = socket(AF_INET, SOCK_STREAM);
s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1); // or a restart fails for a minute: EADDRINUSE
s.bind([host, port]);
s.listen(5);
console.log('Listening on', s.getsockname());

while (true) {
  const [c, a] = await s.accept(); // accept a new client connection
  console.log('Received connection from', a);
  // A client that is gone already costs its own connection, not the server.
  await c.sendall(`Hello ${a[0]}\n`).catch((error) => console.error(String(error)));
  c.close(); // close CLIENT connection
}
