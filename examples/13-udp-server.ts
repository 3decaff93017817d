// UDP server: answers whoever sends it a datagram. There is no connection.  [PORT] [HOST]
import { AF_INET, SOCK_DGRAM, socket } from 'berkeley-sockets';

const port = Number(process.argv[2] ?? 10000);
const host = process.argv[3] ?? '';
const maxsize = 65535; // a larger datagram does not exist, and of a larger one the rest is lost

const s = socket(AF_INET, SOCK_DGRAM); // create datagram socket
s.bind([host, port]); // bind a specific port
console.log('Listening on', s.getsockname());

while (true) {
  const [data, addr] = await s.recvfrom(maxsize); // wait for a message
  console.log(`Received '${data}' from`, addr);
  const resp = 'GET off my lawn';
  await s.sendto(resp, addr); // send response (optional)
}
