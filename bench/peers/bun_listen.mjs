// Bun.listen and Bun.udpSocket, callbacks. usage: bun bun_listen.mjs MODE ADDR
import fs from 'node:fs';

const [mode, address] = process.argv.slice(2);
const kind = address.slice(0, address.indexOf(':'));
const rest = address.slice(kind.length + 1);

async function datagrams() {
  let count = 0;
  const data = (s, d, port, host) => {
    if (mode === 'dgecho') s.send(d, port, host);
    else if (d.length === 1 && d[0] === 81) s.send(String(count), port, host);
    else count++;
  };
  return await Bun.udpSocket({ port: Number(rest), hostname: '127.0.0.1', socket: { data } });
}

// What the kernel did not take stays in s.data.out and follows at `drain`; after the client's
// end of stream it still has to go out, hence allowHalfOpen.
function flush(s) {
  const { out, ended } = s.data;
  while (out.length) {
    const n = Math.max(s.write(out[0]), 0);
    if (n < out[0].length) {
      out[0] = out[0].subarray(n);
      return;
    }
    out.shift();
  }
  if (ended) s.end();
}
const piece = Buffer.alloc(65536);
function pump(s) {
  for (let i = 0; i < 64; i++) if (s.write(piece) < piece.length) return;
  setImmediate(pump, s);
}
function echo(s, d) {
  const { out } = s.data;
  const n = out.length ? 0 : Math.max(s.write(d), 0);
  if (n < d.length) out.push(Buffer.from(d.subarray(n)));
}
function streams() {
  const socket = {
    open(s) {
      s.data = { out: [], ended: false };
      if (mode === 'accept') s.terminate();
      else if (mode === 'source') pump(s);
    },
    data: mode === 'echo' ? echo : () => {},
    drain: mode === 'source' ? pump : flush,
    end(s) {
      s.data.ended = true;
      if (!s.data.out.length) s.end();
    },
    close() {},
    error() {},
  };
  if (kind === 'tcp') return Bun.listen({ port: Number(rest), hostname: '127.0.0.1', allowHalfOpen: true, socket });
  fs.rmSync(rest, { force: true });
  return Bun.listen({ unix: rest, allowHalfOpen: true, socket });
}

const server = kind === 'udp' ? await datagrams() : streams();
console.log('READY', kind === 'unix' ? '' : server.port);
