// What select() and waitAny() ask and answer, for either flavour: many descriptors, one poll(2).
// Knows nothing of who waits, and how.
import os from 'node:os';
import { native } from './binding.ts';
import { closedError, describeValue, systemError, typeError } from './errors.ts';
import { POLLIN, POLLOUT, POLLPRI } from './readiness.ts';

/** A socket, or anything else with a descriptor, or the descriptor itself. */
export type Selectable = number | { fileno(): number };

/** One of those that are ready for something, as `waitAny` tells it. */
export interface Ready<S> {
  /** The socket (or descriptor) as it was given. */
  socket: S;
  read: boolean;
  write: boolean;
}

/** What `waitAny` takes: a socket to be read, or a socket and what it is waited for. */
export type Wanted<S extends Selectable = Selectable> =
  | S
  | readonly [socket: S, events: { read?: boolean | undefined; write?: boolean | undefined }];

/** The socket of what `waitAny` takes. */
export type Unpacked<E> = E extends readonly [infer S, unknown] ? S : E;

// poll(2): the same numbers on every Linux.
const POLLERR = 8;
const POLLHUP = 16;
const POLLNVAL = 32;

// select(2) in the words of poll(2) (fs/select.c): a hang-up can be read, an error both.
const READS = POLLIN | POLLHUP | POLLERR;
const WRITES = POLLOUT | POLLERR;

const { EBADF, EINTR } = os.constants.errno;

/** A socket among those that are waited for. */
export interface Member {
  readonly item: Selectable;
  readonly fd: number;
  /** poll(2)'s events that are asked for. */
  asked: number;
  /** Those of its answers that end the waiting. */
  counts: number;
}

function memberOf(item: Selectable, name: string, syscall: string): Member {
  const own = typeof item === 'object' && item !== null && typeof item.fileno === 'function';
  if (typeof item !== 'number' && !own) throw typeError(name, 'sockets or descriptors', item);
  const fd = typeof item === 'number' ? item : item.fileno();
  if (own && fd === -1) throw closedError(syscall);
  if (!Number.isInteger(fd) || fd < 0 || fd > 0x7fffffff)
    throw new RangeError(`Expected descriptors for ${name} but received ${describeValue(fd)}`);
  return { item, fd, asked: 0, counts: 0 };
}

function listOf<T>(list: Iterable<T>, name: string): T[] {
  if (typeof list !== 'object' || list === null || typeof list[Symbol.iterator] !== 'function')
    throw typeError(name, 'a list', list);
  return [...list];
}

/** A question about many descriptors, and its answer once there is one. */
export abstract class Question<R> {
  readonly syscall: string;
  readonly members: Member[] = [];
  #places = new Map<Selectable, number>();
  #fds = new Int32Array(0);
  #events = new Int16Array(0);
  #revents = new Int16Array(0);

  constructor(syscall: string) {
    this.syscall = syscall;
  }

  /** Asks for events of a socket, which may be asked for others already; its place. */
  protected ask(item: Selectable, name: string, asked: number, counts: number): number {
    let place = this.#places.get(item);
    if (place === undefined) {
      place = this.members.push(memberOf(item, name, this.syscall)) - 1;
      this.#places.set(item, place);
    }
    const member = this.members[place]!;
    member.asked |= asked;
    member.counts |= counts;
    return place;
  }

  /** Every event is asked for. */
  protected asked(): void {
    this.#fds = Int32Array.from(this.members, (member) => member.fd);
    this.#events = Int16Array.from(this.members, (member) => member.asked);
    this.#revents = new Int16Array(this.members.length);
  }

  /** Asks after a duplicate in the place of the descriptor that was given. */
  replace(place: number, fd: number): void {
    this.#fds[place] = fd;
  }

  protected revents(place: number): number {
    return this.#revents[place]!;
  }

