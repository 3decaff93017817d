// socat at the other end, in both roles: TCP, UDP, AF_UNIX stream, datagram and seqpacket, IPv6.
import assert from 'node:assert/strict';
import { type Address, AF_INET6, AF_UNIX, SHUT_WR, SOCK_DGRAM } from 'berkeley-sockets';
import { eventually } from '../support/deadline.ts';
import { requirePeer, startPeer, unusedPort } from '../support/peer.ts';
import { scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';
import {
  across,
  bound,
  connections,
  datagrams,
  listening,
  open,
  reach,
  receiveAll,
  type Transport,
  udp4,
  udp6,
  unixDatagram,
} from '../support/transports.ts';

const socat = requirePeer('socat');

const withSocat = (...[transports, name, body]: Parameters<typeof across>): void =>
  across(transports, name, body, socat);

/** socat's word for connecting to, or sending to, `address`. */
function towards(transport: Transport, address: Address): string {
  if (transport.family === AF_UNIX) {
    if (transport.type === SOCK_DGRAM) return `UNIX-SENDTO:${address}`;
    return transport.name.includes('seqpacket')
      ? `UNIX-CONNECT:${address},type=5`
      : `UNIX-CONNECT:${address}`;
  }
  const [host, port] = address as [string, number];
  const kind = transport.type === SOCK_DGRAM ? 'UDP' : 'TCP';
  return transport.family === AF_INET6 ? `${kind}6:[${host}]:${port}` : `${kind}4:${host}:${port}`;
}

withSocat(connections, 'socat connects', async (s, transport) => {
  const listener = listening(s, transport);
  const peer = startPeer(s, 'socat', ['-', towards(transport, listener.getsockname())]);
  const [server] = await listener.accept();
  s.own(server);
  peer.write('hello from socat\n');
  assert.equal(String(await server.recv(100)), 'hello from socat\n');
  await server.sendall('hello to socat\n');
  assert.equal(await peer.line(), 'hello to socat');
  server.shutdown(SHUT_WR);
  server.close();
  peer.endInput();
  await peer.exit();
});

withSocat(connections, 'socat listens and echoes', async (s, transport) => {
  let address: Address;
  let listen: string;
  if (transport.family === AF_UNIX) {
    address = tempPath(s);
    listen = `UNIX-LISTEN:${address}${transport.name.includes('seqpacket') ? ',type=5' : ''}`;
  } else {
    const six = transport.family === AF_INET6;
    const host = six ? '::1' : '127.0.0.1';
    const port = await unusedPort(host);
    address = six ? [host, port, 0, 0] : [host, port];
    listen = six
      ? `TCP6-LISTEN:${port},bind=[::1],reuseaddr`
      : `TCP4-LISTEN:${port},bind=127.0.0.1,reuseaddr`;
  }
  startPeer(s, 'socat', [listen, 'PIPE']);
  const client = await reach(s, transport, address);
  if (transport.name.includes('seqpacket')) {
    await client.send('one packet');
    assert.equal(String(await client.recv(100)), 'one packet');
    return;
  }
  const text = 'there and back '.repeat(20_000);
  const sending = client.sendall(text).then(() => client.shutdown(SHUT_WR));
  assert.equal(String(await receiveAll(client)), text);
  await sending;
});

withSocat(datagrams, 'socat sends datagrams', async (s, transport) => {
  const server = bound(s, transport);
  const bind = transport.family === AF_UNIX ? `,bind=${tempPath(s)}` : '';
  const peer = startPeer(s, 'socat', ['-', towards(transport, server.getsockname()) + bind]);
  for (const text of ['one', 'two']) {
    peer.write(`${text}\n`);
    const [data, from] = await server.recvfrom(100);
    assert.equal(String(data), `${text}\n`);
    await server.sendto(`echo ${text}\n`, from);
    assert.equal(await peer.line(), `echo ${text}`);
  }
});

withSocat([udp4, udp6], 'socat answers datagrams', async (s, transport) => {
  const six = transport.family === AF_INET6;
  // UDP ports are counted apart from TCP's, so this one may be taken: the bind of a probe tells.
  const probe = bound(s, transport);
  const address = probe.getsockname() as [string, number];
  probe.close();
  const recv = six
    ? `UDP6-RECVFROM:${address[1]},bind=[::1],fork`
    : `UDP4-RECVFROM:${address[1]},bind=127.0.0.1,fork`;
  startPeer(s, 'socat', [recv, 'EXEC:tr a-z A-Z']);
  const client = open(s, transport);
  await client.connect(address);
  client.settimeout(0.2);
  const answer = await eventually(async () => {
    await client.send('hello');
    return client.recv(100);
  }, 'an answer');
  assert.equal(String(answer), 'HELLO');
});

scene(
  'socat receives AF_UNIX datagrams',
  async (s) => {
    const path = tempPath(s);
    const peer = startPeer(s, 'socat', ['-u', `UNIX-RECV:${path}`, '-']);
    const client = open(s, unixDatagram);
    await eventually(() => client.sendto('first\n', path), 'socat to listen');
    await client.sendto('second\n', path);
    assert.equal(await peer.line(), 'first');
    assert.equal(await peer.line(), 'second');
  },
  socat,
);
