// Control buffers: the layout against Python's, what is refused and how, the way there and back,
// and that no bytes whatever make the parser read beyond them, loop or throw.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CMSG_LEN, CMSG_SPACE, SCM_PIDFD, SCM_RIGHTS, SOL_SOCKET } from 'berkeley-sockets';
import {
  type Ancillary,
  type AncillaryInput,
  decodeAncillary,
  descriptorsIn,
  encodeAncillary,
  replaceDescriptors,
  rightsOf,
} from '../../dist/ancillary.js';
import { Chance } from '../support/chance.ts';
import { requirePeer } from '../support/peer.ts';
import { evalPython } from '../support/python.ts';

const ROUNDS = 2000;
const HEADER = CMSG_LEN(0);
const INT_MAX = 0x7fffffff;
const INTEGER = /^Expected an integer from 0 to /;

const encode = (rows: AncillaryInput[]): Buffer => {
  const control = encodeAncillary(rows);
  assert.ok(control !== null);
  return Buffer.from(control.buffer, control.byteOffset, control.length);
};

test('CMSG_LEN and CMSG_SPACE are Python’s', requirePeer('python3'), async () => {
  const [lengths, most] = await evalPython<[[number, number][], [number, number]]>(`
    import json, socket
    def most(f):
        low, high = 0, 2 ** 31
        while high - low > 1:
            middle = (low + high) // 2
            try: f(middle); low = middle
            except OverflowError: high = middle
        return low
    table = [(socket.CMSG_LEN(n), socket.CMSG_SPACE(n)) for n in range(257)]
    print(json.dumps([table, [most(socket.CMSG_LEN), most(socket.CMSG_SPACE)]]))
  `);
  for (const [n, expected] of lengths.entries()) assert.deepEqual([CMSG_LEN(n), CMSG_SPACE(n)], expected);
  for (const [i, f] of [CMSG_LEN, CMSG_SPACE].entries()) {
    assert.ok(f(most[i]!) <= INT_MAX);
    for (const n of [most[i]! + 1, INT_MAX, 2 ** 53, -1, 0.5, Number.NaN])
      assert.throws(() => f(n), { name: 'RangeError', message: INTEGER });
    for (const n of ['1', null, undefined, 1n])
      assert.throws(() => f(n as unknown as number), { name: 'TypeError' });
  }
});

test('what is encoded comes back', () => {
  const chance = new Chance('ancillary');
  for (let round = 0; round < ROUNDS; round++) {
    const rows = Array.from({ length: chance.integer(1, 5) }, (): AncillaryInput => {
      const sign = () => chance.integer(0, INT_MAX) * (chance.integer(0, 1) === 0 ? 1 : -1);
      return [sign(), sign(), chance.bytes(chance.integer(0, 40))];
    });
    const control = encode(rows);
    const space = rows.reduce((sum, [, , data]) => sum + CMSG_SPACE((data as Buffer).length), 0);
    assert.equal(control.length, space);
    assert.deepEqual(decodeAncillary(control, control.length), rows);
    // A buffer in the middle of other memory, and with more behind it.
    const within = Buffer.concat([chance.bytes(8), control, chance.bytes(24)]);
    assert.deepEqual(decodeAncillary(within.subarray(8), control.length), rows);
  }
});

test('the padding is zero', () => {
  assert.equal(
    encode([[1, 2, 'a']])
      .subarray(CMSG_LEN(1))
      .equals(Buffer.alloc(CMSG_SPACE(1) - CMSG_LEN(1))),
    true,
  );
});

test('any kind of bytes are data, copied', () => {
  const memory = Uint8Array.of(1, 2, 3, 4);
  for (const data of [memory, memory.buffer, new DataView(memory.buffer), new Uint16Array(memory.buffer)]) {
    const control = encode([[1, 2, data]]);
    memory[0] = 9;
    assert.deepEqual([...decodeAncillary(control, control.length)[0]![2]], [1, 2, 3, 4]);
    memory[0] = 1;
  }
  const [[, , text]] = decodeAncillary(encode([[1, 2, 'é']]), 100) as [Ancillary];
  assert.equal(text.toString(), 'é');
  assert.equal(encodeAncillary([]), null);
  assert.equal(encodeAncillary(new Set()), null);
});

