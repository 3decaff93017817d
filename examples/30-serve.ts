// Many connections again, with limits and a graceful end (Ctrl-C).  [PORT] [HOST]
import { serve } from 'berkeley-sockets/server';

const server = serve(
  [process.argv[3] ?? '', Number(process.argv[2] ?? 8888)],
  async (conn, addr, { signal }) => {
    console.log(`Connected with ${addr[0]}:${addr[1]}`);
    await conn.sendall('Welcome to the server. Type something and hit enter\n');
    while (!signal.aborted) {
      const data = await conn.recv(1024, { signal });
      if (data.length === 0) break;
      await conn.sendall(Buffer.concat([Buffer.from('OK... '), data]));
    }
  },
  {
    maxConnections: 1000, // the 1001st waits in the kernel's backlog
    idleTimeout: 60, // a client that says nothing is not waited for
    onerror: (error, { during, address }) => console.error(`${during} of ${address}: ${error}`),
  },
);
console.log('Listening on', server.address);

process.once('SIGINT', async () => {
  console.log(`${server.connections} connections may finish`);
  await server.close({ grace: 5 });
  console.log(`Served ${server.accepted}, received ${server.bytesReceived} bytes`);
});
