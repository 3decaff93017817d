// Many connections at once: a handler for each, that nobody waits for.  [PORT] [HOST]
import { AF_INET, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, type Socket, socket } from 'berkeley-sockets';

const s = socket(AF_INET, SOCK_STREAM);
s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1);
s.bind([process.argv[3] ?? '', Number(process.argv[2] ?? 8888)]);
s.listen(10);
console.log('Listening on', s.getsockname());

// Handling a connection: where this waits, the other handlers and the accept loop go on.
async function client(conn: Socket) {
  await conn.sendall('Welcome to the server. Type something and hit enter\n');
  while (true) {
    const data = await conn.recv(1024);
    if (data.length === 0) break;
    await conn.sendall(Buffer.concat([Buffer.from('OK... '), data]));
  }
}

for await (const [conn, addr] of s.accepted()) {
  console.log(`Connected with ${addr[0]}:${addr[1]}`);
  // Not awaited, so its errors end here: one connection's failure is not the server's.
  client(conn)
    .catch((error) => console.error(String(error)))
    .finally(() => conn.close());
}
