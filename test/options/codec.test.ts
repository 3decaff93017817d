// What getsockopt and setsockopt refuse before any system call, how they carry values, and the
// text forms of values.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AF_INET,
  ClosedError,
  IPPROTO_TCP,
  SO_BINDTODEVICE,
  SO_LINGER,
  SO_RCVBUF,
  SO_REUSEADDR,
  SO_TYPE,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
  type Socket,
  SocketError,
  socket,
  TCP_CONGESTION,
  TCP_KEEPALIVE,
  TCP_NODELAY,
  TCP_USER_TIMEOUT,
} from 'berkeley-sockets';
import {
  decodeValue,
  encodeValue,
  lengthToRead,
  type OptionValue,
  optionsNamed,
  parseValue,
} from '../../src/spec/options.ts';
import { type Scene, scene } from '../support/scene.ts';

const tcp = (stage: Scene): Socket => stage.own(socket(AF_INET, SOCK_STREAM));
// Arguments of the wrong type, past the compiler.
const loose = (s: Socket) =>
  s as unknown as { getsockopt(...args: unknown[]): unknown; setsockopt(...args: unknown[]): unknown };

scene('numbers, booleans and bytes are one value', (stage) => {
  const s = tcp(stage);
  const four = (value: number): Buffer => Buffer.from(Int32Array.of(value).buffer);
  for (const on of [1, true, four(1), four(1).buffer, new DataView(four(1).buffer), Int32Array.of(1)]) {
    s.setsockopt(IPPROTO_TCP, TCP_NODELAY, 0);
    s.setsockopt(IPPROTO_TCP, TCP_NODELAY, on as number);
    assert.equal(s.getsockopt(IPPROTO_TCP, TCP_NODELAY), 1);
  }
  s.setsockopt(IPPROTO_TCP, TCP_NODELAY, false);
  assert.equal(s.getsockopt(IPPROTO_TCP, TCP_NODELAY), 0);
  const shared = new SharedArrayBuffer(4);
  new Int32Array(shared)[0] = 1234;
  s.setsockopt(IPPROTO_TCP, TCP_USER_TIMEOUT, shared);
  assert.equal(s.getsockopt(IPPROTO_TCP, TCP_USER_TIMEOUT), 1234);
});

scene('a view gives its own part of the memory', (stage) => {
  const s = tcp(stage);
  const whole = Int32Array.of(1, 4321, 1);
  s.setsockopt(IPPROTO_TCP, TCP_USER_TIMEOUT, whole.subarray(1, 2));
  assert.equal(s.getsockopt(IPPROTO_TCP, TCP_USER_TIMEOUT), 4321);
});

scene('a string is its UTF-8', (stage) => {
  const s = tcp(stage);
  s.setsockopt(IPPROTO_TCP, TCP_CONGESTION, 'reno');
  assert.equal(s.getsockopt(IPPROTO_TCP, TCP_CONGESTION, 16).toString('latin1', 0, 5), 'reno\0');
});

scene('a buflen gives bytes, as many as the kernel has and at most so many', (stage) => {
  const s = tcp(stage);
  const linger = s.getsockopt(SOL_SOCKET, SO_LINGER, 1024);
  assert.ok(Buffer.isBuffer(linger));
  assert.equal(linger.length, 8);
  assert.deepEqual(s.getsockopt(SOL_SOCKET, SO_TYPE, 4), Buffer.from(Int32Array.of(SOCK_STREAM).buffer));
  assert.equal(s.getsockopt(SOL_SOCKET, SO_TYPE, 2).length, 2);
  assert.equal(s.getsockopt(SOL_SOCKET, SO_TYPE, 1).length, 1);
  // Each call has memory of its own.
  const [a, b] = [s.getsockopt(SOL_SOCKET, SO_TYPE, 4), s.getsockopt(SOL_SOCKET, SO_LINGER, 4)];
  assert.notEqual(a.buffer, b.buffer);
});

scene('negative numbers, and the whole range of an int', (stage) => {
  const s = tcp(stage);
  s.setsockopt(SOL_SOCKET, SO_RCVBUF, 0x7fffffff);
  for (const value of [-1, -0x80000000]) s.setsockopt(SOL_SOCKET, SO_RCVBUF, value);
  for (const value of [0x80000000, 0xffffffff, -0x80000001, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => s.setsockopt(SOL_SOCKET, SO_RCVBUF, value), {
      name: 'RangeError',
      message: /for value/,
    });
  }
});

