// What a TLS connection can be told, and what Node's TLS is told of it. Contexts (keys, certificates,
// trusted authorities) are made once for each object of options: reading keys takes longer than
// all the rest, and sessions are resumed within a context.
import type * as net from 'node:net';
import type * as tls from 'node:tls';
import { typeError } from '../errors.ts';
import type { WaitOptions } from '../flavour.ts';

/** What Node's `tls` takes for the certificates, keys and protocols of either side. */
type Common = tls.SecureContextOptions &
  Pick<tls.CommonConnectionOptions, 'ALPNProtocols' | 'rejectUnauthorized' | 'enableTrace'>;

interface Ours extends WaitOptions {
  /**
   * Take the end of the connection for the end of the stream, although the peer did not send
   * close_notify: anybody on the way can then cut the stream. False if it is not given (Python's
   * `suppress_ragged_eofs` is true).
   */
  suppressRaggedEofs?: boolean | undefined;
}

/** What `wrapTls` can be told by a client; what is not explained here is Node's `tls.connect`. */
export interface TlsClientOptions
  extends Ours,
    Common,
    Pick<
      tls.ConnectionOptions,
      'checkServerIdentity' | 'session' | 'minDHSize' | 'secureContext' | 'pskCallback'
    > {
  isServer?: false | undefined;
  /**
   * The name (or the numeric address) that the server's certificate must be for, and that the server
   * is told (SNI). If it is not given: the host that `createConnection` was given.
   */
  servername?: string | undefined;
}

/** What `wrapTls` can be told by a server; what is not explained here is Node's `tls.createServer`. */
export interface TlsServerOptions
  extends Ours,
    Common,
    Pick<
      tls.TlsOptions,
      'requestCert' | 'SNICallback' | 'sessionTimeout' | 'ticketKeys' | 'pskCallback' | 'pskIdentityHint'
    > {
  isServer: true;
  /** Chooses the protocol among those that the client offers, instead of `ALPNProtocols`. */
  ALPNCallback?: ((offer: { servername: string; protocols: string[] }) => string | undefined) | undefined;
  /**
   * A server of Node's `tls` whose contexts (`addContext`), sessions and other options are used; it
   * need not listen.
   */
  server?: tls.Server | undefined;
}

export type TlsOptions = TlsClientOptions | TlsServerOptions;

interface Made<T> {
  readonly from: object;
  readonly value: T;
}

// By the object of options, for as long as what stands in it is the same.
function madeOnce<T>(made: WeakMap<object, Made<T>>, options: object, make: () => T): T {
  const known = made.get(options);
  if (known !== undefined && isSame(known.from, options)) return known.value;
  const value = make();
  made.set(options, { from: { ...options }, value });
  return value;
}

function isSame(a: object, b: object): boolean {
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => (a as Record<string, unknown>)[key] === (b as Record<string, unknown>)[key])
  );
}

const contexts = new WeakMap<object, Made<tls.SecureContext>>();
const servers = new WeakMap<object, Made<tls.Server>>();

// One object, so that its context is made once.
const noOptions: TlsClientOptions = {};

/** The checked options. */
export function checkTlsOptions(options: unknown): TlsOptions {
  if (options === undefined) return noOptions;
  if (typeof options !== 'object' || options === null) throw typeError('options', 'an object', options);
  const { isServer, servername } = options as { isServer?: unknown; servername?: unknown };
  if (isServer !== undefined && typeof isServer !== 'boolean')
    throw typeError('isServer', 'a boolean', isServer);
  if (servername !== undefined && (typeof servername !== 'string' || servername === ''))
    throw typeError('servername', 'a name or a numeric address', servername);
  if (isServer && servername !== undefined)
    throw new TypeError('Expected no servername for a server: a client names it');
  return options as TlsOptions;
}

/** The server of Node's `tls` that makes connections with these options. */
export function serverOf(module: typeof tls, options: TlsServerOptions): tls.Server {
  const { server, signal, ...rest } = options;
  if (server !== undefined) {
    if (!(server instanceof module.Server)) throw typeError('server', 'a Server of node:tls', server);
    return server;
  }
  if ('secureContext' in options)
    throw new TypeError(
      'Expected no secureContext for a server: give the same options each time, or a server of node:tls',
    );
  return madeOnce(servers, options, () => module.createServer(rest as tls.TlsOptions));
}

/** What `tls.connect` is told; `host` is where the connection goes, if that is known. */
export function clientOptions(
  module: typeof tls,
  { isIP }: typeof net,
  options: TlsClientOptions,
  host: string | undefined,
): tls.ConnectionOptions {
  const { signal, servername, isServer, suppressRaggedEofs, ...rest } = options;
  const name = servername ?? host;
  const checks = options.rejectUnauthorized !== false && options.checkServerIdentity === undefined;
  if (name === undefined && checks && options.pskCallback === undefined)
    throw new TypeError(
      'Expected servername: there is no name that the certificate of the server could be checked against',
    );
  const secureContext =
    options.secureContext ??
    madeOnce(contexts, options, () => module.createSecureContext(rest as tls.SecureContextOptions));
  // An address is no server name (RFC 6066 section 3), but certificates are for addresses, too.
  const named = name === undefined ? {} : isIP(name) !== 0 ? { host: name } : { servername: name };
  return { ...(rest as tls.ConnectionOptions), ...named, secureContext };
}
