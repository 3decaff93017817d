// Connections and servers in one call, for a thread that waits. Knows sockets from outside only;
// who is tried and when stands in race.ts.
import os from 'node:os';
import { nobodyAborts } from '../abort.ts';
import type { AddressInput } from '../address.ts';
import { native } from '../binding.ts';
import { Socket } from '../blocking.ts';
import { AF_UNIX, SOCK_STREAM } from '../constants.gen.ts';
import { SocketError, systemError, TimeoutError } from '../errors.ts';
import type { Told } from '../flavour.ts';
import { openServer, type ServerOptions } from '../listen.ts';
import { now } from '../lookup.ts';
import {
  allFailed,
  type Candidate,
  type ConnectionAddress,
  type ConnectionOptions,
  candidatesOf,
  expired,
  type FamilyOf,
  type News,
  planOf,
  race,
} from '../race.ts';
import { POLLOUT } from '../readiness.ts';
import { SLICE } from '../timeout.ts';
import { socket } from './open.ts';

const { EINTR } = os.constants.errno;

type Connection = Socket<number, SOCK_STREAM>;
type Source = readonly [host: string, port: number] | undefined;

/**
 * Connects to a host and port by name, trying its addresses as RFC 8305 says: families in turn,
 * the next one as soon as one fails or `happyEyeballsDelay` has passed. No attempt is given up
 * for another: the first to connect wins, and the others are closed then.
 *
 * Errors: an `AggregateError` whose `errors` tell each address in the order tried, with the
 * `code` of the first; `AddressInfoError`; `TimeoutError`, with the `errors` so far.
 */
export function createConnection<A extends ConnectionAddress>(
  address: A,
  options: Told<'blocking', ConnectionOptions> = {},
): Socket<FamilyOf<A>, SOCK_STREAM> {
  const { given, timeout, delay } = planOf(address, options);
  if ((options as ConnectionOptions).signal !== undefined) throw nobodyAborts();
  const { sourceAddress } = options;
  const deadline = timeout > 0 ? performance.now() + timeout * 1000 : Number.POSITIVE_INFINITY;
  const failures: unknown[] = [];
  const late = () => expired(address, failures);
  const candidates = now(candidatesOf(address, options), deadline, late);
  const attempts = new Attempts(candidates, sourceAddress, deadline);
  try {
    const moves = race<Connection>(candidates, options, delay, failures);
    for (let move = moves.next(); ; ) {
      if (move.done) {
        const connection = move.value;
        if (connection === undefined) throw allFailed(address, failures, options);
        connection.settimeout(given);
        return connection as Socket<FamilyOf<A>, SOCK_STREAM>;
      }
      const { begin, seconds } = move.value;
      const begun = begin === undefined ? undefined : attempts.begin(begin);
      const news = begun ?? attempts.wait(Math.min(deadline, performance.now() + seconds * 1000));
      if (news === undefined && performance.now() >= deadline) throw late();
      try {
        move = moves.next(news);
      } catch (error) {
        // What the caller's onattempt threw.
        if (news !== undefined && 'connection' in news) news.connection.close();
        throw error;
      }
    }
  } finally {
    attempts.close();
  }
}

// The attempts that are under way.
class Attempts {
  #candidates: readonly Candidate[];
  #source: Source;
  #deadline: number;
  #running = new Map<number, Connection>();

  constructor(candidates: readonly Candidate[], source: Source, deadline: number) {
    this.#candidates = candidates;
    this.#source = source;
    this.#deadline = deadline;
  }

  /** Begins an attempt; its end, if that has come already. */
  begin(attempt: number): News<Connection> | undefined {
    const { family, proto } = this.#candidates[attempt]!;
    let connection: Connection;
    try {
      connection = socket<number, SOCK_STREAM>(family, SOCK_STREAM, proto);
    } catch (error) {
      return { attempt, error };
    }
    this.#running.set(attempt, connection);
    try {
      if (this.#source !== undefined) connection.bind(this.#source);
    } catch (error) {
      return this.#failed(attempt, error);
    }
    // An AF_UNIX connect is over at once, or waits for room in the backlog, of which poll(2) tells
    // nothing.
    const left = this.#deadline - performance.now();
    if (family !== AF_UNIX) connection.settimeout(0);
    else connection.settimeout(left < Number.POSITIVE_INFINITY ? Math.max(left, 1) / 1000 : null);
    return this.#go(attempt);
  }

  #go(attempt: number): News<Connection> | undefined {
    const connection = this.#running.get(attempt)!;
    try {
      connection.connect(this.#candidates[attempt]!.address as AddressInput);
    } catch (error) {
      if (error instanceof TimeoutError) return undefined;
      if (error instanceof SocketError && /^(?:EINPROGRESS|EALREADY)$/.test(error.code)) return undefined;
      return this.#failed(attempt, error);
    }
    this.#running.delete(attempt);
    return { attempt, connection };
  }

  #failed(attempt: number, error: unknown): News<Connection> {
    this.#running.get(attempt)!.close();
    this.#running.delete(attempt);
    return { attempt, error };
  }

  /** Waits for the end of any attempt, until `time` (of performance.now()) at the longest. */
  wait(time: number): News<Connection> | undefined {
    const attempts = [...this.#running.keys()];
    const fds = Int32Array.from(this.#running.values(), (connection) => connection.fileno());
    const events = new Int16Array(fds.length).fill(POLLOUT);
    const revents = new Int16Array(fds.length);
    for (;;) {
      const left = time - performance.now();
      if (left <= 0) return undefined;
      const r = native.pollmany(fds, events, revents, fds.length, Math.min(SLICE, Math.ceil(left)));
      if (r < 0 && r !== -EINTR) throw systemError(r, 'poll');
      if (r <= 0) continue;
      for (const [at, attempt] of attempts.entries()) {
        const news = revents[at] === 0 ? undefined : this.#go(attempt);
        if (news !== undefined) return news;
      }
    }
  }

  /** Gives up whatever is still under way. */
  close(): void {
    for (const connection of this.#running.values()) connection.close();
  }
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
