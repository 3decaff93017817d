// The threads of one server: which of them serves which listener, what becomes of the listeners of one
// that crashed, and how a newer generation takes over. Knows nothing of what is served.
import type { AnyAddress } from '../address.ts';
import type { Socket } from '../socket.ts';
import { Member } from './crewmember.ts';
import { CONNECTIONS, NUMBERS } from './crewprotocol.ts';
import type { DatagramErrorPlace } from './datagrams.ts';
import { report } from './onerror.ts';
import type { ErrorPlace } from './served.ts';
import type { ServeThreadsOptions } from './threads.ts';

/** Where an error of a server with several threads happened, for `onerror`. */
export interface CrewErrorPlace {
  /** As of `serve` and `serveDatagrams`; `'thread'`: a thread has crashed, with this error. */
  during: ErrorPlace['during'] | DatagramErrorPlace['during'] | 'thread';
  /** The client's address, where there is one. */
  address?: AnyAddress | undefined;
}

/** Seconds: a thread that lasted so long has not crashed "again". */
const STEADY = 10;
const SHORTEST_PAUSE = 0.1;
const LONGEST_PAUSE = 10;
const LOADING = 5;

/** A place among the threads of a server, whoever is in it. */
interface Seat {
  member: Member | undefined;
  crashes: number;
  timer: NodeJS.Timeout | undefined;
}

const closing = (): Error => new Error('the server is closing');

/** The threads of a server. */
export class Crew {
  readonly #listeners: readonly Socket[];
  readonly #seats: Seat[];
  readonly #datagrams: boolean;
  readonly #options: ServeThreadsOptions;
  readonly #members = new Set<Member>();
  readonly #earlier = new Float64Array(NUMBERS);
  #module = '';
  #referenced = true;
  #ending = false;
  crashes = 0;
  readonly gone: Promise<void>;
  #gone: () => void = () => {};

