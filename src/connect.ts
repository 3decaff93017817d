// Connections by name, as RFC 8305 ("Happy Eyeballs") has them, and servers in one call. Knows
// sockets from outside only.
import { checkSignal } from './abort.ts';
import type { AddressInput } from './address.ts';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOCK_STREAM,
  SOL_SOCKET,
} from './constants.gen.ts';
import { checkInteger, SocketError, type TimeoutError, timeoutError, typeError } from './errors.ts';
import { lookupAll, type ResolvedAddress } from './names.ts';
import { socket } from './open.ts';
import type { Socket } from './socket.ts';
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
  signal?: AbortSignal | undefined;
}

// RFC 8305 section 5: at least 10 ms, at most 2 s; 250 ms is its recommendation.
const DEFAULT_DELAY = 0.25;

/**
 * Connects to a host and port by name, trying its addresses as RFC 8305 says: families in turn,
 * the next one as soon as one fails or `happyEyeballsDelay` has passed. No attempt is given up
 * for another: the first to connect wins, and the others are closed then.
 *
 * Errors: an `AggregateError` whose `errors` tell each address in the order tried, with the
 * `code` of the first; `AddressInfoError`; `TimeoutError`, with the `errors` so far. **Cancel
 * safety**: an abort closes every attempt.
 */
