// Names that a name server knows, and what happens while one does not answer: in a network
// of the test's own, against Python in the same network.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noOwnNetwork } from '../support/node.ts';
import { runWithNames as run } from '../support/resolving.ts';

const skip = noOwnNetwork();

test('every look-up gives what Python gives in the same network', { skip }, async (t) => {
  const stream = 1;
  const canonical = 2;
  const named = 8;
  const calls = [
    ...['one', 'many', 'six', 'www', 'twice', 'empty', 'missing', 'files', 'alias'].flatMap((name) =>
      [0, 2, 10].map((family) => ['getaddrinfo', `${name}.example`, 80, family, stream, 0, canonical]),
    ),
    ['getaddrinfo', 'bücher.example', 80, 0, stream],
    ['getaddrinfo', 'BÜCHER.example', 80, 0, stream],
    ['getaddrinfo', 'many.example', 'http'],
    ['getaddrinfo', 'many.example', 'no-such'],
    ...['one', 'many', 'six', 'www', 'missing', 'files', 'bücher'].flatMap((name) => [
      ['gethostbyname', `${name}.example`],
      ['gethostbyname_ex', `${name}.example`],
    ]),
    ...[
      '192.0.2.9',
      '192.0.2.77',
      '2001:db8::6',
      '2001:db8::77',
      '192.0.2.200',
      'www.example',
      'missing.example',
    ].flatMap((ip) => [
      ['gethostbyaddr', ip],
      ['getfqdn', ip],
    ]),
    ['getfqdn', 'short'],
    ['getnameinfo', ['192.0.2.9', 80], 0],
    ['getnameinfo', ['2001:db8::6', 443], 0],
    ['getnameinfo', ['192.0.2.200', 80], 0],
    ['getnameinfo', ['192.0.2.200', 80], named],
  ];
  const python = `
import json, socket, sys
names = {value: name for name, value in vars(socket).items() if name.startswith('EAI_')}
def call(name, *arguments):
    try: return getattr(socket, name)(*[tuple(a) if isinstance(a, list) else a for a in arguments])
    except socket.gaierror as error: return names[error.errno]
    except socket.herror as error: return {1: 'EAI_NONAME', 2: 'EAI_AGAIN', 3: 'EAI_FAIL', 4: 'EAI_NODATA'}[error.errno]
print(json.dumps([call(*c) for c in json.load(sys.stdin)]))
`;
  const { ours, theirs } = await run<Record<'ours' | 'theirs', unknown[]>>(
    t,
    `
    import { spawn } from 'node:child_process';
    const calls = ${JSON.stringify(calls)};
    const call = async ([name, ...args]) => {
      try {
        if (name !== 'getaddrinfo') return await net[name](...args);
        const [host, port, family = 0, type = 0, proto = 0, flags = 0] = args;
        return await net.getaddrinfo(host, port, { family, type, proto, flags });
      } catch (error) {
        if (!(error instanceof net.AddressInfoError)) throw error;
        return error.code;
      }
    };
    const ours = [];
    for (const each of calls) ours.push(await call(each));
    const child = spawn('python3', ['-I', '-c', ${JSON.stringify(python)}], { stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdin.end(JSON.stringify(calls));
    let output = '';
    for await (const chunk of child.stdout) output += chunk;
    console.log(JSON.stringify({ ours, theirs: JSON.parse(output) }));
    `,
  );
  for (const [i, call] of calls.entries()) assert.deepEqual(ours[i], theirs[i], JSON.stringify(call));
  // And that there was something to compare.
  const answer = (...call: unknown[]) =>
    ours[calls.findIndex((each) => JSON.stringify(each) === JSON.stringify(call))];
  assert.deepEqual(answer('gethostbyname_ex', 'www.example'), [
    'real.example',
    ['www.example'],
    ['192.0.2.9'],
  ]);
  assert.deepEqual(answer('gethostbyname_ex', 'bücher.example'), [
    'xn--bcher-kva.example',
    [],
    ['192.0.2.78'],
  ]);
  assert.equal(answer('getfqdn', '192.0.2.9'), 'real.example');
});

test('resolveAddress takes the first address of the family', { skip }, async (t) => {
  const result = await run(
    t,
    `
    import { decodeAddress } from './dist/address.js';
    import { resolveAddress } from './dist/names.js';
    const resolve = async (...args) => { const bytes = await resolveAddress(...args); return decodeAddress(bytes, bytes.length); };
    const [, , , , first] = (await net.getaddrinfo('many.example', 80, { family: net.AF_INET6, type: net.SOCK_STREAM }))[0];
    console.log(JSON.stringify([
      await resolve(net.AF_INET, ['one.example', 80]),
      (await resolve(net.AF_INET6, ['many.example', 80, 3, 4]))[0] === first[0],
      await resolve(net.AF_INET6, ['six.example', 80, 3, 4]),
      await resolve(net.AF_INET, ['six.example', 80]).catch(({ code, address, port, message }) => ({ code, address, port, message })),
    ]));
    `,
  );
  assert.deepEqual((result as unknown[]).slice(0, 3), [['192.0.2.1', 80], true, ['2001:db8::6', 80, 3, 4]]);
  const { code, message, ...where } = (result as Record<string, string>[])[3]!;
  assert.match(code!, /^EAI_(NONAME|NODATA)$/);
  assert.deepEqual(where, { address: 'six.example', port: 80 });
  assert.ok(message!.startsWith(`getaddrinfo ${code} six.example:80: `), message);
});

