// Compile-time proof that the two Socket classes agree: what is a promise in one is plain in the
// other, without the signal, and all else is the same. A method that drifts does not compile. (That
// of the functions stands in functions.ts.) Never run.
import type * as awaited from 'berkeley-sockets';
import type * as blocking from 'berkeley-sockets/sync';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>): void => {};

// Of one family and type, so that addresses and items are of a kind that can be told apart.
type Awaited_ = awaited.Socket<awaited.AF_INET6, awaited.SOCK_DGRAM>;
type Blocking = blocking.Socket<blocking.AF_INET6, blocking.SOCK_DGRAM>;

/** A socket in a result is one of the other class. */
type Swapped<R> = R extends Awaited_
  ? Blocking
  : R extends [socket: Awaited_, address: infer A]
    ? [socket: Blocking, address: A]
    : R;

/** The last argument is the options: without the signal. */
type Unsignalled<A extends readonly unknown[]> = {
  [K in keyof A]: Exclude<A[K], undefined> extends { signal?: AbortSignal | undefined }
    ? Omit<Exclude<A[K], undefined>, 'signal'> | Extract<A[K], undefined>
    : A[K];
};

/** The blocking form of a member. Only what gives a promise, or a socket, has one of its own. */
type Sync<M> = M extends (...args: infer A) => Promise<infer R>
  ? (...args: Unsignalled<A>) => Swapped<R>
  : M extends (...args: infer A) => Awaited_
    ? (...args: A) => Blocking
    : M;

/** What the event loop alone makes sense of. */
type AwaitedOnly =
  | 'accepted'
  | 'readable'
  | 'ref'
  | 'toDuplex'
  | 'unref'
  | 'writable'
  | typeof Symbol.asyncDispose
  | typeof Symbol.asyncIterator
  // Not part of the public face (@internal): what the engine tells a socket that waits.
  | 'aborted'
  | 'flushed'
  | 'observe'
  | 'readyToRead'
  | 'readyToWrite'
  | 'received'
  | 'retry'
  | 'timedOut';

same<Exclude<keyof Awaited_, keyof Blocking | AwaitedOnly>, never>(true);
same<Exclude<keyof Blocking, keyof Awaited_>, never>(true);

type Drifted = {
  // A reader is one of the flavour's own.
  [K in Exclude<keyof Blocking, 'reader'>]: K extends keyof Awaited_
    ? Same<Blocking[K], Sync<Awaited_[K]>> extends true
      ? never
      : K
    : K;
}[Exclude<keyof Blocking, 'reader'>];
same<Drifted, never>(true);

// The proof sees what it is to see: members that wait are not the same in both.
type Waiting = {
  [K in keyof Blocking & keyof Awaited_]: Same<Blocking[K], Awaited_[K]> extends true ? never : K;
}[keyof Blocking & keyof Awaited_];
same<'recv' | 'sendall' | 'accept' | 'connect' | 'wait' | 'dup' extends Waiting ? true : false, true>(true);
same<'bind' | 'close' | 'settimeout' extends Waiting ? true : false, false>(true);

export function results(s: Blocking): void {
  same<ReturnType<typeof s.recv>, Buffer>(true);
  same<ReturnType<typeof s.sendall>, void>(true);
  const [connection, address] = s.accept();
  same<typeof connection, Blocking>(true);
  same<typeof address, blocking.Address<blocking.AF_INET6>>(true);
  s.recv(10, { flags: 2 });
  // @ts-expect-error: nobody could abort it
  s.recv(10, { signal: AbortSignal.abort() });
  // @ts-expect-error: a loop over promises
  s.accepted();
  using copy = s.dup();
  same<typeof copy, Blocking>(true);
}
