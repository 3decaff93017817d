// Answers of HTTP/1.1 out of a reader, RFC 9112: the head, and a body in pieces as it comes.
import { IncompleteReadError, LimitError, type Reader } from '../index.ts';
import { visible } from './output.ts';
import { Failure } from './spec.ts';

const PIECE = 65536;
const MOST_HEADERS = 1000;
const MOST_INTERIM = 20;
const LONGEST_LINE = 65536;

/** The head of an answer. */
export interface Head {
  /** The first line, as it came. */
  readonly line: string;
  readonly status: number;
  readonly reason: string;
  /** In the order in which they came. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** The values of a header; none, one or several. */
export function valuesOf({ headers }: Head, name: string): string[] {
  return headers.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value);
}

// Lines end with CR LF; a lone LF is taken as well (RFC 9112 section 2.2). Bytes are Latin-1.
async function lineOf(reader: Reader, what: string): Promise<string> {
  try {
    const line = await reader.readuntil('\n', { limit: LONGEST_LINE });
    return line.toString('latin1').replace(/\r?\n$/, '');
  } catch (error) {
    if (error instanceof LimitError) throw new Failure(`${what} is too long: this is no HTTP`);
    if (error instanceof IncompleteReadError)
      throw new Failure(
        error.partial.length === 0
          ? `the connection ended in front of ${what}`
          : `the connection ended in ${what}`,
      );
    throw error;
  }
}

async function headersOf(reader: Reader): Promise<[string, string][]> {
  const headers: [string, string][] = [];
  for (;;) {
    const line = await lineOf(reader, 'the headers');
    if (line === '') return headers;
    if (headers.length >= MOST_HEADERS) throw new Failure(`more than ${MOST_HEADERS} headers`);
    const last = headers.at(-1);
    if (/^[ \t]/.test(line) && last !== undefined) {
      // A folded line of old, RFC 9112 section 5.2.
      last[1] += ` ${line.trim()}`;
      continue;
    }
    const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line);
    if (match === null) throw new Failure(`a header that is none: ${visible(line.slice(0, 80))}`);
    headers.push([match[1]!, match[2]!]);
  }
}

/** The head of the answer; those that only say "go on" (1xx) are left out. */
export async function readHead(reader: Reader): Promise<Head> {
  for (let interim = 0; interim < MOST_INTERIM; interim++) {
    const line = await lineOf(reader, 'the answer');
    const match = /^HTTP\/1\.[0-9] ([1-9][0-9]{2})(?: (.*))?$/.exec(line);
    if (match === null) throw new Failure(`this is no HTTP/1.1: ${visible(line.slice(0, 80))}`);
    const status = Number(match[1]);
    const headers = await headersOf(reader);
    if (status >= 200 || status === 101) return { line, status, reason: match[2] ?? '', headers };
  }
  throw new Failure('the server says "go on" again and again');
}

function lengthOf(head: Head): number | undefined {
  const values = valuesOf(head, 'content-length').flatMap((value) => value.split(/\s*,\s*/));
  if (values.length === 0) return undefined;
  const [first] = values;
  if (
    values.some((value) => value !== first) ||
    !/^[0-9]+$/.test(first!) ||
    !Number.isSafeInteger(Number(first))
  )
    throw new Failure(`Content-Length: ${visible(values.join(', '))}: expected one number`);
  return Number(first);
}

/** The body of the answer to a request with `method`, decoded, piece by piece. RFC 9112 section 6.3. */
export async function* bodyOf(
  reader: Reader,
  head: Head,
  method: string,
): AsyncGenerator<Buffer, void, undefined> {
  if (method === 'HEAD' || head.status < 200 || head.status === 204 || head.status === 304) return;
  const codings = valuesOf(head, 'transfer-encoding').join(',').toLowerCase();
  if (codings !== '') {
    if (codings.trim() !== 'chunked')
      throw new Failure(`Transfer-Encoding: ${visible(codings)}: expected chunked`);
    yield* chunks(reader);
    return;
  }
  const length = lengthOf(head);
  if (length !== undefined) {
    yield* exactly(reader, length);
    return;
  }
  for (;;) {
    const piece = await reader.read(PIECE);
    if (piece.length === 0) return;
    yield piece;
  }
}

async function* exactly(reader: Reader, length: number): AsyncGenerator<Buffer, void, undefined> {
  for (let left = length; left > 0; ) {
    const piece = await reader.read(Math.min(PIECE, left));
    if (piece.length === 0)
      throw new Failure(`the connection ended after ${length - left} of ${length} bytes`);
    left -= piece.length;
    yield piece;
  }
}

async function* chunks(reader: Reader): AsyncGenerator<Buffer, void, undefined> {
  for (;;) {
    const line = await lineOf(reader, 'a chunk');
    const match = /^([0-9A-Fa-f]{1,13})[ \t]*(?:;.*)?$/.exec(line);
    if (match === null) throw new Failure(`the size of a chunk is none: ${visible(line.slice(0, 80))}`);
    const size = Number.parseInt(match[1]!, 16);
    if (size === 0) break;
    yield* exactly(reader, size);
    if ((await lineOf(reader, 'a chunk')) !== '') throw new Failure('a chunk is longer than it says');
  }
  await headersOf(reader);
}
