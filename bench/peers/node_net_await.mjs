// node:net in the pull style: the async iterator over the socket, and awaited writes.
// usage: node node_net_await.mjs MODE ADDR
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';

const [mode, address] = process.argv.slice(2);
const kind = address.slice(0, address.indexOf(':'));
const rest = address.slice(kind.length + 1);
const piece = Buffer.alloc(65536);

async function serve(s) {
  try {
    if (mode === 'accept') {
      s.destroy();
      return;
    }
    if (mode === 'source') {
      s.on('data', () => {});
      for (;;) if (!s.write(piece)) await once(s, 'drain');
    }
    for await (const d of s) {
      if (mode === 'echo' && !s.write(d)) await once(s, 'drain');
    }
  } catch {
    s.destroy();
  }
}

const server = net.createServer({ noDelay: true }, (s) => {
  s.on('error', () => {});
  serve(s);
});
const where = kind === 'unix' ? { path: rest } : { port: Number(rest), host: '127.0.0.1' };
if (kind === 'unix') fs.rmSync(rest, { force: true });
server.listen({ ...where, backlog: 4096 }, () => console.log('READY', server.address().port ?? ''));
