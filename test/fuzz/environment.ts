// One environment of the addon: the memory that it shares with JavaScript, the descriptors that are
// open, and arguments for its functions, sound ones and others. Calls nothing that it need not.
import { openSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Chance } from '../support/chance.ts';
import { anyBytes, anyInt, anyMemory, anyNumber, anySize, anyText, anything, once, pick } from './hostile.ts';

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

export const SLOTS = 64;
export const OUT_OF_REACH = [-1, -2, 0x7fffffff, 1_000_003];

const SOL_SOCKET = 1;
const SO_DOMAIN = 39;
const AF_UNIX = 1;

export abstract class Environment {
  readonly chance: Chance;
  readonly native: Native;
  readonly io = new Int32Array(64);
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

  /** What a turn of the engine's tells. */
  abstract dispatch(): void;

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

  level = (): unknown => this.or(pick(this.chance, [0, 1, 6, 17, 41]));
}
