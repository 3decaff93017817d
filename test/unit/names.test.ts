// Names to addresses and back without a name server: numbers, this machine, and everything
// that is refused. test/unit/names-server.test.ts has the rest.
import assert from 'node:assert/strict';
import os from 'node:os';
import { test } from 'node:test';
import {
  type AddressInfoError,
  AF_INET,
  AF_INET6,
  AF_UNIX,
  AF_UNSPEC,
  AI_CANONNAME,
  AI_NUMERICHOST,
  AI_NUMERICSERV,
  AI_PASSIVE,
  AI_V4MAPPED,
  getaddrinfo,
  getfqdn,
  gethostbyaddr,
  gethostbyname,
  gethostbyname_ex,
  gethostname,
  getnameinfo,
  NI_DGRAM,
  NI_NAMEREQD,
  NI_NUMERICHOST,
  NI_NUMERICSERV,
  SOCK_DGRAM,
  SOCK_STREAM,
  SocketError,
} from 'berkeley-sockets';
import { decodeAddress } from '../../dist/address.js';
import { lookupAll, resolveAddress } from '../../dist/names.js';
import { evalPython } from '../support/python.ts';

/** Python's answers to many calls: a value, or the name of the EAI error. */
function python(calls: unknown[][]): Promise<unknown[]> {
  return evalPython(
    `
    import json, socket, sys
    names = {value: name for name, value in vars(socket).items() if name.startswith('EAI_')}
    def call(name, arguments):
        try: return getattr(socket, name)(*[tuple(a) if isinstance(a, list) else a for a in arguments])
        except socket.gaierror as error: return names[error.errno]
    print(json.dumps([call(name, arguments) for name, *arguments in json.loads(sys.argv[1])]))
    `,
    [JSON.stringify(calls)],
  );
}

const plain = (value: unknown) => JSON.parse(JSON.stringify(value));
const codeOf = (error: AddressInfoError) => error.code;

test('getaddrinfo gives the rows that Python gives, in their order', async () => {
  const rows: [
    host: string | null,
    port: number | string | null,
    family?: number,
    type?: number,
    proto?: number,
    flags?: number,
  ][] = [
    ['127.0.0.1', 80],
    ['127.0.0.1', 80, AF_INET, SOCK_STREAM],
    ['127.0.0.1', 80, AF_UNSPEC, SOCK_STREAM, 6, AI_CANONNAME],
    ['127.0.0.1', 'http', 0, SOCK_STREAM],
    ['127.0.0.1', '80', 0, SOCK_DGRAM],
    ['127.0.0.1', ' 80', 0, SOCK_DGRAM],
    ['127.0.0.1', null],
    ['127.1', 80, 0, SOCK_STREAM],
    ['0x7f000001', 80, 0, SOCK_STREAM, 0, AI_CANONNAME],
    ['::1', 80, 0, SOCK_STREAM],
    ['::1', 'https', 0, SOCK_STREAM, 0, AI_CANONNAME],
    ['fe80::1%lo', 80, 0, SOCK_STREAM],
    ['fe80::1%1', 80, 0, SOCK_STREAM],
    ['fe80::1%no-such-if', 80],
    ['127.0.0.1', 80, AF_INET6],
    ['127.0.0.1', 80, AF_INET6, SOCK_STREAM, 0, AI_V4MAPPED],
    ['::1', 80, AF_INET],
    [null, 80],
    [null, 80, 0, SOCK_STREAM, 0, AI_PASSIVE],
    [null, null],
    [null, 80, 0, 0, 0, AI_CANONNAME],
    ['localhost', 80, AF_INET, SOCK_STREAM],
    ['localhost', 80, AF_INET, SOCK_STREAM, 0, AI_CANONNAME],
    ['localhost', 80, AF_INET, SOCK_STREAM, 0, AI_NUMERICHOST],
    ['127.0.0.1', 'http', 0, 0, 0, AI_NUMERICSERV],
    ['127.0.0.1', 'no-such-service'],
    ['127.0.0.1', '-1'],
    ['127.0.0.1', 80, AF_UNIX],
    ['127.0.0.1', 80, 12345],
    ['127.0.0.1', 80, 0, 77],
    ['127.0.0.1', 80, 0, 0, 0, 0x40000000],
    ['', 80],
  ];
  const expected = await python(rows.map((row) => ['getaddrinfo', ...row]));
  for (const [i, [host, port, family = 0, type = 0, proto = 0, flags = 0]] of rows.entries()) {
    const got = await getaddrinfo(host, port, { family, type, proto, flags }).catch(codeOf);
    assert.deepEqual(plain(got), expected[i], JSON.stringify(rows[i]));
  }
});

