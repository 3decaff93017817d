// The end of a stream is an empty Buffer: the other side will send no more. It may still listen.
import { SHUT_WR } from 'berkeley-sockets';
import { tcpPair } from './tcp-pair.ts';

const [client, server] = await tcpPair();

await client.sendall('the last words');
client.shutdown(SHUT_WR); // half a close: no more from here

console.log(`server: '${await server.recv(1000)}'`);
console.log(`server: '${await server.recv(1000)}'`); // no more data
console.log(`server: '${await server.recv(1000)}'`); // and it stays so

await server.sendall('I heard you');
server.close();
console.log(`client: '${await client.recv(1000)}'`);
console.log(`client: '${await client.recv(1000)}'`);
client.close();
