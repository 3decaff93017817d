import type { CommandSpec } from '../spec.ts';

export const fetch: CommandSpec = {
  name: 'fetch',
  summary: 'get what an http or https address holds',
  description: [
    'Asks for it by HTTP/1.1 (RFC 9112) and writes the body to standard output. Redirects are followed. Over https the certificate is checked.',
    'An answer of 400 or more is a failure: its body is still written to standard output (but not to the file of --output), and the status is 1. So is an answer that ends too soon.',
  ],
  arguments: [{ name: 'URL', what: 'http://… or https://…; without either, http' }],
  options: [
    { name: 'headers', short: 'i', what: 'write the status and the headers in front of the body' },
    { name: 'head', short: 'I', what: 'only the status and the headers: ask with HEAD' },
    { name: 'output', short: 'o', value: 'FILE', what: 'write the body to a file' },
    { name: 'header', short: 'H', value: 'NAME:VALUE', many: true, what: 'send this header, too' },
    {
      name: 'redirects',
      value: 'N',
      type: 'count',
      what: 'follow at most N redirects; 10 if it is not given, 0 follows none',
    },
    {
      name: 'timeout',
      short: 't',
      value: 'SECONDS',
      type: 'seconds',
      what: 'for the connection, and the longest silence; 30 if it is not given',
    },
    { name: 'unix', value: 'PATH', what: 'connect to this AF_UNIX socket instead of the host' },
    {
      name: 'ca',
      value: 'FILE',
      what: 'trust the certificates in this file (PEM) instead of the usual ones',
    },
    { name: 'insecure', short: 'k', what: 'do not check the certificate' },
    { name: 'ipv4', short: '4', what: 'IPv4 only' },
    { name: 'ipv6', short: '6', what: 'IPv6 only' },
    { name: 'verbose', short: 'v', what: 'tell on standard error what is tried and what is asked' },
  ],
  examples: [
    ['sock fetch http://localhost:8080/ --headers', 'what a server says'],
    ['sock fetch https://example.com/a.tar.gz -o a.tar.gz', 'to a file'],
    ['sock fetch --unix /run/docker.sock http://localhost/version', 'over a Unix socket'],
  ],
  load: () => import('../fetch.ts'),
};
