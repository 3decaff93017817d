// Ends of a connection as words: HOST PORT, HOST:PORT, [::1]:PORT, PORT, unix:PATH, unix:@NAME; and
// addresses as text. Opens nothing.
import type { AnyAddress } from '../index.ts';
import { portOf } from './arguments.ts';
import { visible } from './output.ts';
import { UsageError } from './spec.ts';

/** Where a command connects to, or listens. */
export type Endpoint =
  | { readonly kind: 'inet'; readonly host: string; readonly port: number | string }
  | { readonly kind: 'unix'; readonly path: string | Buffer };

const UNIX = 'unix:';

// @NAME is how ss(8), socat and systemd write the abstract namespace of unix(7): a leading NUL.
function unixOf(path: string, command: string): Endpoint {
  if (path === '' || path === '@') throw new UsageError(`${UNIX}${path}: a path is missing`, command);
  if (path.includes('\0')) throw new UsageError(`${UNIX}PATH: a path has no NUL`, command);
  return { kind: 'unix', path: path.startsWith('@') ? Buffer.from(`\0${path.slice(1)}`) : path };
}

// A port is a number, or the name of a service.
function servicePort(word: string, command: string): number | string {
  if (/^[0-9]+$/.test(word)) return portOf(word, command);
  if (/^[A-Za-z0-9][A-Za-z0-9._+-]*$/.test(word) && /[A-Za-z]/.test(word)) return word;
  throw new UsageError(`port ${visible(word)}: a port is a number from 0 to 65535, or a service`, command);
}

const bare = (host: string): string => (/^\[.*\]$/.test(host) ? host.slice(1, -1) : host);

/**
 * The endpoint that one or two words name. `host` is what stands in front of a PORT alone.
 */
export function endpointOf(words: readonly string[], host: string, command: string): Endpoint {
  const [first = '', second] = words;
  if (first.startsWith(UNIX)) {
    if (second !== undefined) throw new UsageError(`unexpected argument ${visible(second)}`, command);
    return unixOf(first.slice(UNIX.length), command);
  }
  if (second !== undefined) return { kind: 'inet', host: bare(first), port: servicePort(second, command) };
  const match = /^(\[[^\]]*\]|[^:]*):([^:]+)$/.exec(first);
  if (match !== null)
    return { kind: 'inet', host: bare(match[1]!) || host, port: servicePort(match[2]!, command) };
  if (/^[0-9]+$/.test(first)) return { kind: 'inet', host, port: portOf(first, command) };
  throw new UsageError(`PORT is missing: where at ${visible(first)}?`, command);
}

/** A path, or `unix:` with it, as an endpoint. */
export function pathOf(word: string, command: string): Endpoint {
  return unixOf(word.startsWith(UNIX) ? word.slice(UNIX.length) : word, command);
}

const unixText = (path: string | Uint8Array): string => {
  const text = typeof path === 'string' ? path : Buffer.from(path).toString('latin1');
  if (text === '') return `${UNIX}(unnamed)`;
  return UNIX + visible(text.startsWith('\0') ? `@${text.slice(1)}` : text);
};

/** `127.0.0.1:80`, `[::1]:80`, `unix:/tmp/s`. */
export function addressText(address: AnyAddress | string | Uint8Array): string {
  if (typeof address === 'string' || address instanceof Uint8Array) return unixText(address);
  const [given, port] = address as readonly unknown[];
  // An IPv4 client of a socket for both versions.
  const host = visible(String(given).replace(/^::ffff:(?=[0-9.]+$)/, ''));
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

export const endpointText = (endpoint: Endpoint): string =>
  endpoint.kind === 'unix'
    ? unixText(endpoint.path)
    : addressText([endpoint.host, endpoint.port] as unknown as AnyAddress);

/** An address for programs. */
export function addressJson(address: AnyAddress): Record<string, unknown> {
  if (typeof address === 'string' || Buffer.isBuffer(address)) {
    const text = address.toString('latin1');
    return { path: text.startsWith('\0') ? `@${text.slice(1)}` : address.toString() };
  }
  const [host, port] = address as readonly unknown[];
  return { address: host, port };
}
