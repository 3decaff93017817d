// send() is the system call; sendall() repeats it until all is sent or an error occurs.
import { type Socket, SocketError } from 'berkeley-sockets';
import { tcpPair } from './tcp-pair.ts';

/** What sendall does: send what is left, until nothing is. */
async function sendByHand(s: Socket, data: Buffer) {
  let calls = 0;
  for (let sent = 0; sent < data.length; calls++) sent += await s.send(data.subarray(sent));
  return calls;
}

async function receiveAll(s: Socket) {
  let length = 0;
  for await (const chunk of s) length += chunk.length;
  return length;
}

const data = Buffer.alloc(20_000_000, 'x');
for (const way of ['send', 'sendall'] as const) {
  const [s, peer] = await tcpPair();
  const receiving = receiveAll(peer);
  if (way === 'send') console.log(`send: ${data.length} bytes took ${await sendByHand(s, data)} calls`);
  else await s.sendall(data);
  s.close();
  console.log(`${way}: ${await receiving} bytes arrived`);
  peer.close();
}

// When it fails half-way, the error tells how much the system had taken.
const [s, peer] = await tcpPair();
const failed = s.sendall(data).catch((error: unknown) => error);
await peer.recv(100_000);
peer.close();
const error = await failed;
if (!(error instanceof SocketError)) throw error;
console.log(`sendall: ${error.code} after ${error.bytesSent} of ${data.length} bytes`);
s.close();
