// `sock fetch`: an HTTP/1.1 client, a request a connection.
import type { FileHandle } from 'node:fs/promises';
import {
  AF_INET,
  AF_INET6,
  type AnyAddress,
  createConnection,
  IPPROTO_TCP,
  type Socket,
  TCP_NODELAY,
  TimeoutError,
  type TlsSocket,
  wrapTls,
} from '../index.ts';
import { addressText } from './endpoint.ts';
import { bodyOf, type Head, readHead, valuesOf } from './httpresponse.ts';
import { colours, say, styled, visible } from './output.ts';
import { Failure, type Given, UsageError } from './spec.ts';
import { type Output, standardOutput } from './stdio.ts';

const LIMIT = 30;
const MOST_REDIRECTS = 10;
const REDIRECTS = [301, 302, 303, 307, 308];
/** What is for the first host only: RFC 9110 section 15.4. */
const PRIVATE = ['authorization', 'cookie', 'proxy-authorization'];

type Header = readonly [name: string, value: string];

/** What does not change from one request to the next. */
interface Asking {
  readonly method: 'GET' | 'HEAD';
  readonly timeout: number;
  readonly family: number | undefined;
  readonly unix: string | undefined;
  readonly insecure: boolean;
  readonly ca: string | undefined;
  readonly tell: (line: string) => void;
}

function addressOf(text: string): URL {
  const whole = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(text) ? text : `http://${text}`;
  let url: URL;
  try {
    url = new URL(whole);
  } catch {
    throw new UsageError(`${visible(text)}: expected http://HOST[:PORT]/PATH`, 'fetch');
  }
  if (url.protocol === 'http:' || url.protocol === 'https:') return url;
  throw new UsageError(`${visible(text)}: expected http or https, not ${url.protocol.slice(0, -1)}`, 'fetch');
}

function headerOf(text: string): Header {
  const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(text);
  // A line end would begin a header of its own, or a second request.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for
  if (match === null || /[\x00-\x08\x0a-\x1f\x7f]/.test(text))
    throw new UsageError(`--header ${visible(text)}: expected NAME: VALUE`, 'fetch');
  return [match[1]!, match[2]!];
}

const hostOf = (url: URL): string => url.hostname.replace(/^\[(.*)\]$/, '$1');

function requestText(url: URL, { method }: Asking, given: readonly Header[]): string {
  const has = (name: string) => given.some(([each]) => each.toLowerCase() === name);
  const usual: Header[] = [
    ['Host', url.host],
    ['User-Agent', 'sock'],
    ['Accept', '*/*'],
  ];
  const headers = [...usual.filter(([name]) => !has(name.toLowerCase())), ...given];
  if ((url.username !== '' || url.password !== '') && !has('authorization')) {
    const words = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    headers.push(['Authorization', `Basic ${Buffer.from(words).toString('base64')}`]);
  }
  headers.push(['Connection', 'close']);
  const lines = [
    `${method} ${url.pathname}${url.search} HTTP/1.1`,
    ...headers.map(([name, value]) => `${name}: ${value}`),
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

async function open(url: URL, asking: Asking): Promise<Socket | TlsSocket> {
  const { timeout, family, unix, insecure, ca, tell } = asking;
  const secure = url.protocol === 'https:';
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port);
  const onattempt = (address: AnyAddress, error: unknown): void =>
    tell(
      error === undefined
        ? `connected to ${addressText(address)}`
        : `tried ${addressText(address)}: ${(error as Error).message}`,
    );
  const s = (await createConnection(unix ?? ([hostOf(url), port] as const), {
    timeout,
    family,
    onattempt,
  })) as Socket;
  try {
    if (unix === undefined) s.setsockopt(IPPROTO_TCP, TCP_NODELAY, true);
    if (!secure) return s;
    const wrapped = await wrapTls(s, {
      servername: hostOf(url),
      rejectUnauthorized: !insecure,
      ALPNProtocols: ['http/1.1'],
      ...(ca !== undefined && { ca }),
    });
    tell(`${wrapped.getProtocol()}, ${wrapped.getCipher().name}, certificate of ${certificateOf(wrapped)}`);
    return wrapped;
  } catch (error) {
    s.close();
    throw secure ? unsure(error, hostOf(url)) : error;
  }
}

function certificateOf(wrapped: TlsSocket): string {
  const { subject, subjectaltname, valid_to } = wrapped.getPeerCertificate();
  const names = subjectaltname?.replaceAll('DNS:', '') ?? subject?.CN;
  return visible(`${names ?? 'nobody'}, until ${valid_to}`);
}

// Codes of OpenSSL and of Node's own check; others are about the network.
const CERTIFICATE = /^(CERT_|ERR_TLS_CERT|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|HOSTNAME_MISMATCH)/;

function unsure(error: unknown, host: string): unknown {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (typeof code !== 'string' || !CERTIFICATE.test(code)) return error;
  return new Failure(
    `the certificate of ${visible(host)} is not to be trusted: ${String(message).split('\n')[0]}; --ca FILE trusts others, --insecure all`,
  );
}

const follows = (head: Head): string | undefined =>
  REDIRECTS.includes(head.status) ? valuesOf(head, 'location')[0] : undefined;

function nextAddress(from: URL, location: string): URL {
  let url: URL;
  try {
    url = new URL(Buffer.from(location, 'latin1').toString(), from);
  } catch {
    throw new Failure(`the redirect to ${visible(location)} leads nowhere`);
  }
  if (url.protocol === 'http:' || url.protocol === 'https:') return url;
  throw new Failure(`the redirect to ${visible(url.href)} is followed by nobody: expected http or https`);
}

// Written when there is something to write: a failure leaves the file as it is.
class FileTarget {
  readonly #path: string;
  #file: FileHandle | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async write(piece: Uint8Array): Promise<void> {
    if (this.#file === undefined) {
      const { open: openFile } = await import('node:fs/promises');
      this.#file = await openFile(this.#path, 'w');
    }
    await this.#file.writeFile(piece);
  }

  async end(): Promise<void> {
    await this.write(new Uint8Array(0));
    await this.#file?.close();
  }
}

