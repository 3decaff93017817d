// The two directions of a socket as Web streams. Nothing is received before somebody reads, and then
// into the reader's own memory. Knows only what a socket's public methods give.
import {
  type ReadableByteStreamController,
  ReadableStream,
  WritableStream,
  type WritableStreamDefaultController,
} from 'node:stream/web';
import type { Data } from './bytes.ts';
import { SHUT_RD, SHUT_WR } from './constants.gen.ts';
import { SocketError } from './errors.ts';
import type { Socket } from './socket.ts';

const CHUNK = 65536;

/** Both directions of one socket. */
export interface WebStreams {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Data>;
}

// shutdown(2) of a direction that the peer's reset, or a close, has ended already.
function end(socket: Socket, how: number): void {
  try {
    if (!socket.closed) socket.shutdown(how);
  } catch (error) {
    if (!(error instanceof SocketError && error.code === 'ENOTCONN')) throw error;
  }
}

/**
 * The streams of `socket`, which is closed when both have ended.
 *
 * `readable` is a byte stream (a BYOB reader's memory is received into); cancelling it shuts the
 * receiving direction. Closing `writable` sends the end of the stream, aborting it closes the socket.
 * A failed call errors its stream, and closes the socket.
 */
export function webStreams(socket: Socket): WebStreams {
  let open = 2;
  const over = (): void => {
    if (--open === 0) socket.close();
  };
  const failed = (error: unknown): never => {
    socket.close();
    throw error;
  };
  const cancelled = new AbortController();

  const readable: ReadableStream<Uint8Array> = new ReadableStream(
    {
      type: 'bytes',
      autoAllocateChunkSize: CHUNK,
      async pull(controller: ReadableByteStreamController) {
        const request = controller.byobRequest!;
        const view = request.view as Uint8Array;
        let received: number;
        try {
          received = await socket.recvInto(view, { signal: cancelled.signal });
        } catch (error) {
          if (cancelled.signal.aborted) return;
          failed(error);
          return;
        }
        if (received === 0) {
          over();
          controller.close();
        }
        request.respond(received);
      },
      cancel(reason) {
        cancelled.abort(reason);
        end(socket, SHUT_RD);
        over();
      },
    },
    { highWaterMark: 0 },
  );

  const writable = new WritableStream<Data>({
    async write(chunk, controller) {
      const { signal } = controller as WritableStreamDefaultController & { signal: AbortSignal };
      await socket.sendall(chunk, { signal }).catch(failed);
    },
    close() {
      end(socket, SHUT_WR);
      over();
    },
    abort() {
      socket.close();
    },
  });

  return { readable, writable };
}
