// node:net and node:dgram with event callbacks, the usual Node style.
// usage: node node_net.mjs MODE ADDR
import dgram from 'node:dgram';
import fs from 'node:fs';
import net from 'node:net';

const [mode, address] = process.argv.slice(2);
const kind = address.slice(0, address.indexOf(':'));
const rest = address.slice(kind.length + 1);

function echo(s) {
  s.on('data', (d) => {
    if (s.write(d)) return;
    s.pause();
    s.once('drain', () => s.resume());
  });
}
function source(s) {
  const piece = Buffer.alloc(65536);
  const pump = () => {
    while (!s.destroyed && s.write(piece));
  };
  s.on('drain', pump);
  s.on('data', () => {});
  pump();
}
const serve = { echo, source, sink: (s) => s.on('data', () => {}), accept: (s) => s.destroy() };

if (kind === 'udp') {
  const s = dgram.createSocket('udp4');
  let count = 0;
  s.on('message', (m, from) => {
    if (mode === 'dgecho') s.send(m, from.port, from.address);
    else if (m.length === 1 && m[0] === 81) s.send(String(count), from.port, from.address);
    else count++;
  });
  s.bind(Number(rest), '127.0.0.1', () => console.log('READY', s.address().port));
} else {
  const server = net.createServer({ noDelay: true }, (s) => {
    s.on('error', () => s.destroy());
    serve[mode](s);
  });
  const where = kind === 'unix' ? { path: rest } : { port: Number(rest), host: '127.0.0.1' };
  if (kind === 'unix') fs.rmSync(rest, { force: true });
  server.listen({ ...where, backlog: 4096 }, () => console.log('READY', server.address().port ?? ''));
}
