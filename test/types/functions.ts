// Compile-time proof that the functions of the two flavours agree: for each name that both have,
// the blocking one takes what the awaited one takes, but no signal, and gives what its promise
// gives. A function that drifts does not compile. Never run.
import type * as awaited from 'berkeley-sockets';
import * as blocking from 'berkeley-sockets/sync';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>): void => {};

type Awaited_ = typeof awaited;
type Blocking = typeof blocking;

/** What comes out of a promise, and the sockets in it those of the other flavour. */
type Plain<R> =
  Awaited<R> extends awaited.Socket<infer F, infer T>
    ? blocking.Socket<F, T>
    : Awaited<R> extends [awaited.Socket<infer F, infer T>, awaited.Socket]
      ? [blocking.Socket<F, T>, blocking.Socket<F, T>]
      : Awaited<R>;

/** Arguments, none of which holds a signal. */
type Unsignalled<A extends readonly unknown[]> = {
  [K in keyof A]: A[K] extends { signal?: AbortSignal | undefined } | undefined
    ? Omit<NonNullable<A[K]>, 'signal'>
    : A[K];
};

type BlockingOf<T> = T extends (...args: infer A) => infer R ? (...args: Unsignalled<A>) => Plain<R> : T;

// Classes are compared member by member, and select() and its relatives take sockets: elsewhere.
type Functions = Exclude<
  keyof Blocking & keyof Awaited_,
  'Socket' | 'select' | 'waitAny' | 'sendFds' | 'recvFds'
>;

export const proof: { [K in Functions]: BlockingOf<Awaited_[K]> } = blocking;

// Every name of the blocking flavour is one of the other.
same<Exclude<keyof Blocking, keyof Awaited_>, never>(true);

export function results(): void {
  const server = blocking.createServer(['', 0]);
  same<typeof server, blocking.Socket<blocking.AF_INET | blocking.AF_INET6, blocking.SOCK_STREAM>>(true);
  const client = blocking.createConnection('/run/socket');
  same<typeof client, blocking.Socket<blocking.AF_UNIX, blocking.SOCK_STREAM>>(true);
  const plain = blocking.socket();
  same<typeof plain, blocking.Socket<blocking.AF_INET, blocking.SOCK_STREAM>>(true);
  const six = blocking.socket(blocking.AF_INET6, blocking.SOCK_DGRAM);
  const [, from] = six.recvfrom(10);
  same<typeof from, blocking.Address<blocking.AF_INET6>>(true);
  same<ReturnType<typeof blocking.getaddrinfo>, blocking.AddressInfo[]>(true);
  same<ReturnType<typeof blocking.gethostbyname>, string>(true);
  // @ts-expect-error: no signal reaches a thread that blocks
  blocking.createConnection(['', 1], { signal: AbortSignal.abort() });
  // @ts-expect-error: nor one that asks for a name
  blocking.getaddrinfo('', 1, { signal: AbortSignal.abort() });
}
