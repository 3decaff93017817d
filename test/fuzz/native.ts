// The native functions with hostile arguments: one life of an environment in a worker thread, which
// loads the addon for itself, calls whatever there is in any order with any values, and ends with
// sockets open and look-ups on their way. What is asked of it: no crash (with the sanitizers of
// scripts/fuzz.mjs: not a byte out of bounds), an integer or a documented value from each call, and
// no descriptor left when it is over.
//
// One rule of the addon's is kept, since JavaScript code of the library alone is bound by it: the
// memory that attach, tables and slab are given stays as it is.
import { closeSync, openSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { Chance } from '../support/chance.ts';
import {
  anyBytes,
  anyInt,
  anyMemory,
  anyNumber,
  anySize,
  anyText,
  anything,
  Hostility,
  once,
  pick,
} from './hostile.ts';

/** What a worker is told. */
export interface Life {
  addon: string;
  seed: string;
  calls: number;
  folder: string;
  /** Whether the IP families may be used: in a network namespace of its own only. */
  network: boolean;
}

type Native = Record<string, (...args: unknown[]) => unknown> & { constants: Record<string, number> };

const SLOTS = 64;
const OUT_OF_REACH = [-1, -2, 0x7fffffff, 1_000_003];

// Options that end the run rather than the addon: a linger makes close(2) wait for years.
const SO_LINGER = 13;

const SOL_SOCKET = 1;
const SO_DOMAIN = 39;
const SO_PEERPIDFD = 77;
const AF_UNIX = 1;

class Environment {
  readonly chance: Chance;
  readonly native: Native;
  readonly io = new Int32Array(11).fill(0);
  readonly name = new Uint8Array(new ArrayBuffer(128));
  readonly peer = new Uint8Array(new ArrayBuffer(128));
  readonly records = new Int32Array(1 + 256 * 3 * 6);
  readonly ring = new Uint8Array(new ArrayBuffer(65536));
  readonly ringRecords = new Int32Array(3 * 256);
  readonly fds = new Int32Array(SLOTS).fill(-1);
  readonly generations = new Int32Array(SLOTS);
  readonly asks = new Int32Array(SLOTS);
  readonly flags = new Uint8Array(SLOTS);
  readonly want = new Uint8Array(SLOTS);
  readonly slabs: Uint8Array[] = [];
  /** Open descriptors that are in no slot. */
  readonly open: number[] = [];
  /** Descriptors that were given up, and their tickets. */
  readonly offers: [fd: number, ticket: number][] = [];
  readonly file: number;
  readonly life: Life;

  constructor(life: Life) {
    this.life = life;
    this.chance = new Chance(life.seed);
    this.native = createRequire(import.meta.url)(life.addon) as Native;
    this.io[9] = this.io[10] = -1;
    this.file = openSync(path.join(life.folder, `file-${life.seed.replaceAll('/', '-')}`), 'w+');
    writeSync(this.file, this.chance.bytes(this.chance.integer(0, 100_000)));
    // Whatever it is given, nothing is attached before all fits.
    for (let i = this.chance.integer(0, 3); i > 0; i--) {
      const views = () =>
        this.or(once(this.chance, 2) ? this.records : anyBytes(this.chance, anySize(this.chance, 300)));
      this.native.attach!(
        views(),
        views(),
        views(),
        views(),
        views(),
        views(),
        this.or(() => {}),
      );
      this.native.tables!(views(), views(), views(), views(), views());
    }
    const dispatch = () => this.dispatch();
    const { io, name, peer, records, ring, ringRecords } = this;
    if (this.native.attach!(io, name, peer, records, ring, ringRecords, dispatch) !== 0)
      throw new Error('attach');
    this.native.tables!(this.fds, this.generations, this.asks, this.flags, this.want);
    this.native.startResolver!(() => {});
    if (once(this.chance, 2)) this.native.start!(this.chance.integer(0, 1));
    for (let i = 0; i < 3; i++) this.pair();
  }

  // What a turn tells: any reaction is allowed, that of calling back in among them.
  dispatch(): void {
    if (once(this.chance, 4)) this.call();
  }

  pair(): void {
    const { chance, native } = this;
    const type = pick(chance, [1, 1, 2, 2, 5]);
    if (native.socketpair!(1, type, 0) === 0) this.own(this.io[0]!, this.io[1]!);
  }

  own(...made: number[]): void {
    for (const fd of made) {
      if (fd < 0) continue;
      const slot = this.fds.indexOf(-1);
      if (slot >= 0 && once(this.chance, 2)) {
        this.fds[slot] = fd;
        this.flags[slot] = this.chance.integer(0, 255) & ~64;
        this.asks[slot] = anyNumber(this.chance);
        this.want[slot] = this.chance.integer(0, 15);
        this.native.watch!(slot);
      } else this.open.push(fd);
      for (const which of [9, 10]) if (this.io[which] === fd) this.io[which] = -1;
    }
  }

  // --- arguments ----------------------------------------------------------------------

  fd(): unknown {
    if (once(this.chance, 12)) return pick(this.chance, OUT_OF_REACH);
    const inSlots = this.fds.filter((fd) => fd >= 0);
    return pick(this.chance, [...this.open, ...inSlots, ...this.open, this.file]);
  }

  /** The argument, and now and then anything. */
  or<T>(value: T): unknown {
    return once(this.chance, 10) ? anything(this.chance) : value;
  }

  int = (): unknown => this.or(anyInt(this.chance));
  number = (): unknown => this.or(anyNumber(this.chance));
  slot = (): unknown => this.or(once(this.chance, 10) ? anyInt(this.chance) : this.chance.integer(-1, SLOTS));
  text = (): unknown => this.or(anyText(this.chance));
  memory = (most = 4096): unknown =>
    this.or(
      once(this.chance, 4) ? anyMemory(this.chance, most) : anyBytes(this.chance, anySize(this.chance, most)),
    );
  flag = (): unknown => this.or(once(this.chance, 2) ? 0 : 2 ** this.chance.integer(0, 31));
  milliseconds = (): number => this.chance.integer(0, 2);

  isUnix(fd: unknown): boolean {
    const family = new Int32Array(1);
    const r = this.native.getsockopt!(fd, SOL_SOCKET, SO_DOMAIN, new Uint8Array(family.buffer)) as number;
    return r > 0 && family[0] === AF_UNIX;
  }

  /** A length for the name area, whose bytes are those of some sockaddr. */
  namelen(): unknown {
    const { chance, name } = this;
    if (once(chance, 3)) return pick(chance, [-1, -2, 0, 1, 2, 16, 110, 128, 129, 0x7fffffff]);
    name.set(chance.bytes(128));
    const family = this.life.network ? pick(chance, [0, 1, 1, 2, 10, chance.integer(0, 46)]) : 1;
    name[0] = family;
    name[1] = 0;
    // Loopback for the IP families, and a file only in the folder.
    if (family === 2) name.set([127, 0, 0, 1], 4);
    if (family === 10) name.fill(0, 8, 24).fill(1, 23, 24);
    if (family === 1 && name[2] === 0x2f) name[2] = 0x61;
    if (family === 1 && once(chance, 2)) name.set(Buffer.from(`p${chance.integer(0, 9)}\0`), 2);
    return chance.integer(2, 128);
  }

  buffers(): unknown {
    const { chance } = this;
    if (once(chance, 2)) return this.memory(70_000);
    const count = once(chance, 20) ? pick(chance, [1023, 1024, 1025]) : chance.integer(0, 8);
    return Array.from({ length: count }, () => this.or(anyBytes(chance, anySize(chance, 600))));
  }

  sizeOf(buffers: unknown): unknown {
    if (once(this.chance, 6)) return this.number();
    if (buffers instanceof Uint8Array) return buffers.length;
    if (!Array.isArray(buffers)) return 0;
    return buffers.reduce((sum, each) => sum + (each instanceof Uint8Array ? each.length : 0), 0);
  }

  /** Control data: rows that are sound, rows that lie about their length, or any bytes. */
  control(): unknown {
    const { chance } = this;
    if (once(chance, 4)) return null;
    if (once(chance, 4)) return this.memory(512);
    const rows = Array.from({ length: chance.integer(1, 4) }, () => {
      const data = chance.integer(0, 5) * 4 * (once(chance, 30) ? 60 : 1);
      const row = Buffer.alloc(16 + Math.ceil(data / 8) * 8);
      const length = once(chance, 5) ? anyNumber(chance) : 16 + data;
      row.writeBigUInt64LE(BigInt.asUintN(64, BigInt(Math.trunc(Number.isFinite(length) ? length : 0))), 0);
      row.writeInt32LE(once(chance, 5) ? anyInt(chance) : 1, 8);
      row.writeInt32LE(once(chance, 3) ? chance.integer(0, 80) : pick(chance, [1, 1, 2, 4]), 12);
      for (let at = 16; at + 4 <= row.length; at += 4) {
        row.writeInt32LE(once(chance, 8) ? anyInt(chance) : Number(this.fd()), at);
      }
      return row;
    });
    return new Uint8Array(Buffer.concat(rows));
  }

  // --- calls --------------------------------------------------------------------------

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
      // Gives a descriptor, which would be the caller's to close.
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

  level = (): unknown => this.or(pick(this.chance, [0, 1, 6, 17, 41]));

  /** Functions of the addon that no operation calls. */
  missing(): string[] {
    return Object.keys(this.native).filter(
      (name) =>
        typeof this.native[name] === 'function' &&
        !(name in this.#operations) &&
        !Environment.leftOut.includes(name),
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
  await new Environment(workerData as Life).live();
  parentPort!.postMessage('lived');
}
