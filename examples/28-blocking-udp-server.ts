// UDP server, blocking: answers whoever sends it a datagram.  [PORT] [HOST]
import { AF_INET, SOCK_DGRAM, socket } from 'berkeley-sockets/sync';

const port = Number(process.argv[2] ?? 10000);
const host = process.argv[3] ?? '';
const maxsize = 65535;

const s = socket(AF_INET, SOCK_DGRAM); // create datagram socket
s.bind([host, port]); // bind a specific port
console.log('Listening on', s.getsockname());

while (true) {
  const [data, addr] = s.recvfrom(maxsize); // the thread waits for a message
  console.log(`Received '${data}' from`, addr);
  s.sendto('GET off my lawn', addr); // send response
}