scene('wrong types and ranges are refused before any system call', (stage) => {
  const s = tcp(stage);
  const bad = loose(s);
  for (const value of [undefined, 1n, Symbol('x'), () => 1]) {
    assert.throws(() => bad.setsockopt(SOL_SOCKET, SO_REUSEADDR, value), {
      name: 'TypeError',
      message: /a number, a boolean, bytes or null/,
    });
  }
  for (const value of [{}, [1], new Date()]) {
    assert.throws(() => bad.setsockopt(SOL_SOCKET, SO_REUSEADDR, value), {
      name: 'TypeError',
      message: /for value/,
    });
  }
  for (const level of ['1', undefined, null, 1n]) {
    assert.throws(() => bad.setsockopt(level, SO_REUSEADDR, 1), { name: 'TypeError', message: /for level/ });
    assert.throws(() => bad.getsockopt(level, SO_REUSEADDR), { name: 'TypeError', message: /for level/ });
  }
  for (const name of ['1', null, true]) {
    assert.throws(() => bad.setsockopt(SOL_SOCKET, name, 1), { name: 'TypeError', message: /for name/ });
    assert.throws(() => bad.getsockopt(SOL_SOCKET, name), { name: 'TypeError', message: /for name/ });
  }
  for (const number of [1.5, 2 ** 31, -(2 ** 31) - 1, Number.NaN]) {
    assert.throws(() => s.getsockopt(number, SO_TYPE), { name: 'RangeError', message: /for level/ });
    assert.throws(() => s.getsockopt(SOL_SOCKET, number), { name: 'RangeError', message: /for name/ });
  }
  for (const buflen of [0, -1, 1025, 1.5, Number.NaN]) {
    assert.throws(() => s.getsockopt(SOL_SOCKET, SO_TYPE, buflen), {
      name: 'RangeError',
      message: /for buflen/,
    });
  }
  for (const buflen of ['4', null, true]) {
    assert.throws(() => bad.getsockopt(SOL_SOCKET, SO_TYPE, buflen), {
      name: 'TypeError',
      message: /for buflen/,
    });
  }
});

scene('an option that this platform lacks', (stage) => {
  const s = tcp(stage);
  assert.equal(TCP_KEEPALIVE, undefined);
  const message = /this platform lacks the option/;
  assert.throws(() => s.setsockopt(IPPROTO_TCP, TCP_KEEPALIVE as unknown as number, 1), {
    name: 'TypeError',
    message,
  });
  assert.throws(() => s.getsockopt(IPPROTO_TCP, TCP_KEEPALIVE as unknown as number), {
    name: 'TypeError',
    message,
  });
});

scene('null takes a length, and nothing else does', (stage) => {
  const s = tcp(stage);
  const bad = loose(s);
  assert.throws(() => s.setsockopt(SOL_SOCKET, SO_REUSEADDR, null), {
    name: 'TypeError',
    message: /for optlen/,
  });
  assert.throws(() => s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1, 4), { name: 'TypeError', message: /optlen/ });
  assert.throws(() => s.setsockopt(SOL_SOCKET, SO_REUSEADDR, Buffer.alloc(4), 4), {
    name: 'TypeError',
    message: /optlen/,
  });
  assert.throws(() => bad.setsockopt(SOL_SOCKET, SO_REUSEADDR, null, '4'), {
    name: 'TypeError',
    message: /for optlen/,
  });
  for (const optlen of [-1, 1.5, 2 ** 31]) {
    assert.throws(() => s.setsockopt(SOL_SOCKET, SO_REUSEADDR, null, optlen), {
      name: 'RangeError',
      message: /for optlen/,
    });
  }
  // What the kernel makes of it is the kernel's: no value where one is needed ...
  assert.throws(() => s.setsockopt(SOL_SOCKET, SO_REUSEADDR, null, 4), {
    code: 'EFAULT',
    syscall: 'setsockopt',
  });
  // ... and an option that takes none.
  s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, null, 0);
});

