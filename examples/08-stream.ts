// A stream is continuous: bytes keep their order, but a send is not a record that one recv returns.
import { setTimeout as sleep } from 'node:timers/promises';
import { SHUT_WR } from 'berkeley-sockets';
import { tcpPair } from './tcp-pair.ts';

for (const pieces of [['some data ', 'and more data'], ['x'.repeat(30_000)]]) {
  const [client, server] = await tcpPair();

  let sent = 0;
  for (const data of pieces) sent += await client.send(data);
  client.shutdown(SHUT_WR);

  await sleep(50); // the server is busy: meanwhile all arrives
  let received = 0;
  let recvs = 0;
  for (;;) {
    const data = await server.recv(10000); // maxsize
    if (data.length === 0) break;
    received += data.length;
    recvs++;
  }
  console.log(`sends: ${pieces.length}, recvs: ${recvs}`);
  console.log(`bytes sent: ${sent}, bytes received: ${received}`);
  client.close();
  server.close();
}
