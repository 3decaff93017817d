// The native functions with hostile arguments: one life of an environment in a worker thread, which
// loads the addon for itself, calls whatever there is in any order with any values, and ends with
// sockets open and look-ups on their way. What is asked of it: no crash (with the sanitizers of
// scripts/fuzz.mjs: not a byte out of bounds), an integer or a documented value from each call, and
// no descriptor left when it is over.
//
// One rule of the addon's is kept, since JavaScript code of the library alone is bound by it: the
// memory that attach, tables and slab are given stays as it is.
import { closeSync } from 'node:fs';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { Environment, type Life, OUT_OF_REACH, SLOTS } from './environment.ts';
import { anyBytes, anyInt, anyNumber, anySize, Hostility, once, pick } from './hostile.ts';

// Options that end the run rather than the addon: a linger makes close(2) wait for years.
const SO_LINGER = 13;
// Gives a descriptor, which would be the caller's to close.
const SO_PEERPIDFD = 77;

class Round extends Environment {
  readonly #operations: Record<string, () => unknown> = {
    socket: () => {
      const family = this.life.network ? pick(this.chance, [1, 2, 10, 2, 10, 1]) : 1;
      const made = this.native.socket!(
        family,
        pick(this.chance, [1, 2, 3, 5, anyInt(this.chance)]),
        once(this.chance, 4) ? this.int() : 0,
      );
      this.own(made as number);
      return made;
    },
    socketpair: () => this.pair(),
    adopt: () => this.native.adopt!(this.fd()),
    dup: () => {
      const made = this.native.dup!(this.fd()) as number;
      this.own(made);
      return made;
    },
    close: () => {
      if (this.open.length < 3) return this.native.close!(pick(this.chance, OUT_OF_REACH));
      return this.native.close!(this.open.splice(this.chance.integer(0, this.open.length - 1), 1)[0]);
    },
    bind: () => this.native.bind!(this.fd(), this.namelen()),
    connect: () => this.native.connect!(this.fd(), this.namelen()),
    listen: () => this.native.listen!(this.fd(), this.int()),
    accept: () => {
      const made = this.native.accept!(this.fd()) as number;
      this.own(made);
      return made;
    },
    shutdown: () => (once(this.chance, 10) ? this.native.shutdown!(this.fd(), this.int()) : 0),
    getsockname: () => this.native.getsockname!(this.fd()),
    getpeername: () => this.native.getpeername!(this.fd()),
    getsockopt: () => {
      const option = this.or(this.chance.integer(0, 90));
      if (option === SO_PEERPIDFD) return 0;
      return this.native.getsockopt!(this.fd(), this.level(), option, this.memory(300));
    },
    setsockopt: () => {
      const option = this.chance.integer(0, 90);
      if (option === SO_LINGER) return 0;
      const value = this.or(once(this.chance, 10) ? null : anyBytes(this.chance, anySize(this.chance, 200)));
      const length = once(this.chance, 4) ? this.int() : value instanceof Uint8Array ? value.length : 0;
      return this.native.setsockopt!(this.fd(), this.level(), option, value, length);
    },
    attachFilter: () => this.native.attachFilter!(this.fd(), once(this.chance, 2), this.memory(100)),
    recv: () => {
      const into = this.memory(70_000);
      return this.native.recv!(this.fd(), into, this.number(), this.sizeOf(into), this.flag());
    },
    recvStream: () => {
      const into = this.memory(70_000);
      return this.native.recvStream!(this.fd(), into, this.or(0), this.sizeOf(into));
    },
    recvfrom: () => {
      const into = this.memory(70_000);
      return this.native.recvfrom!(this.fd(), into, this.or(0), this.sizeOf(into), this.flag());
    },
    send: () => {
      const data = this.memory(pick(this.chance, [9000, 70_000, 300_000]));
      return this.native.send!(this.fd(), data, this.or(0), this.sizeOf(data), this.flag());
    },
    sendto: () => {
      const data = this.memory(pick(this.chance, [9000, 70_000, 300_000]));
      return this.native.sendto!(this.fd(), data, this.or(0), this.sizeOf(data), this.flag(), this.namelen());
    },
    poll: () => this.native.poll!(this.fd(), this.int(), this.milliseconds()),
    pollmany: () => {
      const count = anySize(this.chance, 100);
      const of = (type: Int32ArrayConstructor | Int16ArrayConstructor) => {
        const array = new type(once(this.chance, 5) ? anySize(this.chance, 100) : count);
        return this.or(array.map(() => (type === Int32Array ? Number(this.fd()) : anyInt(this.chance))));
      };
      return this.native.pollmany!(
        of(Int32Array),
        of(Int16Array),
        of(Int16Array),
        this.or(count),
        this.chance.integer(0, 2),
      );
    },
    inheritable: () => this.native.inheritable!(this.fd(), this.int()),
    recvmsg: () => {
      const buffers = this.buffers();
      const control = anyBytes(this.chance, anySize(this.chance, 1200));
      const room = once(this.chance, 5) ? this.int() : control.length;
      const r = this.native.recvmsg!(
        this.fd(),
        buffers,
        this.sizeOf(buffers),
        this.or(control),
        room,
        this.flag(),
      );
      // Those that are kept would be the caller's to close; none is kept.
      if (once(this.chance, 3)) this.native.discard!();
      return r;
    },
    sendmsg: () => {
      const buffers = this.buffers();
      return this.native.sendmsg!(
        this.fd(),
        buffers,
        this.sizeOf(buffers),
        this.control(),
        this.flag(),
        once(this.chance, 2) ? -2 : this.namelen(),
      );
    },
    recvmmsg: () => {
      const count = this.or(pick(this.chance, [1, 2, 16, 1024, 1025]));
      const room = anySize(this.chance, 64);
      const fd = this.fd();
      // The library says so of UDP sockets alone: of AF_UNIX its room for control data could take descriptors.
      const gro = this.isUnix(fd) ? 0 : this.or(this.chance.integer(0, 1));
      const meta = this.or(new Int32Array(4 * room));
      return this.native.recvmmsg!(
        fd,
        count,
        this.or(anySize(this.chance, 70_000)),
        gro,
        meta,
        this.memory(128 * room),
      );
    },
    unpack: () =>
      this.native.unpack!(
        this.memory(),
        this.int(),
        this.int(),
        this.number(),
        this.or(Int32Array.from({ length: 4 * anySize(this.chance, 20) }, () => anyNumber(this.chance))),
      ),
    sendmmsg: () => {
      const data = this.memory(2000);
      const meta = Int32Array.from({ length: 4 * anySize(this.chance, 20) }, () =>
        once(this.chance, 8) ? anyNumber(this.chance) : this.chance.integer(-1, 100),
      );
      return this.native.sendmmsg!(
        this.fd(),
        this.or(meta.length / 4),
        data,
        this.or(meta),
        this.memory(500),
      );
    },
    sendfile: () => this.native.sendfile!(this.fd(), this.fd(), this.number(), this.number()),
    readFile: () => this.native.readFile!(this.fd(), this.memory(70_000), this.number()),
    queued: () => this.native.queued!(this.fd()),
    atmark: () => this.native.atmark!(this.fd()),

