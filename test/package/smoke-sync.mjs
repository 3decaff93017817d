// The same for the blocking flavour: run from an installed package, and by other runtimes. The
// argument is the module to import, `berkeley-sockets/sync` by default.
const bsd = await import(process.argv[2] ?? 'berkeley-sockets/sync');
const { AF_INET, SOCK_DGRAM } = bsd;

const same = (got, wanted, what) => {
  if (got !== wanted) throw new Error(`${what}: ${JSON.stringify(got)}, not ${JSON.stringify(wanted)}`);
};
const codeOf = (call) => {
  try {
    call();
  } catch (error) {
    return error.code;
  }
  return 'no error';
};

// The kernel completes a connection before anybody accepts it, so one thread can be both ends.
const listener = bsd.createServer(['127.0.0.1', 0]);
const client = bsd.createConnection(['localhost', listener.getsockname()[1]]);
const [conn, [host]] = listener.accept();
same(host, '127.0.0.1', "the client's address");
client.sendall('over TCP');
client.shutdown(bsd.SHUT_WR);
same(conn.recv(100).toString(), 'over TCP', 'what came');
same(conn.recv(100).length, 0, 'bytes at the end');
conn.settimeout(0);
listener.settimeout(0.01);
same(
  codeOf(() => listener.accept()),
  'ETIMEDOUT',
  'the code of a timeout',
);
for (const each of [conn, client, listener]) each.close();
same(
  codeOf(() => client.recv(1)),
  'EBADF',
  'the code of a receive on a closed socket',
);
same(
  codeOf(() => bsd.socket().connect(['127.0.0.1', 1])),
  'ECONNREFUSED',
  'the code of a refused connection',
);

// Datagrams over UDP, and AF_UNIX.
const [one, two] = [bsd.socket(AF_INET, SOCK_DGRAM), bsd.socket(AF_INET, SOCK_DGRAM)];
one.bind(['127.0.0.1', 0]);
two.bind(['127.0.0.1', 0]);
one.sendto('over UDP', two.getsockname());
const [data, from] = two.recvfrom(100);
same(data.toString(), 'over UDP', 'the datagram');
same(from[1], one.getsockname()[1], "the sender's port");
const [left, right] = bsd.socketpair();
left.sendall('AF_UNIX');
same(right.recv(10).toString(), 'AF_UNIX', 'what came through the pair');
same(
  bsd.getaddrinfo('localhost', 80, { family: AF_INET })[0][4].join(':'),
  '127.0.0.1:80',
  'the address of localhost',
);
for (const each of [one, two, left, right]) each.close();

console.log('blocked and talked over TCP, UDP and AF_UNIX');
