// Names, asked by a thread that blocks: the same answers as on the event loop, within the time
// that there is, and a thread that waits for one can be ended.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as awaited from 'berkeley-sockets';
import * as blocking from 'berkeley-sockets/sync';
import { noOwnNetwork } from '../support/node.ts';
import { runWithNames } from '../support/resolving.ts';

const skip = noOwnNetwork();

/** What a call gives or throws, in a form to compare. */
async function outcome(call: () => unknown): Promise<unknown> {
  try {
    return await call();
  } catch (error) {
    assert.ok(error instanceof Error, String(error));
    return { ...error, name: error.name, message: error.message };
  }
}

type Name =
  | 'getaddrinfo'
  | 'getnameinfo'
  | 'gethostbyname'
  | 'gethostbyname_ex'
  | 'gethostbyaddr'
  | 'getfqdn';
const calls: [name: Name, ...args: unknown[]][] = [
  ['getaddrinfo', '127.0.0.1', 80],
  ['getaddrinfo', 'localhost', 'http', { type: awaited.SOCK_STREAM, flags: awaited.AI_CANONNAME }],
  ['getaddrinfo', null, 80, { flags: awaited.AI_PASSIVE }],
  ['getaddrinfo', '::1', 443, { family: awaited.AF_INET6 }],
  ['getaddrinfo', 'no.such.name.invalid', 80],
  ['getaddrinfo', '127.0.0.1', 'no-such-service'],
  ['getaddrinfo', 5, 80],
  ['getaddrinfo', 'a\0b', 80],
  ['getaddrinfo', '127.0.0.1', 65536],
  ['getaddrinfo', '127.0.0.1', 80, { family: '2' }],
  ['getnameinfo', ['127.0.0.1', 80], awaited.NI_NUMERICHOST | awaited.NI_NUMERICSERV],
  ['getnameinfo', ['127.0.0.1', 80], 0],
  ['getnameinfo', ['no.number', 80], 0],
  ['getnameinfo', ['127.0.0.1', 80], 'x'],
  ['gethostbyname', 'localhost'],
  ['gethostbyname', ''],
  ['gethostbyname', '<broadcast>'],
  ['gethostbyname', 'no.such.name.invalid'],
  ['gethostbyname', null],
  ['gethostbyname_ex', 'localhost'],
  ['gethostbyname_ex', '127.0.0.1'],
  ['gethostbyaddr', '127.0.0.1'],
  ['gethostbyaddr', 'no.such.name.invalid'],
  ['getfqdn'],
  ['getfqdn', '127.0.0.1'],
  ['getfqdn', 'no.such.name.invalid'],
  ['getfqdn', 5],
];

test('both flavours give the same, and fail alike', async () => {
  for (const [name, ...args] of calls) {
    const call = (flavour: unknown) => () =>
      (flavour as Record<Name, (...args: unknown[]) => unknown>)[name](...args);
    assert.deepEqual(
      await outcome(call(blocking)),
      await outcome(call(awaited)),
      `${name}(${JSON.stringify(args)})`,
    );
  }
});

test('the values are plain', () => {
  assert.equal(blocking.gethostbyname('localhost'), '127.0.0.1');
  const [row] = blocking.getaddrinfo('127.0.0.1', 80, { type: blocking.SOCK_STREAM });
  assert.deepEqual(row, [
    blocking.AF_INET,
    blocking.SOCK_STREAM,
    blocking.IPPROTO_TCP,
    '',
    ['127.0.0.1', 80],
  ]);
});

test('names that a name server knows', { skip }, async (t) => {
  const known: [name: Name, ...args: unknown[]][] = [
    ...['one', 'many', 'six', 'www', 'twice', 'empty', 'missing', 'files', 'alias', 'bücher'].flatMap(
      (name): [name: Name, ...args: unknown[]][] => [
        ['getaddrinfo', `${name}.example`, 80, { type: 1, flags: 2 }],
        ['gethostbyname', `${name}.example`],
        ['gethostbyname_ex', `${name}.example`],
      ],
    ),
    ...['192.0.2.9', '2001:db8::6', '192.0.2.200', 'www.example'].flatMap(
      (ip): [name: Name, ...args: unknown[]][] => [
        ['gethostbyaddr', ip],
        ['getfqdn', ip],
      ],
    ),
    ['getfqdn', 'short'],
    ['getnameinfo', ['192.0.2.9', 80], 0],
    ['getnameinfo', ['192.0.2.200', 80], 8],
  ];
  const [ours, theirs] = await runWithNames<[unknown[], unknown[]]>(
    t,
    `
    const sync = await import('berkeley-sockets/sync');
    const outcome = async (call) => { try { return await call(); } catch (error) { return [error.name, error.code, error.message]; } };
    const results = [[], []];
    for (const [name, ...args] of ${JSON.stringify(known)}) {
      for (const [at, flavour] of [sync, net].entries()) results[at].push(await outcome(() => flavour[name](...args)));
    }
    console.log(JSON.stringify(results));
    `,
    { blocks: true },
  );
  for (const [i, call] of known.entries()) assert.deepEqual(ours[i], theirs[i], JSON.stringify(call));
  assert.equal(
    ours[known.findIndex(([name, host]) => name === 'gethostbyname' && host === 'www.example')],
    '192.0.2.9',
  );
});

