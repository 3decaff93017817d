import type { CommandSpec } from '../spec.ts';

export const bench: CommandSpec = {
  name: 'bench',
  summary: 'how fast a server answers',
  description: [
    'Sends a message, waits until as many bytes have come back, and so on, over one connection or many at a time: for servers that send back what they get (sock serve echo). Shows how the times are spread, and how many rounds were made in each part of the time.',
    'A round includes this program: over loopback much of the time is its own. Datagrams that do not come back within a second are counted as lost.',
  ],
  arguments: [
    { name: 'HOST', what: 'a name or an address; or HOST:PORT, or unix:PATH, or a PORT of this machine' },
    { name: 'PORT', optional: true, what: 'a number, or the name of a service' },
  ],
  options: [
    {
      name: 'secs',
      short: 't',
      value: 'SECONDS',
      type: 'seconds',
      what: 'for how long; 5 if it is not given',
    },
    {
      name: 'size',
      short: 's',
      value: 'BYTES',
      type: 'size',
      what: 'bytes of a message; 64 if it is not given',
    },
    {
      name: 'conns',
      short: 'c',
      value: 'N',
      type: 'count',
      what: 'connections at the same time; 1 if it is not given',
    },
    { name: 'udp', short: 'u', what: 'UDP' },
    { name: 'ipv4', short: '4', what: 'IPv4 only' },
    { name: 'ipv6', short: '6', what: 'IPv6 only' },
    { name: 'json', what: 'JSON instead of pictures' },
  ],
  examples: [
    ['sock bench localhost 7', 'a round trip at a time'],
    ['sock bench 10.0.0.5 7 --size 64k --conns 8', 'throughput'],
    ['sock bench localhost 7 --udp', 'datagrams'],
  ],
  load: () => import('../bench.ts'),
};
