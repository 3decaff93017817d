// The client in four steps, each with its error caught.  [HOST] [PORT] [MESSAGE]
import { AF_INET, gethostbyname, SOCK_STREAM, type Socket, SocketError, socket } from 'berkeley-sockets';
import { servePage } from './page-server.ts';

const [host, port] = process.argv[2] ? [process.argv[2], Number(process.argv[3] ?? 80)] : servePage();
const message = process.argv[4] ?? `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;

/** Ends the program when a step fails: which one, and the error's code and message. */
function fail(what: string, error: unknown): never {
  if (!(error instanceof SocketError)) throw error; // a mistake in this program
  console.log(`${what}. Error code: ${error.code}, message: ${error.message}`);
  process.exit(1);
}

// 1. Create a socket
let s: Socket<AF_INET>;
try {
  s = socket(AF_INET, SOCK_STREAM);
} catch (error) {
  fail('Failed to create socket', error);
}
console.log('Socket Created');

// 2. Connect to remote server
const remoteIp = await gethostbyname(host).catch((error) => fail('Hostname could not be resolved', error));
console.log(`IP address of ${host} is ${remoteIp}`);
await s.connect([remoteIp, port]).catch((error) => fail('Connect failed', error));
console.log(`Socket Connected to ${host} on ip ${remoteIp}`);

// 3. Send some data
await s.sendall(message).catch((error) => fail('Send failed', error));
console.log('Message sent successfully');

// 4. Receive a reply
const reply = await s.recv(4096).catch((error) => fail('Receive failed', error));
console.log(reply.toString());

s.close();
