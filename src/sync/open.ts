// Making sockets that block: a new one, a pair, one of a descriptor or a handle. As open.ts.
import type { SocketHandle } from '../base.ts';
import { Socket } from '../blocking.ts';
import { AF_INET, AF_UNIX, SOCK_STREAM } from '../constants.gen.ts';
import { adoptHandle, duplicate, openPair, openSocket } from '../create.ts';

/**
 * Opens a socket: non-blocking in the kernel, close-on-exec, with the default timeout.
 * socket(2).
 *
 * Errors: `EAFNOSUPPORT`, `EPROTONOSUPPORT`, `EMFILE`; `EPERM` for raw sockets without the right.
 */
export function socket<F extends number = AF_INET, T extends number = SOCK_STREAM>(
  family: F = AF_INET as number as F,
  type: T = SOCK_STREAM as number as T,
  proto = 0,
): Socket<F, T> {
  return openSocket<Socket<F, T>>(Socket, family, type, proto);
}

/** Opens two sockets that are connected to each other. socketpair(2). */
export function socketpair<F extends number = AF_UNIX, T extends number = SOCK_STREAM>(
  family: F = AF_UNIX as number as F,
  type: T = SOCK_STREAM as number as T,
  proto = 0,
): [Socket<F, T>, Socket<F, T>] {
  return openPair<Socket<F, T>>(Socket, family, type, proto);
}

/**
 * A socket of a duplicate of `fd`, which stays its owner's. Family, type and protocol are asked
 * of the kernel where they are not given. The open file description is set non-blocking
 * (O_NONBLOCK), for all who share it.
 *
 * Errors: `EBADF`, `ENOTSOCK`.
 */
export function fromfd<F extends number = number, T extends number = number>(
  fd: number,
  family?: F,
  type?: T,
  proto?: number,
): Socket<F, T> {
  return duplicate<Socket<F, T>>(Socket, fd, family, type, proto);
}

/**
 * Takes over the descriptor of a handle that `detach()` gave, in this thread or another. It must
 * have no other owner.
 */
export function fromHandle(handle: SocketHandle): Socket {
  return adoptHandle<Socket>(Socket, handle);
}
