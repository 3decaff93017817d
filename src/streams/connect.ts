// connect() of the Sockets API that WinterTC proposes for all runtimes (sockets-api.proposal.wintertc.org),
// on top of createConnection, wrapTls and the Web streams.
import type { ReadableStream, WritableStream } from 'node:stream/web';
import type { AnyAddress } from '../address.ts';
import type { Data } from '../bytes.ts';
import { createConnection } from '../connect.ts';
import { checkInteger, closedError, SocketError, typeError } from '../errors.ts';
import type { Socket } from '../socket.ts';
import type { TlsClientOptions } from '../tls/options.ts';
import type { TlsSocket } from '../tls/socket.ts';
import { wrapTls } from '../tls.ts';
import { SocketStreams } from '../webstreams.ts';

/** Where to connect to; as a string `"example.com:443"`, `"[::1]:443"`. */
export interface SocketAddress {
  hostname: string;
  port: number;
}

/** What `connect` can be told. */
export interface SocketOptions {
  /**
   * `'off'`: plain text, if it is not given. `'on'`: TLS from the start. `'starttls'`: plain text,
   * until `startTls()`.
   */
  secureTransport?: 'off' | 'on' | 'starttls' | undefined;
  /** Whether `writable` stays open when the peer has ended: false if it is not given. */
  allowHalfOpen?: boolean | undefined;
  /** The server's name in the TLS handshake, which its certificate must have: `hostname` if it is not given. */
  sni?: string | null | undefined;
  /** The protocols to offer in the TLS handshake. */
  alpn?: string[] | undefined;
  /** More for TLS, such as `ca`. Of this library: not in the proposal. */
  tls?: TlsClientOptions | undefined;
}

/** What is known of a connection. */
export interface SocketInfo {
  remoteAddress: string | null;
  localAddress: string | null;
  /** The protocol that was agreed upon in the TLS handshake. */
  alpn: string | null;
}

type Opened = Socket | TlsSocket;

const MODES = ['off', 'on', 'starttls'];

function parse(address: unknown): SocketAddress {
  if (typeof address === 'string') {
    const parts = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(address);
    if (parts === null)
      throw new TypeError(`Expected "host:port" for address but received ${JSON.stringify(address)}`);
    return { hostname: (parts[1] ?? parts[2])!, port: checkInteger('port', Number(parts[3]), 0, 65535) };
  }
  if (typeof address !== 'object' || address === null)
    throw typeError('address', 'a string or an object with hostname and port', address);
  const { hostname, port } = address as SocketAddress;
  if (typeof hostname !== 'string') throw typeError('hostname', 'a string', hostname);
  return { hostname, port: checkInteger('port', port, 0, 65535) };
}

function checkOptions(options: SocketOptions): void {
  if (typeof options !== 'object' || options === null) throw typeError('options', 'an object', options);
  const { secureTransport = 'off', sni, alpn } = options;
  if (!MODES.includes(secureTransport))
    throw typeError('secureTransport', '"off", "on" or "starttls"', secureTransport);
  if (secureTransport === 'off' && ((sni ?? undefined) !== undefined || (alpn?.length ?? 0) > 0))
    throw new TypeError('Expected secureTransport "on" or "starttls" for sni or alpn');
}

