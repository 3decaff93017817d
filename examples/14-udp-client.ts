// UDP client: sends a datagram, and waits for one that answers it.  [HOST] [PORT]
import { AF_INET, SOCK_DGRAM, socket, TimeoutError } from 'berkeley-sockets';

const host = process.argv[2] ?? 'localhost';
const port = Number(process.argv[3] ?? 10000);
const maxsize = 65535;

const s = socket(AF_INET, SOCK_DGRAM);
s.settimeout(2); // datagrams get lost: without a limit this could wait for ever
const msg = 'Hello World';
await s.sendto(msg, [host, port]); // send a message
console.log(`Sent '${msg}' from port ${s.getsockname()[1]}`);
try {
  const [data, addr] = await s.recvfrom(maxsize); // wait for a response (optional)
  console.log(`Received '${data}' from`, addr);
} catch (error) {
  if (!(error instanceof TimeoutError)) throw error;
  console.log(`No response: ${error.message}`);
  process.exitCode = 1;
}
s.close();
