// Descriptors to pass, and those that came: for the tests of passing them.
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import path from 'node:path';
import {
  AF_UNIX,
  SCM_RIGHTS,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  SOL_SOCKET,
  type Socket,
  socketpair,
} from 'berkeley-sockets';
import { openDescriptors } from './leaks.ts';
import { type Scene, type SceneOptions, scene } from './scene.ts';
import { tempdir } from './tempdir.ts';

const types = { stream: SOCK_STREAM, datagram: SOCK_DGRAM, seqpacket: SOCK_SEQPACKET };

/** One scenario on a pair of AF_UNIX sockets of each type: a test each. */
export function overEach(
  name: string,
  body: (s: Scene, a: Socket, b: Socket, type: number) => Promise<void>,
  options?: SceneOptions,
): void {
  for (const [kind, type] of Object.entries(types))
    scene(
      `${name} (${kind})`,
      async (s) => {
        const [a, b] = socketpair(AF_UNIX, type);
        await body(s, s.own(a), s.own(b), type);
      },
      options,
    );
}

/** The control message that passes these descriptors. */
export const rights = (...fds: number[]): [number, number, Int32Array] => [
  SOL_SOCKET,
  SCM_RIGHTS,
  Int32Array.from(fds),
];
/** The descriptors in the data of a control message. */
export const fdsIn = (data: Buffer): number[] => [
  ...new Int32Array(data.buffer, data.byteOffset, data.length / 4),
];

/** A file that is open, and its descriptor, closed after the test. */
export function file(s: Scene, content = 'content'): number {
  const name = path.join(tempdir(s), 'file');
  const fd = openSync(name, 'w+');
  s.after(() => closeSync(fd));
  writeSync(fd, content);
  return fd;
}

/** What is in a file. */
export const content = (fd: number): string => {
  const memory = Buffer.alloc(100);
  return String(memory.subarray(0, readSync(fd, memory, 0, 100, 0)));
};

/** Closes what a test received, after it. */
export function take(s: Scene, fds: readonly number[]): readonly number[] {
  s.after(() => fds.forEach((fd) => void closeSync(fd)));
  return fds;
}

/** How many descriptors this process has. */
export const count = (): number => openDescriptors().size;
