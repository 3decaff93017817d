// The notes' last server: a thread for each connection, all of them blocking.  [PORT] [HOST]
import { startThread } from 'berkeley-sockets/server';
import { AF_INET, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, socket } from 'berkeley-sockets/sync';

const s = socket(AF_INET, SOCK_STREAM);
s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1);
s.bind([process.argv[3] ?? '', Number(process.argv[2] ?? 8888)]);
s.listen(100);
console.log('Socket now listening on', s.getsockname());

const clientthread = new URL('./clientthread.ts', import.meta.url);

// now keep talking with the clients
while (true) {
  // wait to accept a connection - blocking call
  const [conn, addr] = s.accept();
  console.log(`Connected with ${addr[0]}:${addr[1]}`);
  // start new thread: takes 1st argument as a function (a module's) to be run, then its arguments
  startThread(clientthread, conn);
}
