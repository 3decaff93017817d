// What every codec of addresses is made of: the struct sockaddr's family field, integers in the
// machine's or the network's order, names in fields of fixed size, and the checks of a tuple's
// parts. Knows no family.
import { native } from '../binding.ts';
import { littleEndian } from '../byteorder.ts';
import { checkInteger, describeValue, type ErrorTarget, systemError, typeError } from '../errors.ts';

/** sizeof(struct sockaddr_storage): room for every family's address. */
export const MAX_ADDRESS_LENGTH = 128;

/** What a codec's `encode` returns for a host that is a name. */
export const NEEDS_LOOKUP = -1;

/**
 * A family's codec. `proto` is the socket's protocol: in some families it decides what an address
 * is. `encode` writes into at least `MAX_ADDRESS_LENGTH` bytes and returns the length; `decode`
 * never throws, and gives the raw bytes where they hold no whole address.
 */
export interface Codec<A = unknown> {
  encode(address: unknown, out: Uint8Array, what: string, proto: number): number;
  decode(bytes: Uint8Array, length: number, proto: number): A | Buffer;
  target(address: unknown, proto: number): ErrorTarget;
}

export const UINT8 = 0xff;
export const UINT16 = 0xffff;
export const UINT32 = 0xffffffff;

export function writeUint16(value: number, out: Uint8Array, at: number, little: boolean): void {
  out[little ? at : at + 1] = value;
  out[little ? at + 1 : at] = value >> 8;
}

export function readUint16(bytes: Uint8Array, at: number, little: boolean): number {
  return little ? bytes[at]! | (bytes[at + 1]! << 8) : (bytes[at]! << 8) | bytes[at + 1]!;
}

export function writeUint32(value: number, out: Uint8Array, at: number, little: boolean): void {
  for (let i = 0; i < 4; i++) out[at + i] = value >>> (little ? 8 * i : 24 - 8 * i);
}

export function readUint32(bytes: Uint8Array, at: number, little: boolean): number {
  let value = 0;
  for (let i = 0; i < 4; i++) value = value * 256 + bytes[at + (little ? 3 - i : i)]!;
  return value;
}

/** sa_family_t, in the machine's order at the front of every sockaddr. */
export function writeFamily(family: number, out: Uint8Array): void {
  writeUint16(family, out, 0, littleEndian);
}

export function readFamily(bytes: Uint8Array): number {
  return readUint16(bytes, 0, littleEndian);
}

export function raw(bytes: Uint8Array, length: number): Buffer {
  return Buffer.from(bytes.subarray(0, length));
}

/** A tuple of `least` to `most` parts; `shape` is what a message says was expected. */
export function checkTuple(
  address: unknown,
  least: number,
  most: number,
  shape: string,
  what: string,
): readonly unknown[] {
  if (!Array.isArray(address) || address.length < least || address.length > most)
    throw typeError(what, shape, address);
  return address;
}

/** Text that goes into a field of `size` bytes with the NUL behind it. */
export function checkName(name: unknown, part: string, size: number): Buffer {
  if (typeof name !== 'string') throw typeError(part, 'a string', name);
  const bytes = Buffer.from(name);
  if (bytes.includes(0))
    throw new RangeError(`Expected a string without NUL for ${part} but received ${describeValue(name)}`);
  if (bytes.length >= size) {
    throw new RangeError(`Expected at most ${size - 1} bytes for ${part} but received ${bytes.length} bytes`);
  }
  return bytes;
}

/** Text up to its NUL, or the end of its field. */
export function readName(bytes: Uint8Array, from: number, to: number): string {
  const nul = bytes.subarray(from, to).indexOf(0);
  return Buffer.from(bytes.subarray(from, nul < 0 ? to : from + nul)).toString();
}

/** The index of an interface; 0, which stands for none in particular, for `""`. */
export function interfaceIndex(name: unknown, what: string): number {
  // Longer ones cannot exist (IFNAMSIZ is 16); the kernel call has the same answer for them.
  const text = checkName(name, `the interface of ${what}`, 256).toString();
  if (text === '') return 0;
  const index = native.if_nametoindex(text);
  if (index < 0) throw systemError(index, 'if_nametoindex', { address: text });
  return index;
}

/** The name of an interface; `""` for 0 and for one that is gone. */
export function interfaceName(index: number): string {
  if (index === 0) return '';
  const name = native.if_indextoname(index);
  return typeof name === 'string' ? name : '';
}

/** A part of a tuple that is an unsigned integer of 32 bits. */
export function checkUint32(part: string, value: unknown, what: string): number {
  return checkInteger(`the ${part} of ${what}`, value, 0, UINT32);
}

/** The first part of a tuple as where a call was directed, the second as its port. */
export function pairTarget(address: unknown): ErrorTarget {
  if (!Array.isArray(address)) return {};
  const [first, second]: unknown[] = address;
  return {
    ...((typeof first === 'string' || typeof first === 'number') && { address: String(first) }),
    ...(typeof second === 'number' && { port: second }),
  };
}

/** The interface in front of a tuple as where a call was directed. */
export function interfaceTarget(address: unknown): ErrorTarget {
  return Array.isArray(address) && typeof address[0] === 'string' && address[0] !== ''
    ? { address: address[0] }
    : {};
}
