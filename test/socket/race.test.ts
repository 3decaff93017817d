// createConnection's race, in both flavours: a name with several addresses, some of which hang or
// refuse (RFC 8305), in a network of its own.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { noOwnNetwork, ownNetwork, runNode } from '../support/node.ts';
import { type Scene, scene } from '../support/scene.ts';
import { tempdir } from '../support/tempdir.ts';

const isolated = noOwnNetwork();

/** The addresses of `name`, in the order in which the resolver gives them, and sockets that stand for them. */
const prelude = `
  import assert from 'node:assert/strict';
  import { readdirSync, readlinkSync } from 'node:fs';
  import { Worker } from 'node:worker_threads';
  import * as bs from 'berkeley-sockets';
  const { socket, AF_INET, AF_INET6, SOCK_STREAM } = bs;
  const open = () => readdirSync('/proc/self/fd').filter((fd) => {
    try { return readlinkSync('/proc/self/fd/' + fd).startsWith('socket:'); } catch { return false; }
  }).length;
  const rows = await bs.getaddrinfo('many', 80, { type: SOCK_STREAM });
  const hosts = rows.map(([, , , , address]) => address[0]);
  const kept = [];
  const at = (host, port, backlog) => {
    const s = socket(host.includes(':') ? AF_INET6 : AF_INET);
    if (host.includes(':')) s.setsockopt(41, 26, 1);
    s.bind([host, port]);
    s.listen(backlog);
    kept.push(s);
    return s;
  };
  const works = (host, port) => at(host, port, 10);
  // A full backlog: further SYNs are dropped, and a connect hangs.
  const hangs = async (host, port) => {
    const s = at(host, port, 0);
    for (let full = false; !full; ) {
      const c = socket(s.family);
      kept.push(c);
      c.settimeout(0.1);
      full = await c.connect(s.getsockname()).then(() => false, () => true);
      c.close();
    }
    return s;
  };
  const timed = async (f) => { const t = performance.now(); const v = await f(); return [v, (performance.now() - t) / 1000]; };
  const failure = (p) => p.then(() => assert.fail('connected'), (e) => e);
`;

// The flavour under test is createConnection's; the stage is set with the awaited one.
const underTest = {
  awaited: `const { createConnection } = bs;\n`,
  blocking: `const sync = await import('berkeley-sockets/sync');
    const createConnection = async (...args) => sync.createConnection(...args);\n`,
};

function race(
  name: string,
  addresses: string[],
  body: string,
  of: (keyof typeof underTest)[] = ['awaited', 'blocking'],
): void {
  for (const flavour of of) raceOf(flavour, `${name} (${flavour})`, addresses, body);
}

function raceOf(flavour: keyof typeof underTest, name: string, addresses: string[], body: string): void {
  scene(
    name,
    async (s: Scene) => {
      const file = path.join(tempdir(s), 'hosts');
      writeFileSync(file, `127.0.0.1 localhost\n${addresses.map((address) => `${address} many\n`).join('')}`);
      const wrap = ownNetwork(`mount --bind ${file} /etc/hosts`);
      const { stdout } = await runNode(
        `${prelude}${underTest[flavour]}${body}\nfor (const s of kept) s.close(); console.log('passed');`,
        {
          wrap,
          seconds: 20,
        },
      );
      assert.match(stdout, /passed/);
    },
    { skip: isolated },
  );
}

const three = ['127.0.0.2', '127.0.0.3', '::1'];

race(
  'the first address works: nobody else is asked',
  three,
  `
  const first = works(hosts[0], 8000);
  const others = hosts.slice(1).map((host) => works(host, 8000));
  const client = await createConnection(['many', 8000]);
  assert.equal(client.getpeername()[0], hosts[0]);
  const [server] = await first.accept();
  for (const other of others) {
    other.settimeout(0);
    await assert.rejects(other.accept(), { code: 'EAGAIN' });
  }
  kept.push(client, server);
`,
);

race(
  'the first address hangs: the next is tried after a quarter of a second, and wins',
  three,
  `
  await hangs(hosts[0], 8000);
  const second = works(hosts.find((host) => host.includes(':') !== hosts[0].includes(':')), 8000);
  const before = open();
  const [client, seconds] = await timed(() => createConnection(['many', 8000]));
  assert.equal(client.getpeername()[0], second.getsockname()[0]);
  assert.ok(seconds > 0.2 && seconds < 1.5, 'after ' + seconds);
  assert.equal(open(), before + 1, 'the attempt that lost is still open');
  kept.push(client);
`,
);

race(
  'the head start can be chosen',
  three,
  `
  await hangs(hosts[0], 8000);
  works(hosts[1], 8000);
  works(hosts[2], 8000);
  const [client, seconds] = await timed(() => createConnection(['many', 8000], { happyEyeballsDelay: 0.02 }));
  assert.ok(seconds < 0.2, 'after ' + seconds);
  client.close();
`,
);

