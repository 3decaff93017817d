// Files of one folder for a web server, and nothing else of the file system: what a path of a URL means, whether
// the file is inside, its type, and the page of a folder. Knows nothing of connections.
import { constants } from 'node:fs';
import { type FileHandle, open, readdir, readlink, realpath } from 'node:fs/promises';
import path from 'node:path';

/** What a path leads to. */
export type Found =
  | {
      readonly kind: 'file';
      readonly file: FileHandle;
      readonly size: number;
      readonly modified: Date;
      readonly tag: string;
      readonly type: string;
    }
  | { readonly kind: 'page'; readonly html: string }
  | { readonly kind: 'moved'; readonly to: string }
  | { readonly kind: 'bad' }
  | { readonly kind: 'none' };

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  htm: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  mjs: 'text/javascript; charset=utf-8',
  json: 'application/json',
  txt: 'text/plain; charset=utf-8',
  md: 'text/markdown; charset=utf-8',
  csv: 'text/csv; charset=utf-8',
  xml: 'application/xml',
  svg: 'image/svg+xml',
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  avif: 'image/avif',
  ico: 'image/vnd.microsoft.icon',
  pdf: 'application/pdf',
  wasm: 'application/wasm',
  mp3: 'audio/mpeg',
  ogg: 'audio/ogg',
  mp4: 'video/mp4',
  webm: 'video/webm',
  woff: 'font/woff',
  woff2: 'font/woff2',
  zip: 'application/zip',
  gz: 'application/gzip',
};

export const typeOf = (name: string): string =>
  TYPES[path.extname(name).slice(1).toLowerCase()] ?? 'application/octet-stream';

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as HTML, in an attribute too. */
export const escaped = (text: string): string => text.replace(/[&<>"']/g, (c) => ENTITIES[c]!);

const urlOf = (name: string): string => encodeURIComponent(name).replaceAll("'", '%27');

/**
 * The names that a URL's path goes through, or nothing for one that means no file: not decodable, a NUL or
 * a slash in a name, `.` or `..` (clients resolve these; who sends them wants out).
 */
export function namesOf(target: string): string[] | undefined {
  const [raw = ''] = target.split(/[?#]/, 1);
  if (!raw.startsWith('/')) return undefined;
  const names: string[] = [];
  for (const part of raw.split('/')) {
    let name: string;
    try {
      name = decodeURIComponent(part);
    } catch {
      return undefined;
    }
    if (name === '') continue;
    if (name === '.' || name === '..' || /[\0/\\]/.test(name)) return undefined;
    names.push(name);
  }
  return names;
}

const { O_RDONLY, O_NONBLOCK } = constants;

/** A folder that is served. */
export class Folder {
  readonly #root: string;
  readonly #hidden: boolean;

  private constructor(root: string, hidden: boolean) {
    this.#root = root;
    this.#hidden = hidden;
  }

  /** `hidden`: files whose names begin with a dot, too. */
  static async open(folder: string, hidden: boolean): Promise<Folder> {
    const root = await realpath(folder);
    await readdir(root);
    return new Folder(root, hidden);
  }

  #inside(file: string): boolean {
    return file === this.#root || file.startsWith(this.#root === '/' ? '/' : `${this.#root}/`);
  }

  /** What stands at the path of a request. */
  async find(target: string): Promise<Found> {
    const names = namesOf(target);
    if (names === undefined) return { kind: 'bad' };
    if (!this.#hidden && names.some((name) => name.startsWith('.'))) return { kind: 'none' };
    const [raw = ''] = target.split(/[?#]/, 1);
    const here = path.join(this.#root, ...names);
    const file = await this.#open(here);
    if (file === undefined) return { kind: 'none' };
    const stat = await file.stat({ bigint: true });
    if (stat.isFile() && !(raw.endsWith('/') && names.length > 0)) {
      return {
        kind: 'file',
        file,
        size: Number(stat.size),
        modified: stat.mtime,
        tag: `"${stat.size.toString(16)}-${stat.mtimeNs.toString(16)}"`,
        type: typeOf(here),
      };
    }
    await file.close();
    if (!stat.isDirectory()) return { kind: 'none' };
    // So that relative links of its pages work; and never to //host.
    if (!raw.endsWith('/')) return { kind: 'moved', to: `/${names.map(urlOf).join('/')}/` };
    const index = await this.find(`/${[...names, 'index.html'].map(urlOf).join('/')}`);
    if (index.kind === 'file') return index;
    return { kind: 'page', html: await this.#page(here, names) };
  }

  // Opened first and looked at then: between a look and an opening it could become a link to elsewhere.
  // O_NONBLOCK: to open a named pipe would wait for its writer.
  async #open(file: string): Promise<FileHandle | undefined> {
    let handle: FileHandle;
    try {
      handle = await open(file, O_RDONLY | O_NONBLOCK);
    } catch {
      return undefined;
    }
    try {
      if (this.#inside(await readlink(`/proc/self/fd/${handle.fd}`))) return handle;
    } catch {
      // No /proc: nothing is certain, so nothing is given.
    }
    await handle.close();
    return undefined;
  }

  async #page(here: string, names: readonly string[]): Promise<string> {
    const entries = await readdir(here, { withFileTypes: true });
    const rows = entries
      .filter(({ name }) => this.#hidden || !name.startsWith('.'))
      .sort((a, b) => Number(b.isDirectory()) - Number(a.isDirectory()) || (a.name < b.name ? -1 : 1))
      .map((entry) => {
        const end = entry.isDirectory() ? '/' : '';
        return `<li><a href="${urlOf(entry.name)}${end}">${escaped(entry.name)}${end}</a></li>`;
      });
    const title = escaped(`/${names.join('/')}`);
    const up = names.length > 0 ? '<li><a href="../">../</a></li>\n' : '';
    return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:50rem;padding:0 1rem}li{overflow-wrap:anywhere}</style>
</head><body><h1>${title}</h1>
<ul>
${up}${rows.join('\n')}
</ul></body></html>
`;
  }
}

/** A part of a file. */
export interface Part {
  readonly offset: number;
  readonly count: number;
}

/**
 * What a Range header asks for (RFC 9110, 14.1.2): one part; `'none'` where it cannot be satisfied;
 * nothing where it is to be ignored: malformed, another unit, several parts.
 */
export function partOf(range: string, size: number): Part | 'none' | undefined {
  const match = /^bytes=\s*([0-9]*)-([0-9]*)\s*$/.exec(range);
  if (match === null || (match[1] === '' && match[2] === '')) return undefined;
  if (match[1] === '') {
    const count = Math.min(size, Number(match[2]));
    return count === 0 ? 'none' : { offset: size - count, count };
  }
  const offset = Number(match[1]);
  const last = match[2] === '' ? size - 1 : Math.min(size - 1, Number(match[2]));
  if (match[2] !== '' && Number(match[2]) < offset) return undefined;
  return offset >= size ? 'none' : { offset, count: last - offset + 1 };
}
