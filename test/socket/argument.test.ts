// What is no argument for a call: a TypeError or RangeError that says so, before any system
// call; from a call that may wait, as a rejection and never as an exception.
import assert from 'node:assert/strict';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  createConnection,
  createServer,
  SOCK_DGRAM,
  SOCK_STREAM,
  type Socket,
  setdefaulttimeout,
  socket,
  socketpair,
} from 'berkeley-sockets';
import { openSockets } from '../support/leaks.ts';
import { bothScenes, type Scene, scene } from '../support/scene.ts';

// biome-ignore lint/suspicious/noExplicitAny: wrong types are the matter here
type Wrong = any;

type Expected = typeof TypeError | typeof RangeError;
type Row = [name: string, call: () => unknown, expected: Expected];

const detached = (): Uint8Array => {
  const view = new Uint8Array(16);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
};

/** Its getters and conversions throw: nothing of it may be run half-way through a call. */
const trap: Wrong = new Proxy(
  {},
  {
    get: (_, key) => {
      throw new Error(`${String(key)} was read`);
    },
    has: () => {
      throw new Error('was asked');
    },
    ownKeys: () => {
      throw new Error('was listed');
    },
  },
);

const notNumbers: [string, Wrong][] = [
  ['a string', '10'],
  ['null', null],
  ['undefined', undefined],
  ['an object', {}],
  ['an array', [1]],
  ['a bigint', 10n],
  ['a boolean', true],
  ['a symbol', Symbol('ten')],
];
const notSizes: [string, number][] = [
  ['negative', -1],
  ['a fraction', 1.5],
  ['NaN', Number.NaN],
  ['infinite', Number.POSITIVE_INFINITY],
  ['2 ** 31', 2 ** 31],
  ['2 ** 53', 2 ** 53],
  ['-0.5', -0.5],
];
const notBytes: [string, Wrong][] = [
  ['nothing', undefined],
  ['null', null],
  ['a number', 5],
  ['an array', [1, 2, 3]],
  ['an object', {}],
  ['an object that looks like a view', { buffer: new ArrayBuffer(5), byteOffset: 0, byteLength: 5 }],
  ['a function', () => 'x'],
  ['a symbol', Symbol('x')],
  ['a detached view', detached()],
  ['a detached ArrayBuffer', detached().buffer],
];
const notMemory: [string, Wrong][] = [...notBytes, ['a string', 'text']];
const notPorts: [string, Wrong, Expected][] = [
  ['65536', 65536, RangeError],
  ['-1', -1, RangeError],
  ['80.5', 80.5, RangeError],
  ['NaN', Number.NaN, RangeError],
  ['a string', '80', TypeError],
  ['undefined', undefined, TypeError],
  ['null', null, TypeError],
];
const notInetAddresses: [string, Wrong, Expected][] = [
  ['a string', '127.0.0.1:80', TypeError],
  ['nothing', undefined, TypeError],
  ['null', null, TypeError],
  ['a number', 80, TypeError],
  ['an object', { host: '127.0.0.1', port: 80 }, TypeError],
  ['an empty tuple', [], TypeError],
  ['a host alone', ['127.0.0.1'], TypeError],
  ['three parts', ['127.0.0.1', 80, 0], TypeError],
  ['a host that is a number', [127, 80], TypeError],
  ['a host that is null', [null, 80], TypeError],
  ['a host with NUL', ['127.0.0.1\0', 80], RangeError],
  ...notPorts.map(([name, port, e]): [string, Wrong, Expected] => [`port ${name}`, ['127.0.0.1', port], e]),
];
const notInet6Addresses: [string, Wrong, Expected][] = [
  ['five parts', ['::1', 80, 0, 0, 0], TypeError],
  ['flowinfo too large', ['::1', 80, 2 ** 20], RangeError],
  ['flowinfo negative', ['::1', 80, -1], RangeError],
  ['scope too large', ['::1', 80, 0, 2 ** 32], RangeError],
  ['scope a string', ['::1', 80, 0, 'lo'], TypeError],
  ...notPorts.map(([name, port, e]): [string, Wrong, Expected] => [`port ${name}`, ['::1', port], e]),
];
const notPaths: [string, Wrong, Expected][] = [
  ['a path of 200 bytes', `/tmp/${'x'.repeat(195)}`, RangeError],
  ['a path of 60 characters of 3 bytes', '☎'.repeat(60), RangeError],
  ['an abstract name of 200 bytes', Buffer.from(`\0${'x'.repeat(199)}`), RangeError],
  ['a path with NUL in it', '/tmp/a\0b', RangeError],
  ['a tuple', ['127.0.0.1', 80], TypeError],
  ['a number', 5, TypeError],
  ['null', null, TypeError],
  ['nothing', undefined, TypeError],
];
const notFlags: [string, Wrong, Expected][] = [
  ['a string', 'MSG_PEEK', TypeError],
  ['a fraction', 0.5, RangeError],
  ['2 ** 40', 2 ** 40, RangeError],
];

