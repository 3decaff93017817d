// Reassembly: chunks go into a list, which is joined once, when the message is whole.
import { tcpPair } from './tcp-pair.ts';

const [client, s] = await tcpPair();
await client.sendall('Grüße aus dem Netz: 你好, 世界');
client.close();

const fragments: Buffer[] = []; // list of chunks
while (true) {
  const chunk = await s.recv(5); // get a chunk
  if (chunk.length === 0) break; // EOF. No more data
  fragments.push(chunk);
}
// Reassemble the message: bytes first, text after, for a chunk may end inside a character.
const message = Buffer.concat(fragments).toString();

console.log(`${fragments.length} fragments of`, fragments.map((chunk) => chunk.length).join(', '), 'bytes');
console.log(`joined, then decoded: ${message}`);
console.log(`decoded, then joined: ${fragments.map(String).join('')}`);
s.close();
