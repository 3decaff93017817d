// Bytes in: what the API accepts as data, seen as one Uint8Array. Knows nothing of sockets.
import { typeError } from './errors.ts';

/** Data to send: text (as UTF-8), any view, or a whole buffer. */
export type Data = string | ArrayBufferView | ArrayBufferLike;

/** Memory to receive into. */
export type Memory = ArrayBufferView | ArrayBufferLike;

/** A send without data needs no allocation of its own. */
export const noBytes: Buffer = Buffer.alloc(0);

/** The bytes of `data`, not copied unless it is a string. */
export function bytesOf(data: unknown, name: string): Uint8Array {
  return typeof data === 'string' ? Buffer.from(data, 'utf8') : memoryOf(data, name);
}

/** The memory of a view or a buffer. */
export function memoryOf(value: unknown, name: string): Uint8Array {
  // An empty view may be all that is left of a detached one.
  if (value instanceof Uint8Array && value.byteLength > 0) return value;
  if (ArrayBuffer.isView(value)) {
    checkAttached(value.buffer, value.byteLength, name);
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
    checkAttached(value, value.byteLength, name);
    return new Uint8Array(value);
  }
  throw typeError(name, 'a string, an ArrayBufferView, an ArrayBuffer or a SharedArrayBuffer', value);
}

/** The items of a list of something; text and bytes are none, although they can be iterated. */
export function itemsOf(value: unknown, name: string, what: string): Iterable<unknown> {
  const iterable =
    typeof value === 'object' &&
    value !== null &&
    !ArrayBuffer.isView(value) &&
    typeof (value as Iterable<unknown>)[Symbol.iterator] === 'function';
  if (!iterable) throw typeError(name, what, value);
  return value as Iterable<unknown>;
}

// Constructing on a detached buffer throws in every engine; `detached` is newer than Node 20.
function checkAttached(buffer: ArrayBufferLike, length: number, name: string): void {
  if (length > 0) return;
  try {
    new Uint8Array(buffer);
  } catch {
    throw detachedError(name);
  }
}

/** The error for memory that is gone: transferred to another thread, or shrunk. */
export function detachedError(name: string): TypeError {
  return new TypeError(
    `Expected memory that is there for ${name} but received a detached or resized ArrayBuffer`,
  );
}