function rows(s: Scene): { never: Row[]; waits: Row[] } {
  const tcp: Socket<Wrong> = s.own(socket(AF_INET, SOCK_STREAM));
  const tcp6: Socket<Wrong> = s.own(socket(AF_INET6, SOCK_STREAM));
  const udp: Socket<Wrong> = s.own(socket(AF_INET, SOCK_DGRAM));
  const unix: Socket<Wrong> = s.own(socket(AF_UNIX, SOCK_STREAM));
  const unixDatagram: Socket<Wrong> = s.own(socket(AF_UNIX, SOCK_DGRAM));
  const [a, b] = socketpair().map((x) => s.own(x)) as [Socket<Wrong>, Socket<Wrong>];
  a.trySend('there');
  const never: Row[] = [];
  const waits: Row[] = [];

  for (const [name, value] of notNumbers) {
    if (value !== undefined) {
      never.push([`socket(${name})`, () => socket(value), TypeError]);
      never.push([`socket type ${name}`, () => socket(AF_INET, value), TypeError]);
      never.push([`socket proto ${name}`, () => socket(AF_INET, SOCK_STREAM, value), TypeError]);
      never.push([`listen(${name})`, () => tcp.listen(value), TypeError]);
    }
    if (value !== null) never.push([`settimeout(${name})`, () => tcp.settimeout(value), TypeError]);
    if (value !== null) never.push([`setdefaulttimeout(${name})`, () => setdefaulttimeout(value), TypeError]);
    never.push([`shutdown(${name})`, () => a.shutdown(value), TypeError]);
    never.push([`getsockopt level ${name}`, () => tcp.getsockopt(value, 1), TypeError]);
    never.push([`getsockopt name ${name}`, () => tcp.getsockopt(1, value), TypeError]);
    never.push([`setsockopt level ${name}`, () => tcp.setsockopt(value, 1, 1), TypeError]);
    waits.push([`recv(${name})`, () => b.recv(value), TypeError]);
    waits.push([`recvfrom(${name})`, () => b.recvfrom(value), TypeError]);
    waits.push([`recvmany(${name})`, () => udp.recvmany(value), TypeError]);
  }
  for (const [name, value] of notSizes) {
    waits.push([`recv(${name})`, () => b.recv(value), RangeError]);
    waits.push([`recvfrom(${name})`, () => b.recvfrom(value), RangeError]);
    waits.push([
      `recvInto nbytes ${name}`,
      () => b.recvInto(new Uint8Array(5), { nbytes: value }),
      RangeError,
    ]);
    waits.push([
      `recvfromInto nbytes ${name}`,
      () => b.recvfromInto(new Uint8Array(5), { nbytes: value }),
      RangeError,
    ]);
    waits.push([`recvmany(${name})`, () => udp.recvmany(value), RangeError]);
    waits.push([`recvmany bufsize ${name}`, () => udp.recvmany(1, { bufsize: value }), RangeError]);
    if (value < 0 || Number.isNaN(value))
      never.push([`settimeout(${name})`, () => tcp.settimeout(value), RangeError]);
    never.push([`shutdown(${name})`, () => a.shutdown(value), RangeError]);
    if (value !== -1) never.push([`listen(${name})`, () => tcp.listen(value), RangeError]);
    never.push([`getsockopt buflen ${name}`, () => tcp.getsockopt(1, 2, value), RangeError]);
    never.push([`socket(${name})`, () => socket(value), RangeError]);
  }
  never.push(['shutdown(3)', () => a.shutdown(3), RangeError]);
  never.push(['settimeout(infinite)', () => tcp.settimeout(Number.POSITIVE_INFINITY), RangeError]);
  never.push(['settimeout(1e300)', () => tcp.settimeout(1e300), RangeError]);
  waits.push(['recvmany(0)', () => udp.recvmany(0), RangeError]);
  waits.push(['nbytes beyond the view', () => b.recvInto(new Uint8Array(5), { nbytes: 6 }), RangeError]);
  waits.push(['nbytes a string', () => b.recvInto(new Uint8Array(5), { nbytes: '5' as Wrong }), TypeError]);

  for (const [name, value] of notBytes) {
    waits.push([`send(${name})`, () => a.send(value), TypeError]);
    waits.push([`sendall(${name})`, () => a.sendall(value), TypeError]);
    waits.push([`sendto(${name})`, () => udp.sendto(value, ['127.0.0.1', 9]), TypeError]);
    waits.push([
      `sendmany(${name})`,
      () =>
        udp.sendmany([
          ['fine', ['127.0.0.1', 9]],
          [value, ['127.0.0.1', 9]],
        ]),
      TypeError,
    ]);
    never.push([`trySend(${name})`, () => a.trySend(value), TypeError]);
    if (typeof value !== 'number' && value !== null)
      never.push([`setsockopt(${name})`, () => tcp.setsockopt(1, 2, value), TypeError]);
  }
  for (const [name, value] of notMemory) {
    waits.push([`recvInto(${name})`, () => b.recvInto(value), TypeError]);
    waits.push([`recvfromInto(${name})`, () => b.recvfromInto(value), TypeError]);
    never.push([`tryRecvInto(${name})`, () => b.tryRecvInto(value), TypeError]);
  }
  for (const [name, value, expected] of notInetAddresses) {
    never.push([`bind(${name})`, () => tcp.bind(value), expected]);
    waits.push([`connect(${name})`, () => tcp.connect(value), expected]);
    waits.push([`sendto ${name}`, () => udp.sendto('x', value), expected]);
    if (value !== undefined)
      waits.push([`sendmany to ${name}`, () => udp.sendmany([['x', value]]), expected]);
    // These two take a path as well, and a service's name for a port.
    if (typeof value === 'string' || typeof value?.[1] === 'string') continue;
    waits.push([`createConnection(${name})`, () => createConnection(value), expected]);
    never.push([`createServer(${name})`, () => createServer(value), expected]);
  }
  for (const timeout of ['1', {}, true] as Wrong[]) {
    waits.push([
      `createConnection timeout ${timeout}`,
      () => createConnection(['127.0.0.1', 9], { timeout }),
      TypeError,
    ]);
    waits.push([
      `createConnection happyEyeballsDelay ${timeout}`,
      () => createConnection(['127.0.0.1', 9], { happyEyeballsDelay: timeout }),
      TypeError,
    ]);
  }
  waits.push([
    'createConnection timeout -1',
    () => createConnection(['127.0.0.1', 9], { timeout: -1 }),
    RangeError,
  ]);
  for (const [name, value, expected] of notInet6Addresses) {
    never.push([`bind6(${name})`, () => tcp6.bind(value), expected]);
    waits.push([`connect6(${name})`, () => tcp6.connect(value), expected]);
  }
  for (const [name, value, expected] of notPaths) {
    never.push([`bind(${name})`, () => unix.bind(value), expected]);
    waits.push([`connect(${name})`, () => unix.connect(value), expected]);
    waits.push([`sendto ${name}`, () => unixDatagram.sendto('x', value), expected]);
  }
  for (const [name, flags, expected] of notFlags) {
    waits.push([`recv flags ${name}`, () => b.recv(1, { flags }), expected]);
    waits.push([`recvInto flags ${name}`, () => b.recvInto(new Uint8Array(1), { flags }), expected]);
    waits.push([`recvfrom flags ${name}`, () => b.recvfrom(1, { flags }), expected]);
    waits.push([`send flags ${name}`, () => a.send('x', { flags }), expected]);
    waits.push([`sendall flags ${name}`, () => a.sendall('x', { flags }), expected]);
    waits.push([`sendto flags ${name}`, () => udp.sendto('x', ['127.0.0.1', 9], { flags }), expected]);
    never.push([`trySend flags ${name}`, () => a.trySend('x', { flags }), expected]);
    never.push([`tryRecvInto flags ${name}`, () => b.tryRecvInto(new Uint8Array(1), { flags }), expected]);
  }
  for (const options of [5, 'x', true, null] as Wrong[]) {
    waits.push([`recv options ${options}`, () => b.recv(1, options), TypeError]);
    waits.push([`send options ${options}`, () => a.send('x', options), TypeError]);
    waits.push([`accept options ${options}`, () => tcp.accept(options), TypeError]);
    waits.push([`connect options ${options}`, () => tcp.connect(['127.0.0.1', 9], options), TypeError]);
  }
  for (const flag of ['1', null, undefined, {}] as Wrong[]) {
    never.push([`setblocking ${flag}`, () => tcp.setblocking(flag), TypeError]);
    never.push([`set_inheritable ${flag}`, () => tcp.set_inheritable(flag), TypeError]);
    if (flag === undefined) continue;
    never.push([
      `createServer reusePort ${flag}`,
      () => createServer(['127.0.0.1', 0], { reusePort: flag }),
      TypeError,
    ]);
  }
  for (const [name, sourceAddress, expected] of [
    ['a string', '127.0.0.1', TypeError],
    ['null', null, TypeError],
    ['a host alone', ['127.0.0.1'], TypeError],
    ['a host that is a number', [127, 0], TypeError],
    ['port a string', ['127.0.0.1', '0'], TypeError],
    ['port 65536', ['127.0.0.1', 65536], RangeError],
  ] as [string, Wrong, Expected][])
    waits.push([
      `createConnection sourceAddress ${name}`,
      () => createConnection(['127.0.0.1', 9], { sourceAddress }),
      expected,
    ]);
  waits.push(['wait for nothing', () => b.wait({}), TypeError]);
  waits.push(['wait()', () => b.wait(undefined as Wrong), TypeError]);
  waits.push(['sendmany(nothing)', () => udp.sendmany(undefined as Wrong), TypeError]);
  waits.push(['sendmany(a string)', () => udp.sendmany('xy' as Wrong), TypeError]);
  waits.push(['sendmany(no pairs)', () => udp.sendmany(['x'] as Wrong), TypeError]);
  never.push(['socketpair(a string)', () => socketpair('unix' as Wrong), TypeError]);
  return { never, waits };
}