export async function createConnection<A extends ConnectionAddress>(
  address: A,
  options: ConnectionOptions = {},
): Promise<Socket<FamilyOf<A>, SOCK_STREAM>> {
  if (typeof options !== 'object' || options === null) throw typeError('options', 'an object', options);
  const { signal, sourceAddress, allErrors = true } = options;
  checkSignal(signal);
  const given = options.timeout === undefined ? getdefaulttimeout() : options.timeout;
  const timeout = checkTimeout(given, 'timeout');
  const delay = options.happyEyeballsDelay ?? DEFAULT_DELAY;
  if (typeof delay !== 'number') throw typeError('happyEyeballsDelay', 'a number of seconds', delay);
  if (!(delay >= 0 && delay <= 3600)) {
    throw new RangeError(`Expected seconds from 0 to 3600 for happyEyeballsDelay but received ${delay}`);
  }
  checkTarget(address);

  // One signal for the look-up and every attempt: the caller's abort, and the deadline.
  const stop = new AbortController();
  const onAbort = () => stop.abort(signal!.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  const errors: unknown[] = [];
  const timer =
    timeout > 0
      ? setTimeout(
          () => stop.abort(expired(address, errors)),
          Math.min(Math.ceil(timeout * 1000), 0x7fffffff),
        )
      : undefined;
  try {
    const candidates = await candidatesOf(address, stop.signal);
    const connection = await race(candidates, sourceAddress, delay, errors, stop.signal);
    connection.settimeout(given);
    return connection as Socket<FamilyOf<A>, SOCK_STREAM>;
  } catch (error) {
    if (error !== allFailed) throw error;
    if (!allErrors) throw errors[0];
    throw aggregate(address, errors);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
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

function nameOf(address: ConnectionAddress): string {
  if (typeof address === 'string') return address;
  if (address instanceof Uint8Array) return JSON.stringify(Buffer.from(address).toString('latin1'));
  const [host, port] = address as readonly [string, number | string];
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function expired(address: ConnectionAddress, errors: unknown[]): TimeoutError {
  const error = timeoutError('connect');
  error.message += ` ${nameOf(address)}`;
  return Object.assign(error, { errors });
}

const allFailed = Symbol('every attempt failed');

function aggregate(address: ConnectionAddress, errors: unknown[]): AggregateError {
  const each = errors.map((error) => (error as Error).message).join('; ');
  const { code } = errors[0] as SocketError;
  return Object.assign(new AggregateError(errors, `connect ${nameOf(address)}: ${each}`), { code });
}

interface Candidate {
  readonly family: number;
  readonly proto: number;
  readonly address: unknown;
}

async function candidatesOf(address: ConnectionAddress, signal: AbortSignal): Promise<Candidate[]> {
  if (typeof address === 'string' || address instanceof Uint8Array)
    return [{ family: AF_UNIX, proto: 0, address }];
  const [host, port, flowinfo, scope] = address;
  const found = interleaved(await lookupAll(host, port, { type: SOCK_STREAM, signal }));
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

type Connection = Socket<number, SOCK_STREAM>;

async function attempt(
  candidate: Candidate,
  source: readonly [string, number] | undefined,
  signal: AbortSignal,
): Promise<Connection> {
  const connection = socket<number, SOCK_STREAM>(candidate.family, SOCK_STREAM, candidate.proto);
  try {
    // The deadline is the race's.
    connection.settimeout(null);
    if (source !== undefined) connection.bind(source);
    await connection.connect(candidate.address as AddressInput, { signal });
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

// Each attempt runs until it fails or another one wins; `errors` collects in the order tried.
function race(
  candidates: readonly Candidate[],
  source: readonly [string, number] | undefined,
  delay: number,
  errors: unknown[],
  signal: AbortSignal,
): Promise<Connection> {
  const losers = new AbortController();
  const each = AbortSignal.any([signal, losers.signal]);
  return new Promise((resolve, reject) => {
    let next = 0;
    let running = 0;
    let over = false;
    let timer: NodeJS.Timeout | undefined;
    const failures = new Map<number, unknown>();

    const finish = () => {
      over = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
    const onAbort = () => {
      finish();
      reject(signal.reason);
    };
    const start = () => {
      clearTimeout(timer);
      const i = next++;
      running++;
      attempt(candidates[i]!, source, each).then(
        (connection) => {
          if (over) {
            connection.close();
            return;
          }
          finish();
          resolve(connection);
          losers.abort();
        },
        (error) => {
          if (over) return;
          running--;
          failures.set(i, error);
          errors.splice(
            0,
            errors.length,
            ...[...failures].sort(([a], [b]) => a - b).map(([, failure]) => failure),
          );
          if (next < candidates.length) start();
          else if (running === 0) {
            finish();
            reject(allFailed);
          }
        },
      );
      if (next < candidates.length) timer = setTimeout(start, delay * 1000);
    };
    if (signal.aborted) onAbort();
    else {
      signal.addEventListener('abort', onAbort, { once: true });
      start();
    }
  });
}

// --- servers --------------------------------------------------------------------------

/** What `createServer` can be told. */
export interface ServerOptions {
  /** `AF_INET`, `AF_INET6` or `AF_UNIX`: what the address looks like if it is not given. */
  family?: number | undefined;
  /** As of `listen`. */
  backlog?: number | undefined;
  /** Lets several sockets share the port (SO_REUSEPORT); the kernel spreads the connections. */
  reusePort?: boolean | undefined;
  /** An AF_INET6 socket that takes IPv4 too. Without it IPv6 sockets take IPv6 only. */
  dualstackIPv6?: boolean | undefined;
}

function familyOf(address: unknown, dualstack: boolean): number {
  if (!Array.isArray(address)) return AF_UNIX;
  return dualstack || String(address[0]).includes(':') ? AF_INET6 : AF_INET;
}

/**
 * A listening TCP or AF_UNIX socket in one call: SO_REUSEADDR is set, so that a server can be
 * started again while its old connections die. Python: `socket.create_server`.
 */
export function createServer<A extends AddressInput>(
  address: A,
  options: ServerOptions = {},
): Socket<FamilyOf<A>, SOCK_STREAM> {
  if (typeof options !== 'object' || options === null) throw typeError('options', 'an object', options);
  const { backlog, reusePort = false, dualstackIPv6 = false } = options;
  // Before a file of this name is made.
  if (backlog !== undefined) checkInteger('backlog', backlog, -0x80000000, 0x7fffffff);
  const family = options.family ?? familyOf(address, dualstackIPv6);
  if (dualstackIPv6 && family !== AF_INET6) throw new RangeError('dualstackIPv6 needs the family AF_INET6');
  if (dualstackIPv6 && !hasDualstackIPv6()) {
    throw new SocketError('dualstackIPv6 is not supported on this platform', {
      code: 'EAFNOSUPPORT',
      syscall: 'socket',
    });
  }
  if (reusePort && SO_REUSEPORT === undefined) {
    throw new SocketError('SO_REUSEPORT is not supported on this platform', {
      code: 'ENOPROTOOPT',
      syscall: 'setsockopt',
    });
  }
  const server = socket<number, SOCK_STREAM>(family, SOCK_STREAM);
  try {
    if (family !== AF_UNIX) server.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1);
    if (reusePort) server.setsockopt(SOL_SOCKET, SO_REUSEPORT as number, 1);
    if (family === AF_INET6) server.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY as number, dualstackIPv6 ? 0 : 1);
    server.bind(address);
    if (backlog === undefined) server.listen();
    else server.listen(backlog);
    return server as Socket<FamilyOf<A>, SOCK_STREAM>;
  } catch (error) {
    server.close();
    throw error;
  }
}

/** Whether one AF_INET6 socket can take IPv4 connections too. */
export function hasDualstackIPv6(): boolean {
  try {
    const probe = socket(AF_INET6);
    try {
      probe.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY as number, 0);
      return true;
    } finally {
      probe.close();
    }
  } catch (error) {
    if (error instanceof SocketError) return false;
    throw error;
  }
}
