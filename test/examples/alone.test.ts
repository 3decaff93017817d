// The examples that need nobody else: what they print is what the notes say, or say wrongly.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasDualstackIPv6 } from 'berkeley-sockets';
import { noLeaks } from '../support/leaks.ts';
import { assertLines, runExample } from './run.ts';

noLeaks();

test('01 addresses and ports', async () => {
  assertLines(await runExample('01-addresses-and-ports.ts'), [
    'localhost has the address 127.0.0.1',
    'ftp    is on port 21',
    'ssh    is on port 22',
    'telnet is on port 23',
    'smtp   is on port 25',
    'http   is on port 80',
    'pop3   is on port 110',
    'nntp   is on port 119',
    'https  is on port 443',
    /^The system assigned \[ '0\.0\.0\.0', [1-9]\d{3,4} \]$/,
  ]);
});

test('03 create', async () => {
  // Only root, or a ping group that everyone is in, changes the last line.
  assertLines(await runExample('03-create.ts'), [
    /^AF_INET {2}SOCK_STREAM .*: created$/,
    /^AF_INET {2}SOCK_DGRAM .*: created$/,
    /^AF_INET6 SOCK_STREAM .*: (created|EAFNOSUPPORT)$/,
    /^AF_UNIX {2}SOCK_STREAM .*: created$/,
    /^AF_UNIX {2}SOCK_DGRAM .*: created$/,
    /^AF_INET {2}SOCK_RAW .*: (created|EPERM)$/,
  ]);
});

test('06 bind', async () => {
  const lines = await runExample('06-bind.ts');
  assertLines(lines.slice(0, 3), [
    "bind '': 0.0.0.0 is reached at 127.0.0.1, 127.0.0.2",
    "bind 'localhost': 127.0.0.1 is reached at 127.0.0.1",
    "bind '127.0.0.2': 127.0.0.2 is reached at 127.0.0.2",
  ]);
  assertLines(
    lines.slice(3),
    hasDualstackIPv6()
      ? ["bind '::1': ::1 is reached at ::1", "bind '': :: is reached at 127.0.0.1, 127.0.0.2, ::1"]
      : [/^bind '::1': E/, /^bind '': /],
  );
});

test('07 partial', async () => {
  const lines = await runExample('07-partial.ts');
  assert.equal(lines[0], 'len(data) is 1000000');
  const sent = Number(/^send\(data\) sent (\d+)$/.exec(lines[1]!)?.[1]);
  assert.ok(sent > 0 && sent < 1_000_000, `a part of the data, not ${sent} bytes`);
  const received = lines.slice(2).map((line) => Number(/^recv\(10000\) received (\d+)$/.exec(line)?.[1]));
  assert.ok(
    received.every((n) => n > 0 && n <= 10_000),
    `at most 10000 at a time: ${received}`,
  );
  assert.ok(received.at(-1)! < 10_000, `the last is less than the limit: ${received}`);
  assert.equal(
    received.reduce((sum, n) => sum + n),
    sent,
  );
});

test('08 stream', async () => {
  assertLines(await runExample('08-stream.ts'), [
    'sends: 2, recvs: 1',
    'bytes sent: 23, bytes received: 23',
    // At most 10000 bytes each, and never all at once.
    /^sends: 1, recvs: ([3-9]|[12]\d)$/,
    'bytes sent: 30000, bytes received: 30000',
  ]);
});

test('09 sendall', async () => {
  assertLines(await runExample('09-sendall.ts'), [
    'The first bytes arrive; sendall is still waiting',
    'sendall is done: 20000000 of 20000000 bytes arrived',
  ]);
});

test('10 end of stream', async () => {
  assertLines(await runExample('10-end-of-stream.ts'), [
    "server: 'the last words'",
    "server: ''",
    "server: ''",
    "client: 'I heard you'",
    "client: ''",
  ]);
});

test('11 reassembly', async () => {
  const text = 'Grüße aus dem Netz: 你好, 世界';
  const bytes = Buffer.from(text);
  const pieces = Array.from({ length: Math.ceil(bytes.length / 5) }, (_, i) =>
    bytes.subarray(5 * i, 5 * i + 5),
  );
  assertLines(await runExample('11-reassembly.ts'), [
    `${pieces.length} fragments of ${pieces.map((piece) => piece.length).join(', ')} bytes`,
    `joined, then decoded: ${text}`,
    `decoded, then joined: ${pieces.map(String).join('')}`,
  ]);
  assert.notEqual(pieces.map(String).join(''), text, 'the example shows a difference');
});

