// Imports an entry point of the package under test.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

export function load(root, subpath) {
  const { exports } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  return import(pathToFileURL(path.resolve(root, exports[subpath].default)).href);
}
