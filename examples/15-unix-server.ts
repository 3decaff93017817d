// AF_UNIX server: a stream between programs of one machine, whose address is a file name.  [PATH]
import { statSync, unlinkSync } from 'node:fs';
import { AF_UNIX, SOCK_STREAM, socket } from 'berkeley-sockets';

const path = process.argv[2] ?? '/tmp/foo';
// The name outlives its server, and bind() takes no name that is there: EADDRINUSE.
if (statSync(path, { throwIfNoEntry: false })?.isSocket()) unlinkSync(path);

const s = socket(AF_UNIX, SOCK_STREAM);
s.bind(path); // Server binding
s.listen(5);
console.log('Listening on', s.getsockname());

while (true) {
  const [c] = await s.accept();
  console.log('Received connection');
  await c.sendall('Hello from the same machine\n').catch((error) => console.error(String(error)));
  c.close();
}
