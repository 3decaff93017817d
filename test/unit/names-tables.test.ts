// Services, protocols and interfaces: the system's tables, and the built-in ones behind them.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import {
  AF_INET,
  getprotobyname,
  getservbyname,
  getservbyport,
  IPPROTO_TCP,
  if_indextoname,
  if_nameindex,
  if_nametoindex,
  SOCK_DGRAM,
  SOCK_STREAM,
  SocketError,
} from 'berkeley-sockets';
import { protocols, services } from '../../src/spec/services.ts';
import { noOwnNetwork, ownNetwork, runNode } from '../support/node.ts';
import { evalPython } from '../support/python.ts';

/** Python's answers to many calls: a value, or null for OSError. */
function python(calls: unknown[][]): Promise<unknown[]> {
  return evalPython(
    `
    import json, socket, sys
    def call(name, arguments):
        try: return getattr(socket, name)(*arguments)
        except OSError: return None
    print(json.dumps([call(name, arguments) for name, *arguments in json.loads(sys.argv[1])]))
    `,
    [JSON.stringify(calls)],
  );
}

test("the system's tables answer first, as they answer Python", async () => {
  const calls: unknown[][] = [
    ['getservbyname', 'http'],
    ['getservbyname', 'http', 'tcp'],
    ['getservbyname', 'domain', 'udp'],
    ['getservbyname', 'www', 'tcp'],
    ['getservbyport', 80],
    ['getservbyport', 443, 'tcp'],
    ['getservbyport', 53, 'udp'],
    ['getservbyport', 514, 'tcp'],
    ['getservbyport', 514, 'udp'],
    ['getprotobyname', 'tcp'],
    ['getprotobyname', 'ICMP'],
    ['getprotobyname', 'ipv6-icmp'],
  ];
  for (const port of Array.from({ length: 1024 }, (_, port) => port))
    calls.push(['getservbyport', port, 'tcp']);
  const functions: Record<string, (...args: never[]) => unknown> = {
    getservbyname,
    getservbyport,
    getprotobyname,
  };
  const expected = await python(calls);
  calls.forEach(([name, ...args], i) => {
    // What the system does not know, the built-in table may.
    if (expected[i] === null) return;
    assert.equal(functions[name as string]!(...(args as never[])), expected[i], `${name}(${args})`);
  });
});

test('the built-in tables agree with the system’s on whatever both know', async () => {
  const rows = services.flatMap(([names, port, over]) =>
    over.split(' ').flatMap((proto) => names.split(' ').map((name) => ({ name, port, proto }))),
  );
  const ports = await python(rows.map(({ name, proto }) => ['getservbyname', name, proto]));
  rows.forEach(({ name, port, proto }, i) => {
    if (ports[i] !== null) assert.equal(port, ports[i], `${name}/${proto}`);
  });
  const named = protocols.flatMap(([names, number]) => names.split(' ').map((name) => ({ name, number })));
  const numbers = await python(named.map(({ name }) => ['getprotobyname', name]));
  named.forEach(({ name, number }, i) => {
    if (numbers[i] !== null) assert.equal(number, numbers[i], name);
  });
  const keys = rows.map(({ name, proto }) => `${name}/${proto}`);
  assert.equal(new Set(keys).size, keys.length, 'a service is listed twice');
});

test('what nobody knows is ENOENT', () => {
  const rows: [() => unknown, syscall: string, message: RegExp][] = [
    [
      () => getservbyname('no-such-service'),
      'getservbyname',
      /^getservbyname ENOENT no-such-service: service\/proto not found$/,
    ],
    [() => getservbyname('http', 'no-proto'), 'getservbyname', /http\/no-proto/],
    [() => getservbyname(''), 'getservbyname', /not found/],
    [
      () => getservbyport(65432, 'tcp'),
      'getservbyport',
      /^getservbyport ENOENT 65432\/tcp: port\/proto not found$/,
    ],
    [() => getservbyport(0), 'getservbyport', /not found/],
    [
      () => getprotobyname('no-such-proto'),
      'getprotobyname',
      /^getprotobyname ENOENT no-such-proto: protocol not found$/,
    ],
  ];
  for (const [call, syscall, message] of rows) {
    assert.throws(call, (error: SocketError) => {
      assert.ok(error instanceof SocketError);
      assert.equal(error.code, 'ENOENT');
      assert.equal(error.syscall, syscall);
      assert.match(error.message, message);
      return true;
    });
  }
});

