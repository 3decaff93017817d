// Addressing: a machine has a name and an address, a service has a port.  [HOST]
import { AF_INET, gethostbyname, getservbyname, SOCK_STREAM, socket } from 'berkeley-sockets';

const host = process.argv[2] ?? 'localhost';
console.log(`${host} has the address ${await gethostbyname(host)}`);

// Ports of common services are preassigned ...
for (const service of ['ftp', 'ssh', 'telnet', 'smtp', 'http', 'pop3', 'nntp', 'https']) {
  console.log(`${service.padEnd(6)} is on port ${getservbyname(service, 'tcp')}`);
}

// ... others the system assigns: port 0 asks it to choose a free one.
const s = socket(AF_INET, SOCK_STREAM);
s.bind(['', 0]);
console.log('The system assigned', s.getsockname());
s.close();
