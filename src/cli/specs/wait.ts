import type { CommandSpec } from '../spec.ts';

export const wait: CommandSpec = {
  name: 'wait',
  summary: 'wait until a port answers',
  description: [
    'Tries to connect until it succeeds; then it hangs up and ends with status 0. Nothing is sent. Names are looked up anew each time. The reason of a failure is told once, on standard error.',
  ],
  arguments: [
    { name: 'HOST', what: 'a name or an address; or HOST:PORT, or unix:PATH, or a PORT of this machine' },
    { name: 'PORT', optional: true, what: 'a number, or the name of a service' },
  ],
  options: [
    {
      name: 'timeout',
      short: 't',
      value: 'SECONDS',
      type: 'seconds',
      what: 'give up after this time; never if it is not given',
    },
    {
      name: 'interval',
      value: 'SECONDS',
      type: 'seconds',
      what: 'the time between two tries; 0.25 if it is not given',
    },
    { name: 'ipv4', short: '4', what: 'IPv4 only' },
    { name: 'ipv6', short: '6', what: 'IPv6 only' },
    { name: 'gone', what: 'wait until it does not answer any more' },
    { name: 'quiet', short: 'q', what: 'say nothing' },
  ],
  examples: [
    ['sock wait localhost 5432 --timeout 30 && npm test', 'tests that need a database'],
    ['sock wait unix:/run/app.sock', 'a Unix socket'],
    ['sock wait 3000 --gone', 'until the old server has ended'],
  ],
  statuses: [[1, 'it did not answer in time']],
  load: () => import('../wait.ts'),
};