test('wrong arguments are refused', () => {
  for (const value of [undefined, null, 80, Buffer.from('http')] as unknown as string[]) {
    assert.throws(() => getservbyname(value), { name: 'TypeError', message: /^Expected a string for name/ });
    assert.throws(() => getprotobyname(value), { name: 'TypeError', message: /^Expected a string for name/ });
    assert.throws(() => if_nametoindex(value), { name: 'TypeError', message: /^Expected a string for name/ });
  }
  assert.throws(() => getservbyname('http', 6 as unknown as string), { name: 'TypeError', message: /proto/ });
  assert.throws(() => getservbyport('80' as unknown as number), TypeError);
  for (const port of [-1, 65536, 1.5]) assert.throws(() => getservbyport(port), RangeError);
  for (const index of [-1, 2 ** 32, 1.5]) assert.throws(() => if_indextoname(index), RangeError);
  assert.throws(() => getservbyname('ht\0tp'), RangeError);
  assert.throws(() => getservbyname('http', 't\0cp'), RangeError);
  assert.throws(() => getprotobyname('t\0cp'), RangeError);
  assert.throws(() => if_nametoindex('lo\0'), RangeError);
});

test('interfaces by index and by name', () => {
  const list = if_nameindex();
  assert.deepEqual(list.map(([, name]) => name).sort(), readdirSync('/sys/class/net').sort());
  for (const [index, name] of list) {
    assert.equal(if_nametoindex(name), index);
    assert.equal(if_indextoname(index), name);
  }
  const missing: [() => unknown, object][] = [
    [
      () => if_nametoindex('no-such-if'),
      { code: 'ENODEV', syscall: 'if_nametoindex', address: 'no-such-if' },
    ],
    [() => if_nametoindex('x'.repeat(200)), { code: 'ENODEV' }],
    [() => if_nametoindex(''), { code: 'ENODEV' }],
    [() => if_indextoname(0x7fffffff), { code: 'ENXIO', syscall: 'if_indextoname' }],
    [() => if_indextoname(0), { code: 'ENXIO' }],
  ];
  for (const [call, error] of missing) assert.throws(call, { name: 'SocketError', ...error });
});

test('without the system’s tables the built-in ones answer', { skip: noOwnNetwork() }, async () => {
  const empty = ['services', 'protocols'].map(
    (name) => `[ ! -e /etc/${name} ] || mount --bind /dev/null /etc/${name}`,
  );
  const script = `
    import { existsSync, readFileSync } from 'node:fs';
    import { getservbyname, getservbyport, getprotobyname, getaddrinfo, SOCK_DGRAM } from 'berkeley-sockets';
    const missing = (call) => { try { return call(); } catch (error) { return error.code; } };
    console.log(JSON.stringify([
      ['ftp', 'ssh', 'telnet', 'smtp', 'http', 'pop3', 'nntp', 'https', 'www'].map((name) => getservbyname(name)),
      getservbyname('domain', 'udp'), missing(() => getservbyname('ssh', 'udp')),
      [21, 22, 23, 25, 80, 110, 119, 443].map((port) => getservbyport(port)),
      getservbyport(514, 'udp'), getservbyport(514, 'tcp'), missing(() => getservbyport(22, 'udp')),
      ['ip', 'icmp', 'tcp', 'udp', 'TCP', 'ipv6-icmp'].map((name) => getprotobyname(name)),
      await getaddrinfo('127.0.0.1', 'nntp'),
      (await getaddrinfo('127.0.0.1', 'domain')).map((row) => row[1]),
      await getaddrinfo('127.0.0.1', 'nntp', { type: SOCK_DGRAM }).catch((error) => error.code),
      await getaddrinfo('nobody.invalid', 'nosuchservice').catch((error) => error.code),
      // The proof that the tables are gone.
      existsSync('/etc/services') ? readFileSync('/etc/services').length : 0,
    ]));
  `;
  const { stdout } = await runNode(script, { wrap: ownNetwork(empty.join('\n')) });
  assert.deepEqual(JSON.parse(stdout), [
    [21, 22, 23, 25, 80, 110, 119, 443, 80],
    53,
    'ENOENT',
    ['ftp', 'ssh', 'telnet', 'smtp', 'http', 'pop3', 'nntp', 'https'],
    'syslog',
    'shell',
    'ENOENT',
    [0, 1, 6, 17, 6, 58],
    [[AF_INET, SOCK_STREAM, IPPROTO_TCP, '', ['127.0.0.1', 119]]],
    [SOCK_STREAM, SOCK_DGRAM],
    'EAI_SERVICE',
    'EAI_SERVICE',
    0,
  ]);
});