test('what is no ancillary data is refused', () => {
  const refused = (ancdata: unknown, name: string, message: RegExp) =>
    assert.throws(() => encodeAncillary(ancdata), { name, message });
  for (const none of [null, 1, 'text', Buffer.alloc(16), {}, () => {}])
    refused(none, 'TypeError', /^Expected an iterable of \[level, type, data\] for ancdata but received /);
  for (const row of [null, 1, 'abc', [], [1, 2], [1, 2, 'a', 'b'], Uint8Array.of(1, 2, 3)])
    refused([[1, 2, ''], row], 'TypeError', /^Expected \[level, type, data\] for ancdata\[1\] but received /);
  for (const [level, type] of [
    [2 ** 31, 1],
    [1, -(2 ** 31) - 1],
    [1.5, 1],
    [1, Number.NaN],
  ])
    refused(
      [[level, type, '']],
      'RangeError',
      /^Expected an integer from -2147483648 to 2147483647 for the (level|type) of ancdata\[0\]/,
    );
  for (const [level, type] of [
    ['1', 1],
    [1, undefined],
    [1n, 1],
  ])
    refused([[level, type, '']], 'TypeError', /^Expected a number for the (level|type) of ancdata\[0\]/);
  for (const data of [1, null, undefined, [1, 2], {}])
    refused([[1, 2, data]], 'TypeError', /for the data of ancdata\[0\] but received /);
});

test('data whose memory goes while the rest is read was taken before', () => {
  const memory = Uint8Array.of(1, 2, 3, 4);
  function* rows(): Generator<AncillaryInput> {
    yield [1, 2, memory];
    structuredClone(memory.buffer, { transfer: [memory.buffer] });
    yield [3, 4, 'x'];
  }
  const control = encodeAncillary(rows())!;
  assert.deepEqual(decodeAncillary(control, control.length), [
    [1, 2, Buffer.of(1, 2, 3, 4)],
    [3, 4, Buffer.from('x')],
  ]);
  assert.throws(() => encodeAncillary([[1, 2, memory]]), { name: 'TypeError', message: /detached/ });
});

test('a control message that was cut gives what is there', () => {
  const whole = encode([
    [1, 2, 'abcdefgh'],
    [3, 4, 'ijkl'],
  ]);
  const first = CMSG_SPACE(8);
  for (let length = 0; length <= whole.length; length++) {
    const rows = decodeAncillary(whole, length);
    const expected: Ancillary[] = [];
    if (length >= HEADER) expected.push([1, 2, Buffer.from('abcdefgh'.slice(0, length - HEADER))]);
    if (length >= first + HEADER)
      expected.push([3, 4, Buffer.from('ijkl'.slice(0, Math.max(0, length - first - HEADER)))]);
    assert.deepEqual(rows, expected, `${length} bytes`);
  }
  // The length that the kernel tells may be beyond the memory, in no case the memory itself.
  assert.equal(decodeAncillary(whole, whole.length + 1000).length, 2);
  assert.deepEqual(decodeAncillary(whole, -1), []);
});

/** Writes a header's length as it stands in memory, whatever its size. */
function lie(control: Buffer, at: number, length: bigint): void {
  const word = HEADER - 8;
  const bytes = Buffer.alloc(8);
  const little = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
  if (little) bytes.writeBigUInt64LE(length);
  else bytes.writeBigUInt64BE(length << BigInt(64 - word * 8));
  bytes.copy(control, at, 0, word);
}