/** The seconds at the end of a line. */
const seconds = (line: string) => Number(/after ([\d.]+) seconds$/.exec(line)![1]);

test('12 timeout', async () => {
  const lines = await runExample('12-timeout.ts', [0.5]);
  assertLines(lines, [
    /^settimeout\(0\.5\): timed out\b.*, after \d\.\d seconds$/,
    /^settimeout\(null\): 'better late than never', after \d\.\d seconds$/,
  ]);
  assert.ok(seconds(lines[0]!) >= 0.5 && seconds(lines[0]!) < 3, lines[0]);
  assert.ok(seconds(lines[1]!) >= 0.6 && seconds(lines[1]!) < 3, lines[1]);
});

test('12 timeout: five seconds by itself', async () => {
  const lines = await runExample('12-timeout.ts', [], { seconds: 30 });
  assertLines(lines, [/^settimeout\(5\): timed out\b/, /^settimeout\(null\): 'better late than never'/]);
  assert.ok(seconds(lines[0]!) >= 5 && seconds(lines[0]!) < 7, lines[0]);
  assert.ok(seconds(lines[1]!) >= 6 && seconds(lines[1]!) < 8, lines[1]);
});

test('17 AF_UNIX datagrams', async () => {
  assertLines(await runExample('17-unix-datagram.ts'), [
    /^server: received 'Hello' from \/.*\/client$/,
    /^server: received 'World' from \/.*\/client$/,
    /^client: received 'OK\.\.\.Hello' from \/.*\/server$/,
    /^client: received 'OK\.\.\.World' from \/.*\/server$/,
  ]);
});

test('18 errors', async () => {
  assertLines(await runExample('18-errors.ts'), [
    'Create: SocketError, error code EPROTONOSUPPORT: socket EPROTONOSUPPORT',
    // Which of the two depends on whether a name server can be asked.
    /^Resolve: AddressInfoError, error code EAI_(NONAME|AGAIN): .*no-such-host\.invalid/,
    /^Connect: SocketError, error code ECONNREFUSED: connect ECONNREFUSED 127\.0\.0\.1:\d+$/,
    /^Send: SocketError, error code ECONNRESET: send ECONNRESET\b/,
    /^Send again: SocketError, error code EPIPE: send EPIPE\b/,
    /^Receive: SocketError, error code ECONNRESET: recv ECONNRESET\b/,
    /^Receive on a closed socket: ClosedError, error code EBADF: /,
  ]);
});

test('21 backlog: one more than listen() was told, and nobody is refused', async () => {
  const lines = await runExample('21-backlog.ts', [], { seconds: 30 });
  assertLines(lines, [
    'listen(2), and nobody accepts:',
    '  connection 1: connected, though not accepted',
    '  connection 2: connected, though not accepted',
    '  connection 3: connected, though not accepted',
    /^ {2}connection 4: timed out/,
    /^ {2}connection 5: timed out/,
    'One is accepted, which makes room:',
    /^ {2}a patient one: connected after \d\.\d seconds$/,
  ]);
  // The first repetition of a SYN comes after a second: TCP_TIMEOUT_INIT, RFC 6298.
  assert.ok(seconds(lines.at(-1)!) >= 0.9, lines.at(-1));
});

test('24 send and sendall', async () => {
  const lines = await runExample('24-send-and-sendall.ts');
  assertLines(lines, [
    /^send: 20000000 bytes took \d+ calls$/,
    'send: 20000000 bytes arrived',
    'sendall: 20000000 bytes arrived',
    /^sendall: (ECONNRESET|EPIPE) after \d+ of 20000000 bytes$/,
  ]);
  const calls = Number(/(\d+) calls/.exec(lines[0]!)![1]);
  assert.ok(calls > 1, `one call does not do for 20 MB: ${calls}`);
  const sent = Number(/after (\d+) of/.exec(lines[3]!)![1]);
  assert.ok(sent >= 100_000 && sent < 20_000_000, `what the peer had, and not all: ${sent}`);
});
