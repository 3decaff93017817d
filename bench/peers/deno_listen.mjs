// Deno.listen and Deno.listenDatagram: promises, pull.
// usage: deno run -A --unstable-net deno_listen.mjs MODE ADDR
const [mode, address] = Deno.args;
const kind = address.slice(0, address.indexOf(':'));
const rest = address.slice(kind.length + 1);

if (kind === 'unix' || kind === 'udgram') {
  try {
    Deno.removeSync(rest);
  } catch {
    // was not there
  }
}

async function datagrams() {
  const where =
    kind === 'udp'
      ? { port: Number(rest), hostname: '127.0.0.1', transport: 'udp' }
      : { path: rest, transport: 'unixpacket' };
  const s = Deno.listenDatagram(where);
  console.log('READY', s.addr.port ?? '');
  const buffer = new Uint8Array(2048);
  let count = 0;
  for (;;) {
    const [d, from] = await s.receive(buffer);
    if (mode === 'dgecho') {
      try {
        await s.send(d, from);
      } catch {
        // AF_UNIX: the socket to answer to is gone
      }
    } else if (d.length === 1 && d[0] === 81) await s.send(new TextEncoder().encode(String(count)), from);
    else count++;
  }
}

const piece = new Uint8Array(65536);
async function writeAll(c, d) {
  let sent = await c.write(d);
  while (sent < d.length) sent += await c.write(d.subarray(sent));
}
async function serve(c) {
  try {
    if (kind === 'tcp') c.setNoDelay(true);
    if (mode === 'source') for (;;) await writeAll(c, piece);
    const buffer = new Uint8Array(65536);
    for (;;) {
      const n = await c.read(buffer);
      if (n === null) break;
      if (mode === 'echo') await writeAll(c, buffer.subarray(0, n));
    }
  } catch {
    // reset by the client
  }
  try {
    c.close();
  } catch {
    // closed already
  }
}
async function streams() {
  const l =
    kind === 'unix'
      ? Deno.listen({ path: rest, transport: 'unix' })
      : Deno.listen({ port: Number(rest), hostname: '127.0.0.1', tcpBacklog: 4096 });
  console.log('READY', l.addr.port ?? '');
  for (;;) {
    let c;
    try {
      c = await l.accept();
    } catch {
      continue; // NotConnected: reset while it was in the backlog
    }
    if (mode === 'accept') c.close();
    else serve(c);
  }
}

await (kind === 'udp' || kind === 'udgram' ? datagrams() : streams());