/** A message that helps: it names what was expected, and what came. */
function checkError(name: string, error: unknown, expected: Expected): void {
  assert.ok(error instanceof expected, `${name}: expected a ${expected.name}, got ${error}`);
  assert.match(error.message, /^Expected .+ but received .+|^The memory of .+ is gone/s, name);
}

bothScenes('a call that never waits throws', (s) => {
  const { never } = rows(s);
  const before = openSockets();
  for (const [name, call, expected] of never) {
    let error: unknown;
    try {
      call();
    } catch (e) {
      error = e;
    }
    checkError(name, error, expected);
  }
  assert.equal(openSockets(), before, 'a refused call left a descriptor');
});

bothScenes('a call that may wait rejects', async (s) => {
  const { waits } = rows(s);
  const before = openSockets();
  for (const [name, call, expected] of waits) {
    let promise: unknown;
    try {
      promise = call();
    } catch (e) {
      assert.fail(`${name} threw instead of rejecting: ${e}`);
    }
    assert.ok(promise instanceof Promise, `${name} gave ${promise}`);
    checkError(
      name,
      await promise.then(
        (v) => v,
        (e) => e,
      ),
      expected,
    );
  }
  assert.equal(openSockets(), before, 'a refused call left a descriptor');
});

scene('no refused call took or sent anything', async (s) => {
  const { waits, never } = rows(s);
  const [a, b] = socketpair().map((x) => s.own(x)) as [Socket, Socket];
  for (const [, call] of never) {
    try {
      call();
    } catch {}
  }
  await Promise.allSettled(waits.map(([, call]) => call()));
  await a.sendall('x');
  assert.equal(String(await b.recv(10)), 'x');
});

