// Live server: answers `OK...` and what it heard, one connection after the other.  [PORT] [HOST]
import { AF_INET, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, socket } from 'berkeley-sockets';

const s = socket(AF_INET, SOCK_STREAM);
s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1);
s.bind([process.argv[3] ?? '', Number(process.argv[2] ?? 8888)]);
s.listen(10);
console.log('Listening on', s.getsockname());

// now keep talking with the clients
while (true) {
  // wait to accept a connection
  const [conn, addr] = await s.accept();
  console.log(`Connected with ${addr[0]}:${addr[1]}`);
  try {
    const data = await conn.recv(1024); // until it speaks, all the others wait
    if (data.length > 0) await conn.sendall(Buffer.concat([Buffer.from('OK...'), data]));
  } catch (error) {
    console.error(String(error)); // its connection is lost, not the server
  }
  conn.close();
}