race(
  'the first address is not given up: a slow one still wins when the others fail',
  three,
  `
  const slow = await hangs(hosts[0], 8000);
  // Both others are refused long before the first has room in its backlog. Linux sends the
  // SYN again after a second. In a thread of its own, since this one may be blocked.
  const accepting = new Worker(\`
    const { workerData, parentPort } = require('node:worker_threads');
    setTimeout(async () => {
      const { fromHandle } = await import('berkeley-sockets');
      const slow = fromHandle(workerData);
      for await (const [c] of slow.accepted()) setTimeout(() => c.close(), 3000).unref();
    }, 500);
  \`, { eval: true, execArgv: [], workerData: slow.detach() });
  const client = await createConnection(['many', 8000]);
  assert.equal(client.getpeername()[0], hosts[0]);
  kept.push(client);
  await accepting.terminate();
`,
);

race(
  'a refused address makes the next one start at once',
  three,
  `
  works(hosts[2], 8000);
  const [client, seconds] = await timed(() => createConnection(['many', 8000], { happyEyeballsDelay: 5 }));
  assert.equal(client.getpeername()[0], hosts[2]);
  assert.ok(seconds < 2, 'after ' + seconds);
  kept.push(client);
`,
);

race(
  'families take turns',
  ['127.0.0.2', '127.0.0.3', '127.0.0.4', '::1'],
  `
  // Whatever the resolver's order, the second to be tried is of the other family.
  await hangs(hosts[0], 8000);
  const other = hosts.find((host) => host.includes(':') !== hosts[0].includes(':'));
  for (const host of hosts.slice(1)) works(host, 8000);
  const client = await createConnection(['many', 8000]);
  assert.equal(client.getpeername()[0], other);
  kept.push(client);
`,
);

race(
  'all refused: an AggregateError that tells each address',
  three,
  `
  const before = open();
  const error = await failure(createConnection(['many', 8000]));
  assert.ok(error instanceof AggregateError, String(error));
  assert.equal(error.errors.length, 3);
  assert.deepEqual(new Set(error.errors.map((e) => e.address)), new Set(hosts));
  for (const one of error.errors) {
    assert.ok(one instanceof bs.SocketError);
    assert.equal(one.code, 'ECONNREFUSED');
    assert.equal(one.port, 8000);
    assert.equal(one.syscall, 'connect');
  }
  assert.match(error.message, /many/);
  for (const host of hosts) assert.ok((error.message + error.errors).includes(host));
  assert.equal(open(), before);
`,
);

race(
  'the time limit is for all addresses together',
  three,
  `
  for (const host of hosts) await hangs(host, 8000);
  const before = open();
  const [error, seconds] = await timed(() => failure(createConnection(['many', 8000], { timeout: 0.6 })));
  assert.ok(error instanceof bs.TimeoutError, String(error));
  assert.ok(seconds > 0.55 && seconds < 3, 'after ' + seconds);
  assert.equal(open(), before);
`,
);

race(
  'an abort closes every attempt',
  three,
  `
  for (const host of hosts) await hangs(host, 8000);
  const before = open();
  const stop = new AbortController();
  const connecting = failure(createConnection(['many', 8000], { signal: stop.signal, happyEyeballsDelay: 0.01 }));
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(open() >= before + 3, 'attempts under way: ' + (open() - before));
  const reason = new Error('enough');
  stop.abort(reason);
  assert.equal(await connecting, reason);
  assert.equal(open(), before);
`,
  ['awaited'],
);

race(
  'some refused, the rest hang: the time limit still ends it',
  three,
  `
  await hangs(hosts[1], 8000);
  const before = open();
  const error = await failure(createConnection(['many', 8000], { timeout: 0.4 }));
  assert.ok(error instanceof bs.TimeoutError, String(error));
  assert.equal(open(), before);
`,
);

race(
  'the source address picks the family',
  three,
  `
  const four = works('127.0.0.2', 8000);
  works('127.0.0.3', 8000);
  works('::1', 8000);
  const client = await createConnection(['many', 8000], { sourceAddress: ['127.0.0.9', 0] });
  assert.equal(client.getsockname()[0], '127.0.0.9');
  assert.match(client.getpeername()[0], /^127/);
  kept.push(client);
`,
);

race(
  'no address to be reached at all',
  ['203.0.113.1', '2001:db8::1'],
  `
  const before = open();
  const error = await failure(createConnection(['many', 8000]));
  const errors = error instanceof AggregateError ? error.errors : [error];
  for (const one of errors) assert.match(one.code, /^(ENETUNREACH|EADDRNOTAVAIL|EHOSTUNREACH)$/);
  assert.ok(errors.length > 0);
  assert.equal(open(), before);
`,
);
