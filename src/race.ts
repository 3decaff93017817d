// createConnection without the waiting: its arguments, the addresses to try, in what order and
// when, as RFC 8305 ("Happy Eyeballs") has it, and what it says when all have failed.
import type { AnyAddress } from './address.ts';
import { AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC, SOCK_STREAM } from './constants.gen.ts';
import {
  checkFlag,
  checkInteger,
  type SocketError,
  type TimeoutError,
  timeoutError,
  typeError,
} from './errors.ts';
import type { Steps } from './lookup.ts';
import { allAddresses, type ResolvedAddress } from './queries.ts';
import { checkTimeout, getdefaulttimeout } from './timeout.ts';

/**
 * Where `createConnection` goes: a host and a port or service name (and flow information and
 * scope, for its IPv6 addresses), or an AF_UNIX path.
 */
export type ConnectionAddress =
  | readonly [host: string, port: number | string]
  | readonly [host: string, port: number | string, flowinfo: number, scopeId: number]
  | string
  | Uint8Array;

/** The families that a form of address can lead to. */
export type FamilyOf<A> = A extends string | Uint8Array ? AF_UNIX : AF_INET | AF_INET6;

/** What `createConnection` can be told. */
export interface ConnectionOptions {
  /**
   * Seconds for all of it, the look-up included; also becomes the socket's timeout, as in Python.
   * `null` for none. What is not given is `getdefaulttimeout()`.
   */
  timeout?: number | null | undefined;
  /** The local address: `[host, port]` with a numeric host. Addresses of another family fail. */
  sourceAddress?: readonly [host: string, port: number] | undefined;
  /** False: reject with the first error instead of all of them together. */
  allErrors?: boolean | undefined;
  /** Seconds until the next address is tried beside one that is still connecting. */
  happyEyeballsDelay?: number | undefined;
  /** `AF_INET` or `AF_INET6`: addresses of that family only. */
  family?: number | undefined;
  /** Is told of each address when it has failed, or has won. If it throws, the call fails with that. */
  onattempt?: ((address: AnyAddress, error: unknown) => void) | undefined;
  signal?: AbortSignal | undefined;
}

// RFC 8305 section 5: at least 10 ms, at most 2 s; 250 ms is its recommendation.
const DEFAULT_DELAY = 0.25;

/** The checked arguments of `createConnection`. */
export interface Plan {
  /** The timeout that the connection gets. */
  readonly given: number | null;
  /** Seconds for all of it; not positive for no limit. */
  readonly timeout: number;
  /** Seconds. */
  readonly delay: number;
}

export function planOf(address: unknown, options: ConnectionOptions): Plan {
  if (typeof options !== 'object' || options === null) throw typeError('options', 'an object', options);
  const given = options.timeout === undefined ? getdefaulttimeout() : options.timeout;
  const timeout = checkTimeout(given, 'timeout');
  const delay = options.happyEyeballsDelay ?? DEFAULT_DELAY;
  const { family = AF_UNSPEC, onattempt } = options;
  if (![AF_UNSPEC, AF_INET, AF_INET6].includes(family))
    throw new RangeError(`Expected AF_INET or AF_INET6 for family but received ${family}`);
  if (onattempt !== undefined && typeof onattempt !== 'function')
    throw typeError('onattempt', 'a function', onattempt);
  if (typeof delay !== 'number') throw typeError('happyEyeballsDelay', 'a number of seconds', delay);
  if (!(delay >= 0 && delay <= 3600)) {
    throw new RangeError(`Expected seconds from 0 to 3600 for happyEyeballsDelay but received ${delay}`);
  }
  if (options.allErrors !== undefined) checkFlag('allErrors', options.allErrors);
  checkTarget(address);
  if (Array.isArray(address) && options.sourceAddress !== undefined) checkSource(options.sourceAddress);
  return { given, timeout, delay };
}

function checkTarget(address: unknown): void {
  if (typeof address === 'string' || address instanceof Uint8Array) return;
  if (!Array.isArray(address) || (address.length !== 2 && address.length !== 4)) {
    throw typeError('address', '[host, port], [host, port, flowinfo, scopeId] or an AF_UNIX path', address);
  }
  const [host, port] = address as unknown[];
  if (typeof host !== 'string') throw typeError('the host of address', 'a string', host);
  if (typeof port !== 'string') checkInteger('the port of address', port, 0, 0xffff);
  checkInteger('the flowinfo of address', address[2] ?? 0, 0, 0xfffff);
  checkInteger('the scopeId of address', address[3] ?? 0, 0, 0xffffffff);
}

