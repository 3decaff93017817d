// A web server of files: HTTP/1.1 (RFC 9112) as far as GET and HEAD go, with conditions and ranges
// (RFC 9110). Knows connections and Folder; who accepts them is not its business.
import {
  type AnyAddress,
  IncompleteReadError,
  LimitError,
  type Reader,
  SHUT_WR,
  type Socket,
} from '../../index.ts';
import { addressText } from '../endpoint.ts';
import { visible } from '../output.ts';
import { type Folder, type Found, type Part, partOf } from './files.ts';

const HEADER_LIMIT = 16384;
const MOST_HEADERS = 100;
const PATIENCE = 30;

const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  206: 'Partial Content',
  301: 'Moved Permanently',
  304: 'Not Modified',
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  414: 'URI Too Long',
  416: 'Range Not Satisfiable',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  505: 'HTTP Version Not Supported',
};

interface Request {
  readonly method: string;
  readonly target: string;
  readonly minor: number;
  readonly headers: ReadonlyMap<string, string>;
}

// A request that is answered with a status and the end of the connection.
class BadRequest extends Error {
  readonly status: number;

  constructor(status: number) {
    super(REASONS[status]);
    this.status = status;
  }
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

async function readRequest(reader: Reader<'awaited'>): Promise<Request | undefined> {
  const line = await readLine(reader, 414);
  if (line === undefined) return undefined;
  const match = /^([!-~]+) ([!-~]+) HTTP\/([0-9])\.([0-9])$/.exec(line);
  if (match === null || !TOKEN.test(match[1]!)) throw new BadRequest(400);
  if (match[3] !== '1') throw new BadRequest(505);
  const headers = new Map<string, string>();
  for (let count = 0; ; count++) {
    const field = await readLine(reader, 431);
    if (field === undefined) throw new BadRequest(400);
    if (field === '') break;
    if (count >= MOST_HEADERS) throw new BadRequest(431);
    const colon = field.indexOf(':');
    const name = field.slice(0, colon).toLowerCase();
    if (colon < 1 || !TOKEN.test(name)) throw new BadRequest(400);
    const value = field.slice(colon + 1).trim();
    // Which of two is meant is what smugglers of requests play with.
    if (headers.has(name) && ['host', 'content-length', 'transfer-encoding', 'range'].includes(name))
      throw new BadRequest(400);
    headers.set(name, value);
  }
  if (match[4] !== '0' && !headers.has('host')) throw new BadRequest(400);
  return { method: match[1]!, target: match[2]!, minor: Number(match[4]), headers };
}

async function readLine(reader: Reader<'awaited'>, tooLong: number): Promise<string | undefined> {
  try {
    const line = (await reader.readuntil('\n', { limit: HEADER_LIMIT })).toString('latin1');
    return line.replace(/\r?\n$/, '');
  } catch (error) {
    if (error instanceof LimitError) throw new BadRequest(tooLong);
    if (error instanceof IncompleteReadError) {
      if (error.partial.length === 0) return undefined;
      throw new BadRequest(400);
    }
    throw error;
  }
}

interface Answer {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body?: Buffer;
  readonly file?: Extract<Found, { kind: 'file' }>;
  readonly part?: Part;
}

const plain = (status: number, headers: Answer['headers'] = []): Answer => ({
  status,
  headers: [...headers, ['Content-Type', 'text/plain; charset=utf-8']],
  body: Buffer.from(`${status} ${REASONS[status]}\n`),
});

// Weak tags count as equal where it is only about another copy (RFC 9110, 13.1.2); ours are strong.
const tagged = (header: string, tag: string): boolean =>
  header === '*' || header.split(',').some((each) => each.trim().replace(/^W\//, '') === tag);

const seconds = (date: Date | number): number => Math.floor(Number(date) / 1000);

function answerFile(file: Extract<Found, { kind: 'file' }>, { headers }: Request): Answer {
  const { tag, size, modified } = file;
  const common: Answer['headers'] = [
    ['ETag', tag],
    ['Last-Modified', modified.toUTCString()],
  ];
  const none = headers.get('if-none-match');
  const since = Date.parse(headers.get('if-modified-since') ?? '');
  const same = none !== undefined ? tagged(none, tag) : seconds(modified) <= seconds(since);
  if (same) return { status: 304, headers: common, file };
  const all: Answer = {
    status: 200,
    headers: [...common, ['Accept-Ranges', 'bytes'], ['Content-Type', file.type]],
    file,
    part: { offset: 0, count: size },
  };
  const range = headers.get('range');
  const condition = headers.get('if-range');
  const current =
    condition === undefined || condition === tag || seconds(Date.parse(condition)) === seconds(modified);
  const part = range === undefined || !current ? undefined : partOf(range, size);
  if (part === undefined) return all;
  if (part === 'none') return { ...plain(416, [['Content-Range', `bytes */${size}`]]), file };
  const { offset, count } = part;
  const where = `bytes ${offset}-${offset + count - 1}/${size}`;
  return { ...all, status: 206, headers: [...all.headers, ['Content-Range', where]], part };
}

async function answerTo(folder: Folder, request: Request): Promise<Answer> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return plain(405, [['Allow', 'GET, HEAD']]);
  // A proxy's form of a request, http://host/path, is a server's to understand too (RFC 9112, 3.2.2).
  const found = await folder.find(request.target.replace(/^https?:\/\/[^/?#]*/i, '') || '/');
  switch (found.kind) {
    case 'file':
      return answerFile(found, request);
    case 'page':
      return {
        status: 200,
        headers: [['Content-Type', 'text/html; charset=utf-8']],
        body: Buffer.from(found.html),
      };
    case 'moved':
      return plain(301, [['Location', found.to]]);
    case 'bad':
      return plain(400);
    default:
      return plain(404);
  }
}

function headOf({ status, headers, body, part }: Answer, keep: boolean): Buffer {
  const lines = [
    `HTTP/1.1 ${status} ${REASONS[status]}`,
    `Date: ${new Date().toUTCString()}`,
    ...headers.map(([name, value]) => `${name}: ${value}`),
    ...(status === 304 ? [] : [`Content-Length: ${body?.length ?? part?.count ?? 0}`]),
    // A file is what its type says and nothing else, and a page of ours runs nothing.
    'X-Content-Type-Options: nosniff',
    ...(body === undefined ? [] : ["Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'"]),
    `Connection: ${keep ? 'keep-alive' : 'close'}`,
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

async function send(conn: Socket, answer: Answer, head: boolean, keep: boolean): Promise<void> {
  await conn.sendall(headOf(answer, keep));
  if (head || answer.status === 304) return;
  if (answer.body !== undefined) await conn.sendall(answer.body);
  else if (answer.file !== undefined && answer.part !== undefined) {
    const { offset, count } = answer.part;
    const sent = await conn.sendfile(answer.file.file, { offset, count });
    // The file has become shorter: the only way to say so is to break off.
    if (sent < count) throw new Error(`the file ended after ${sent} of ${count} bytes`);
  }
}

/** Answers the requests of a connection, one after the other. `log` is told of each. */
export async function serveFiles(
  conn: Socket,
  address: AnyAddress,
  folder: Folder,
  log: (line: string) => void,
): Promise<void> {
  const reader = conn.reader({ limit: HEADER_LIMIT });
  conn.settimeout(PATIENCE);
  const told = (what: string, { status, body, part }: Answer): void =>
    log(`${addressText(address)} ${what} ${status} ${body?.length ?? part?.count ?? 0}`);
  for (;;) {
    let request: Request | undefined;
    try {
      request = await readRequest(reader);
    } catch (error) {
      if (!(error instanceof BadRequest)) throw error;
      const answer = plain(error.status);
      told('-', answer);
      await send(conn, answer, false, false);
      break;
    }
    if (request === undefined) return;
    const { method, target, minor, headers } = request;
    const options = (headers.get('connection') ?? '').toLowerCase().split(/\s*,\s*/);
    // The body of a request is not wanted, and where the next request begins is behind it.
    const body = headers.has('transfer-encoding') || !/^0*$/.test(headers.get('content-length') ?? '');
    const keep = !body && !options.includes('close') && (minor > 0 || options.includes('keep-alive'));
    let answer: Answer;
    try {
      answer = await answerTo(folder, request);
    } catch (error) {
      log(`${addressText(address)} ${visible(target)}: ${(error as Error).message}`);
      answer = plain(500);
    }
    try {
      told(`${method} ${visible(target)}`, answer);
      await send(conn, answer, method === 'HEAD', keep);
    } finally {
      await answer.file?.file.close();
    }
    if (!keep) break;
  }
  conn.settimeout(1);
  const memory = Buffer.allocUnsafe(4096);
  try {
    conn.shutdown(SHUT_WR);
    // What is left unread would reset the connection, and the answer with it.
    for (let left = 64; left > 0 && (await conn.recvInto(memory)) > 0; left--);
  } catch {
    // It has its answer, or does not want it.
  }
}
