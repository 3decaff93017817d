// Temporary folders that end with their test. Paths are short: an AF_UNIX path has room for
// 107 bytes (unix(7)).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Whatever can run a function when it ends: a test's context. */
export interface Ending {
  after(clean: () => void | Promise<void>): void;
}

/** Makes an empty folder, removed with all its content after the test; returns its path. */
export function tempdir(t: Ending): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'bsd-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A path, in a folder of its own, at which nothing exists yet: for an AF_UNIX socket. */
export function tempPath(t: Ending, name = 's'): string {
  return path.join(tempdir(t), name);
}
