// AF_UNIX datagrams: messages that keep their bounds and their order, and of which none is lost.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AF_UNIX, SOCK_DGRAM, socket } from 'berkeley-sockets';

const folder = mkdtempSync(join(tmpdir(), 'datagrams-'));
const server = socket(AF_UNIX, SOCK_DGRAM);
server.bind(join(folder, 'server'));

// A client that wants an answer needs a name too: no system chooses one as it does a port.
const client = socket(AF_UNIX, SOCK_DGRAM);
client.bind(join(folder, 'client'));

for (const msg of ['Hello', 'World']) await client.sendto(msg, join(folder, 'server'));
for (let i = 0; i < 2; i++) {
  const [data, addr] = await server.recvfrom(1000);
  console.log(`server: received '${data}' from ${addr}`);
  await server.sendto(`OK...${data}`, addr);
}
for (let i = 0; i < 2; i++) {
  const [data, addr] = await client.recvfrom(1000);
  console.log(`client: received '${data}' from ${addr}`);
}
client.close();
server.close();
rmSync(folder, { recursive: true }); // close() leaves the names