function headText(head: Head, colour: boolean): string {
  const lines = head.headers.map(([name, value]) => `${styled(name, 'bold', colour)}: ${value}`);
  return `${[head.line, ...lines].join('\r\n')}\r\n\r\n`;
}

/** Shows the answer; the exit status. */
async function show(given: Given, connection: Socket | TlsSocket, asking: Asking): Promise<Head | number> {
  const { options } = given;
  const reader = connection.reader();
  const head = await readHead(reader);
  if (options.redirects !== 0 && follows(head) !== undefined) return head;
  const failed = head.status >= 400;
  const output: Output = standardOutput();
  // What a terminal is shown must not drive it.
  const text = headText(head, output.isTerminal && colours(process.stdout));
  if (options.headers || options.head)
    await output.write(Buffer.from(output.isTerminal ? text.replaceAll('\r', '') : text, 'latin1'));
  const path = options.output as string | undefined;
  const target = path === undefined || path === '-' ? output : failed ? undefined : new FileTarget(path);
  for await (const piece of bodyOf(reader, head, asking.method)) await target?.write(piece);
  await target?.end();
  if (failed) say(`sock: ${head.status} ${visible(head.reason)}`);
  return failed ? 1 : 0;
}

async function caOf(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const { readFile } = await import('node:fs/promises');
  return await readFile(path, 'utf8');
}

export async function run(given: Given): Promise<number> {
  const { options, arguments: words } = given;
  let url = addressOf(words[0]!);
  let headers = ((options.header ?? []) as string[]).map(headerOf);
  if (options.ipv4 && options.ipv6)
    throw new UsageError('--ipv4 and --ipv6: leave both away for both', 'fetch');
  if (options.timeout === 0) throw new UsageError('--timeout 0: expected more', 'fetch');
  const asking: Asking = {
    method: options.head ? 'HEAD' : 'GET',
    timeout: (options.timeout as number | undefined) ?? LIMIT,
    family: options.ipv4 ? AF_INET : options.ipv6 ? AF_INET6 : undefined,
    unix: options.unix as string | undefined,
    insecure: options.insecure === true,
    ca: await caOf(options.ca as string | undefined),
    tell: options.verbose ? (line) => say(`sock: ${line}`) : () => {},
  };
  const most = (options.redirects as number | undefined) ?? MOST_REDIRECTS;
  for (let redirects = 0; ; redirects++) {
    const connection = await open(url, asking);
    try {
      const request = requestText(url, asking, headers);
      asking.tell(visible(request.split('\r\n')[0]!));
      await connection.sendall(Buffer.from(request, 'latin1'));
      const shown = await show(given, connection, asking);
      if (typeof shown === 'number') return shown;
      if (redirects >= most)
        throw new Failure(`more than ${most} redirects, the last one to ${visible(follows(shown)!)}`);
      const next = nextAddress(url, follows(shown)!);
      asking.tell(`${shown.status}: on to ${visible(next.href)}`);
      if (next.origin !== url.origin)
        headers = headers.filter(([name]) => !PRIVATE.includes(name.toLowerCase()));
      url = next;
    } catch (error) {
      // Whoever reads it has had enough, as head(1) does.
      if (
        (error as { code?: unknown; syscall?: unknown }).code === 'EPIPE' &&
        (error as { syscall?: unknown }).syscall === 'write'
      )
        return 0;
      if (error instanceof TimeoutError)
        throw new Failure(`${visible(url.host)}: nothing came for ${asking.timeout} s`);
      throw error;
    } finally {
      connection.close();
    }
  }
}
