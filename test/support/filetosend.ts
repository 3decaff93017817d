// Files for sendfile to send: made of bytes that are the same in every run, gone with their test.
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { Chance } from './chance.ts';
import { openDescriptors } from './leaks.ts';
import type { Scene } from './scene.ts';
import { tempPath } from './tempdir.ts';

export const size = 3_000_001;
export const data: Buffer = new Chance('sendfile').bytes(size);

/** A file with these bytes. */
export function file(s: Scene, bytes: Uint8Array = data): string {
  const path = tempPath(s);
  writeFileSync(path, bytes);
  return path;
}

/** A descriptor of a file with these bytes. */
export function opened(s: Scene, bytes: Uint8Array = data): number {
  const fd = openSync(file(s, bytes), 'r+');
  s.after(() => closeSync(fd));
  return fd;
}

/** What is held open of this path. */
export const holders = (path: string): number =>
  [...openDescriptors().values()].filter((each) => each === path).length;
