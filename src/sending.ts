// The methods that send, of both flavours: the arguments of each call are checked here.
import { onAbort } from './abort.ts';
import { type AddressInput, encodeAddress, NEEDS_LOOKUP } from './address.ts';
import { bytesOf, type Data } from './bytes.ts';
import { SOCK_STREAM } from './constants.gen.ts';
import { batchOf, sendmany } from './datagrams.ts';
import { done } from './deferred.ts';
import * as engine from './engine.ts';
import { checkInteger, closedError, typeError } from './errors.ts';
import {
  checkOptions,
  type FileOptions,
  type Flavour,
  flagsOf,
  type Given,
  type Told,
  type TransferOptions,
  type WaitOptions,
} from './flavour.ts';
import * as ops from './ops.ts';
import { ReceivingSocket } from './receiving.ts';
import { closeFile, descriptorOf, openFile, type Sending, sendfile } from './sendfile.ts';

/** A socket that receives and sends. */
export abstract class SendingSocket<
  F extends number = number,
  M extends Flavour = Flavour,
> extends ReceivingSocket<F, M> {
  /**
   * Waits until the socket takes data, then makes one send(2): the bytes that the kernel took,
   * which may be fewer than given.
   *
   * Errors: `EPIPE`, `ECONNRESET`, `EMSGSIZE`, `ENOTCONN`. **Cancel safety**: a call that was
   * aborted or timed out has sent nothing.
   */
  send(data: Data, options?: Told<M, TransferOptions>): Given<M, number> {
    try {
      if (options === undefined && this.gathers(data)) return this.gather(data, false) as Given<M, number>;
      const checked = checkOptions(options);
      const bytes = bytesOf(data, 'data');
      return this.run(ops.send, bytes, bytes.length, flagsOf(checked), checked?.signal);
    } catch (error) {
      return this.refused(error);
    }
  }

  /**
   * Sends all of `data`, in as many send(2) as it takes. Concurrent calls do not interleave.
   *
   * A failed call tells in `error.bytesSent` what the kernel took. **Cancel safety**: so does an
   * aborted one, in the reason; what is in the kernel is sent.
   */
  sendall(data: Data, options?: Told<M, TransferOptions>): Given<M, void> {
    let begun = false;
    try {
      if (options === undefined && this.gathers(data)) return this.gather(data, true) as Given<M, void>;
      const checked = checkOptions(options);
      const bytes = bytesOf(data, 'data');
      const msgFlags = flagsOf(checked);
      if (this.slot < 0) throw closedError('send');
      begun = true;
      return this.run(ops.sendall, { view: bytes, sent: 0 }, bytes.length, msgFlags, checked?.signal);
    } catch (error) {
      if (!begun) ops.noteSent(error, 0);
      return this.refused(error);
    }
  }

  /**
   * Sends what the kernel takes now: the bytes, or `undefined` where the call would wait (or
   * others wait in front). Never a promise.
   */
  trySend(data: Data, options?: { flags?: number | undefined }): number | undefined {
    const bytes = bytesOf(data, 'data');
    const msgFlags = flagsOf(checkOptions(options));
    if (this.slot < 0) throw closedError('send');
    engine.flush();
    if (this.writing) return undefined;
    const r = ops.send.attempt(this, bytes, bytes.length, msgFlags);
    return typeof r === 'number' ? r : undefined;
  }

  /**
   * Sends a datagram to `address`, whose host is looked up if it is a name. sendto(2).
   *
   * With `MSG_FASTOPEN` on a fresh TCP socket it connects, and the data goes with the handshake if
   * the peer has given a cookie before, otherwise behind it (tcp(7), RFC 7413): the bytes that the
   * kernel took. A call that ends early meanwhile has sent nothing, and the handshake goes on.
   *
   * Errors: `EMSGSIZE`, `ECONNREFUSED` (told by an earlier datagram), `ENETUNREACH`;
   * `AddressInfoError`. **Cancel safety**: a call that was aborted or timed out has sent nothing.
   */
  sendto(data: Data, address: AddressInput<F>, options?: Told<M, TransferOptions>): Given<M, number> {
    try {
      const checked = checkOptions(options);
      const view = bytesOf(data, 'data');
      const msgFlags = flagsOf(checked);
      const { slot, family, proto } = this;
      const size = view.length;
      if (slot < 0) throw closedError('sendto');
      // Now, since what goes on then may use the place of addresses.
      engine.flush();
      const known = ops.isLastPeer(address, family);
      const namelen = known ? ops.KNOWN_PEER : encodeAddress(family, address, engine.name, 'address', proto);
      if (namelen === NEEDS_LOOKUP && !known) {
        const later: ops.Addressed = { view, address, namelen: 0, name: undefined, over: false };
        return this.afterLookup(ops.holdSendto, ops.sendto, address, later, size, msgFlags, checked?.signal);
      }
      const addressed: ops.Addressed = { view, address, namelen, name: undefined, over: false };
      const promise = this.run(ops.sendto, addressed, size, msgFlags, checked?.signal);
      if (!addressed.over) ops.keepName(addressed);
      return promise;
    } catch (error) {
      return this.refused(error);
    }
  }

  /**
   * Sends datagrams in as few system calls as possible: `[data, address]` pairs with numeric
   * addresses, or `[data]` on a connected socket. How many went out, at least one unless there
   * are none; fewer than given when the kernel's queue is full or the next one fails, which the
   * next call tells. sendmmsg(2).
   */
  sendmany(
    datagrams: readonly (readonly [Data, AddressInput<F>] | readonly [Data])[],
    options?: Told<M, WaitOptions>,
  ): Given<M, number> {
    try {
      const checked = checkOptions(options);
      const batch = batchOf(datagrams, this.family, this.proto);
      if (batch.datagrams.length === 0) return this.nothing('sendmmsg', 0);
      return this.run(sendmany, batch, batch.datagrams.length, 0, checked?.signal);
    } catch (error) {
      return this.refused(error);
    }
  }

  /**
   * Sends a file, or `count` bytes of it from `offset` on: the bytes sent, fewer than `count` where
   * the file ends before. `file` is a `FileHandle` or a descriptor; its own position is neither used
   * nor moved. The kernel copies (sendfile(2)); what it does not copy (some files of /proc, pipes,
   * terminals) is read and sent. On `SOCK_STREAM` sockets only, as in Python.
   *
   * Calls that send meanwhile come behind it, and the timeout is for the whole. A failed call tells in
   * `error.bytesSent` what the kernel took. **Cancel safety**: so does an aborted one, in the reason.
   * Of a file that cannot seek, up to 64 KiB may have been read and not sent.
   */
  sendfile(file: number | { readonly fd: number }, options?: Told<M, FileOptions>): Given<M, number> {
    let sending: Sending | undefined;
    try {
      const checked = checkOptions<FileOptions>(options);
      const { offset = 0, count, onprogress, signal } = checked ?? {};
      checkInteger('offset', offset, 0, Number.MAX_SAFE_INTEGER);
      if (count !== undefined) checkInteger('count', count, 0, Number.MAX_SAFE_INTEGER);
      if (onprogress !== undefined && typeof onprogress !== 'function')
        throw typeError('onprogress', 'a function', onprogress);
      const fd = descriptorOf(file);
      if (this.slot < 0) throw closedError('sendfile');
      if (this.type !== SOCK_STREAM)
        throw new RangeError('Expected a SOCK_STREAM socket for sendfile: others have no order to keep');
      sending = openFile(fd, offset, count ?? Number.POSITIVE_INFINITY);
      if (onprogress === undefined) return this.run(sendfile, sending, 0, 0, signal);
      return this.#sendfile(sending, onprogress, signal);
    } catch (error) {
      if (sending === undefined) ops.noteSent(error, 0);
      else closeFile(sending);
      return this.refused(error);
    }
  }

  #sendfile(
    sending: Sending,
    onprogress: (sent: number, total: number | undefined) => void,
    signal: AbortSignal | undefined,
  ): Given<M, number> {
    let told = -1;
    const tell = (): void => {
      if (told === sending.sent) return;
      told = sending.sent;
      onprogress(told, sending.total);
    };
    if (!this.awaited) {
      sending.moved = tell;
      const sent = this.run(sendfile, sending, 0, 0, signal);
      tell();
      return sent;
    }
    // Not from inside of the operation: whoever is told may close the socket, abort the call, or send.
    const stop = new AbortController();
    let telling = false;
    const tellLater = (): void => {
      telling = false;
      if (sending.slot >= 0) tell();
    };
    const fail = (error: unknown): void => stop.abort(error);
    sending.moved = () => {
      if (!telling) done.then(tellLater).catch(fail);
      telling = true;
    };
    if (signal !== undefined) sending.over = onAbort(signal, () => stop.abort(signal.reason));
    const given = this.run(sendfile, sending, 0, 0, stop.signal) as Promise<number>;
    return given.then((sent) => {
      tell();
      return sent;
    }) as Given<M, number>;
  }
}