test('a name server that is silent costs EAI_AGAIN, and an abort costs nothing', { skip }, async (t) => {
  const [late, aborts, after] = await run<[[string, number], number[], number]>(
    t,
    `
    const start = now();
    const late = await net.getaddrinfo('a.silent', 80).catch((error) => [error.code, now() - start]);
    const aborts = [];
    for (const call of [
      (signal) => net.getaddrinfo('b.silent', 80, { signal }),
      (signal) => net.gethostbyname('c.silent', { signal }),
      (signal) => net.gethostbyname_ex('d.silent', { signal }),
      (signal) => net.gethostbyaddr('198.51.100.1', { signal }),
      (signal) => net.getnameinfo(['198.51.100.2', 80], 0, { signal }),
      (signal) => net.getfqdn('e.silent', { signal }),
    ]) {
      const controller = new AbortController();
      const reason = new Error('stop');
      setTimeout(() => controller.abort(reason), 50);
      const start = now();
      const error = await call(controller.signal).then(() => 'an answer', (error) => error);
      if (error !== reason) throw new Error(String(error));
      aborts.push(now() - start);
    }
    // Threads that cannot be called back must not stand in the way of others.
    const controller = new AbortController();
    const stuck = Array.from({ length: 200 }, (_, i) => net.getaddrinfo(i + '.silent', 80, controller).catch(() => {}));
    setTimeout(() => controller.abort(), 50);
    await Promise.all(stuck);
    const again = now();
    await net.getaddrinfo('one.example', 80);
    console.log(JSON.stringify([late, aborts, now() - again]));
    `,
  );
  assert.equal(late[0], 'EAI_AGAIN');
  assert.ok(late[1] > 2, `gave up after ${late[1]} s`);
  for (const seconds of aborts) assert.ok(seconds < 1, `aborted after ${seconds} s`);
  assert.ok(after < 1, `answered after ${after} s`);
});

test('the event loop turns while a look-up waits, and the look-up keeps the process alive', {
  skip,
}, async (t) => {
  const [ticks, code] = await run<[number, string]>(
    t,
    `
    let ticks = 0;
    setInterval(() => ticks++, 10).unref();
    // Nothing else holds the process: the answer is printed only if the look-up does.
    net.getaddrinfo('a.silent', 80).catch((error) => console.log(JSON.stringify([ticks, error.code])));
    `,
  );
  assert.ok(ticks > 100, `${ticks} turns`);
  assert.equal(code, 'EAI_AGAIN');
});

for (const [how, end] of [
  ['process.exit()', 'setTimeout(() => process.exit(0), 50);'],
  ['an abort', 'setTimeout(() => controller.abort(), 50);'],
]) {
  test(`the process ends at once after ${how}, whatever the name server does`, { skip }, async (t) => {
    const at = await run<number>(
      t,
      `
      const controller = new AbortController();
      for (let i = 0; i < 40; i++) net.getaddrinfo(i + '.silent', 80, controller).catch(() => {});
      net.gethostbyaddr('198.51.100.1', controller).catch(() => {});
      ${end}
      process.on('exit', () => console.log(Date.now()));
      `,
    );
    // From the exit handler until the process was gone and its output read.
    assert.ok(Date.now() - at < 1500, `${Date.now() - at} ms`);
  });
}

test('a worker ends at once while it looks names up, and threads that outlive it do no harm', {
  skip,
}, async (t) => {
  const times = await run<number[]>(
    t,
    `
    import { Worker } from 'node:worker_threads';
    import { pathToFileURL } from 'node:url';
    const library = import.meta.resolve('berkeley-sockets');
    const source = \`
      import { parentPort } from 'node:worker_threads';
      import * as net from '\${library}';
      for (let i = 0; i < 40; i++) net.getaddrinfo(i + '.silent', 80).catch(() => {});
      net.getnameinfo(['198.51.100.2', 80], 0).catch(() => {});
      setTimeout(() => parentPort.postMessage('started'), 50);
    \`;
    const times = [];
    for (let round = 0; round < 3; round++) {
      const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(source)), { execArgv: [] });
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
      const start = now();
      await worker.terminate();
      times.push(now() - start);
    }
    // A worker that ends by itself takes its answers with it.
    const quick = source.replaceAll('.silent', '.example').replace("parentPort.postMessage('started')", 'process.exit(0)');
    const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(quick)), { execArgv: [] });
    await new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
    // Until the silent ones are given up, in threads whose environment is long gone.
    await new Promise((resolve) => setTimeout(resolve, 7000));
    await net.getaddrinfo('one.example', 80);
    console.log(JSON.stringify(times));
    `,
  );
  assert.equal(times.length, 3);
  for (const seconds of times) assert.ok(seconds < 1.5, `terminated after ${seconds} s`);
});
