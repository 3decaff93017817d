// TLS over the sockets of the event loop, by way of Node's own. Loaded when it is first used: a
// program without TLS starts sooner.
import { EventEmitter } from 'node:events';
import type * as tls from 'node:tls';
import { checkSignal } from './abort.ts';
import { SOCK_STREAM } from './constants.gen.ts';
import * as engine from './engine.ts';
import { closedError, SocketError, typeError } from './errors.ts';
import { peerHost } from './peerhost.ts';
import { Reader } from './reader.ts';
import { Socket } from './socket.ts';
import { Channel, waiting } from './tls/channel.ts';
import { checkTlsOptions, clientOptions, serverOf, type TlsOptions } from './tls/options.ts';
import { TlsSocket } from './tls/socket.ts';

function checkSocket(socket: unknown, name: string): asserts socket is Socket {
  if (!(socket instanceof Socket)) throw typeError(name, 'a Socket', socket);
  if (socket.closed) throw closedError('handshake');
  if (socket.type !== SOCK_STREAM)
    throw new TypeError('Expected a stream socket for TLS: messages come whole here');
  // What was sent before goes out before.
  engine.flush();
  const { reading, writing } = waiting(socket);
  if (reading || writing)
    throw new SocketError('handshake EBUSY: calls of the socket still wait: await them first', {
      code: 'EBUSY',
      syscall: 'handshake',
    });
}

// The server of Node's TLS makes a connection of any stream that is shown to it, and then tells which
// one is ready; but not which stream that was. So each is shown to a server of its own, which has all
// from the real one and tells us instead.
function accept(server: tls.Server, channel: Channel): void {
  const own = Object.create(server) as tls.Server;
  const tell = (event: string, ...args: unknown[]): boolean => {
    if (event === 'secureConnection') {
      channel.attach(args[0] as tls.TLSSocket);
      channel.established();
      return true;
    }
    if (event !== 'tlsClientError') return server.emit(event, ...args);
    const [error, connection] = args as [Error, tls.TLSSocket];
    // Node destroys a connection whose certificate it refuses, and tells a hang-up.
    const code = connection.authorizationError as unknown as string | null;
    channel.fail(code === null ? error : unauthorized(code));
    return true;
  };
  Object.defineProperty(own, 'emit', { value: tell });
  EventEmitter.prototype.emit.call(own, 'connection', channel.ciphertext);
}

function unauthorized(code: string): Error {
  return Object.assign(new Error(`The certificate of the client was refused: ${code}`), { code });
}

function connect(module: typeof tls, options: tls.ConnectionOptions, channel: Channel): void {
  const connection = module.connect({ ...options, socket: channel.ciphertext });
  channel.attach(connection);
  connection.once('secureConnect', () => channel.established());
}

async function handshake<F extends number>(socket: Socket<F>, options: TlsOptions): Promise<TlsSocket<F>> {
  const [module, net] = await Promise.all([import('node:tls'), import('node:net')]);
  const server = options.isServer ? serverOf(module, options) : undefined;
  const client = options.isServer ? undefined : clientOptions(module, net, options, peerHost(socket));
  checkSocket(socket, 'sock');
  checkSignal(options.signal);
  const channel = new Channel(socket as unknown as Socket);
  channel.ragged = options.suppressRaggedEofs === true;
  try {
    if (server !== undefined) accept(server, channel);
    else connect(module, client!, channel);
    await waiting(channel.socket).run(channel.handshaking, undefined, 0, 0, options.signal);
  } catch (error) {
    channel.abandon();
    throw error;
  }
  return new TlsSocket<F>(channel);
}

/**
 * TLS over a connected stream socket, as its client or (`isServer: true`) as its server: resolves
 * with the connection when the handshake is done and the certificate has been checked. The options
 * are those of Node's `tls`. The socket belongs to the connection from then on; its time limit is
 * for the handshake as a whole, too.
 *
 * A client checks the certificate of the server against the authorities that Node trusts (or `ca`) and
 * against `servername`, or the host that `createConnection` was given.
 *
 * Errors: the codes of Node's `tls`, such as `ERR_TLS_CERT_ALTNAME_INVALID`, `CERT_HAS_EXPIRED`,
 * `DEPTH_ZERO_SELF_SIGNED_CERT`, `ERR_SSL_…`; `ERR_SSL_UNEXPECTED_EOF_WHILE_READING` if the peer goes
 * away meanwhile; those of `recv`. **Cancel safety**: a handshake that failed, was aborted or timed out
 * has closed the socket.
 */
export async function wrapTls<F extends number>(
  sock: Socket<F>,
  options?: TlsOptions,
): Promise<TlsSocket<F>> {
  const checked = checkTlsOptions(options);
  checkSocket(sock, 'sock');
  checkSignal(checked.signal);
  return handshake(sock, checked);
}

/**
 * TLS from now on, on a connection that spoke a plain protocol so far (STARTTLS): as `wrapTls`, of a
 * socket or of the `Reader` that reads from it.
 *
 * Plain text that the reader has received behind the last message it gave is nothing that TLS protects:
 * somebody on the way may have put it there for it to be taken as if it came later. Then nothing is
 * done, and the error is `EPROTO`.
 */
export async function startTls<F extends number>(
  from: Socket<F> | Reader,
  options?: TlsOptions,
): Promise<TlsSocket<F>> {
  const checked = checkTlsOptions(options);
  if (!(from instanceof Reader)) return wrapTls(from, checked);
  const sock: unknown = from.source;
  checkSocket(sock, 'the source of the reader');
  checkSignal(checked.signal);
  if (from.buffered > 0)
    throw new SocketError(
      `handshake EPROTO: ${from.buffered} bytes of plain text came before TLS was begun: they may be injected`,
      { code: 'EPROTO', syscall: 'handshake' },
    );
  return handshake(sock as Socket<F>, checked);
}
