// All the methods that may wait, of both flavours: here those of connections and of readiness, on
// top of those that receive and send. The arguments of each call are checked here; what it does
// stands in ops.ts, how it waits is the flavour's.
import { type Address, type AddressInput, encodeAddress, NEEDS_LOOKUP, targetOf } from './address.ts';
import { noBytes } from './bytes.ts';
import * as engine from './engine.ts';
import { closedError, typeError } from './errors.ts';
import { checkOptions, type Flavour, type Given, type Told, type WaitOptions } from './flavour.ts';
import { MessagingSocket } from './messaging.ts';
import * as ops from './ops.ts';
import { POLLIN, POLLOUT, type Readiness } from './readiness.ts';

/** A socket with every call that may wait. */
export abstract class SocketCalls<
  F extends number = number,
  M extends Flavour = Flavour,
> extends MessagingSocket<F, M> {
  /**
   * Takes the next connection from the kernel's queue: `[socket, address]`. accept(2).
   *
   * Errors: `EMFILE`, `ECONNABORTED`. **Cancel safety**: a call that was aborted or timed out
   * has taken none.
   */
  accept(options?: Told<M, WaitOptions>): Given<M, [socket: this, address: Address<F>]> {
    try {
      const checked = checkOptions(options);
      return this.run(ops.accept, undefined, 0, 0, checked?.signal) as Given<
        M,
        [socket: this, address: Address<F>]
      >;
    } catch (error) {
      return this.refused(error);
    }
  }

  /**
   * Connects to `address`, whose host is looked up if it is a name: the first address of the
   * socket's family is tried (`createConnection` tries them all). connect(2).
   *
   * Errors: `ECONNREFUSED`, `ENETUNREACH`, `ETIMEDOUT`; `AddressInfoError`; `TimeoutError`.
   * **Cancel safety**: an aborted call closes the socket, whose state nobody knows any more. One
   * that timed out goes on in the kernel: close the socket.
   */
  connect(address: AddressInput<F>, options?: Told<M, WaitOptions>): Given<M, void> {
    try {
      const { signal } = (options ?? {}) as WaitOptions;
      if (signal instanceof AbortSignal && signal.aborted) this.close();
      checkOptions(options);
      const { family, proto } = this;
      if (this.slot < 0) throw closedError('connect');
      engine.flush();
      const length = encodeAddress(family, address, engine.name, 'address', proto);
      const target = targetOf(family, address, proto);
      if (length === NEEDS_LOOKUP) {
        const later: ops.Connecting = { name: noBytes, target, begun: false };
        return this.afterLookup(ops.holdConnect, ops.connect, address, later, 0, 0, signal);
      }
      const name = engine.name.slice(0, length);
      return this.run(ops.connect, { name, target, begun: false }, 0, 0, signal);
    } catch (error) {
      return this.refused(error);
    }
  }

  /**
   * Waits until the socket is readable or writable, and takes nothing: which of the two that
   * were asked for it is. poll(2): an error or a hang-up counts as both.
   */
  wait(
    events: { read?: boolean | undefined; write?: boolean | undefined },
    options?: Told<M, WaitOptions>,
  ): Given<M, Readiness> {
    try {
      if (typeof events !== 'object' || events === null)
        throw typeError('events', 'an object with read or write', events);
      const asked = (events.read ? POLLIN : 0) | (events.write ? POLLOUT : 0);
      if (asked === 0) throw typeError('events', 'read or write to be true', events);
      const checked = checkOptions(options);
      return this.ready(asked, checked?.signal);
    } catch (error) {
      return this.refused(error);
    }
  }
}
