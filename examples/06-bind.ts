// Where a server is reached depends on what it binds: all addresses, the loopback, or one of several.
import { AF_INET, AF_INET6, createConnection, SOCK_STREAM, SocketError, socket } from 'berkeley-sockets';

const places = [
  [AF_INET, ''], // every IPv4 address of the machine
  [AF_INET, 'localhost'], // 127.0.0.1: this machine only
  [AF_INET, '127.0.0.2'], // one address of several (Linux's loopback has all of 127.0.0.0/8)
  [AF_INET6, '::1'], // the loopback of IPv6
  [AF_INET6, ''], // every address, those of IPv4 too
] as const;

for (const [family, host] of places) {
  const s = socket(family, SOCK_STREAM);
  try {
    s.bind([host, 0]);
    s.listen(5);
    const [name, port] = s.getsockname();
    const reached = [];
    for (const address of ['127.0.0.1', '127.0.0.2', '::1']) {
      const c = await createConnection([address, port]).catch(() => undefined);
      if (c) reached.push(address);
      c?.close();
    }
    console.log(`bind '${host}': ${name} is reached at ${reached.join(', ')}`);
  } catch (error) {
    if (!(error instanceof SocketError)) throw error;
    console.log(`bind '${host}': ${error.code}`); // such as EADDRNOTAVAIL without IPv6
  }
  s.close();
}
