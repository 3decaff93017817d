// The methods for messages with several buffers and ancillary data, of both flavours: the
// arguments of each call are checked here; what it does stands in messages.ts.
import { type Address, type AddressInput, type AnyAddress, encodeAddress, NEEDS_LOOKUP } from './address.ts';
import { type Ancillary, type AncillaryInput, encodeAncillary, rightsOf } from './ancillary.ts';
import { bytesOf, type Data, itemsOf, type Memory, memoryOf } from './bytes.ts';
import {
  collects,
  type MessageCollection,
  messageCollection,
  recvmsgAll,
  recvmsgAllInto,
} from './collect.ts';
import * as engine from './engine.ts';
import { checkInteger, closedError, typeError } from './errors.ts';
import {
  checkOptions,
  checkSize,
  type Flavour,
  flagsOf,
  type Given,
  INT_MAX,
  type Told,
  type TransferOptions,
} from './flavour.ts';
import * as messages from './messages.ts';
import * as ops from './ops.ts';
import { SendingSocket } from './sending.ts';

/** What `sendFds` can be told. */
export interface PassOptions<F extends number = number> extends TransferOptions {
  /** Where the message goes on a socket that is not connected. */
  address?: AddressInput<F> | undefined;
}

/** What `sendmsg` can be told. */
export interface MessageOptions<F extends number = number> extends PassOptions<F> {
  /** Control messages that go with the data: `[level, type, data]` of each. */
  ancdata?: Iterable<AncillaryInput> | undefined;
}

/** A message that came: its data, the control messages, its flags, and from where. */
export type ReceivedMessage<F extends number = number> = [
  data: Buffer,
  ancdata: Ancillary[],
  msgFlags: number,
  address: Address<F>,
];

/** A descriptor to pass: its number, a socket, or a `FileHandle`. */
export type Passable = number | { fileno(): number } | { readonly fd: number };

// Buffers, and the size of all together: a view that is detached meanwhile is found by it.
function buffersOf(
  buffers: unknown,
  what: string,
  memory: (value: unknown, name: string) => Uint8Array,
): { views: Uint8Array[]; size: number } {
  const views: Uint8Array[] = [];
  let size = 0;
  for (const buffer of itemsOf(buffers, what, `an iterable of buffers`)) {
    const view = memory(buffer, `${what}[${views.length}]`);
    size += view.length;
    views.push(view);
  }
  return { views, size };
}

function descriptorOf(value: unknown, name: string): number {
  let fd = value;
  if (typeof value === 'object' && value !== null) {
    const { fileno } = value as { fileno?: unknown };
    fd = typeof fileno === 'function' ? fileno.call(value) : (value as { fd?: unknown }).fd;
    if (fd === -1) throw closedError('sendmsg', name);
  }
  if (typeof fd !== 'number') throw typeError(name, 'a descriptor, a socket or a FileHandle', value);
  return checkInteger(name, fd, 0, INT_MAX);
}

/** A socket with messages. */
export abstract class MessagingSocket<
  F extends number = number,
  M extends Flavour = Flavour,
