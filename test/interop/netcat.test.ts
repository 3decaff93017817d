// OpenBSD's nc at the other end, in both roles: TCP, UDP, AF_UNIX stream and datagram, IPv6.
import assert from 'node:assert/strict';
import { type Address, AF_INET6, AF_UNIX, SHUT_WR, SOCK_DGRAM } from 'berkeley-sockets';
import { eventually } from '../support/deadline.ts';
import { requirePeer, startPeer, unusedPort } from '../support/peer.ts';
import { tempPath } from '../support/tempdir.ts';
import {
  across,
  bound,
  datagrams,
  listening,
  open,
  reach,
  receiveAll,
  streams,
  type Transport,
  udp4,
  udp6,
} from '../support/transports.ts';

const nc = requirePeer('nc.openbsd');

const withNetcat = (...[transports, name, body]: Parameters<typeof across>): void =>
  across(transports, name, body, nc);

const kind = (transport: Transport): string[] => [
  ...(transport.family === AF_UNIX ? ['-U'] : []),
  ...(transport.type === SOCK_DGRAM ? ['-u'] : []),
];
const place = (address: Address): string[] =>
  typeof address === 'string'
    ? [address]
    : [String((address as readonly unknown[])[0]), String((address as readonly unknown[])[1])];

withNetcat(streams, 'nc connects: half close', async (s, transport) => {
  const listener = listening(s, transport);
  const peer = startPeer(s, 'nc.openbsd', ['-N', ...kind(transport), ...place(listener.getsockname())], {
    input: 'question\n',
  });
  const [server] = await listener.accept();
  s.own(server);
  assert.equal(String(await receiveAll(server)), 'question\n');
  await server.sendall('answer\n');
  server.close();
  assert.equal((await peer.succeed()).stdout, 'answer\n');
});

withNetcat(streams, 'nc listens', async (s, transport) => {
  let address: Address;
  if (transport.family === AF_UNIX) address = tempPath(s);
  else {
    const host = transport.family === AF_INET6 ? '::1' : '127.0.0.1';
    address = [host, await unusedPort(host)] as unknown as Address;
  }
  const peer = startPeer(s, 'nc.openbsd', ['-N', '-l', ...kind(transport), ...place(address)]);
  const client = await reach(s, transport, address);
  await client.sendall('hello nc\n');
  assert.equal(await peer.line(), 'hello nc');
  peer.write('hello you\n');
  assert.equal(String(await client.recv(100)), 'hello you\n');
  client.shutdown(SHUT_WR);
  peer.endInput();
  assert.equal((await client.recv(100)).length, 0);
  await peer.exit();
});

withNetcat(datagrams, 'nc sends datagrams', async (s, transport) => {
  const server = bound(s, transport);
  const peer = startPeer(s, 'nc.openbsd', [...kind(transport), ...place(server.getsockname())]);
  peer.write('first\n');
  const [data, from] = await server.recvfrom(100);
  assert.equal(String(data), 'first\n');
  if (transport.family !== AF_UNIX) {
    await server.sendto('echo\n', from);
    assert.equal(await peer.line(), 'echo');
  }
  peer.write('second\n');
  assert.deepEqual(await server.recvfrom(100), [Buffer.from('second\n'), from]);
});

withNetcat([udp4, udp6], 'nc answers datagrams', async (s, transport) => {
  const probe = bound(s, transport);
  const address = probe.getsockname();
  probe.close();
  const peer = startPeer(s, 'nc.openbsd', ['-l', ...kind(transport), ...place(address)]);
  const client = open(s, transport);
  await client.connect(address);
  await eventually(async () => {
    await client.send('hello\n');
    return peer.stdout.includes('hello\n');
  }, 'nc to listen');
  peer.write('back\n');
  // ECONNREFUSED of the sends before nc listened may still come first.
  const answer = await eventually(() => client.recv(100), 'the answer');
  assert.equal(String(answer), 'back\n');
});
