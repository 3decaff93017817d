// Giving up on a signal. One listener a signal, however many calls wait with it: a program
// hands one signal to everything that it may have to stop, and Node warns of the eleventh
// listener as of a leak.
import { typeError } from './errors.ts';

const waiting = new WeakMap<AbortSignal, { calls: Set<() => void>; listener: () => void }>();

/** Throws the reason of a signal that is aborted already, and a `TypeError` for what is no signal. */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal === undefined) return;
  if (!(signal instanceof AbortSignal)) throw typeError('signal', 'an AbortSignal', signal);
  signal.throwIfAborted();
}

/** The error of a signal that is given to a call that blocks. */
export function nobodyAborts(): TypeError {
  return new TypeError(
    'Expected no signal: nothing runs that could abort a call that blocks; settimeout() limits its time',
  );
}

/** Calls `call` once, when the signal is aborted; the result takes that back. `call` does not throw. */
export function onAbort(signal: AbortSignal, call: () => void): () => void {
  let entry = waiting.get(signal);
  if (entry === undefined) {
    const calls = new Set<() => void>();
    const listener = () => {
      waiting.delete(signal);
      for (const each of calls) each();
    };
    entry = { calls, listener };
    waiting.set(signal, entry);
    signal.addEventListener('abort', listener, { once: true });
  }
  const { calls, listener } = entry;
  calls.add(call);
  return () => {
    if (!calls.delete(call) || calls.size > 0 || signal.aborted) return;
    waiting.delete(signal);
    signal.removeEventListener('abort', listener);
  };
}
