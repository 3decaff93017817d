// Constants against two witnesses: CPython's socket module, and the headers at hand.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as sockets from 'berkeley-sockets';
import { constants, isAlwaysDefined } from '../../src/spec/constants.ts';
import { requirePeer, runPeer } from '../support/peer.ts';

const exported = sockets as unknown as Record<string, unknown>;
const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..');

test('every constant of the table is exported: a number, or undefined where it may be', () => {
  for (const constant of constants) {
    assert.ok(constant.name in exported, `${constant.name} is not exported`);
    const value = exported[constant.name];
    if (value === undefined) assert.ok(!isAlwaysDefined(constant), `${constant.name} is undefined`);
    else assert.ok(Number.isSafeInteger(value), `${constant.name} is ${String(value)}`);
  }
});

test('platform conventions: signs and widths as Python has them', () => {
  assert.equal(sockets.INADDR_BROADCAST, 0xffffffff);
  assert.equal(sockets.INADDR_NONE, 0xffffffff);
  assert.equal(sockets.VMADDR_CID_ANY, 0xffffffff);
  assert.equal(sockets.CAN_EFF_FLAG, 0x80000000);
  assert.equal(sockets.TIPC_WAIT_FOREVER, -1);
  assert.ok(sockets.MSG_CMSG_CLOEXEC > 0);
  assert.ok(sockets.EAI_NONAME < 0);
  assert.equal(sockets.AF_LOCAL, sockets.AF_UNIX);
});

test('what other systems have is undefined, not an error to import', () => {
  for (const name of ['SO_NOSIGPIPE', 'SO_REUSEPORT_LB', 'TCP_KEEPALIVE', 'LOCAL_PEERCRED']) {
    assert.ok(name in exported, name);
    assert.equal(exported[name], undefined, name);
  }
});

const script = `
import json, re, socket, sys
names = {k: int(v) for k, v in vars(socket).items()
         if re.match('[A-Z][A-Za-z0-9_]*$', k) and isinstance(v, int) and not isinstance(v, bool)}
json.dump([sys.version.split()[0], sys.executable, names], sys.stdout)
`;

// Not only the one that is found first: another build may know other constants.
const interpreters = ['python3', '/usr/bin/python3'].filter((name) => name === 'python3' || existsSync(name));

test("every constant of CPython's socket module, with the same value", requirePeer('python3'), async (t) => {
  const seen = new Set<string>();
  for (const interpreter of interpreters) {
    const { stdout } = await runPeer(interpreter, ['-I', '-c', script]);
    const [version, executable, theirs] = JSON.parse(stdout) as [string, string, Record<string, number>];
    const real = realpathSync(executable);
    if (seen.has(real)) continue;
    seen.add(real);
    const names = Object.keys(theirs);
    assert.ok(names.length > 250, `only ${names.length} constants in Python ${version}`);
    const ours = Object.fromEntries(names.map((name) => [name, exported[name]]));
    assert.deepEqual(ours, theirs, `Python ${version}`);
    t.diagnostic(`Python ${version}: ${names.length} constants`);
  }
});

// What no header of the C library has is a number in the table. The kernel's own headers, which
// the library is not built with, must agree wherever they are installed.
const headers = [
  'sys/ioctl.h',
  'net/ethernet.h',
  'netdb.h',
  'netinet/in.h',
  'netinet/tcp.h',
  'netinet/udp.h',
  'netinet/ip.h',
  'sys/socket.h',
  'linux/can.h',
  'linux/can/bcm.h',
  'linux/can/isotp.h',
  'linux/can/j1939.h',
  'linux/can/raw.h',
  'linux/errqueue.h',
  'linux/if_alg.h',
  'linux/if_ether.h',
  'linux/if_packet.h',
  'linux/in6.h',
  'linux/ipv6.h',
  'linux/mptcp.h',
  'linux/net_tstamp.h',
  'linux/netfilter_ipv4.h',
  'linux/netlink.h',
  'linux/rds.h',
  'linux/tipc.h',
  'linux/vm_sockets.h',
  'bluetooth/bluetooth.h',
  'bluetooth/hci.h',
  'bluetooth/l2cap.h',
];
// These contradict the headers above, but for their macros.
const apart = ['linux/tcp.h', 'linux/udp.h', 'linux/icmp.h', 'linux/icmpv6.h'];

const source = (body: string): string =>
  [
    ...headers.map((h) => `#if __has_include(<${h}>)\n#include <${h}>\n#endif`),
    '#include <stdio.h>',
    body,
  ].join('\n');

function compile(args: readonly string[], text: string): string {
  const run = spawnSync(process.env.CXX || 'c++', ['-x', 'c++', '-std=c++17', '-w', ...args, '-'], {
    input: text,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  assert.equal(run.status, 0, run.stderr?.slice(0, 4000));
  return run.stdout;
}

const noCompiler = spawnSync(process.env.CXX || 'c++', ['--version']).error ? 'no C++ compiler' : false;

test('numbers of the table agree with the headers at hand', { skip: noCompiler }, (t) => {
  const text = compile(['-E', '-dD'], source(''));
  const macros = new Set([...text.matchAll(/^#define (\w+) /gm)].map((match) => match[1]));
  const enumerators = new Set(
    [...text.replace(/^#.*$/gm, '').matchAll(/\benum\b[^{};]*\{([^}]*)\}/g)].flatMap(
      (match) => match[1]!.match(/\b[A-Z]\w+\b/g) ?? [],
    ),
  );
  const visible = constants.filter(
    ({ name, source: from }) => from === 'fixed' && (macros.has(name) || enumerators.has(name)),
  );
  const checks = visible.map(
    ({ name }) => `static_assert((long long)(${name}) == ${exported[name]}LL, "${name}");`,
  );
  compile(['-fsyntax-only'], source(checks.join('\n')));

  // Macros of the headers that stand apart, evaluated by the preprocessor alone.
  const aside = apart.map((h) => `#if __has_include(<${h}>)\n#include <${h}>\n#endif`).join('\n');
  const theirs = new Set(
    [...compile(['-E', '-dD'], aside).matchAll(/^#define (\w+) +-?\d/gm)].map((match) => match[1]),
  );
  const more = constants.filter(
    ({ name, source: from }) => from === 'fixed' && theirs.has(name) && !macros.has(name),
  );
  const asserts = more.map(({ name }) => `#if ${name} != ${exported[name]}\n#error ${name}\n#endif`);
  compile(['-E'], `${aside}\n${asserts.join('\n')}`);

  const fixed = constants.filter((constant) => constant.source === 'fixed').length;
  t.diagnostic(`${visible.length + more.length} of ${fixed} numbers seen in headers`);
  assert.ok(visible.length > 300, `only ${visible.length} constants in sight`);
});

test('generated files are up to date', () => {
  const run = spawnSync(process.execPath, ['--import', 'tsx', 'scripts/generate.ts', '--check'], {
    cwd: root,
    encoding: 'utf8',
  });
  assert.equal(run.status, 0, run.stderr);
});
