// Values on their way to another thread, with the sockets among them. A message is copied by the
// structured clone algorithm, which knows no sockets: they are taken out of arrays and plain objects,
// and put back in on the other side, as sockets of the flavour that they had.
import { MessagePort } from 'node:worker_threads';
import { BaseSocket, type SocketHandle } from '../base.ts';
import { Socket as BlockingSocket } from '../blocking.ts';
import { adoptHandle } from '../create.ts';
import { closedError, describeValue } from '../errors.ts';
import type { FlavouredSocket } from '../flavour.ts';
import { Socket } from '../socket.ts';

type Container = Record<PropertyKey, unknown>;

/** Where a socket stood: the clone keeps the identity of what a message mentions twice. */
interface Place {
  in: Container;
  key: string;
  which: number;
}

/** A value without its sockets. */
export interface Packed {
  value: unknown[];
  places: Place[];
}

/** A socket between two threads. */
export interface Ticket {
  handle: Required<SocketHandle>;
  blocks: boolean;
  timeout: number;
}

/** A value to be sent: post the packed one, then the tickets of `giveUp`. */
export class Package {
  readonly packed: Packed;
  /** What can be sent only by being given up, too. */
  readonly ports: MessagePort[] = [];
  readonly #sockets: FlavouredSocket[] = [];
  readonly #copies = new Map<object, unknown>();

  /** Nothing is given up yet: the message may turn out not to be one. */
  constructor(value: unknown[]) {
    this.packed = { value: [], places: [] };
    this.#copies.set(value, this.packed.value);
    this.#fill(this.packed.value as unknown as Container, value as unknown as Container);
    for (const socket of this.#sockets) if (socket.closed) throw closedError('moveSocket');
  }

  #fill(copy: Container, of: Container): void {
    for (const key of Object.keys(of)) {
      const each = of[key];
      if (each instanceof BaseSocket) {
        let which = this.#sockets.indexOf(each as FlavouredSocket);
        if (which < 0) which = this.#sockets.push(each as FlavouredSocket) - 1;
        copy[key] = undefined;
        this.packed.places.push({ in: copy, key, which });
      } else {
        copy[key] = this.#copy(each);
      }
    }
  }

  #copy(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value;
    if (value instanceof MessagePort && !this.ports.includes(value)) this.ports.push(value);
    const prototype = Object.getPrototypeOf(value) as unknown;
    if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) {
      refuseSockets(value);
      return value;
    }
    if (this.#copies.has(value)) return this.#copies.get(value);
    const copy = Array.isArray(value) ? new Array(value.length) : {};
    this.#copies.set(value, copy);
    this.#fill(copy as Container, value as Container);
    return copy;
  }

  /** Whether there are sockets, whose tickets follow the packed value. */
  get hasSockets(): boolean {
    return this.#sockets.length > 0;
  }

  /** Gives up the sockets; the first who claims a ticket has the socket. */
  giveUp(): Ticket[] {
    return this.#sockets.map((socket) => {
      const { timeout } = socket;
      return { blocks: socket instanceof BlockingSocket, timeout, handle: socket.move() };
    });
  }
}

// A clone would be made of them, without a word: an object that is no socket.
function refuseSockets(value: object): void {
  if (ArrayBuffer.isView(value)) return;
  const held = value instanceof Map ? [...value].flat() : value instanceof Set ? value : Object.values(value);
  for (const each of held)
    if (each instanceof BaseSocket)
      throw new TypeError(
        `Expected sockets in arrays and plain objects only but received one in ${describeValue(value)}`,
      );
}

/** The value with its sockets, and the sockets. An error closes those that have been taken. */
export function unpack(packed: Packed, tickets: readonly Ticket[]): [unknown[], FlavouredSocket[]] {
  const sockets: FlavouredSocket[] = [];
  try {
    for (const { handle, blocks, timeout } of tickets) {
      const socket: FlavouredSocket = blocks
        ? adoptHandle<BlockingSocket>(BlockingSocket, handle)
        : adoptHandle<Socket>(Socket, handle);
      socket.timeout = timeout;
      sockets.push(socket);
    }
  } catch (error) {
    for (const socket of sockets) socket.close();
    throw error;
  }
  for (const place of packed.places) place.in[place.key] = sockets[place.which];
  return [packed.value, sockets];
}

/** Closes the sockets whose handles nobody has claimed, and nobody will. */
export function closeUnclaimed(handles: Iterable<SocketHandle>): void {
  for (const handle of handles) {
    try {
      adoptHandle<BlockingSocket>(BlockingSocket, handle).close();
    } catch {
      // It has an owner.
    }
  }
}