test('a failed look-up names host, service and reason', async () => {
  const rows: [
    host: string | null,
    port: number | string | null,
    code: string,
    message: string,
    fields: object,
  ][] = [
    [
      '127.0.0.1',
      'no-such',
      'EAI_SERVICE',
      'getaddrinfo EAI_SERVICE 127.0.0.1:no-such: ',
      { address: '127.0.0.1' },
    ],
    [
      'fe80::1%no-if',
      80,
      'EAI_NONAME',
      'getaddrinfo EAI_NONAME [fe80::1%no-if]:80: ',
      { address: 'fe80::1%no-if', port: 80 },
    ],
    [null, 'no-such', 'EAI_SERVICE', 'getaddrinfo EAI_SERVICE *:no-such: ', {}],
    [null, null, 'EAI_NONAME', 'getaddrinfo EAI_NONAME: ', {}],
  ];
  for (const [host, port, code, message, fields] of rows) {
    await assert.rejects(getaddrinfo(host, port), (error: AddressInfoError) => {
      assert.equal(error.name, 'AddressInfoError');
      assert.ok(error instanceof SocketError);
      assert.equal(error.syscall, 'getaddrinfo');
      assert.equal(error.code, code);
      assert.equal(error.errno, undefined);
      assert.ok(error.message.startsWith(message) && error.message.length > message.length, error.message);
      for (const [name, value] of Object.entries(fields)) assert.equal(error[name as 'address'], value);
      return true;
    });
  }
});

test('wrong arguments are refused before anything is asked', async () => {
  const rows: [() => Promise<unknown>, kind: typeof TypeError | typeof RangeError, message: RegExp][] = [
    [
      () => getaddrinfo(undefined as never, 80),
      TypeError,
      /^Expected a string for host but received undefined$/,
    ],
    [() => getaddrinfo(5 as never, 80), TypeError, /host/],
    [() => getaddrinfo(Buffer.from('x') as never, 80), TypeError, /host/],
    [() => getaddrinfo('a\0b', 80), RangeError, /^Expected a host without NUL for host/],
    [() => getaddrinfo('127.0.0.1\0.example', 80), RangeError, /NUL/],
    [() => getaddrinfo('x'.repeat(1025), 80), RangeError, /^Expected a host of at most 1024 characters/],
    [() => getaddrinfo('xn--ü.example', 80), RangeError, /^Expected a host name for host/],
    [() => getaddrinfo('exämple org', 80), RangeError, /^Expected a host name/],
    [
      () => getaddrinfo('127.0.0.1', undefined as never),
      TypeError,
      /^Expected a number, a service name or null for port/,
    ],
    [() => getaddrinfo('127.0.0.1', true as never), TypeError, /port/],
    [() => getaddrinfo('127.0.0.1', 65536), RangeError, /port.*65536/],
    [() => getaddrinfo('127.0.0.1', -1), RangeError, /port/],
    [() => getaddrinfo('127.0.0.1', '65536'), RangeError, /port.*65536/],
    [() => getaddrinfo('127.0.0.1', 'ht\0tp'), RangeError, /NUL/],
    [() => getaddrinfo('127.0.0.1', 'x'.repeat(1025)), RangeError, /service of at most 1024/],
    [() => getaddrinfo('127.0.0.1', 80, null as never), TypeError, /options/],
    [() => getaddrinfo('127.0.0.1', 80, 2 as never), TypeError, /options/],
    [() => getaddrinfo('127.0.0.1', 80, { family: '2' as never }), TypeError, /family/],
    [() => getaddrinfo('127.0.0.1', 80, { type: 1.5 }), RangeError, /type/],
    [() => getaddrinfo('127.0.0.1', 80, { proto: 2 ** 31 }), RangeError, /proto/],
    [() => getaddrinfo('127.0.0.1', 80, { flags: Number.NaN }), RangeError, /flags/],
    [
      () => getaddrinfo('127.0.0.1', 80, { signal: {} as never }),
      TypeError,
      /^Expected an AbortSignal for signal/,
    ],
    [() => getnameinfo('127.0.0.1' as never, 0), TypeError, /sockaddr/],
    [() => getnameinfo([1, 2] as never, 0), TypeError, /the host of sockaddr/],
    [() => getnameinfo(['127.0.0.1'] as never, 0), TypeError, /sockaddr/],
    [() => getnameinfo(['127.0.0.1', 80, 0], 0), TypeError, /^Expected \[host, port\] for sockaddr/],
    [() => getnameinfo(['127.0.0.1', 65536], 0), RangeError, /port of sockaddr/],
    [() => getnameinfo(['::1', 80, 0x100000], 0), RangeError, /flowinfo/],
    [() => getnameinfo(['127.0.0.1', 80], '0' as never), TypeError, /flags/],
    [() => getnameinfo(['127.0.0.1', 80], undefined as never), TypeError, /flags/],
    [() => gethostbyname(undefined as never), TypeError, /name/],
    [() => gethostbyname('a\0'), RangeError, /NUL/],
    [() => gethostbyname_ex(7 as never), TypeError, /name/],
    [() => gethostbyaddr(null as never), TypeError, /ip/],
    [() => getfqdn(5 as never), TypeError, /name/],
    [() => getfqdn('a\0'), RangeError, /NUL/],
  ];
  for (const [call, kind, message] of rows)
    await assert.rejects(call, { name: kind.name, message }, String(call));
});

