// createConnection tells of each address that it tried, and keeps to a family.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  type AnyAddress,
  createConnection,
  createServer,
} from 'berkeley-sockets';
import { createConnection as connectBlocking } from 'berkeley-sockets/sync';

test('onattempt is told of the one that won', async () => {
  using server = createServer(['127.0.0.1', 0]);
  const address = server.getsockname();
  const told: [AnyAddress, unknown][] = [];
  const onattempt = (each: AnyAddress, error: unknown): void => void told.push([each, error]);
  using a = await createConnection(['127.0.0.1', address[1]], { onattempt, family: AF_INET });
  using b = connectBlocking(['127.0.0.1', address[1]], { onattempt });
  assert.deepEqual(told, [
    [address, undefined],
    [address, undefined],
  ]);
  assert.ok(!a.closed && !b.closed);
});

test('onattempt is told of each that failed, and why', async () => {
  using server = createServer(['127.0.0.1', 0]);
  const [, port] = server.getsockname();
  server.close();
  const told: [AnyAddress, string][] = [];
  const onattempt = (each: AnyAddress, error: unknown): void =>
    void told.push([each, (error as NodeJS.ErrnoException).code!]);
  await assert.rejects(createConnection(['127.0.0.1', port], { onattempt }));
  assert.throws(() => connectBlocking(['127.0.0.1', port], { onattempt }));
  assert.deepEqual(told, [
    [['127.0.0.1', port], 'ECONNREFUSED'],
    [['127.0.0.1', port], 'ECONNREFUSED'],
  ]);
});

test('what onattempt throws is the outcome', async () => {
  using server = createServer(['127.0.0.1', 0]);
  const [, port] = server.getsockname();
  const onattempt = (): void => {
    throw new Error('enough');
  };
  await assert.rejects(createConnection(['127.0.0.1', port], { onattempt }), /^Error: enough$/);
  assert.throws(() => connectBlocking(['127.0.0.1', port], { onattempt }), /^Error: enough$/);
});

test('family: addresses of another one are not tried; arguments are checked', async () => {
  using server = createServer(['127.0.0.1', 0]);
  const [, port] = server.getsockname();
  await assert.rejects(createConnection(['127.0.0.1', port], { family: AF_INET6 }), {
    name: 'AddressInfoError',
  });
  await assert.rejects(createConnection(['127.0.0.1', port], { family: AF_UNIX }), RangeError);
  await assert.rejects(createConnection(['127.0.0.1', port], { onattempt: 1 as never }), TypeError);
});
