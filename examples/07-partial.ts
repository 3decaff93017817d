// Partial transfers: send() says how much the system took, and recv()'s length is only a limit.
import { SO_SNDBUF, SOL_SOCKET } from 'berkeley-sockets';
import { tcpPair } from './tcp-pair.ts';

const [s, peer] = await tcpPair();
// A small buffer, as on a slow network: Linux's own here might take the whole megabyte at once.
s.setsockopt(SOL_SOCKET, SO_SNDBUF, 16384);

const data = Buffer.alloc(1_000_000, 'x');
console.log(`len(data) is ${data.length}`);
const sent = await s.send(data);
console.log(`send(data) sent ${sent}`); // sent partial data

let received = 0;
while (received < sent) {
  const chunk = await peer.recv(10000); // max length
  received += chunk.length;
  console.log(`recv(10000) received ${chunk.length}`); // the last one: less than max
}
s.close();
peer.close();
