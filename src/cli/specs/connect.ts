import type { CommandSpec, OptionSpec } from '../spec.ts';

/** Options of all commands that open a socket for the standard streams. */
export const socketOptions: readonly OptionSpec[] = [
  { name: 'udp', short: 'u', what: 'UDP: what is read at a time is sent as a datagram' },
  { name: 'seqpacket', what: 'with unix:PATH, a SOCK_SEQPACKET socket' },
  { name: 'dgram', what: 'with unix:PATH, a SOCK_DGRAM socket' },
  { name: 'ipv4', short: '4', what: 'IPv4 only' },
  { name: 'ipv6', short: '6', what: 'IPv6 only' },
  { name: 'hex', short: 'x', what: 'show both directions in hexadecimal: > is sent, < received' },
  { name: 'crlf', short: 'C', what: 'send the line ends of the input as CR LF' },
  {
    name: 'send',
    value: 'TEXT',
    what: 'send this in front of the input; \\n, \\r, \\t, \\0, \\e, \\xHH and \\\\ are escapes',
  },
  {
    name: 'expect',
    value: 'TEXT',
    what: 'end with status 0 when this has come, with 1 when it did not: until the end, or --timeout',
  },
  { name: 'progress', what: 'tell how far it is, also where standard error is no terminal' },
  { name: 'verbose', short: 'v', what: 'tell on standard error what is tried, and how it ends' },
];

export const connect: CommandSpec = {
  name: 'connect',
  summary: 'connect, and talk: telnet and netcat in one',
  description: [
    'Connects to a host and port (the first of its addresses that answers), or to an AF_UNIX path; unix:@NAME is in the abstract namespace. On a terminal lines are edited before they are sent. Otherwise standard input is sent and what comes is written to standard output.',
    'Each direction goes on by itself. The end of standard input ends the sending (shutdown), and what comes is still written. When the peer ends, standard output is closed, and what is read is still sent, until standard input ends too or the peer has gone for good. It ends when both directions have. If nobody reads standard output any more, the rest of what comes is thrown away. Datagrams have no end: --timeout, or Ctrl-C.',
    'On port 23, or with --telnet, it speaks the Telnet protocol: it answers what the server asks for, shows no commands, and ends with the server. Where the server echoes, each key is sent at once, and Ctrl-] ends it.',
  ],
  arguments: [
    { name: 'HOST', what: 'a name or an address; or HOST:PORT, or unix:PATH, or a PORT of this machine' },
    { name: 'PORT', optional: true, what: 'a number, or the name of a service' },
  ],
  options: [
    { name: 'tls', what: 'TLS: the certificate is checked, and shown on standard error' },
    {
      name: 'servername',
      value: 'NAME',
      what: 'with --tls, the name that the certificate must be for, instead of HOST',
    },
    { name: 'ca', value: 'FILE', what: 'with --tls, trust the authorities of this PEM file, and no others' },
    { name: 'alpn', value: 'NAMES', what: 'with --tls, offer these protocols, separated by commas' },
    { name: 'insecure', what: 'with --tls, go on whatever the certificate says' },
    ...socketOptions,
    { name: 'telnet', short: 't', what: 'speak the Telnet protocol' },
    { name: 'raw', what: 'do not, although the port is 23' },
    { name: 'wait', short: 'w', what: 'try again until it answers, or --timeout has passed' },
    {
      name: 'timeout',
      value: 'SECONDS',
      type: 'seconds',
      what: 'for connecting; then for --expect, or else the longest silence',
    },
  ],
  examples: [
    ['sock connect example.com 80', 'talk to a web server by hand'],
    ['sock connect host 9000 < file', 'send a file, and end'],
    ["sock connect --send 'PING\\r\\n' --expect PONG localhost 6379", 'a health check'],
    ['sock connect unix:/run/app.sock', 'a Unix socket'],
    ['sock connect --wait --timeout 30 db 5432 < /dev/null', 'wait until it listens'],
  ],
  statuses: [],
  load: () => import('../connect.ts'),
};
