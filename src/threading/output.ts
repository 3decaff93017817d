// What a worker prints. Node hands it to the main thread, whose event loop writes it: a main thread
// that blocks in accept() would never do so. So it is written where it belongs, at once.
import { writeSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { native } from '../binding.ts';
import { POLLOUT } from '../readiness.ts';
import { SLICE } from '../timeout.ts';

type Chunk = { chunk: Uint8Array | string; encoding: BufferEncoding };

function writeAll(fd: number, data: Uint8Array): void {
  for (let at = 0; at < data.length; ) {
    try {
      at += writeSync(fd, data, at);
    } catch (error) {
      // A pipe that somebody made non-blocking, and that is full.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      native.poll(fd, POLLOUT, SLICE);
    }
  }
}

function direct(stream: Writable, fd: number): void {
  stream._writev = (chunks, done) => {
    try {
      const parts = (chunks as Chunk[]).map(({ chunk, encoding }) =>
        typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk,
      );
      writeAll(fd, Buffer.concat(parts));
      done();
    } catch (error) {
      done(error as Error);
    }
  };
}

/** Writes this worker's standard output and error without the main thread's help. */
export function printDirectly(): void {
  direct(process.stdout, 1);
  direct(process.stderr, 2);
}
