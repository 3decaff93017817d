// The file of an AF_UNIX listener: taken over from a server that is gone, and removed at the end.
// Knows files and one question to the kernel (does somebody listen there?).
import { linkSync, lstatSync, readFileSync, renameSync, unlinkSync } from 'node:fs';
import os from 'node:os';
import { encodeAddress } from '../address.ts';
import { native } from '../binding.ts';
import { AF_UNIX, SOCK_STREAM } from '../constants.gen.ts';
import * as engine from '../engine.ts';
import { SocketError } from '../errors.ts';

const { ECONNREFUSED } = os.constants.errno;

type Path = string | Uint8Array;
const fileOf = (path: Path): string | Buffer => (typeof path === 'string' ? path : Buffer.from(path));

/** Whether an AF_UNIX address is a file: not unnamed, not in the abstract namespace. */
export const isFile = (address: unknown): address is Path =>
  typeof address === 'string'
    ? address.length > 0 && !address.startsWith('\0')
    : address instanceof Uint8Array && address.length > 0 && address[0] !== 0;

// connect(2) on an AF_UNIX address never waits on the network, so one attempt tells: the kernel says
// ECONNREFUSED where the file belongs to no socket any more. EPROTOTYPE, EAGAIN, EACCES … : somebody
// is there, or it cannot be known.
function refuses(path: Path): boolean {
  engine.ensureStarted();
  const fd = native.socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0) return false;
  try {
    return native.connect(fd, encodeAddress(AF_UNIX, path, engine.name, 'address')) === -ECONNREFUSED;
  } finally {
    native.close(fd);
  }
}

// A socket that is bound and does not listen yet refuses, too. /proc/net/unix (proc(5)) shows those of
// this network namespace: state 01, where connections have 03, and the path last in the line.
function isBound(path: Path): boolean {
  try {
    const end = ` ${Buffer.from(path as string).toString('latin1')}`;
    return readFileSync('/proc/net/unix', 'latin1')
      .split('\n')
      .some((line) => line.endsWith(end) && line.split(/ +/)[5] === '01');
  } catch {
    return false;
  }
}

/**
 * Removes the socket file of a server that is gone; false if the path is somebody's.
 *
 * Two servers may find the same stale file, and the second must not remove what the first has bound
 * by then: so the file is moved aside and asked again there, where nobody else can mean it. One that
 * turns out to be alive is put back.
 */
export function removeStale(path: Path): boolean {
  const file = fileOf(path);
  try {
    if (!lstatSync(file).isSocket() || !refuses(path) || isBound(path)) return false;
    const aside = asideOf(path);
    renameSync(file, aside);
    if (refuses(aside) && !isBound(path)) {
      unlinkSync(aside);
      return true;
    }
    // link(2) overwrites nothing: if a third server has bound the path meanwhile, it is theirs.
    linkSync(aside, file);
    unlinkSync(aside);
    return false;
  } catch (error) {
    // Another server's removal of the same file came first: the path is free, or taken, and bind tells.
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

// In the same folder, since rename(2) stays within a file system, and short, for sun_path's sake.
function asideOf(path: Path): Buffer {
  const bytes = Buffer.from(path as string);
  const folder = bytes.subarray(0, bytes.lastIndexOf(0x2f) + 1);
  const name = `.${process.pid.toString(36)}${Math.random().toString(36).slice(2, 6)}`;
  return Buffer.concat([folder, Buffer.from(name)]);
}

/** Binds with `bind`; once more if the path was a stale one. */
export function bindFile<T>(path: Path, bind: () => T): T {
  try {
    return bind();
  } catch (error) {
    if (!(error instanceof SocketError) || error.code !== 'EADDRINUSE' || !removeStale(path)) throw error;
    return bind();
  }
}

/** The file that was bound just now. */
export class SocketFile {
  readonly #path: Path;
  readonly #identity: string;

  constructor(path: Path) {
    this.#path = path;
    this.#identity = identityOf(path);
  }

  /** Removes it, unless somebody else's stands there by now. */
  remove(): void {
    if (this.#identity !== '' && identityOf(this.#path) === this.#identity) {
      try {
        unlinkSync(fileOf(this.#path));
      } catch {
        // Gone already, or in a folder that we may not write to any more.
      }
    }
  }
}

function identityOf(path: Path): string {
  try {
    const { dev, ino } = lstatSync(fileOf(path), { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return '';
  }
}