test('getnameinfo gives what Python gives', async () => {
  const numeric = NI_NUMERICHOST | NI_NUMERICSERV;
  const rows: [sockaddr: [string, number, number?, number?], flags: number][] = [
    [['127.0.0.1', 80], numeric],
    [['127.0.0.1', 80], NI_NUMERICHOST],
    [['127.0.0.1', 514], NI_NUMERICHOST],
    [['127.0.0.1', 514], NI_NUMERICHOST | NI_DGRAM],
    [['127.0.0.1', 65432], NI_NUMERICHOST],
    [['127.0.0.1', 80], NI_NUMERICSERV],
    [['127.0.0.1', 80], NI_NAMEREQD],
    [['::1', 80], numeric],
    [['fe80::1', 80, 0, 1], numeric],
    [['::ffff:192.0.2.1', 0, 0, 0], numeric],
    [['localhost', 80], 0],
    [['', 80], 0],
  ];
  const expected = await python(rows.map((row) => ['getnameinfo', ...row]));
  for (const [i, [sockaddr, flags]] of rows.entries()) {
    const got = await getnameinfo(sockaddr as never, flags).catch(codeOf);
    assert.deepEqual(got, expected[i], JSON.stringify(rows[i]));
  }
  // Python's getaddrinfo step drops a zone; ours keeps it.
  assert.deepEqual(await getnameinfo(['fe80::1%lo', 80], numeric), ['fe80::1%lo', '80']);
  await assert.rejects(getnameinfo(['no.number', 80], 0), {
    name: 'AddressInfoError',
    code: 'EAI_NONAME',
    syscall: 'getnameinfo',
    address: 'no.number',
    message: /no\.number:80/,
  });
});

test('the classic functions answer for this machine as Python’s do', async () => {
  const rows: [name: 'gethostbyname' | 'gethostbyname_ex' | 'gethostbyaddr' | 'getfqdn', argument: string][] =
    [
      ['gethostbyname', 'localhost'],
      ['gethostbyname', '127.0.0.1'],
      ['gethostbyname', '127.1'],
      ['gethostbyname', ''],
      ['gethostbyname', '<broadcast>'],
      ['gethostbyname', '::1'],
      ['gethostbyname_ex', 'localhost'],
      ['gethostbyname_ex', '127.0.0.1'],
      ['gethostbyaddr', '127.0.0.1'],
      ['gethostbyaddr', 'localhost'],
      ['getfqdn', ' localhost '],
      ['getfqdn', '127.0.0.1'],
      ['getfqdn', ''],
      ['getfqdn', '0.0.0.0'],
      ['getfqdn', '::'],
    ];
  const functions = { gethostbyname, gethostbyname_ex, gethostbyaddr, getfqdn };
  const expected = await python(rows);
  for (const [i, [name, argument]] of rows.entries()) {
    const got = await functions[name](argument).catch(codeOf);
    assert.deepEqual(plain(got), expected[i], `${name}(${JSON.stringify(argument)})`);
  }
  assert.equal(await getfqdn(), await getfqdn(''));
  assert.equal(gethostname(), os.hostname());
});

