// AF_UNIX client: the rest of the programming interface is the same.  [PATH]
import { AF_UNIX, SOCK_STREAM, socket } from 'berkeley-sockets';

const path = process.argv[2] ?? '/tmp/foo';

const s = socket(AF_UNIX, SOCK_STREAM);
await s.connect(path); // Client connection
console.log('Connected to', s.getpeername());
for await (const chunk of s) process.stdout.write(chunk);
s.close();
