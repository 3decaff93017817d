// The options' table itself: complete, consistent, and what is made of it up to date.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as sockets from 'berkeley-sockets';
import { constantGroups, constants } from '../../src/spec/constants.ts';
import { namesWithoutRow, options, optionsNamed, socketKinds } from '../../src/spec/options.ts';

const exported = sockets as unknown as Record<string, number | undefined>;

test('every option constant of these levels has a row, or a reason to have none', () => {
  const rows = new Set(options.map((option) => option.name));
  const names = constantGroups
    .filter(({ title }) =>
      /^(Options of (every socket|IP|IPv6|TCP|UDP|UDP-Lite) |Multicast groups)/.test(title),
    )
    .flatMap((group) => group.constants.map((constant) => constant.name))
    .filter((name) => !['MCAST_INCLUDE', 'MCAST_EXCLUDE'].includes(name));
  assert.ok(names.length > 200, `only ${names.length} names`);
  assert.deepEqual(
    names.filter((name) => rows.has(name) === name in namesWithoutRow),
    [],
    'neither or both',
  );
  assert.deepEqual(
    Object.keys(namesWithoutRow).filter((name) => !names.includes(name)),
    [],
    'excused but not there',
  );
});

test('rows name constants that exist, once a level', () => {
  const seen = new Set<string>();
  for (const option of options) {
    const key = `${option.level} ${option.name}`;
    assert.ok(!seen.has(key), `${key} twice`);
    seen.add(key);
    assert.equal(typeof exported[option.name], 'number', option.name);
    assert.equal(typeof exported[option.level], 'number', option.level);
    assert.ok(option.on.length > 0, key);
    for (const kind of option.on) assert.ok(kind in socketKinds, `${key}: ${kind}`);
  }
});

test('rows hold together', () => {
  for (const option of options) {
    const { name, level, type, tries, reads, readBy, after, access, doc, struct, untried } = option;
    assert.ok(!doc.endsWith('.') && !doc.includes('\n'), `${name}: ${doc}`);
    assert.equal(type === 'bytes', struct !== undefined, `${name}: bytes have a struct, other types none`);
    if (access === 'get') assert.ok(!tries && !reads && !after?.length, `${name} cannot be set`);
    else assert.ok(untried || tries || type === 'bool', `${name} has neither values to try nor a reason`);
    if (reads) assert.equal(reads.length, tries?.length, name);
    for (const other of [readBy, ...(after ?? [])]) {
      if (other)
        assert.ok(
          optionsNamed(other).some((row) => row.level === level),
          `${name}: no ${other}`,
        );
    }
  }
});

test('lookup by name', () => {
  assert.deepEqual(
    optionsNamed('TCP_NODELAY').map((row) => row.level),
    ['IPPROTO_TCP'],
  );
  assert.deepEqual(
    optionsNamed('MCAST_JOIN_GROUP')
      .map((row) => row.level)
      .sort(),
    ['IPPROTO_IP', 'IPPROTO_IPV6'],
  );
  assert.deepEqual(optionsNamed('TCP_NOSUCH'), []);
});

test('constants are declared once', () => {
  const names = constants.map((constant) => constant.name);
  assert.equal(
    new Set(names).size,
    names.length,
    names.filter((name, i) => names.indexOf(name) !== i).join(' '),
  );
});
