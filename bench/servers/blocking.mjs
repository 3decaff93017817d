// The blocking flavour: one connection at a time, recv and sendall in its thread. usage:
// node blocking.mjs echo ADDR
import { rmSync, writeSync } from 'node:fs';
import { AF_INET, AF_UNIX, IPPROTO_TCP, SOCK_STREAM, socket, TCP_NODELAY } from 'berkeley-sockets/sync';

const [mode, address] = process.argv.slice(2);
const kind = address.slice(0, address.indexOf(':'));
const rest = address.slice(kind.length + 1);
const local = kind === 'unix';
if (mode !== 'echo') throw new Error(`blocking.mjs does echo, not ${mode}`);

const server = socket(local ? AF_UNIX : AF_INET, SOCK_STREAM);
if (local) rmSync(rest, { force: true });
server.bind(local ? rest : ['127.0.0.1', Number(rest)]);
server.listen(4096);
// Not console.log: a thread that blocks never writes what stands in a stream.
writeSync(1, `READY ${local ? '' : server.getsockname()[1]}\n`);

for (;;) {
  const [c] = server.accept();
  if (!local) c.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);
  try {
    for (let d = c.recv(65536); d.length > 0; d = c.recv(65536)) c.sendall(d);
  } catch (error) {
    if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') throw error;
  }
  c.close();
}
