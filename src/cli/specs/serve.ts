import type { CommandSpec } from '../spec.ts';

export const serve: CommandSpec = {
  name: 'serve',
  summary: 'small servers: echo, time, chat, files over HTTP and more',
  description: [
    'Runs a service until it is interrupted. echo, discard, chargen, daytime and time are those of RFC 862, 863, 864, 867 and 868, over TCP and UDP; hello greets and ends; chat is for people with telnet or netcat; http gives the files of a folder, and nothing outside of it: no links out, no names that begin with a dot.',
    'Without --port it is the port of the service (ports below 1024 need root), 8000 for hello, 7000 for chat, 8080 for http. Port 0 is any free one. Where it listens is told on standard error, with --json on standard output, one line for each protocol.',
  ],
  arguments: [
    {
      name: 'SERVICE',
      choices: ['hello', 'echo', 'discard', 'chargen', 'daytime', 'time', 'chat', 'http'],
      what: 'what to serve',
    },
    { name: 'DIR', optional: true, what: 'the folder, for http' },
  ],
  options: [
    { name: 'port', short: 'p', value: 'PORT', type: 'port', what: 'where to listen; 0 is any free port' },
    { name: 'host', value: 'ADDRESS', what: 'one address of this machine instead of all' },
    { name: 'unix', short: 'U', value: 'PATH', what: 'a Unix socket instead of a port' },
    { name: 'tcp', short: 't', what: 'TCP only' },
    { name: 'udp', short: 'u', what: 'UDP only' },
    { name: 'threads', value: 'N', type: 'count', what: 'so many threads, each with an event loop' },
    { name: 'once', what: 'end after one connection' },
    { name: 'max', value: 'N', type: 'count', what: 'connections at once; the rest waits in the backlog' },
    {
      name: 'timeout',
      value: 'SECONDS',
      type: 'seconds',
      what: 'close connections that are silent for so long',
    },
    { name: 'hidden', what: 'http: files whose names begin with a dot, too' },
    { name: 'json', what: 'tell where it listens as JSON, on standard output' },
    { name: 'verbose', short: 'v', what: 'tell of connections, requests and errors on standard error' },
  ],
  examples: [
    ['sock serve http . --port 8080', 'the files of this folder'],
    ['sock serve chat', 'then: telnet localhost 7000'],
    ['sock serve echo --port 0 --json', 'an echo server for a test, anywhere'],
  ],
  load: () => import('../serve.ts'),
};
