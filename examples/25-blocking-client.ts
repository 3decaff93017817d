// The client in four steps, blocking: each call waits, and no line says `await`.  [HOST] [PORT] [MESSAGE]
import { AF_INET, gethostbyname, SHUT_WR, SOCK_STREAM, SocketError, socket } from 'berkeley-sockets/sync';

const host = process.argv[2] ?? 'localhost';
const port = Number(process.argv[3] ?? 8888);
const message = process.argv[4] ?? 'Hello, server';

try {
  // 1. Create a socket
  const s = socket(AF_INET, SOCK_STREAM);
  console.log('Socket Created');

  // 2. Connect to remote server
  const remoteIp = gethostbyname(host);
  s.connect([remoteIp, port]);
  console.log(`Socket Connected to ${host} on ip ${remoteIp}`);

  // 3. Send some data, and no more
  s.sendall(message);
  s.shutdown(SHUT_WR);
  console.log('Message sent successfully');

  // 4. Receive a reply, to its end
  for (let data = s.recv(4096); data.length > 0; data = s.recv(4096)) console.log(data.toString());
  s.close();
} catch (error) {
  if (!(error instanceof SocketError)) throw error; // a mistake in this program
  console.log(`Failed to ${error.syscall}. Error code: ${error.code}, message: ${error.message}`);
  process.exitCode = 1;
}
