// A TLS connection with the methods of a socket. What may wait is an operation of the socket below
// (channel.ts).

import type { X509Certificate } from 'node:crypto';
import type { ReadableStream, WritableStream } from 'node:stream/web';
import type { CipherNameAndProtocol, DetailedPeerCertificate, PeerCertificate } from 'node:tls';
import { bytesOf, type Data, itemsOf, type Memory, memoryOf, noBytes } from '../bytes.ts';
import { SHUT_RD, SHUT_RDWR, SHUT_WR } from '../constants.gen.ts';
import { type DuplexOptions, SocketDuplex } from '../duplex.ts';
import { checkInteger, closedError, typeError } from '../errors.ts';
import { checkOptions, checkSize, type IntoOptions, sizeInto, type WaitOptions } from '../flavour.ts';
import { MORE } from '../ops.ts';
import { Reader, type ReaderSource } from '../reader.ts';
import type { Readiness } from '../readiness.ts';
import type { Socket } from '../socket.ts';
import { type WebStreams, webStreams } from '../webstreams.ts';
import { OverSocket } from './below.ts';
import { type Channel, PIECE, waiting } from './channel.ts';

const CHUNK = 65536;

// MSG_ flags are for the kernel, which sees records only.
function noFlags(options: unknown): void {
  const flags = (options as { flags?: unknown } | undefined)?.flags;
  if (flags !== undefined && flags !== 0)
    throw new RangeError('Expected no flags: the kernel sees the records of TLS, not what is in them');
}

/**
 * A TLS connection over a stream socket, with the socket's methods: made by `wrapTls` and
 * `startTls`. The socket below is its own from then on.
 *
 * Nothing is received that nobody asked for. What is asked for comes in records of up to 16 KiB; what
 * was received beyond a call's share waits for the next one.
 */
export class TlsSocket<F extends number = number> extends OverSocket<F> {
  readonly #channel: Channel;
  readonly #socket: Socket<F>;
  #streams: WebStreams | undefined = undefined;

  /** @internal */
  constructor(channel: Channel) {
    super(channel.socket as Socket<F>);
    this.#channel = channel;
    this.#socket = channel.socket as Socket<F>;
  }

  // --- receiving ------------------------------------------------------------------------------

