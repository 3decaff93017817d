// Timeouts of calls that block: a limit, no wait at all, and select() over several sockets.  [SECONDS]
import { SocketError, select, socketpair, TimeoutError } from 'berkeley-sockets/sync';

const seconds = Number(process.argv[2] ?? 5.0);
const [a, b] = socketpair();
const [c, d] = socketpair();
let start = performance.now();
const elapsed = () => ((performance.now() - start) / 1000).toFixed(1);

a.settimeout(seconds);
try {
  a.recv(1000); // nobody sends: the whole thread waits, and then is told
} catch (error) {
  if (!(error instanceof TimeoutError)) throw error;
  console.log(`settimeout(${seconds}): ${error.message}, after ${elapsed()} seconds`);
}

a.settimeout(0); // does not wait: what is not there now is an error
try {
  a.recv(1000);
} catch (error) {
  if (!(error instanceof SocketError)) throw error;
  console.log(`settimeout(0): ${error.code}`);
}

d.sendall('for the second');
const [readable] = select([a, c], [], [], seconds); // whoever is first, within the time
console.log('select:', readable.map((s) => `'${s.recv(1000)}'`).join());

start = performance.now();
const nobody = select([a, c], [], [], seconds / 2);
console.log(`select(${seconds / 2}): ${nobody[0].length} sockets, after ${elapsed()} seconds`);
for (const s of [a, b, c, d]) s.close();