  constructor(
    listeners: readonly Socket[],
    threads: number,
    datagrams: boolean,
    options: ServeThreadsOptions,
  ) {
    this.#listeners = listeners;
    this.#datagrams = datagrams;
    this.#options = options;
    this.#seats = Array.from({ length: threads }, () => ({
      member: undefined,
      crashes: 0,
      timer: undefined,
    }));
    this.gone = new Promise((resolve) => {
      this.#gone = resolve;
    });
  }

  get size(): number {
    return this.#members.size;
  }

  /** A number of all threads, those that are gone included. */
  sum(which: number): number {
    let sum = this.#earlier[which]!;
    for (const { numbers } of this.#members) sum += numbers[which]!;
    return sum;
  }

  ref(referenced: boolean): void {
    this.#referenced = referenced;
    for (const member of this.#members) this.#refer(member);
  }

  #refer(member: Member): void {
    if (this.#referenced) member.ref();
    else member.unref();
  }

  // --- threads ----------------------------------------------------------------------------

  #start(seat: number, module: string): Member {
    const { onerror, signal, threads, type, maxConnections, ...rest } = this.#options;
    const share =
      maxConnections === undefined || maxConnections === Number.POSITIVE_INFINITY
        ? undefined
        : Math.floor((maxConnections + this.#seats.length - 1 - seat) / this.#seats.length);
    const options = { ...rest, maxConnections: share };
    const tells = onerror !== undefined;
    const member = new Member(
      { module, datagrams: this.#datagrams, options, tells },
      {
        told: (error, place) => this.#tell(error, place),
        ended: (ended, error) => this.#ended(ended, error),
      },
    );
    this.#members.add(member);
    this.#refer(member);
    return member;
  }

  #listenerOf(seat: number): number {
    return seat % this.#listeners.length;
  }

  #serve(member: Member, id: number): Promise<void> {
    return member.listen(id, this.#listeners[id]!);
  }

  /** Threads with this module, ready, in all seats: those before end, with so much grace. */
  async replace(module: string, grace: number): Promise<void> {
    if (this.#ending) throw closing();
    const members: Member[] = [];
    try {
      for (const [seat] of this.#seats.entries()) members.push(this.#start(seat, module));
      await Promise.all(members.map((member) => member.ready));
      if (this.#ending) throw closing();
    } catch (error) {
      // Not at once: Node loses the files of a module that a thread is just reading when it is terminated.
      await Promise.all(members.map((member) => member.end(LOADING)));
      throw error;
    }
    this.#module = module;
    for (const [at, member] of members.entries()) {
      await this.#serve(member, this.#listenerOf(at));
      if (this.#ending) return;
      const seat = this.#seats[at]!;
      const before = seat.member;
      clearTimeout(seat.timer);
      seat.member = member;
      seat.crashes = 0;
      this.#release(at);
      if (before !== undefined) {
        before.retired = true;
        void before.end(grace);
        await before.stopped;
      }
      // It was no member of a seat when it crashed.
      if (member.over) this.#vacate(at);
    }
  }

  #ended(member: Member, error: unknown): void {
    this.#members.delete(member);
    member.numbers.forEach((n, which) => {
      if (which !== CONNECTIONS) this.#earlier[which]! += n;
    });
    const at = this.#seats.findIndex((seat) => seat.member === member);
    if ((at >= 0 || (member.retired && error !== undefined)) && !this.#ending)
      this.#tell(error, { during: 'thread' });
    if (at >= 0 && !this.#ending) this.#vacate(at);
    if (this.#ending && this.#members.size === 0) this.#gone();
  }

  #tell(error: unknown, place: CrewErrorPlace): void {
    report(this.#options.onerror, error, place);
  }

  // --- crashes ------------------------------------------------------------------------------

  #vacate(at: number): void {
    const seat = this.#seats[at]!;
    const lasted = performance.now() - seat.member!.begun;
    seat.member = undefined;
    if (lasted >= STEADY * 1000) seat.crashes = 0;
    const pause = seat.crashes === 0 ? 0 : Math.min(SHORTEST_PAUSE * 2 ** (seat.crashes - 1), LONGEST_PAUSE);
    seat.crashes++;
    this.crashes++;
    this.#lend();
    seat.timer = setTimeout(() => void this.#fill(at), pause * 1000);
    if (!this.#referenced) seat.timer.unref();
  }

  async #fill(at: number): Promise<void> {
    const seat = this.#seats[at]!;
    const member = this.#start(at, this.#module);
    seat.member = member;
    try {
      await member.ready;
    } catch {
      // Its end has been told of, and it is replaced in turn.
      return;
    }
    if (this.#ending || seat.member !== member) return;
    await this.#serve(member, this.#listenerOf(at));
    if (member.over) return;
    this.#release(at);
    this.#lend();
  }

  // A queue that no thread accepts from is lent to the one with the least to do.
  #lend(): void {
    const serving = this.#seats.flatMap(({ member }) =>
      member !== undefined && !member.over && member.listeners.size > 0 ? [member] : [],
    );
    if (serving.length === 0) return;
    this.#listeners.forEach((_, id) => {
      if (serving.some((member) => member.listeners.has(id))) return;
      serving.sort((a, b) => a.listeners.size - b.listeners.size);
      void this.#serve(serving[0]!, id);
    });
  }

  /** Whoever was lent the listener of this seat gives it back. */
  #release(at: number): void {
    const id = this.#listenerOf(at);
    if (this.#listeners.length > 1)
      for (const { member } of this.#seats) if (member !== this.#seats[at]!.member) member?.leave(id);
  }

  // --- ending -------------------------------------------------------------------------------

  /** Ends all threads. */
  end(grace: number): Promise<void> {
    // The threads have the same sockets open: what is in the queues is still theirs.
    for (const listener of this.#listeners) listener.close();
    for (const seat of this.#seats) clearTimeout(seat.timer);
    this.#ending = true;
    for (const member of this.#members) void member.end(grace);
    if (this.#members.size === 0) this.#gone();
    return this.gone;
  }
}