function textOf(address: AnyAddress): string | null {
  if (!Array.isArray(address)) return null;
  const [host, port] = address as [string, number];
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

const ignore = (): void => {};

/** A connection of the WinterTC Sockets API: see `connect`. Its name there is `Socket`. */
export class StreamSocket {
  /** What arrives. */
  readonly readable: ReadableStream<Uint8Array>;
  /** What is sent: bytes, or text as its UTF-8. */
  readonly writable: WritableStream<Data>;
  /** Resolves when the connection is there, with TLS when the handshake is done. */
  readonly opened: Promise<SocketInfo>;
  /** Resolves when the connection is over; rejects if it never came about. */
  readonly closed: Promise<void>;
  /** How it was made. */
  readonly secureTransport: 'off' | 'on' | 'starttls';

  readonly #streams: SocketStreams;
  readonly #opening: Promise<Opened>;
  readonly #stop: AbortController;
  readonly #secure: (socket: Socket) => Promise<Opened>;
  readonly #halfOpen: boolean;
  #upgraded = false;

  /** @internal */
  constructor(
    opening: Promise<Opened>,
    mode: 'off' | 'on' | 'starttls',
    halfOpen: boolean,
    secure: (socket: Socket) => Promise<Opened>,
    stop: AbortController,
  ) {
    this.#opening = opening;
    this.#stop = stop;
    this.#secure = secure;
    this.#halfOpen = halfOpen;
    this.secureTransport = mode;
    this.#streams = new SocketStreams(opening, halfOpen);
    this.readable = this.#streams.readable;
    this.writable = this.#streams.writable;
    this.opened = opening.then((socket) => ({
      remoteAddress: textOf(socket.getpeername()),
      localAddress: textOf(socket.getsockname()),
      alpn: 'alpnProtocol' in socket ? (socket.alpnProtocol ?? null) : null,
    }));
    // Whoever wants to know looks at it: it is no unhandled rejection.
    this.opened.catch(ignore);
    this.closed = opening.then(() => this.#streams.over);
    this.closed.catch(ignore);
  }

  /** Whether TLS was begun on its connection by `startTls`: then it is over, and the new one goes on. */
  get upgraded(): boolean {
    return this.#upgraded;
  }

  /**
   * Closes the connection at once: `readable` ends, `writable` fails with `reason`, `opened` too if it
   * is still pending. `closed`.
   */
  close(reason?: unknown): Promise<void> {
    const why = reason ?? closedError('close', 'the connection');
    this.#stop.abort(why);
    this.#streams.close(why);
    return this.closed;
  }

  /**
   * Goes on with TLS: a new one, with the same connection, when what was written before is sent. Needs
   * `secureTransport: 'starttls'`. Text that came behind the server's last answer is not taken: it makes
   * the handshake fail.
   */
  startTls(): StreamSocket {
    if (this.secureTransport !== 'starttls' || this.#upgraded) {
      const what = this.#upgraded ? 'it was done already' : 'secureTransport is not "starttls"';
      throw new SocketError(`startTls EINVAL: ${what}`, { code: 'EINVAL', syscall: 'startTls' });
    }
    this.#upgraded = true;
    const opening = this.#opening.then(async (socket) => {
      await this.#streams.release();
      return this.#secure(socket as Socket);
    });
    return new StreamSocket(opening, 'on', this.#halfOpen, this.#secure, this.#stop);
  }
}

/**
 * A TCP connection of two Web streams, as WinterTC's Sockets API proposes it for all runtimes: it is
 * there at once, and what is written goes out when the connection is.
 *
 * Errors of the connection are those of `createConnection` and `wrapTls` (the proposal says
 * `TypeError`). Errors of the arguments are thrown at once.
 */
export function connect(address: string | SocketAddress, options: SocketOptions = {}): StreamSocket {
  const { hostname, port } = parse(address);
  checkOptions(options);
  const { secureTransport = 'off', allowHalfOpen = false, sni, alpn, tls } = options;
  const stop = new AbortController();
  const { signal } = stop;
  const secure = (socket: Socket): Promise<Opened> => {
    const given: TlsClientOptions = { ...tls, signal };
    if (sni != null) given.servername = sni;
    if (alpn !== undefined && alpn.length > 0) given.ALPNProtocols = alpn;
    return wrapTls(socket, given) as Promise<Opened>;
  };
  const plain = createConnection([hostname, port], { signal }) as Promise<Socket>;
  const opening: Promise<Opened> = secureTransport === 'on' ? plain.then(secure) : plain;
  return new StreamSocket(opening, secureTransport, allowHalfOpen, secure, stop);
}
