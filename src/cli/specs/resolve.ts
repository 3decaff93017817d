import type { CommandSpec } from '../spec.ts';

export const resolve: CommandSpec = {
  name: 'resolve',
  summary: 'the addresses of a name, the name of an address',
  description: [
    'Asks the system, as every program does (getaddrinfo(3), getnameinfo(3)): /etc/hosts, the name servers, whatever it is set up for. For a numeric address, the name that belongs to it.',
  ],
  arguments: [{ name: 'NAME', many: true, what: 'a host name, or an address' }],
  options: [
    { name: 'ipv4', short: '4', what: 'IPv4 addresses only' },
    { name: 'ipv6', short: '6', what: 'IPv6 addresses only' },
    { name: 'canonical', short: 'c', what: 'the canonical name as well' },
    { name: 'json', what: 'JSON instead of a table' },
  ],
  examples: [
    ['sock resolve localhost', 'its addresses, in the order in which a program would try them'],
    ['sock resolve ::1', 'its name'],
  ],
  load: () => import('../resolve.ts'),
};
