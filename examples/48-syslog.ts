// The system's log, without a program in between: a datagram to /dev/log.  [MESSAGE] [SOCKET] [3164|5424]
import { AF_UNIX, gethostname, SOCK_DGRAM, socket } from 'berkeley-sockets';

const [message = 'Hello', path = '/dev/log', rfc = '3164'] = process.argv.slice(2);

const [LOG_USER, LOG_NOTICE] = [1, 5]; // who speaks, and how urgent it is: syslog(3)
const priority = LOG_USER * 8 + LOG_NOTICE;

/** As syslog(3) of the C library writes it: local time, no host. "Nov  3 08:00:00". */
function bsd(tag: string): string {
  const [, month, day, , time] = new Date().toString().split(' ');
  return `<${priority}>${month} ${day!.replace(/^0/, ' ')} ${time} ${tag}[${process.pid}]: ${message}`;
}

/** As RFC 5424 has it: the time with its zone, the host, data with names. BOM: what follows is UTF-8. */
function structured(tag: string): string {
  const head = `<${priority}>1 ${new Date().toISOString()} ${gethostname()} ${tag} ${process.pid} GREETING`;
  return `${head} [origin software="by-hand"] \ufeff${message}`;
}

const s = socket(AF_UNIX, SOCK_DGRAM);
s.settimeout(5); // a full queue is waited for
await s.connect(path);
const sent = await s.send(rfc === '5424' ? structured('by-hand') : bsd('by-hand'));
console.log(`${sent} bytes to ${path}`);
s.close();
