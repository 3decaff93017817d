import type { CommandSpec } from '../spec.ts';

export const netstat: CommandSpec = {
  name: 'netstat',
  summary: 'the sockets of this machine: who listens, who is connected, who holds a port',
  description: [
    'Shows the sockets that the kernel knows: protocol, state, bytes that wait to be read and to be acknowledged (of a socket that listens: connections that wait, and its backlog), both addresses. Without an option that chooses protocols: those of the Internet. States are spelt as RFC 9293 has them.',
    'The processes are looked up where they are asked for: by --processes, --process, --port, --listening, --watch or --json. Those of other users are seen by root only.',
    '--watch shows the table live, with the bytes a second of each TCP connection and their course. Keys: q or Ctrl-C ends it, p or space pauses, s sorts by the next column, r turns the order round, / filters by text, t, u, x and l choose TCP, UDP, AF_UNIX and what listens, arrows scroll.',
  ],
  arguments: [],
  options: [
    { name: 'listening', short: 'l', what: 'only sockets that anybody may speak to, with their processes' },
    { name: 'tcp', short: 't', what: 'TCP' },
    { name: 'udp', short: 'u', what: 'UDP' },
    { name: 'unix', short: 'x', what: 'AF_UNIX' },
    { name: 'all', short: 'a', what: 'every protocol: raw, packet, netlink, vsock … as well' },
    { name: 'ipv4', short: '4', what: 'IPv4 only' },
    { name: 'ipv6', short: '6', what: 'IPv6 only' },
    {
      name: 'state',
      short: 's',
      value: 'STATE',
      many: true,
      what: 'only sockets in this state, such as established or time_wait',
    },
    {
      name: 'port',
      value: 'PORT',
      type: 'port',
      many: true,
      what: 'only sockets with this port at either end; says who holds it',
    },
    { name: 'process', value: 'NAME|PID', many: true, what: 'only sockets of this process' },
    { name: 'processes', short: 'p', what: 'show the processes' },
    {
      name: 'info',
      short: 'i',
      what: 'show round trip time, bytes and segments sent again of TCP connections',
    },
    { name: 'json', what: 'JSON instead of a table: all that is known of each socket' },
    { name: 'watch', short: 'w', what: 'a live view, on a terminal' },
    {
      name: 'interval',
      value: 'SECONDS',
      type: 'seconds',
      what: 'with --watch: the time between two looks; 1 if it is not given',
    },
  ],
  examples: [
    ['sock netstat', 'connections and listeners'],
    ['sock netstat -tl', 'which TCP servers run here, and whose they are'],
    ['sock netstat --port 3000', 'who holds port 3000'],
    ['sock netstat --state close_wait -p', 'programs that forgot to close'],
    ['sock netstat --watch', 'live, with rates'],
  ],
  statuses: [[1, 'failed; or, with --port or --process: there is no such socket']],
  load: () => import('../netstat.ts'),
};
