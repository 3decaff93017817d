// What a user's first program does, in plain JavaScript: run from an installed package, and
// by other runtimes. The argument is the module to import, `berkeley-sockets` by default.
const bsd = await import(process.argv[2] ?? 'berkeley-sockets');
const { AF_INET, AF_UNIX, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, SO_REUSEADDR } = bsd;

const same = (got, wanted, what) => {
  if (got !== wanted) throw new Error(`${what}: ${JSON.stringify(got)}, not ${JSON.stringify(wanted)}`);
};

// A server and a client over TCP: both wait, so the event loop must wake them.
const listener = bsd.socket(AF_INET, SOCK_STREAM);
listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1);
listener.bind(['127.0.0.1', 0]);
listener.listen();
const serve = async () => {
  const [conn, [host]] = await listener.accept();
  same(host, '127.0.0.1', "the client's address");
  for (let data = await conn.recv(4096); data.length > 0; data = await conn.recv(4096))
    await conn.sendall(data);
  conn.close();
};
const served = serve();
const client = bsd.socket(AF_INET, SOCK_STREAM);
await client.connect(listener.getsockname());
const sent = Buffer.alloc(1 << 20, 'berkeley ');
const sending = client.sendall(sent).then(() => client.shutdown(bsd.SHUT_WR));
const received = [];
for await (const chunk of client) received.push(chunk);
await Promise.all([sending, served]);
same(Buffer.concat(received).equals(sent), true, 'a megabyte there and back');
client.close();
listener.close();

// Datagrams over UDP.
const [one, two] = [bsd.socket(AF_INET, SOCK_DGRAM), bsd.socket(AF_INET, SOCK_DGRAM)];
one.bind(['127.0.0.1', 0]);
two.bind(['127.0.0.1', 0]);
const waiting = two.recvfrom(100);
await one.sendto('over UDP', two.getsockname());
const [data, from] = await waiting;
same(data.toString(), 'over UDP', 'the datagram');
same(from[1], one.getsockname()[1], "the sender's port");
one.close();
two.close();

// AF_UNIX, a name, and an error with its fields.
const [left, right] = bsd.socketpair(AF_UNIX, SOCK_STREAM);
const parked = right.recv(10);
await left.sendall('AF_UNIX');
same((await parked).toString(), 'AF_UNIX', 'what came through the pair');
const gone = right.recv(1).catch((error) => error.code);
right.close();
same(await gone, 'EBADF', 'the code of a receive whose socket was closed');
left.close();
const refused = bsd.socket(AF_INET, SOCK_STREAM);
same(
  await refused.connect(['127.0.0.1', 1]).catch((error) => error.code),
  'ECONNREFUSED',
  'the code of a refused connection',
);
refused.close();
const rows = await bsd.getaddrinfo('localhost', 80, { family: AF_INET, type: SOCK_STREAM });
same(rows[0][4].join(':'), '127.0.0.1:80', 'the address of localhost');

console.log('served and talked over TCP, UDP and AF_UNIX');
