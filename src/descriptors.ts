// Passing descriptors over AF_UNIX sockets: unix(7) at SCM_RIGHTS. The same for both flavours; who
// owns a descriptor that was received, and from when on, stands in ancillary.ts.
import type { Address } from './address.ts';
import { checkSocket } from './base.ts';
import type { Data } from './bytes.ts';
import type { SocketCalls } from './calls.ts';
import type { Flavour, Given, Told, TransferOptions } from './flavour.ts';
import type { Passable, PassOptions } from './messaging.ts';

export type { Passable, PassOptions };

/**
 * Sends `buffers` as one message over a socket of AF_UNIX, and with it duplicates of open
 * descriptors: numbers, sockets or `FileHandle`s, at most 253. The receiver gets descriptors of its
 * own for the same open files; those here stay open, and may be closed as soon as the call has
 * returned. The bytes sent: on a stream perhaps fewer than given, and at least one must be given,
 * which the descriptors go with. sendmsg(2), unix(7).
 *
 * Errors: `EBADF`; `EINVAL` for more than 253; `ETOOMANYREFS` when too many are under way;
 * `ClosedError` for a closed socket. **Cancel safety**: a call that was aborted or timed out has
 * sent nothing.
 */
export function sendFds<F extends number, M extends Flavour>(
  sock: SocketCalls<F, M>,
  buffers: Iterable<Data>,
  fds: Iterable<Passable>,
  options?: Told<M, PassOptions<F>>,
): Given<M, number> {
  checkSocket(sock);
  return sock.sendDescriptors(buffers, fds, options);
}

/**
 * Receives a message of at most `bufsize` bytes over a socket of AF_UNIX, and at most `maxfds`
 * descriptors with it: `[data, fds, msgFlags, address]`. recvmsg(2), unix(7).
 *
 * The descriptors are numbers, close-on-exec, and the caller's: whoever does not use one has to
 * close it. Those beyond `maxfds`, or for which this process has no number left, are closed, and
 * `msgFlags` has `MSG_CTRUNC`. **Cancel safety**: a call that was aborted or timed out has taken
 * neither data nor descriptors.
 */
export function recvFds<F extends number, M extends Flavour>(
  sock: SocketCalls<F, M>,
  bufsize: number,
  maxfds: number,
  options?: Told<M, TransferOptions>,
): Given<M, [data: Buffer, fds: number[], msgFlags: number, address: Address<F>]> {
  checkSocket(sock);
  return sock.receiveDescriptors(bufsize, maxfds, options);
}