test('an aborted signal rejects with its reason, whatever is asked', async () => {
  const reason = new Error('enough');
  const signal = AbortSignal.abort(reason);
  const same = (error: unknown) => error === reason;
  for (const call of [
    () => getaddrinfo('localhost', 80, { signal }),
    () => getaddrinfo('127.0.0.1', 80, { signal }),
    () => getnameinfo(['127.0.0.1', 80], NI_NUMERICHOST | NI_NUMERICSERV, { signal }),
    () => gethostbyname('127.0.0.1', { signal }),
    () => gethostbyname_ex('localhost', { signal }),
    () => gethostbyaddr('127.0.0.1', { signal }),
    () => getfqdn('localhost', { signal }),
    () => resolveAddress(AF_INET, ['127.0.0.1', 80], { signal }),
  ]) {
    await assert.rejects(call, same, String(call));
  }
});

test('an abort after the answer changes nothing', async () => {
  const controller = new AbortController();
  const rows = await getaddrinfo('localhost', 80, {
    family: AF_INET,
    type: SOCK_STREAM,
    signal: controller.signal,
  });
  controller.abort();
  assert.deepEqual(rows[0]![4], ['127.0.0.1', 80]);
});

test('one signal may stop many look-ups, and none warns of it', async (t) => {
  const warnings: Error[] = [];
  const warned = (warning: Error) => warnings.push(warning);
  process.on('warning', warned);
  t.after(() => process.off('warning', warned));
  const controller = new AbortController();
  const lookups = Array.from({ length: 200 }, (_, i) =>
    // Not one name twice, in case that something remembers.
    getaddrinfo(`127.${i % 100}.${i}`, 80, { type: SOCK_STREAM, signal: controller.signal }),
  );
  const aborted = lookups.map((lookup) =>
    lookup.then(
      () => 'done',
      (error) => error,
    ),
  );
  const reason = new Error('stop');
  controller.abort(reason);
  for (const result of await Promise.all(aborted)) assert.equal(result, reason);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(warnings, []);
});

test('many look-ups at once are all answered', async () => {
  const numbers = Array.from({ length: 300 }, (_, i) => i);
  const rows = await Promise.all(numbers.map((i) => getaddrinfo(`127.${i}`, i, { type: SOCK_STREAM })));
  for (const [i, row] of rows.entries()) assert.deepEqual(row[0]![4], [`127.0.${i >> 8}.${i & 255}`, i]);
});

test('resolveAddress keeps port, flow and scope', async () => {
  for (const [family, address, back] of [
    [AF_INET, ['127.0.0.1', 80], ['127.0.0.1', 80]],
    [AF_INET, ['127.1', 80], ['127.0.0.1', 80]],
    [AF_INET, ['localhost', 80], ['127.0.0.1', 80]],
    [AF_INET6, ['::1', 80, 5, 6], ['::1', 80, 5, 6]],
    [AF_UNIX, '/run/s', '/run/s'],
  ] as const) {
    const bytes = await resolveAddress(family, address);
    assert.deepEqual(decodeAddress(bytes, bytes.length), back);
  }
  await assert.rejects(resolveAddress(AF_INET, ['x', 65536]), RangeError);
  await assert.rejects(resolveAddress(AF_INET, ['x'.repeat(2000), 6]), RangeError);
});

test('lookupAll has the kernel’s form of each address beside its tuple', async () => {
  const rows = await lookupAll(null, 80, { type: SOCK_STREAM });
  assert.equal(rows.length, 2);
  for (const { address, sockaddr } of rows) {
    assert.deepEqual(decodeAddress(sockaddr, sockaddr.length), address);
    assert.ok(Object.isFrozen(address));
  }
});