    slab: () => {
      const area = anyBytes(
        this.chance,
        pick(this.chance, [
          65536,
          1 << 20,
          16384 + this.chance.integer(0, 16),
          anySize(this.chance, 1 << 20),
        ]),
      );
      this.slabs.push(area);
      return this.native.slab!(this.or(this.chance.integer(0, 1)), area);
    },
    tables: () =>
      once(this.chance, 40)
        ? this.native.tables!(this.fds, this.generations, this.asks, this.flags, this.want)
        : 0,
    receive: () => this.native.receive!(this.slot(), this.number()),
    receiveWithin: () => this.native.receiveWithin!(this.slot(), this.number(), this.chance.integer(0, 1)),
    watch: () => this.native.watch!(this.slot()),
    release: () => {
      const slot = this.chance.integer(-1, SLOTS);
      const fd = this.fds[slot] ?? -1;
      // Left to us, closed, or offered to whoever claims it.
      const end = this.chance.integer(0, 2);
      const r = this.native.release!(slot, end) as number;
      if (end === 0 && fd >= 0) this.open.push(fd);
      if (end === 2 && r > 0) this.offers.push([fd, r]);
      return r;
    },
    claim: () => {
      if (this.offers.length === 0 || once(this.chance, 3))
        return this.native.claim!(this.fd(), this.number());
      const [fd, ticket] = pick(this.chance, this.offers);
      const r = this.native.claim!(fd, ticket) as number;
      if (r === 0) this.own(fd);
      return r;
    },
    offered: () => this.native.offered!(this.or(pick(this.chance, this.offers)?.[1] ?? 0)),
    flush: () => {
      for (let i = 0; i < this.ringRecords.length; i++) {
        this.ringRecords[i] = once(this.chance, 10)
          ? anyNumber(this.chance)
          : this.chance.integer(-1, i % 3 ? 5000 : SLOTS);
      }
      return this.native.flush!(this.or(this.chance.integer(0, 20)));
    },
    reference: () => this.native.reference!(),
    busyPoll: () => this.native.busyPoll!(this.chance.integer(0, 1) / 1e5),
    wish: () => {
      const slot = this.chance.integer(0, SLOTS - 1);
      this.want[slot] = this.chance.integer(0, 15);
      this.asks[slot] = anyNumber(this.chance);
      this.flags[slot] = (this.flags[slot]! & 64) | (this.chance.integer(0, 255) & ~64);
    },