scene('an object whose getters throw: its own error, and all goes on', async (s) => {
  const [a, b] = socketpair().map((x) => s.own(x)) as [Socket<Wrong>, Socket<Wrong>];
  const tcp: Socket<Wrong> = s.own(socket());
  for (const call of [
    () => b.recv(1, trap),
    () => b.recvInto(new Uint8Array(1), trap),
    () => b.recvfrom(1, trap),
    () => a.send('x', trap),
    () => a.sendall('x', trap),
    () => a.send(trap),
    () => a.sendall(trap),
    () => b.recvInto(trap),
    () => b.recv(trap),
    () => tcp.connect(trap),
    () => tcp.connect([trap, 80]),
    () => tcp.connect(['127.0.0.1', trap]),
    () => tcp.accept(trap),
    () => b.wait(trap),
    () => a.sendmany(trap),
    () => a.sendmany([trap]),
    () => createConnection(['127.0.0.1', 9], trap),
    () => createConnection(trap),
  ]) {
    let promise: Promise<unknown> | undefined;
    assert.doesNotThrow(() => {
      promise = call();
    }, String(call));
    await assert.rejects(promise!, Error, String(call));
  }
  for (const call of [
    () => tcp.bind(trap),
    () => tcp.setsockopt(1, 2, trap),
    () => a.trySend(trap),
    () => a.trySend('x', trap),
    () => socket(trap),
  ]) {
    assert.throws(call, Error, String(call));
  }
  await a.sendall('ok');
  assert.equal(String(await b.recv(10)), 'ok');
});

