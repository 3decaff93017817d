import type { CommandSpec } from '../spec.ts';
import { socketOptions } from './connect.ts';

export const listen: CommandSpec = {
  name: 'listen',
  summary: 'take a connection, and talk: the other end of connect',
  description: [
    'Listens on a port, of IPv4 and IPv6, or on an AF_UNIX path, and takes one connection: standard input is sent, what comes is written to standard output, each direction by itself, as sock connect does it. With --keep the next one is taken when one has ended.',
    'Port 0 is any free one; where it listens is told on standard error, with --json in one line on standard output.',
    'With --udp it takes the datagrams of everybody, and sends to whoever sent last.',
  ],
  arguments: [
    { name: 'HOST|PORT', what: 'a port, or HOST:PORT for one address only, or unix:PATH' },
    { name: 'PORT', optional: true, what: 'the port, where a host stands in front of it' },
  ],
  options: [
    { name: 'keep', short: 'k', what: 'take connection after connection; with --echo, all at once' },
    { name: 'echo', short: 'e', what: 'send back what comes' },
    { name: 'unix', short: 'U', what: 'the argument is the path of a Unix socket' },
    { name: 'json', what: 'tell where it listens as JSON, on standard output' },
    ...socketOptions,
    { name: 'telnet', short: 't', what: 'speak the Telnet protocol' },
    { name: 'timeout', value: 'SECONDS', type: 'seconds', what: 'for --expect, or else the longest silence' },
  ],
  examples: [
    ['sock listen 9000 > file', 'receive a file, and end'],
    ['sock listen --keep --echo 7000', 'an echo server'],
    ['sock listen unix:/tmp/s', 'a Unix socket'],
  ],
  load: () => import('../listen.ts'),
};