    getaddrinfo: () =>
      this.native.getaddrinfo!(
        this.number(),
        this.text(),
        this.or(null),
        this.int(),
        this.int(),
        this.int(),
        4,
      ),
    getaddrinfoSync: () =>
      this.native.getaddrinfoSync!(this.text(), this.or(null), this.int(), this.int(), this.int(), 4),
    getnameinfo: () => this.native.getnameinfo!(this.number(), this.memory(140), this.int()),
    getnameinfoSync: () => this.native.getnameinfoSync!(this.memory(140), 3),
    gethostbyaddr: () => this.native.gethostbyaddr!(this.number(), this.memory(140)),
    cancelLookup: () => this.native.cancelLookup!(this.number()),
    awaitLookup: () => this.native.awaitLookup!(this.number(), this.chance.integer(0, 2)),
    holdResolver: () => this.native.holdResolver!(this.or(false)),
    startResolver: () => this.native.startResolver!(this.or(() => {})),
    gai_strerror: () => this.native.gai_strerror!(this.int()),
    getservbyname: () => this.native.getservbyname!(this.text(), this.text()),
    getservbyport: () => this.native.getservbyport!(this.number(), this.text()),
    getprotobyname: () => this.native.getprotobyname!(this.text()),
    if_nametoindex: () => this.native.if_nametoindex!(this.text()),
    if_indextoname: () => this.native.if_indextoname!(this.number()),
    if_nameindex: () => this.native.if_nameindex!(),
    inet_aton: () => this.native.inet_aton!(this.text()),
  };
  /** Called elsewhere, or not at all: keep would leak, and gethostbyname asks the network. */
  static readonly leftOut = [
    'attach',
    'start',
    'discard',
    'keep',
    'gethostbyname',
    'gethostbynameSync',
    'gethostbyaddrSync',
  ];

  /** Any reaction is allowed, that of calling back in among them. */
  dispatch(): void {
    if (once(this.chance, 4)) this.call();
  }

  /** Functions of the addon that no operation calls. */
  missing(): string[] {
    return Object.keys(this.native).filter(
      (name) =>
        typeof this.native[name] === 'function' &&
        !(name in this.#operations) &&
        !Round.leftOut.includes(name),
    );
  }

  call(): void {
    const names = Object.keys(this.#operations);
    const name = pick(this.chance, names);
    let result: unknown;
    try {
      result = this.#operations[name]!();
    } catch (error) {
      if (error instanceof Hostility) return;
      throw new Error(`${name} threw`, { cause: error });
    }
    if (typeof result === 'number' && !Number.isSafeInteger(result))
      throw new Error(`${name} gave ${result}`);
  }

  async live(): Promise<void> {
    const missing = this.missing();
    if (missing.length > 0) throw new Error(`no operation calls ${missing.join(', ')}`);
    for (let i = 0; i < this.life.calls; i++) {
      this.call();
      // The engine's turns come between calls.
      if (i % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    for (const fd of this.open.splice(0)) this.native.close!(fd);
    this.native.discard!();
    closeSync(this.file);
  }
}

if (!isMainThread) {
  await new Round(workerData as Life).live();
  parentPort!.postMessage('lived');
}