scene('a valueOf that closes the socket meanwhile does no harm', async (s) => {
  const [a, b] = socketpair().map((x) => s.own(x)) as [Socket<Wrong>, Socket<Wrong>];
  const closing = {
    get flags() {
      b.close();
      return 0;
    },
  };
  await assert.rejects(b.recv(1, closing), Error);
  const array = [
    ['x'],
    {
      get 0() {
        a.close();
        return 'y';
      },
      length: 1,
    },
  ];
  await assert.rejects(a.sendmany(array as Wrong), Error);
});

scene('methods of a socket called on something else', async (s) => {
  const a = s.own(socket()) as Wrong;
  const pending: Promise<unknown>[] = [];
  for (const name of [
    'recv',
    'send',
    'sendall',
    'accept',
    'connect',
    'close',
    'bind',
    'fileno',
    'getsockname',
    'detach',
    'dup',
    'trySend',
  ]) {
    const method = a[name];
    for (const self of [undefined, null, {}, 5]) {
      try {
        const result: unknown = method.call(self, 'x', 'y');
        if (result instanceof Promise) pending.push(assert.rejects(result));
      } catch (error) {
        assert.ok(error instanceof Error);
      }
    }
  }
  await Promise.all(pending);
});

scene('huge sizes cost no memory', async (s) => {
  const [a, b] = socketpair().map((x) => s.own(x)) as [Socket, Socket];
  const before = process.memoryUsage();
  for (let i = 0; i < 20; i++) {
    const waiting = b.recv(2 ** 31 - 1);
    await a.sendall('x');
    assert.equal(String(await waiting), 'x');
  }
  const after = process.memoryUsage();
  assert.ok(after.rss - before.rss < 512 << 20, `${after.rss - before.rss} bytes more`);
  assert.ok(after.arrayBuffers - before.arrayBuffers < 512 << 20);
});
