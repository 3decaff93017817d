// Timeouts: most calls wait as long as it takes, unless the socket was told how long.  [SECONDS]
import { TimeoutError } from 'berkeley-sockets';
import { tcpPair } from './tcp-pair.ts';

const seconds = Number(process.argv[2] ?? 5.0);
const [s, peer] = await tcpPair();
let start = performance.now();
const elapsed = () => ((performance.now() - start) / 1000).toFixed(1);

s.settimeout(seconds);
try {
  await s.recv(1000);
} catch (error) {
  if (!(error instanceof TimeoutError)) throw error;
  console.log(`settimeout(${seconds}): ${error.message}, after ${elapsed()} seconds`);
}

s.settimeout(null); // none: waits for as long as it takes
start = performance.now();
setTimeout(() => peer.send('better late than never'), seconds * 1.2 * 1000);
const data = await s.recv(1000);
console.log(`settimeout(null): '${data}', after ${elapsed()} seconds`);
s.close();
peer.close();
