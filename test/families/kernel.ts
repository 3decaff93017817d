// What this kernel has: asked of it by opening a socket. Tests of a family that it lacks are
// skipped with its own words.
import { SocketError, socket } from 'berkeley-sockets';

/** Why a socket of this kind cannot be had here; false where it can. */
export function missing(family: number, type: number, proto = 0): string | false {
  try {
    socket(family, type, proto).close();
    return false;
  } catch (error) {
    if (!(error instanceof SocketError)) throw error;
    return `this machine has no such socket: socket(${family}, ${type}, ${proto}) says ${error.code}`;
  }
}
