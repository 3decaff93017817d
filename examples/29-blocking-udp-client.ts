// UDP client, blocking: asks up to three times, since datagrams get lost.  [HOST] [PORT]
import { AF_INET, SOCK_DGRAM, socket, TimeoutError } from 'berkeley-sockets/sync';

const host = process.argv[2] ?? 'localhost';
const port = Number(process.argv[3] ?? 10000);

const s = socket(AF_INET, SOCK_DGRAM);
s.settimeout(0.5);
process.exitCode = 1; // unless somebody answers
for (let attempt = 1; attempt <= 3; attempt++) {
  s.sendto('Hello World', [host, port]);
  try {
    const [data, addr] = s.recvfrom(65535);
    console.log(`Received '${data}' from`, addr);
    process.exitCode = 0;
    break;
  } catch (error) {
    if (!(error instanceof TimeoutError)) throw error;
    console.log(`No response to attempt ${attempt}: ${error.message}`);
  }
}
s.close();
