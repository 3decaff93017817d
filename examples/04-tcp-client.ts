// TCP client: fetches a page, from a server of its own or from the host given.  [HOST] [PORT]
import { AF_INET, SOCK_STREAM, socket } from 'berkeley-sockets';
import { servePage } from './page-server.ts';

const [, , host, port = '80'] = process.argv;
const address = host === undefined ? servePage() : ([host, Number(port)] as const);

const s = socket(AF_INET, SOCK_STREAM);
await s.connect(address); // Connect
await s.sendall(`GET /index.html HTTP/1.0\r\nHost: ${address[0]}\r\n\r\n`); // Send request
for (;;) {
  const data = await s.recv(10000); // Get response, piece by piece:
  if (data.length === 0) break; // an empty one is the end
  process.stdout.write(data);
}
s.close();
