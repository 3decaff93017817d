// The server in five steps: it serves one connection, and ends.  [PORT] [HOST]
import { AF_INET, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, SocketError, socket } from 'berkeley-sockets';

const PORT = Number(process.argv[2] ?? 8888); // arbitrary non-privileged port
const HOST = process.argv[3] ?? ''; // all available interfaces

// 1. Open a socket
const s = socket(AF_INET, SOCK_STREAM);
s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1);
console.log('Socket created');

// 2. Bind to an address, port
try {
  s.bind([HOST, PORT]);
} catch (error) {
  if (!(error instanceof SocketError)) throw error;
  console.log(`Bind failed. Error Code: ${error.code}, message: ${error.message}`);
  process.exit(1);
}
console.log('Socket bind complete on', s.getsockname());

// 3. Listen for incoming connections
s.listen(10);
console.log('Socket now listening');

// 4. Accept a connection
const [conn, addr] = await s.accept();
console.log(`Connected with ${addr[0]}:${addr[1]}`);

// 5. Read and send
const data = await conn.recv(1024);
await conn.sendall(data);
conn.close();
s.close();
