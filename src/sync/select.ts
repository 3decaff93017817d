// Waiting for the first of many sockets, in a thread that blocks. As select.ts.
import { nobodyAborts } from '../abort.ts';
import { native } from '../binding.ts';
import * as engine from '../engine.ts';
import { checkOptions, type Told, type WaitOptions } from '../flavour.ts';
import type { AnyOptions } from '../select.ts';
import {
  AnyOf,
  type Question,
  type Ready,
  type Selectable,
  Selection,
  type Unpacked,
  type Wanted,
} from '../selection.ts';
import { checkTimeout, SLICE } from '../timeout.ts';

/**
 * Waits until some of many sockets can be read, written, or are in an exceptional state (urgent
 * data): three lists with those that are, the very objects that were given. All empty when `timeout`
 * seconds have passed; 0 asks and does not wait, nothing waits for ever.
 *
 * Sockets, anything with a `fileno()`, and descriptors of any kind (pipes, terminals) go, in any
 * number. The state is asked for, not a change of it: what was ready before is told. An error counts as
 * readable and writable, a hang-up as readable. select(2), Python's `select.select`.
 *
 * Errors: `ClosedError` if one is closed, now or while the call waits; `EBADF`. **Cancel safety**:
 * nothing is taken from any socket.
 */
export function select<R extends Selectable, W extends Selectable, X extends Selectable>(
  rlist: Iterable<R>,
  wlist: Iterable<W>,
  xlist: Iterable<X>,
  timeout?: number | null,
  options?: Told<'blocking', WaitOptions>,
): [readable: R[], writable: W[], exceptional: X[]] {
  if ((options as WaitOptions | undefined)?.signal !== undefined) throw nobodyAborts();
  const seconds = checkTimeout(timeout ?? null, 'timeout');
  return ask(new Selection(rlist, wlist, xlist), seconds);
}

/**
 * Waits until at least one of many sockets is ready, and tells all that are, with what they are
 * ready for: `[{ socket, read, write }, …]`; an empty list when the time is over. A socket alone
 * is waited for to be readable, `[socket, { read, write }]` for what it says. As in `wait`, an error
 * or a hang-up counts as both. poll(2); otherwise as `select`.
 */
export function waitAny<E extends Wanted>(
  sockets: Iterable<E>,
  options?: Told<'blocking', AnyOptions>,
): Ready<Unpacked<E>>[] {
  const { timeout, signal } = checkOptions<AnyOptions>(options) ?? {};
  if (signal !== undefined) throw nobodyAborts();
  return ask(new AnyOf(sockets), checkTimeout(timeout ?? null, 'timeout'));
}

// Milliseconds until it is asked again after something that nobody waits for, such as the hang-up of
// a socket of `xlist`, which poll(2) tells unasked and at once.
const NAP = 8;

function ask<R>(question: Question<R>, seconds: number): R {
  engine.flush();
  const deadline = seconds < 0 ? Number.POSITIVE_INFINITY : performance.now() + seconds * 1000;
  for (let left = seconds < 0 ? SLICE : seconds * 1000; ; left = deadline - performance.now()) {
    const began = performance.now();
    const slice = Math.max(0, Math.min(Math.ceil(left), SLICE));
    const answer = question.poll(slice);
    if (answer !== undefined) return answer;
    if (left <= 0) return question.nothing();
    if (performance.now() - began < Math.min(slice, 1)) native.poll(-1, 0, Math.min(NAP, left));
  }
}