// Its form: whether the host is of an attempt's family is the attempt's business.
function checkSource(address: unknown): void {
  if (!Array.isArray(address) || address.length < 2)
    throw typeError('sourceAddress', '[host, port]', address);
  const [host, port] = address as unknown[];
  if (typeof host !== 'string') throw typeError('the host of sourceAddress', 'a string', host);
  checkInteger('the port of sourceAddress', port, 0, 0xffff);
}

function nameOf(address: ConnectionAddress): string {
  if (typeof address === 'string') return address;
  if (address instanceof Uint8Array) return JSON.stringify(Buffer.from(address).toString('latin1'));
  const [host, port] = address as readonly [string, number | string];
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The error of a connection whose time has run out; `failures` so far, by attempt. */
export function expired(address: ConnectionAddress, failures: readonly unknown[]): TimeoutError {
  const error = timeoutError('connect');
  error.message += ` ${nameOf(address)}`;
  return Object.assign(error, { errors: Object.values(failures) });
}

/** The error of a connection all of whose attempts have failed. */
export function allFailed(
  address: ConnectionAddress,
  failures: readonly unknown[],
  { allErrors = true }: ConnectionOptions,
): unknown {
  if (!allErrors) return failures[0];
  const each = failures.map((error) => (error as Error).message).join('; ');
  const { code } = failures[0] as SocketError;
  return Object.assign(new AggregateError(failures, `connect ${nameOf(address)}: ${each}`), { code });
}

/** An address to try, and the socket for it. */
export interface Candidate {
  readonly family: number;
  readonly proto: number;
  readonly address: unknown;
}

/** What a connection to `address` may go to, in the order in which it is tried. */
export function* candidatesOf(
  address: ConnectionAddress,
  { family = AF_UNSPEC }: ConnectionOptions,
): Steps<Candidate[]> {
  if (typeof address === 'string' || address instanceof Uint8Array)
    return [{ family: AF_UNIX, proto: 0, address }];
  const [host, port, flowinfo, scope] = address;
  const found = interleaved(yield* allAddresses(host, port, { family, type: SOCK_STREAM }));
  if (scope === undefined) return found;
  return found.map(({ family, proto, address }) => ({
    family,
    proto,
    address: family === AF_INET6 ? [address[0], address[1], flowinfo, scope] : address,
  }));
}

// RFC 8305 section 4: the resolver's order (RFC 6724), but no family twice in a row while the
// other has addresses left.
function interleaved(found: readonly ResolvedAddress[]): ResolvedAddress[] {
  const first = found.filter(({ family }) => family === found[0]!.family);
  const others = found.filter(({ family }) => family !== found[0]!.family);
  const mixed: ResolvedAddress[] = [];
  for (let i = 0; i < Math.max(first.length, others.length); i++) {
    if (i < first.length) mixed.push(first[i]!);
    if (i < others.length) mixed.push(others[i]!);
  }
  return mixed;
}

/** What became of an attempt. */
export type News<Connection> =
  | { readonly attempt: number; readonly connection: Connection }
  | { readonly attempt: number; readonly error: unknown };

/** What is to be done next: an attempt to begin, and how long to wait for news of any. */
export interface Move {
  readonly begin: number | undefined;
  /** Seconds, or Infinity. */
  readonly seconds: number;
}

/**
 * The race between an attempt for each candidate. It is told the news as they come, or nothing when the seconds
 * of its last move have passed; it ends with the first connection, or with nothing when all have
 * failed, which is in `failures` by attempt. No attempt is given up for another.
 */
export function* race<Connection>(
  candidates: readonly Candidate[],
  { onattempt }: ConnectionOptions,
  delay: number,
  failures: unknown[],
): Generator<Move, Connection | undefined, News<Connection> | undefined> {
  const count = candidates.length;
  const tell = (attempt: number, error: unknown): void =>
    onattempt?.(candidates[attempt]!.address as AnyAddress, error);
  let failed = 0;
  // Each reason to come round, a failure or the delay's end, is one to begin the next attempt.
  for (let begun = 0; failed < count; ) {
    const begin = begun < count ? begun++ : undefined;
    const news = yield { begin, seconds: begun < count ? delay : Number.POSITIVE_INFINITY };
    if (news === undefined) continue;
    if ('connection' in news) {
      tell(news.attempt, undefined);
      return news.connection;
    }
    failures[news.attempt] = news.error;
    failed++;
    tell(news.attempt, news.error);
  }
  return undefined;
}
