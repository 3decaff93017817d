// What a server makes of errors of accept(2), which a test can hardly bring about: by the table, and
// by a listener that gives them one after the other.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClosedError, SocketError } from '../../src/errors.ts';
import { acceptVerdict, isClientGone, receiveVerdict } from '../../src/serving/acceptance.ts';
import { Acceptor } from '../../src/serving/acceptor.ts';
import { within } from '../support/deadline.ts';
import { noLeaks } from '../support/leaks.ts';

noLeaks();

const failure = (code: string) => new SocketError(`accept ${code}`, { code, syscall: 'accept' });

test('the verdicts', () => {
  const verdicts = (codes: string, verdict: (error: unknown) => string) =>
    new Set(codes.split(' ').map((code) => verdict(failure(code))));
  const gone =
    'ECONNABORTED ECONNRESET EPERM ENETDOWN EPROTO ENOPROTOOPT EHOSTDOWN ENONET EHOSTUNREACH ENOTSUP ENETUNREACH';
  assert.deepEqual(verdicts(gone, acceptVerdict), new Set(['next']));
  assert.deepEqual(verdicts('EMFILE ENFILE ENOBUFS ENOMEM', acceptVerdict), new Set(['wait']));
  assert.deepEqual(verdicts('EMFILE ENOBUFS ENOMEM', receiveVerdict), new Set(['wait']));
  assert.deepEqual(verdicts('EBADF EINVAL ENOTSOCK EFAULT EUNHEARD', acceptVerdict), new Set(['fatal']));
  assert.deepEqual(verdicts('EBADF EINVAL ENOTSOCK EFAULT', receiveVerdict), new Set(['fatal']));
  assert.deepEqual(verdicts('ECONNREFUSED EHOSTUNREACH EMSGSIZE', receiveVerdict), new Set(['next']));
  for (const odd of [new Error('EMFILE'), undefined, null, 'EMFILE', { code: 'EMFILE' }])
    assert.equal(acceptVerdict(odd), 'fatal');
  assert.equal(isClientGone(failure('EPIPE')), true);
  assert.equal(isClientGone(failure('EMFILE')), false);
  assert.equal(isClientGone(new TypeError('x')), false);
});

/** A listener that gives these, and then waits; each accept comes a microtask later, as from the kernel. */
class Scripted {
  readonly steps: (string | Error)[];
  accepts = 0;
  closed = false;
  readonly times: number[] = [];

  constructor(...steps: (string | Error)[]) {
    this.steps = steps;
  }

  async accept(options?: { signal: AbortSignal }): Promise<[string, string]> {
    this.accepts++;
    this.times.push(performance.now());
    const step = this.steps.shift();
    if (step instanceof Error) throw step;
    if (step !== undefined) return [step, 'address'];
    if (options === undefined) throw failure('EAGAIN');
    const { signal } = options;
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  }

  settimeout(): void {}

  close(): void {
    this.closed = true;
  }
}

function accepting(listener: Scripted, room = () => true, begun: string[] = []) {
  const told: string[] = [];
  let over!: (error: unknown) => void;
  const ended = new Promise<unknown>((resolve) => {
    over = resolve;
  });
  const acceptor = new Acceptor(listener as never, {
    room,
    begin: (socket) => void begun.push(socket as unknown as string),
    tell: (error) => void told.push((error as SocketError).code),
    over,
  });
  const idle = async () => {
    while (listener.steps.length > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  return { acceptor, begun, told, ended, idle };
}

test('the errors of single connections lose nobody else’s', async () => {
  const listener = new Scripted('a', failure('ECONNABORTED'), 'b', failure('EPROTO'), failure('EPERM'), 'c');
  const { acceptor, begun, told, ended, idle } = accepting(listener);
  await within(idle(), 'all steps');
  assert.deepEqual(begun, ['a', 'b', 'c']);
  assert.deepEqual(told, ['ECONNABORTED', 'EPROTO', 'EPERM']);
  acceptor.stop(false);
  assert.equal(await within(ended, 'the end'), undefined);
  assert.equal(listener.closed, true);
});

test('a shortage is waited for, told of once, and over when somebody says so', async () => {
  const shortage = Array.from({ length: 4 }, () => failure('EMFILE'));
  const listener = new Scripted(...shortage, 'a', failure('ENOMEM'), 'b');
  const { acceptor, begun, told, ended, idle } = accepting(listener);
  await within(idle(), 'all steps');
  assert.deepEqual(begun, ['a', 'b']);
  assert.deepEqual(told, ['EMFILE', 'ENOMEM']);
  for (let i = 1; i <= 4; i++) assert.ok(listener.times[i]! - listener.times[i - 1]! > 90, `pause ${i}`);
  acceptor.stop(false);
  await within(ended, 'the end');
  const woken = new Scripted(failure('EMFILE'), 'a');
  const second = accepting(woken);
  await new Promise((resolve) => setImmediate(resolve));
  second.acceptor.wake();
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(woken.accepts >= 2);
  second.acceptor.stop(false);
  await within(second.ended, 'the end');
});

test('an error that never ends does not spin', async () => {
  const listener = new Scripted(...Array.from({ length: 200 }, () => failure('EPERM')), 'a');
  const { acceptor, begun, ended, idle } = accepting(listener);
  await within(idle(), 'all steps');
  assert.deepEqual(begun, ['a']);
  const pauses = listener.times.filter((time, i) => i > 0 && time - listener.times[i - 1]! > 90);
  assert.ok(pauses.length >= 3 && pauses.length < 10, `${pauses.length} pauses`);
  acceptor.stop(false);
  await within(ended, 'the end');
});

test('a fatal error ends it and is told; a listener that was closed ends it', async () => {
  for (const error of [failure('EINVAL'), new TypeError('of the library')]) {
    const listener = new Scripted('a', error);
    const { begun, ended } = accepting(listener);
    assert.equal(await within(ended, 'the end'), error);
    assert.deepEqual(begun, ['a']);
    assert.equal(listener.closed, true);
  }
  const closed = new Scripted(new ClosedError('accept EBADF', { code: 'EBADF' }));
  assert.equal(await within(accepting(closed).ended, 'the end'), undefined);
});

test('without room nothing is accepted; what waits is taken at a graceful end', async () => {
  const listener = new Scripted('a', 'b', 'c');
  let places = 1;
  const begun: string[] = [];
  const { acceptor, ended } = accepting(listener, () => begun.length < places, begun);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual([begun, listener.accepts], [['a'], 1]);
  places = 2;
  acceptor.wake();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual([begun, listener.accepts], [['a', 'b'], 2]);
  places = 10;
  acceptor.stop(true);
  await within(ended, 'the end');
  assert.deepEqual(begun, ['a', 'b', 'c']);
});