  /**
   * One poll(2) over all: the answer, or `undefined` where there is none after so many milliseconds
   * (or less, when a signal comes or something is there that nobody asked for).
   */
  poll(milliseconds: number): R | undefined {
    const { length } = this.members;
    const r = native.pollmany(this.#fds, this.#events, this.#revents, length, milliseconds);
    if (r === -EINTR) return undefined;
    if (r < 0) throw systemError(r, this.syscall);
    if (r === 0) return undefined;
    let counts = false;
    for (let i = 0; i < length; i++) {
      const revents = this.#revents[i]!;
      if ((revents & POLLNVAL) !== 0) throw systemError(-EBADF, this.syscall);
      if ((revents & this.members[i]!.counts) !== 0) counts = true;
    }
    return counts ? this.answer() : undefined;
  }

  /** What is ready. */
  protected abstract answer(): R;

  /** The answer when the time is over. */
  abstract nothing(): R;
}

/** Which are readable, which writable, which in an exceptional state. */
export class Selection<R extends Selectable, W extends Selectable, X extends Selectable> extends Question<
  [R[], W[], X[]]
> {
  readonly #readers: readonly [item: R, place: number][];
  readonly #writers: readonly [item: W, place: number][];
  readonly #exceptional: readonly [item: X, place: number][];

  constructor(rlist: Iterable<R>, wlist: Iterable<W>, xlist: Iterable<X>) {
    super('select');
    const places = <T extends Selectable>(
      list: Iterable<T>,
      name: string,
      asked: number,
      counts: number,
    ): [T, number][] => listOf(list, name).map((item) => [item, this.ask(item, name, asked, counts)]);
    this.#readers = places(rlist, 'rlist', POLLIN, READS);
    this.#writers = places(wlist, 'wlist', POLLOUT, WRITES);
    this.#exceptional = places(xlist, 'xlist', POLLPRI, POLLPRI);
    this.asked();
  }

  protected answer(): [R[], W[], X[]] {
    const those = <T>(list: readonly [T, number][], events: number): T[] =>
      list.filter(([, place]) => (this.revents(place) & events) !== 0).map(([item]) => item);
    return [those(this.#readers, READS), those(this.#writers, WRITES), those(this.#exceptional, POLLPRI)];
  }

  nothing(): [R[], W[], X[]] {
    return [[], [], []];
  }
}

/** Which are ready for what each of them is waited for. An error or a hang-up is both, as in `wait`. */
export class AnyOf<E extends Wanted> extends Question<Ready<Unpacked<E>>[]> {
  readonly #entries: readonly [item: Unpacked<E>, place: number, asked: number][];

  constructor(sockets: Iterable<E>) {
    super('poll');
    this.#entries = listOf(sockets, 'sockets').map((entry) => {
      const [item, events] = Array.isArray(entry)
        ? (entry as readonly [Selectable, unknown])
        : [entry as Selectable, undefined];
      const asked = eventsOf(events, Array.isArray(entry));
      return [item as Unpacked<E>, this.ask(item, 'sockets', asked, asked | POLLERR | POLLHUP), asked];
    });
    this.asked();
  }

  protected answer(): Ready<Unpacked<E>>[] {
    const ready: Ready<Unpacked<E>>[] = [];
    for (const [socket, place, asked] of this.#entries) {
      const revents = this.revents(place);
      const both = (revents & (POLLERR | POLLHUP)) !== 0;
      const read = (asked & POLLIN) !== 0 && (both || (revents & POLLIN) !== 0);
      const write = (asked & POLLOUT) !== 0 && (both || (revents & POLLOUT) !== 0);
      if (read || write) ready.push({ socket, read, write });
    }
    return ready;
  }

  nothing(): Ready<Unpacked<E>>[] {
    return [];
  }
}

function eventsOf(events: unknown, given: boolean): number {
  if (!given) return POLLIN;
  if (typeof events !== 'object' || events === null)
    throw typeError('sockets', '[socket, { read, write }]', events);
  const { read, write } = events as { read?: unknown; write?: unknown };
  const asked = (read ? POLLIN : 0) | (write ? POLLOUT : 0);
  if (asked === 0) throw typeError('sockets', 'read or write to be true', events);
  return asked;
}
