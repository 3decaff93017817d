// From Node's `net.Socket` to a socket of ours: the connection changes its owner.
import type { Socket as NetSocket } from 'node:net';
import { SOCK_STREAM } from '../constants.gen.ts';
import { closedError, typeError } from '../errors.ts';
import { fromfd } from '../open.ts';
import type { Socket } from '../socket.ts';

// What a `net.Socket` has inside on a platform with descriptors. Not documented by Node, and looked at with care.
interface Handle {
  fd?: unknown;
  readStop?: unknown;
}

function descriptorOf(socket: NetSocket): { fd: number; handle: Handle } {
  const handle = (socket as { _handle?: Handle | null } | undefined)?._handle;
  if (
    typeof socket !== 'object' ||
    socket === null ||
    typeof socket.destroy !== 'function' ||
    handle === undefined
  )
    throw typeError('socket', 'a net.Socket', socket);
  if (socket.destroyed || handle === null || socket.connecting)
    throw closedError('fromNetSocket', 'or not yet open: the net.Socket');
  const { fd } = handle;
  if (typeof fd !== 'number' || fd < 0)
    throw typeError('socket', 'a net.Socket with a descriptor (a TLS socket has none of its own)', socket);
  return { fd, handle };
}

/**
 * Takes the connection of Node's `net.Socket`, which is destroyed: it emits `close`, and nothing is
 * sent on the connection by that. The kernel's part moves as it is, with its options and the data that
 * has not been received.
 *
 * What Node has received or not yet sent does not: while `readableLength` or `writableLength` is not 0
 * it is an `Error`, and the `net.Socket` is as it was. Take connections that Node has not begun to
 * read: of `net.createServer({ pauseOnConnect: true })`, or at once on `connect`, before the peer
 * speaks. Sockets that are not `net.Socket`s with a descriptor (TLS) are a `TypeError`.
 */
export function fromNetSocket(socket: NetSocket): Socket<number, SOCK_STREAM> {
  const { fd, handle } = descriptorOf(socket);
  const { readableLength, writableLength } = socket;
  if (readableLength > 0 || writableLength > 0)
    throw new Error(
      `Expected a net.Socket without data of its own, but it holds ${readableLength} bytes to read and ${writableLength} to write: read them, or wait for "drain", first`,
    );
  const taken = fromfd<number, SOCK_STREAM>(fd);
  if (taken.type !== SOCK_STREAM) {
    taken.close();
    throw typeError('socket', 'a net.Socket of a stream', socket);
  }
  // The descriptor is closed in this turn: Node's loop never receives on it again.
  if (typeof handle.readStop === 'function') handle.readStop.call(handle);
  socket.destroy();
  return taken;
}
