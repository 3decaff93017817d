// The server in five steps, blocking: one client after the other, until Ctrl-C.  [PORT] [HOST]
import { AF_INET, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, SocketError, socket } from 'berkeley-sockets/sync';

const PORT = Number(process.argv[2] ?? 8888);
const HOST = process.argv[3] ?? '';

const s = socket(AF_INET, SOCK_STREAM); // 1. Open a socket
s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1);
s.bind([HOST, PORT]); // 2. Bind to an address, port
s.listen(10); // 3. Listen for incoming connections
console.log('Listening on', s.getsockname());

while (true) {
  const [conn, addr] = s.accept(); // 4. Accept a connection: the thread waits here
  console.log(`Connected with ${addr[0]}:${addr[1]}`);
  try {
    // 5. Read and send, until the client has said all
    for (let data = conn.recv(1024); data.length > 0; data = conn.recv(1024)) {
      conn.sendall(Buffer.concat([Buffer.from('OK...'), data]));
    }
  } catch (error) {
    if (!(error instanceof SocketError)) throw error;
    console.error(String(error)); // its connection is lost, not the server
  }
  conn.close();
}