test('a name server that is silent: the limits of whole calls hold, and nothing is left behind', {
  skip,
}, async (t) => {
  const rows = await runWithNames<[what: string, name: string, message: string, seconds: number][]>(
    t,
    `
    import { readdirSync } from 'node:fs';
    const { createConnection, socket, AF_INET, SOCK_DGRAM, gethostbyname } = await import('berkeley-sockets/sync');
    const open = () => readdirSync('/proc/self/fd').length;
    const limited = (...kind) => { const s = socket(...kind); s.settimeout(0.3); return s; };
    const rows = [];
    const tell = (what, call) => {
      const start = now();
      let error;
      try { error = ['no error', String(call())]; } catch (e) { error = [e.name, e.message]; }
      rows.push([what, ...error, now() - start]);
    };
    socket().close();
    const before = open();
    const [tcp, udp, local] = [limited(), limited(AF_INET, SOCK_DGRAM), limited()];
    tell('createConnection', () => createConnection(['a.silent', 80], { timeout: 0.3 }));
    tell('connect', () => tcp.connect(['b.silent', 80]));
    tell('sendto', () => udp.sendto('x', ['c.silent', 80]));
    tell('bind', () => local.bind(['d.silent', 0]));
    // Threads that cannot be called back must not stand in the way of others.
    for (let i = 0; i < 60; i++) {
      try { createConnection([i + '.silent', 80], { timeout: 0.005 }); } catch {}
    }
    tell('gethostbyname', () => gethostbyname('one.example'));
    tell('bind to a name', () => local.bind(['one.example', 0]));
    tell('without a limit', () => gethostbyname('e.silent'));
    for (const each of [tcp, udp, local]) each.close();
    // The C library's own, of look-ups that nobody waits for any more, close when it gives up.
    for (const end = now() + 15; open() > before; ) {
      if (now() > end) throw new Error(open() - before + ' descriptors left');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    console.log(JSON.stringify(rows));
    process.exit();
    `,
    { blocks: true },
  );
  const told = new Map(rows.map(([what, name, message, seconds]) => [what, { name, message, seconds }]));
  for (const what of ['createConnection', 'connect', 'sendto', 'bind']) {
    const { name, message, seconds } = told.get(what)!;
    assert.equal(name, 'TimeoutError', `${what}: ${message}`);
    assert.match(message, /^timed out/);
    assert.ok(seconds > 0.28 && seconds < 2, `${what} took ${seconds} s`);
  }
  assert.match(told.get('createConnection')!.message, /a\.silent:80/);
  assert.equal(told.get('gethostbyname')!.message, '192.0.2.1');
  assert.ok(told.get('gethostbyname')!.seconds < 1.5);
  // Nobody has this address here: the name was looked up.
  assert.match(told.get('bind to a name')!.message, /^bind EADDRNOTAVAIL/);
  assert.match(told.get('without a limit')!.message, /^getaddrinfo EAI_AGAIN e\.silent/);
  assert.ok(told.get('without a limit')!.seconds > 2);
});

test('a thread that blocks for a name ends when it is told to, and so does the process', {
  skip,
}, async (t) => {
  const [terminated, again, at] = await runWithNames<[number[], string, number]>(
    t,
    `
    import { Worker } from 'node:worker_threads';
    const library = import.meta.resolve('berkeley-sockets/sync');
    const source = (call) => \`
      import { parentPort } from 'node:worker_threads';
      import * as net from '\${library}';
      parentPort.postMessage('asks');
      net.\${call};
      parentPort.postMessage('has an answer');
    \`;
    const blocked = async (call) => {
      const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(source(call))), { execArgv: [] });
      const messages = [];
      worker.on('message', (message) => messages.push(message));
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
      await new Promise((resolve) => setTimeout(resolve, 100));
      if (messages.length !== 1) throw new Error(call + ' was not blocked');
      return worker;
    };
    const times = [];
    for (const call of ["gethostbyname('f.silent')", "socket().connect(['g.silent', 80])", "createConnection(['h.silent', 80])"]) {
      const worker = await blocked(call);
      const start = now();
      await worker.terminate();
      times.push(now() - start);
    }
    const again = await net.gethostbyname('one.example');
    await blocked("getaddrinfo('i.silent', 80)");
    process.on('exit', () => console.log(JSON.stringify([times, again, Date.now()])));
    process.exit();
    `,
    { blocks: true },
  );
  assert.equal(terminated.length, 3);
  for (const seconds of terminated) assert.ok(seconds < 1.5, `terminated after ${seconds} s`);
  assert.equal(again, '192.0.2.1');
  assert.ok(Date.now() - at < 1500, `the process took ${Date.now() - at} ms to end`);
});
