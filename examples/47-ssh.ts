// The beginning of SSH (RFC 4253): a line of text each way, then packets with their length in front. The
// first one says what the server can do.  [HOST] [PORT]
import { createConnection } from 'berkeley-sockets';

const [host = 'localhost', port = 22] = process.argv.slice(2);

const s = await createConnection([host, Number(port)], { timeout: 10 });
const reader = s.reader();
let banner = '';
for (let lines = 0; !banner.startsWith('SSH-'); lines++) {
  if (lines > 50) throw new Error('This is no SSH'); // some lines may stand in front (section 4.2)
  banner = (await reader.readuntil('\n', { limit: 255 })).toString().trimEnd();
}
console.log(banner);
await s.sendall('SSH-2.0-by_hand\r\n');

// A packet: its length, the length of the padding behind, the message; KEXINIT is number 20.
const packet = await reader.readframe({ lengthBytes: 4, limit: 35_000 });
if (packet?.[1] !== 20) throw new Error('The server did not say what it can do');
let at = 1 + 1 + 16; // behind the padding's length, the number, and 16 bytes of chance
for (const what of ['key exchange', 'host key', 'cipher', 'cipher back', 'checksum', 'checksum back']) {
  const length = packet.readUInt32BE(at);
  console.log(`${what}: ${packet.toString('latin1', at + 4, at + 4 + length)}`);
  at += 4 + length;
}
s.close();
