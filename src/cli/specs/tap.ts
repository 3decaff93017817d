import type { CommandSpec } from '../spec.ts';

export const tap: CommandSpec = {
  name: 'tap',
  summary: 'stand between two programs, and show every chunk',
  description: [
    'Listens, and leads every connection to the target. Each chunk is shown as it came: > from the client, < from the target, the time since the one before, the size, the text (or hexadecimal, where it is no text). A message that arrives in several chunks is several chunks here: what a program must reckon with.',
    'Faults are for testing the programs on both sides: --delay, --rate and --chunk make a line late, slow and choppy; --drop-after and --reset-after break it.',
  ],
  arguments: [
    { name: 'LISTEN', what: 'PORT (of this machine only), HOST:PORT or unix:PATH; port 0 is any free one' },
    { name: 'TARGET', what: 'HOST:PORT, PORT or unix:PATH' },
  ],
  options: [
    { name: 'hex', short: 'x', what: 'hexadecimal, also for text' },
    {
      name: 'bytes',
      value: 'N',
      type: 'size',
      what: 'show so many bytes of each chunk: 4k if it is not given',
    },
    { name: 'from', value: 'SIDE', choices: ['client', 'target'], what: 'show one direction only' },
    { name: 'match', value: 'REGEXP', what: 'show only chunks that match, as JavaScript has it' },
    { name: 'json', what: 'a line of JSON for each event' },
    { name: 'report', value: 'FILE', what: 'write a page that draws the conversations to scale' },
    { name: 'once', what: 'end after one connection' },
    { name: 'delay', value: 'SECONDS', type: 'seconds', what: 'pass everything on so much later' },
    { name: 'rate', value: 'BYTES', type: 'size', what: 'so many bytes a second in each direction' },
    { name: 'chunk', value: 'BYTES', type: 'size', what: 'pass on pieces of at most so many bytes' },
    {
      name: 'drop-after',
      value: 'BYTES',
      type: 'size',
      what: 'pass nothing on after so many bytes of a connection',
    },
    {
      name: 'reset-after',
      value: 'BYTES',
      type: 'size',
      what: 'reset both ends after so many bytes of a connection',
    },
  ],
  examples: [
    ['sock tap 8081 localhost:8080', 'then let the client connect to port 8081'],
    ['sock tap 5433 localhost:5432 --report out.html', 'a picture of what a database client says'],
    ['sock tap 8081 localhost:8080 --chunk 1', 'does your parser survive single bytes?'],
  ],
  load: () => import('../tap.ts'),
};
