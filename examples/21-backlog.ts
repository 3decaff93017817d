// A full backlog: nobody is refused. What Linux cannot queue it ignores, and the client tries again.
import { AF_INET, SOCK_STREAM, SocketError, socket } from 'berkeley-sockets';

const backlog = Number(process.argv[2] ?? 2);
const s = socket(AF_INET, SOCK_STREAM);
s.bind(['127.0.0.1', 0]);
s.listen(backlog); // the queue of Linux holds one more
console.log(`listen(${backlog}), and nobody accepts:`);

const clients = [];
for (let i = 1; i <= backlog + 3; i++) {
  const c = socket(AF_INET, SOCK_STREAM);
  c.settimeout(0.3);
  clients.push(c);
  try {
    await c.connect(s.getsockname());
    console.log(`  connection ${i}: connected, though not accepted`);
  } catch (error) {
    if (!(error instanceof SocketError)) throw error;
    console.log(`  connection ${i}: ${error.message}`);
    c.close(); // or it would go on trying
  }
}

// One that waits gets in as soon as there is room: its SYN is repeated after 1, 3, 7 ... seconds.
const late = socket(AF_INET, SOCK_STREAM);
const start = performance.now();
const connecting = late.connect(s.getsockname());
const [conn] = await s.accept();
console.log('One is accepted, which makes room:');
await connecting;
console.log(`  a patient one: connected after ${((performance.now() - start) / 1000).toFixed(1)} seconds`);
for (const each of [...clients, late, conn, s]) each.close();
