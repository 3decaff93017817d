// The answer of an HTTP/1.1 server, from a Reader (RFC 9112): for the examples that ask one.
import type { Reader } from 'berkeley-sockets';

const LIMIT = 16 << 20;

export interface Answer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** The lines up to the empty one. */
async function headOf(reader: Reader): Promise<string[]> {
  const lines: string[] = [];
  for (let size = 0; size < 65536; ) {
    const line = await reader.readuntil('\n');
    size += line.length;
    const text = line.toString('latin1').trimEnd();
    if (text === '') return lines;
    lines.push(text);
  }
  throw new Error('The head of the answer is longer than 64 KiB');
}

function sizeOf(text: string, radix: 10 | 16): number {
  const digits = radix === 16 ? /^[\da-f]{1,8}$/i : /^\d{1,10}$/;
  const size = digits.test(text) ? Number.parseInt(text, radix) : Number.NaN;
  if (!(size <= LIMIT)) throw new Error(`Not the size of an answer: ${JSON.stringify(text)}`);
  return size;
}

/** A body in pieces: each has its size in front, in hexadecimal, and the last one has none. */
async function chunks(reader: Reader): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let total = 0; ; ) {
    const line = (await reader.readuntil('\n')).toString('latin1');
    const size = sizeOf(line.split(';')[0]!.trim(), 16);
    total += size;
    if (total > LIMIT) throw new Error('The answer is longer than 16 MiB');
    if (size === 0) break;
    pieces.push(await reader.readexactly(size));
    if ((await reader.readexactly(2)).toString() !== '\r\n') throw new Error('A piece longer than it says');
  }
  await headOf(reader); // more headers may stand behind
  return Buffer.concat(pieces);
}

async function bodyOf(reader: Reader, method: string, status: number, headers: Answer['headers']) {
  if (method === 'HEAD' || status === 204 || status === 304) return Buffer.alloc(0);
  const encoding = headers.get('transfer-encoding');
  if (encoding?.toLowerCase() === 'chunked') return chunks(reader);
  if (encoding !== undefined) throw new Error(`Unknown: Transfer-Encoding: ${encoding}`);
  const length = headers.get('content-length');
  return length === undefined ? reader.readall({ limit: LIMIT }) : reader.readexactly(sizeOf(length, 10));
}

/** Reads the answer to a request: the connection can be asked again, unless it says "close". */
export async function readAnswer(reader: Reader, method = 'GET'): Promise<Answer> {
  for (;;) {
    const lines = await headOf(reader);
    const status = Number(/^HTTP\/1\.[01] (\d{3})\b/.exec(lines[0] ?? '')?.[1]);
    if (Number.isNaN(status)) throw new Error(`No HTTP: ${JSON.stringify(lines[0])}`);
    if (status < 200) continue; // 100 Continue, 103 Early Hints: the answer is to come
    const headers = new Map<string, string>();
    for (const line of lines.slice(1)) {
      const [, name, value] = /^([^\s:]+):\s*(.*)$/.exec(line) ?? [];
      if (name === undefined) throw new Error(`No header: ${JSON.stringify(line)}`);
      headers.set(name.toLowerCase(), value!);
    }
    return { status, headers, body: await bodyOf(reader, method, status, headers) };
  }
}