test('lengths that lie', () => {
  const two = () =>
    encode([
      [1, 2, 'abcdefgh'],
      [3, 4, 'ijkl'],
    ]);
  const rowsOf = (at: number, length: bigint) => {
    const control = two();
    lie(control, at, length);
    return decodeAncillary(control, control.length);
  };
  for (const small of [0n, 1n, BigInt(HEADER - 1)]) {
    assert.deepEqual(rowsOf(0, small), [], `a first length of ${small}`);
    assert.equal(rowsOf(CMSG_SPACE(8), small).length, 1, `a second length of ${small}`);
  }
  const all = two().length;
  for (const large of [
    BigInt(all + 1),
    0x7fffffffn,
    0xffffffffn,
    1n << 53n,
    (1n << 63n) - 1n,
    (1n << 64n) - 1n,
  ]) {
    const rows = rowsOf(0, large);
    assert.equal(rows.length, 1, `a length of ${large}`);
    assert.equal(rows[0]![2].length, all - HEADER, `a length of ${large}`);
  }
});

test('any bytes: nothing is read beyond them, and the list ends', () => {
  const chance = new Chance('any bytes');
  for (let round = 0; round < ROUNDS * 5; round++) {
    const size = chance.integer(0, 200);
    const control = chance.bytes(size);
    // Random lengths are nearly all huge: make small ones as frequent.
    for (let at = 0; at + HEADER <= size; at += chance.integer(1, 40))
      if (chance.integer(0, 1) === 0) lie(control, at, BigInt(chance.integer(0, 64)));
    const length = chance.integer(0, size + 16);
    const rows = decodeAncillary(control, length);
    const end = Math.min(length, size);
    let used = 0;
    for (const [level, type, data] of rows) {
      assert.ok(Number.isInteger(level) && Number.isInteger(type));
      // Each piece is where the sizes of those before it put it.
      assert.ok(data.equals(control.subarray(used + HEADER, used + HEADER + data.length)));
      assert.ok(used + HEADER + data.length <= end, `${used} and ${data.length} in ${end}`);
      used += CMSG_SPACE(data.length);
    }
    const { fds, others } = descriptorsIn(rows);
    assert.ok((fds.length + others.length) * 4 <= end);
  }
});

test('data does not keep the memory that it came in', () => {
  const control = encode([[1, 2, 'abcd']]);
  const rows = decodeAncillary(control, control.length);
  control.fill(0);
  assert.equal(String(rows[0]![2]), 'abcd');
});

test('descriptors are found, and nothing else', () => {
  const rows = (list: AncillaryInput[]) => decodeAncillary(encode(list), 10000);
  assert.deepEqual(descriptorsIn(rows([rightsOf([3, 4, 5])])), { fds: [3, 4, 5], others: [] });
  const mixed = rows([
    [SOL_SOCKET, 2, Int32Array.of(7)],
    [SOL_SOCKET + 5, SCM_RIGHTS, Int32Array.of(8)],
    rightsOf([3]),
    [SOL_SOCKET, SCM_PIDFD!, Int32Array.of(9)],
    rightsOf([4]),
  ]);
  assert.deepEqual(descriptorsIn(mixed), { fds: [3, 4], others: [9] });
  // Half a number is none.
  assert.deepEqual(descriptorsIn([[SOL_SOCKET, SCM_RIGHTS, Buffer.alloc(7)]]).fds, [0]);
});

test('descriptors are replaced in place, and nothing else', () => {
  const control = encode([
    [SOL_SOCKET, 2, Int32Array.of(3)],
    rightsOf([3, 4]),
    [1, 2, 'abcdefg'],
    rightsOf([5]),
    [SOL_SOCKET, SCM_RIGHTS, 'abc'],
  ]);
  replaceDescriptors(control, (fd) => fd + 100);
  const text = (s: string) => Buffer.from(s);
  const ints = (...list: number[]) => Buffer.from(Int32Array.from(list).buffer);
  assert.deepEqual(decodeAncillary(control, control.length), [
    [SOL_SOCKET, 2, ints(3)],
    [SOL_SOCKET, SCM_RIGHTS, ints(103, 104)],
    [1, 2, text('abcdefg')],
    [SOL_SOCKET, SCM_RIGHTS, ints(105)],
    [SOL_SOCKET, SCM_RIGHTS, text('abc')],
  ]);
});
