// Connections and servers in one call, on the event loop. Knows sockets from outside only; who
// is tried and when stands in race.ts.
import { checkSignal, onAbort } from './abort.ts';
import type { AddressInput } from './address.ts';
import { SOCK_STREAM } from './constants.gen.ts';
import { openServer, type ServerOptions } from './listen.ts';
import { later } from './lookup.ts';
import { socket } from './open.ts';
import { notePeerHost } from './peerhost.ts';
import {
  allFailed,
  type Candidate,
  type ConnectionAddress,
  type ConnectionOptions,
  candidatesOf,
  expired,
  type FamilyOf,
  type Move,
  type News,
  planOf,
  race,
} from './race.ts';
import { Socket } from './socket.ts';

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
  const { given, timeout, delay } = planOf(address, options);
  const { signal } = options;
  checkSignal(signal);

  // One signal for the look-up and every attempt: the caller's abort, and the deadline.
  const stop = new AbortController();
  const forget = signal && onAbort(signal, () => stop.abort(signal.reason));
  const failures: unknown[] = [];
  const late = () => stop.abort(expired(address, failures));
  const timer = timeout > 0 ? setTimeout(late, Math.min(Math.ceil(timeout * 1000), 0x7fffffff)) : undefined;
  try {
    const candidates = await later(candidatesOf(address, options), stop.signal);
    const connection = await first(candidates, options, delay, failures, stop.signal);
    if (connection === undefined) throw allFailed(address, failures, options);
    connection.settimeout(given);
    if (Array.isArray(address)) notePeerHost(connection, address[0]);
    return connection as Socket<FamilyOf<A>, SOCK_STREAM>;
  } finally {
    clearTimeout(timer);
    forget?.();
  }
}

type Connection = Socket<number, SOCK_STREAM>;
type Source = readonly [host: string, port: number] | undefined;

async function attempt(candidate: Candidate, source: Source, signal: AbortSignal): Promise<Connection> {
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

// The first to connect; nothing when all have failed.
function first(
  candidates: readonly Candidate[],
  options: ConnectionOptions,
  delay: number,
  failures: unknown[],
  signal: AbortSignal,
): Promise<Connection | undefined> {
  signal.throwIfAborted();
  const losers = new AbortController();
  const each = AbortSignal.any([signal, losers.signal]);
  return new Promise((resolve, reject) => {
    const moves = race<Connection>(candidates, options, delay, failures);
    let timer: NodeJS.Timeout | undefined;
    let over = false;
    const finish = () => {
      over = true;
      clearTimeout(timer);
      forget();
      losers.abort();
    };
    const go = (news?: News<Connection>) => {
      if (over) {
        if (news !== undefined && 'connection' in news) news.connection.close();
        return;
      }
      clearTimeout(timer);
      let move: IteratorResult<Move, Connection | undefined>;
      try {
        move = moves.next(news);
      } catch (error) {
        // What the caller's onattempt threw.
        finish();
        if (news !== undefined && 'connection' in news) news.connection.close();
        reject(error);
        return;
      }
      if (move.done) {
        finish();
        resolve(move.value);
        return;
      }
      const { begin, seconds } = move.value;
      if (begin !== undefined) {
        attempt(candidates[begin]!, options.sourceAddress, each).then(
          (connection) => go({ attempt: begin, connection }),
          (error) => go({ attempt: begin, error }),
        );
      }
      if (seconds < Number.POSITIVE_INFINITY) timer = setTimeout(go, seconds * 1000);
    };
    const forget = onAbort(signal, () => {
      finish();
      reject(signal.reason);
    });
    go();
  });
}

/**
 * A listening TCP or AF_UNIX socket in one call: SO_REUSEADDR is set, so that a server can be
 * started again while its old connections die. Python: `socket.create_server`.
 */
export function createServer<A extends AddressInput>(
  address: A,
  options: ServerOptions = {},
): Socket<FamilyOf<A>, SOCK_STREAM> {
  return openServer<Socket<FamilyOf<A>, SOCK_STREAM>>(Socket, address, options);
}
