// What each step throws when it fails: create, resolve, connect, send and receive, one failure each.
import { AF_INET, gethostbyname, IPPROTO_UDP, SOCK_STREAM, SocketError, socket } from 'berkeley-sockets';
import { tcpPair } from './tcp-pair.ts';

/** Runs a step that fails and prints the error, as a program that catches it would. */
async function failing(step: string, run: () => unknown) {
  try {
    await run();
    console.log(`${step}: no error`);
  } catch (error) {
    if (!(error instanceof SocketError)) throw error; // a mistake in this program
    console.log(`${step}: ${error.name}, error code ${error.code}: ${error.message}`);
  }
}

/** A connection that the other side has reset: it closed with something of ours unread. */
async function resetConnection() {
  const [s, peer] = await tcpPair();
  await s.sendall('never read');
  await peer.wait({ read: true });
  peer.close();
  await s.wait({ read: true });
  return s;
}

await failing('Create', () => socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));

await failing('Resolve', () => gethostbyname('no-such-host.invalid'));

const taken = socket(AF_INET, SOCK_STREAM);
taken.bind(['127.0.0.1', 0]); // a port where nobody listens
const s = socket(AF_INET, SOCK_STREAM);
await failing('Connect', () => s.connect(taken.getsockname()));
s.close();
taken.close();

const sender = await resetConnection();
await failing('Send', () => sender.sendall('Hello'));
await failing('Send again', () => sender.sendall('Hello')); // no SIGPIPE, an error
sender.close();

const receiver = await resetConnection();
await failing('Receive', () => receiver.recv(4096));
receiver.close();

await failing('Receive on a closed socket', () => receiver.recv(4096));
