// Docker's API, which is HTTP over AF_UNIX: no port, and who may ask is a matter of the file's permissions.
// The path tells what is asked: /version, /containers/json, /events …  [PATH] [SOCKET]
import { AF_UNIX, socket } from 'berkeley-sockets';
import { readAnswer } from './http.ts';

const [path = '/version', file = '/var/run/docker.sock'] = process.argv.slice(2);

const s = socket(AF_UNIX);
s.settimeout(10);
await s.connect(file);
await s.sendall(`GET ${encodeURI(path)} HTTP/1.1\r\nHost: docker\r\nAccept: application/json\r\n\r\n`);
const { status, body } = await readAnswer(s.reader());
console.log(`${path}: ${status}`);
for (const [name, value] of Object.entries(JSON.parse(body.toString()))) console.log(`${name}: ${value}`);
s.close();