  /**
   * Receives at most `bufsize` bytes of plain text. An empty `Buffer` is the end of the stream: the
   * peer's close_notify.
   *
   * Errors: `ERR_SSL_UNEXPECTED_EOF_WHILE_READING` if the connection ended without close_notify (see
   * `suppressRaggedEofs`); those of TLS (`ERR_SSL_…`); those of `Socket.recv`. **Cancel safety**: a
   * call that was aborted or timed out has taken nothing.
   */
  recv(bufsize: number, options?: WaitOptions): Promise<Buffer> {
    try {
      const size = checkSize('bufsize', bufsize);
      const checked = checkOptions<WaitOptions>(options);
      noFlags(options);
      if (size === 0) return this.#nothing('recv', noBytes);
      return waiting(this.#socket).run(this.#channel.receiving, undefined, size, 0, checked?.signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** As `recv`, into the caller's memory: the bytes, 0 at the end of the stream. */
  recvInto(view: Memory, options?: Omit<IntoOptions, 'flags'>): Promise<number> {
    try {
      const memory = memoryOf(view, 'view');
      const checked = checkOptions<IntoOptions>(options);
      noFlags(options);
      const size = sizeInto(memory, checked?.nbytes);
      if (size === 0) return this.#nothing('recv', 0);
      return waiting(this.#socket).run(this.#channel.receivingInto, memory, size, 0, checked?.signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Receives what is there now: the bytes, 0 at the end of the stream, `undefined` where the call
   * would wait (or others wait in front). Never a promise.
   */
  tryRecvInto(view: Memory): number | undefined {
    const memory = memoryOf(view, 'view');
    const socket = this.#open('recv');
    if (waiting(socket).reading) return undefined;
    if (memory.length === 0) return 0;
    for (;;) {
      const outcome = this.#channel.receivingInto.attempt(socket, memory, memory.length, 0);
      if (typeof outcome === 'number') return outcome;
      if (outcome !== MORE) return undefined;
    }
  }

  /** Bytes that were received and decrypted, and not yet taken: the next `recv` does not wait. */
  pending(): number {
    return this.#channel.pending;
  }

  /** Reads messages instead of what happens to arrive, as `Socket.reader`. */
  reader(options?: { limit?: number | undefined }): Reader {
    const { socket, receiving } = this.#channel;
    const source: ReaderSource<'awaited'> = {
      receiving,
      run: (...call) => waiting(socket).run(...call),
      given: (value) => Promise.resolve(value),
      refused: (error) => Promise.reject(error),
      get reading() {
        return waiting(socket).reading;
      },
    };
    return new Reader(source, options?.limit);
  }

  /** What arrives, until the end of the stream. Leaving the loop leaves the connection open. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    for (;;) {
      const chunk = await this.recv(CHUNK);
      if (chunk.length === 0) return;
      yield chunk;
    }
  }

  /**
   * Waits until there may be something to receive, or room to send. Plain text that is there counts as
   * readable; otherwise the kernel tells, who does not know what is in a record: `recv` may wait.
   */
  wait(
    events: { read?: boolean | undefined; write?: boolean | undefined },
    options?: WaitOptions,
  ): Promise<Readiness> {
    if (events?.read && this.#channel.pending > 0 && !this.closed)
      return Promise.resolve({ read: true, write: false });
    return this.#socket.wait(events, options);
  }

  // --- sending --------------------------------------------------------------------------------

  /**
   * Sends up to 128 KiB of `data`: the bytes that TLS took. The kernel has them when the promise
   * resolves, but for what an abort, the timeout or a full queue of a non-blocking socket left to
   * be sent by and by.
   *
   * Errors: `EPIPE`, `ECONNRESET`; those of TLS. **Cancel safety**: a call that was aborted or timed
   * out has sent nothing; one whose bytes TLS had already resolves all the same.
   */
  send(data: Data, options?: WaitOptions): Promise<number> {
    try {
      const checked = checkOptions<WaitOptions>(options);
      noFlags(options);
      const view = bytesOf(data, 'data');
      if (view.length === 0) return this.#nothing('send', 0);
      const { sending } = this.#channel;
      return waiting(this.#socket).run(sending, { view, sent: 0 }, view.length, 0, checked?.signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Sends all of `data`. Concurrent calls do not interleave.
   *
   * A failed call tells in `error.bytesSent` what TLS took. **Cancel safety**: so does an aborted one,
   * in the reason; what TLS has goes out, in front of what is sent later.
   */
  sendall(data: Data, options?: WaitOptions): Promise<void> {
    try {
      const checked = checkOptions<WaitOptions>(options);
      noFlags(options);
      const view = bytesOf(data, 'data');
      if (view.length === 0) return this.#nothing('send', undefined);
      const { sendingAll } = this.#channel;
      return waiting(this.#socket).run(sendingAll, { view, sent: 0 }, view.length, 0, checked?.signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** As `send`, of several pieces that follow one another. */
  sendmsg(buffers: Iterable<Data>, options?: WaitOptions): Promise<number> {
    try {
      const pieces: Uint8Array[] = [];
      let size = 0;
      for (const each of itemsOf(buffers, 'buffers', 'an array of strings and buffers')) {
        const piece = bytesOf(each, 'one of buffers');
        pieces.push(piece);
        size += piece.length;
        if (size >= PIECE) break;
      }
      return this.send(Buffer.concat(pieces, Math.min(size, PIECE)), options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Sends what TLS takes now: the bytes, or `undefined` where the call would wait (or others wait in
   * front). Never a promise.
   */
  trySend(data: Data): number | undefined {
    const view = bytesOf(data, 'data');
    const socket = this.#open('send');
    if (waiting(socket).writing) return undefined;
    if (view.length === 0) return 0;
    const handing = { view, sent: 0 };
    const outcome = this.#channel.sending.attempt(socket, handing, view.length, 0);
    if (typeof outcome === 'number') return outcome;
    return handing.sent > 0 ? handing.sent : undefined;
  }

  // --- ending ---------------------------------------------------------------------------------

  /**
   * Ends one direction or both. `SHUT_WR`: what was sent goes out, then close_notify and the end of
   * the connection's direction; the peer can still send. `SHUT_RD`: nothing is received any more.
   */
  shutdown(how: number): void {
    if (how !== SHUT_RD && how !== SHUT_WR && how !== SHUT_RDWR)
      throw typeError('how', 'SHUT_RD, SHUT_WR or SHUT_RDWR', how);
    const socket = this.#open('shutdown');
    const channel = this.#channel;
    if (how !== SHUT_WR) {
      socket.shutdown(SHUT_RD);
      channel.ended = true;
    }
    if (how !== SHUT_RD) channel.tls.end();
    channel.wake();
  }

  /**
   * Closes the connection. close_notify goes out if the kernel takes it at once: for that, what was
   * sent must be over. Calls that wait reject with `ClosedError`. Closing twice does nothing.
   */
  close(): void {
    if (this.#socket.closed) return;
    this.#channel.close();
  }

  /** Whether the connection was closed. */
  get closed(): boolean {
    return this.#socket.closed;
  }

  /** `using`: closes the connection at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** `await using`: closes the connection at the end of the block. */
  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  #open(syscall: string): Socket<F> {
    if (this.#socket.closed) throw closedError(syscall);
    return this.#socket;
  }

  #nothing<R>(syscall: string, value: R): Promise<R> {
    this.#open(syscall);
    return Promise.resolve(value);
  }

  // --- what TLS agreed on ---------------------------------------------------------------------

  /** Whether the peer's certificate was found good. A server that asked for none says false. */
  get authorized(): boolean {
    return this.#channel.tls.authorized;
  }

  /** Why it was not: a code such as `CERT_HAS_EXPIRED`. */
  get authorizationError(): string | undefined {
    return (this.#channel.tls.authorizationError as unknown as string | null) ?? undefined;
  }

  /** The protocol that both sides agreed on (ALPN), or `undefined`. */
  get alpnProtocol(): string | undefined {
    return this.#channel.tls.alpnProtocol || undefined;
  }

  /** The name that the client asked for (SNI), or `undefined`. */
  get servername(): string | undefined {
    return (this.#channel.tls as { servername?: string | false | null }).servername || undefined;
  }

  /** The version: `"TLSv1.3"`; `undefined` once closed. */
  getProtocol(): string | undefined {
    return this.#channel.tls.getProtocol() ?? undefined;
  }

  /** The cipher suite. */
  getCipher(): CipherNameAndProtocol {
    return this.#channel.tls.getCipher();
  }

  /** The peer's certificate, with `detailed` its issuers too; an empty object if it gave none. */
  getPeerCertificate(detailed: true): DetailedPeerCertificate;
  getPeerCertificate(detailed?: boolean): PeerCertificate;
  getPeerCertificate(detailed = false): PeerCertificate {
    return this.#channel.tls.getPeerCertificate(detailed);
  }

  /** The peer's certificate as an object of `node:crypto`. */
  getPeerX509Certificate(): X509Certificate | undefined {
    return this.#channel.tls.getPeerX509Certificate();
  }

  /**
   * The session that a client can give to its next connection (`wrapTls(…, { session })`), the newest
   * that the server gave. In TLS 1.3 that comes behind the handshake, with what is received next.
   */
  get session(): Buffer | undefined {
    const { session, tls } = this.#channel;
    // One that was resumed stays good if the server gives no other.
    return session ?? (tls.isSessionReused() ? tls.getSession() : undefined);
  }

  /** Whether an earlier session was resumed. */
  isSessionReused(): boolean {
    return this.#channel.tls.isSessionReused();
  }

  /** Key material of `length` bytes for another protocol. RFC 5705. */
  exportKeyingMaterial(length: number, label: string, context?: Buffer): Buffer {
    checkInteger('length', length, 0, 0xffff);
    return this.#channel.tls.exportKeyingMaterial(length, label, context as Buffer);
  }

  // --- streams --------------------------------------------------------------------------------

  /** The connection as a stream of Node's: as `Socket.toDuplex`. */
  toDuplex(options?: DuplexOptions): SocketDuplex {
    return new SocketDuplex(this as unknown as Socket, options);
  }

  /** What arrives, as a Web stream of bytes: as `Socket.readable`. */
  get readable(): ReadableStream<Uint8Array> {
    return this.#webStreams().readable;
  }

  /** What is sent, as a Web stream: as `Socket.writable`. */
  get writable(): WritableStream<Data> {
    return this.#webStreams().writable;
  }

  #webStreams(): WebStreams {
    this.#streams ??= webStreams(this as unknown as Socket);
    return this.#streams;
  }
}