> extends SendingSocket<F, M> {
  /**
   * Receives a message of at most `bufsize` bytes with at most `ancbufsize` bytes of ancillary
   * data, headers and padding included (`CMSG_SPACE`): `[data, ancdata, msgFlags, address]`, where
   * `ancdata` has `[level, type, data]` of each control message. recvmsg(2).
   *
   * `msgFlags` tells what was cut: `MSG_TRUNC` the data, `MSG_CTRUNC` the ancillary data, of which
   * then comes what fits. Descriptors in it (`SCM_RIGHTS`) are close-on-exec and the caller's from
   * then on; those for which there was no room are closed by the kernel. With `MSG_ERRQUEUE` the
   * call never waits, neither for an error nor for other calls.
   *
   * With `MSG_WAITALL` a stream's receive waits for all, as in `recv`, or for descriptors: what they
   * came with ends it.
   *
   * **Cancel safety**: a call that was aborted or timed out has taken nothing.
   */
  recvmsg(bufsize: number, ancbufsize = 0, options?: Told<M, TransferOptions>): Given<M, ReceivedMessage<F>> {
    try {
      const size = checkSize('bufsize', bufsize);
      const room = checkSize('ancbufsize', ancbufsize);
      const whole = this.#collection(undefined, room, size, options);
      const given: Given<M, messages.Message> =
        whole === undefined
          ? this.#receive(messages.recvmsg, room, size, options)
          : this.#receive(recvmsgAll, whole, size, options);
      return given as Given<M, ReceivedMessage<F>>;
    } catch (error) {
      return this.refused(error);
    }
  }

  /**
   * As `recvmsg`, into the caller's memory, one view after the other:
   * `[nbytes, ancdata, msgFlags, address]`.
   */
  recvmsgInto(
    views: Iterable<Memory>,
    ancbufsize = 0,
    options?: Told<M, TransferOptions>,
  ): Given<M, [nbytes: number, ancdata: Ancillary[], msgFlags: number, address: Address<F>]> {
    try {
      const into = buffersOf(views, 'views', memoryOf);
      const scatter: messages.Scatter = { views: into.views, room: checkSize('ancbufsize', ancbufsize) };
      const whole = this.#collection(scatter.views, scatter.room, into.size, options);
      const given: Given<M, [number, Ancillary[], number, AnyAddress]> =
        whole === undefined
          ? this.#receive(messages.recvmsgInto, scatter, into.size, options)
          : this.#receive(recvmsgAllInto, whole, into.size, options);
      return given as Given<M, [number, Ancillary[], number, Address<F>]>;
    } catch (error) {
      return this.refused(error);
    }
  }

  // What MSG_WAITALL is to fill.
  #collection(
    views: readonly Uint8Array[] | undefined,
    room: number,
    size: number,
    options: Told<M, TransferOptions> | undefined,
  ): MessageCollection | undefined {
    const msgFlags = flagsOf(checkOptions(options));
    return collects(this, msgFlags) ? messageCollection(views, room, size, msgFlags) : undefined;
  }

  #receive<A, R>(
    operation: ops.Operation<A, R>,
    argument: A,
    size: number,
    options: Told<M, TransferOptions> | undefined,
  ): Given<M, R> {
    const checked = checkOptions(options);
    return this.run(operation, argument, size, flagsOf(checked), checked?.signal);
  }

  /**
   * Sends several buffers as one message, with ancillary data (`ancdata`, `[level, type, data]` of
   * each control message), to `address` or to where the socket is connected: the bytes that the
   * kernel took, on a stream perhaps fewer than given; the ancillary data has gone with them. Wait
   * for the result before the rest is sent, without the ancillary data. sendmsg(2).
   *
   * Descriptors (`SCM_RIGHTS`) are those of the moment of the call; they may be closed as soon as it
   * has returned, although it waits. A stream of AF_UNIX needs a byte of data to go with them.
   *
   * Errors: those of `sendto`; `EBADF` and `EINVAL` for descriptors that are none, or more than 253;
   * `EMSGSIZE` for more than 1024 buffers; `ENOBUFS` for too much ancillary data. **Cancel safety**:
   * a call that was aborted or timed out has sent nothing.
   */
  sendmsg(buffers: Iterable<Data>, options?: Told<M, MessageOptions<F>>): Given<M, number> {
    try {
      const checked = checkOptions<MessageOptions<F>>(options);
      const { ancdata } = checked ?? {};
      return this.#send(buffers, ancdata === undefined ? null : encodeAncillary(ancdata), checked);
    } catch (error) {
      return this.refused(error);
    }
  }

  /** For `recvFds`. @internal */
  receiveDescriptors(
    bufsize: unknown,
    maxfds: unknown,
    options: Told<M, TransferOptions> | undefined,
  ): Given<M, [data: Buffer, fds: number[], msgFlags: number, address: Address<F>]> {
    try {
      const size = checkSize('bufsize', bufsize);
      const most = checkInteger('maxfds', maxfds, 0, INT_MAX);
      this.#checkPassing();
      return this.#receive(messages.recvFds, most, size, options) as Given<
        M,
        [Buffer, number[], number, Address<F>]
      >;
    } catch (error) {
      return this.refused(error);
    }
  }

  /** For `sendFds`. @internal */
  sendDescriptors(
    buffers: unknown,
    fds: unknown,
    options: Told<M, PassOptions<F>> | undefined,
  ): Given<M, number> {
    try {
      const checked = checkOptions<PassOptions<F>>(options);
      const list: number[] = [];
      for (const each of itemsOf(fds, 'fds', 'an iterable of descriptors'))
        list.push(descriptorOf(each, `fds[${list.length}]`));
      this.#checkPassing();
      return this.#send(buffers, list.length === 0 ? null : encodeAncillary([rightsOf(list)]), checked);
    } catch (error) {
      return this.refused(error);
    }
  }

  // Other families take SCM_RIGHTS and drop it without a word.
  #checkPassing(): void {
    if (!this.isUnix)
      throw typeError('sock', 'a socket of AF_UNIX, the only one that passes descriptors,', this);
  }

  #send(buffers: unknown, control: Uint8Array | null, options: PassOptions<F> | undefined): Given<M, number> {
    const { address, signal } = options ?? {};
    const msgFlags = flagsOf(options);
    const { views, size } = buffersOf(buffers, 'buffers', bytesOf);
    if (this.slot < 0) throw closedError('sendmsg');
    // The kernel would send nothing of it, and say so to nobody.
    if (size === 0 && control !== null && this.isUnix && (engine.flags[this.slot]! & engine.STREAM) !== 0)
      throw new RangeError(
        'Expected at least one byte in buffers: ancillary data goes with bytes on a stream of AF_UNIX',
      );
    const message: messages.Outgoing = {
      views,
      control,
      address,
      namelen: messages.NO_ADDRESS,
      name: undefined,
      over: false,
      held: undefined,
      failure: undefined,
    };
    if (address !== undefined) {
      const { family, proto } = this;
      // Now, since what goes on then may use the place of addresses.
      engine.flush();
      message.namelen = ops.isLastPeer(address, family)
        ? ops.KNOWN_PEER
        : encodeAddress(family, address, engine.name, 'address', proto);
      if (message.namelen === NEEDS_LOOKUP && !ops.isLastPeer(address, family))
        return this.afterLookup(ops.holdSendmsg, messages.sendmsg, address, message, size, msgFlags, signal);
    }
    const sent = this.run(messages.sendmsg, message, size, msgFlags, signal);
    if (!message.over) messages.keepMessage(message);
    return sent;
  }
}