scene("the kernel's refusals are errors with its code", (stage) => {
  const s = tcp(stage);
  assert.throws(
    () => s.getsockopt(SOL_SOCKET, 9999),
    (error: unknown) => {
      assert.ok(error instanceof SocketError);
      assert.deepEqual([error.code, error.syscall, error.errno], ['ENOPROTOOPT', 'getsockopt', -92]);
      return true;
    },
  );
  assert.throws(() => s.setsockopt(SOL_SOCKET, SO_TYPE, 1), { code: 'ENOPROTOOPT', syscall: 'setsockopt' });
  assert.throws(() => s.setsockopt(SOL_SOCKET, SO_REUSEADDR, ''), { code: 'EINVAL' });
  assert.throws(() => s.setsockopt(SOL_SOCKET, SO_REUSEADDR, Buffer.alloc(3)), { code: 'EINVAL' });
  assert.throws(() => s.setsockopt(IPPROTO_TCP, TCP_CONGESTION, 'no such algorithm'), { code: 'ENOENT' });
  const udp = stage.own(socket(AF_INET, SOCK_DGRAM));
  assert.throws(() => udp.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1), { code: 'ENOPROTOOPT' });
});

scene('a detached buffer is refused, a closed socket too', (stage) => {
  const s = tcp(stage);
  const gone = Buffer.from(Int32Array.of(1).buffer);
  structuredClone(gone.buffer, { transfer: [gone.buffer as ArrayBuffer] });
  assert.throws(() => s.setsockopt(SOL_SOCKET, SO_REUSEADDR, gone), {
    name: 'TypeError',
    message: /detached/,
  });
  s.close();
  assert.throws(() => s.getsockopt(SOL_SOCKET, SO_TYPE), ClosedError);
  assert.throws(() => s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1), ClosedError);
});

const row = (name: string) => optionsNamed(name)[0]!;

test('values as a command line writes them', () => {
  const good: [name: string, text: string, value: OptionValue][] = [
    ['TCP_NODELAY', '', true],
    ['TCP_NODELAY', '1', true],
    ['TCP_NODELAY', 'off', false],
    ['TCP_NODELAY', 'No', false],
    ['SO_RCVBUF', '65536', 65536],
    ['SO_MARK', '0x10', 16],
    ['SO_MAX_PACING_RATE', '-1', -1],
    ['SO_LINGER', '5', { onoff: true, linger: 5 }],
    ['SO_LINGER', 'off', { onoff: false, linger: 0 }],
    ['SO_RCVTIMEO', '1.5', 1.5],
    ['SO_BINDTODEVICE', 'eth0', 'eth0'],
    ['IP_OPTIONS', '94040000', '94040000'],
  ];
  for (const [name, text, value] of good)
    assert.deepEqual(parseValue(row(name), text), value, `${name}=${text}`);
  const bad: [name: string, text: string][] = [
    ['TCP_NODELAY', '2'],
    ['TCP_NODELAY', 'constructor'],
    ['SO_RCVBUF', ''],
    ['SO_RCVBUF', '1.5'],
    ['SO_RCVBUF', '64k'],
    ['SO_LINGER', '-1'],
    ['SO_RCVTIMEO', 'soon'],
    ['IP_OPTIONS', '9'],
    ['IP_OPTIONS', 'xx'],
  ];
  for (const [name, text] of bad) {
    const message = new RegExp(`for ${name} but received`);
    assert.throws(() => parseValue(row(name), text), { name: 'TypeError', message }, `${name}=${text}`);
  }
});

test('values to bytes and back', () => {
  const values: [name: string, value: OptionValue][] = [
    ['TCP_NODELAY', true],
    ['SO_RCVBUF', 65536],
    ['SO_LINGER', { onoff: true, linger: 5 }],
    ['SO_LINGER', { onoff: false, linger: 0 }],
    ['SO_RCVTIMEO', 0],
    ['SO_RCVTIMEO', 2.25],
    ['SO_RCVTIMEO', 0.000_001],
    ['SO_RCVTIMEO', 3.999_999_9],
    ['TCP_CONGESTION', 'reno'],
    ['IP_OPTIONS', '94040000'],
  ];
  for (const [name, value] of values) {
    const raw = encodeValue(row(name), value);
    const back = decodeValue(row(name), typeof raw === 'boolean' ? Number(raw) : raw);
    assert.deepEqual(back, value === 3.999_999_9 ? 4 : value, name);
    assert.equal(lengthToRead(row(name)) === undefined, typeof raw !== 'object', name);
  }
  assert.equal(decodeValue(row('TCP_CONGESTION'), Buffer.from('reno\0\0\0bbr')), 'reno');
  for (const [name, value] of [
    ['TCP_NODELAY', 1],
    ['SO_RCVBUF', true],
    ['SO_LINGER', 5],
    ['SO_RCVTIMEO', -1],
    ['IP_OPTIONS', 'zz'],
  ] as const) {
    assert.throws(() => encodeValue(row(name), value), { name: 'TypeError' }, name);
  }
});
