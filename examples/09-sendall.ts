// sendall() is done when the system has taken all of the data, however often it has to wait.
import { tcpPair } from './tcp-pair.ts';

const [s, peer] = await tcpPair();
const data = Buffer.alloc(20_000_000, 'x'); // more than the buffers on the way can hold

let received = 0;
let done = false;
const sending = s.sendall(data).then(() => {
  done = true;
  s.close();
});
for await (const chunk of peer) {
  if (received === 0) console.log(`The first bytes arrive; sendall is ${done ? 'done' : 'still waiting'}`);
  received += chunk.length;
}
await sending;
console.log(`sendall is done: ${received} of ${data.length} bytes arrived`);
peer.close();
