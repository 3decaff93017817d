// inet_pton and its relatives: addresses as text and as the bytes that packets carry.
import os from 'node:os';
import { native } from './binding.ts';
import { type Memory, memoryOf } from './bytes.ts';
import { AF_INET, AF_INET6 } from './constants.gen.ts';
import { describeValue, SocketError, systemError, typeError } from './errors.ts';
import { formatInet4, formatInet6, parseInet4, parseInet6 } from './iptext.ts';

function checkText(text: unknown): string {
  if (typeof text !== 'string') throw typeError('text', 'a string', text);
  return text;
}

function checkPacked(packed: unknown, size: number): Uint8Array {
  if (typeof packed === 'string') throw typeError('packed', 'an ArrayBufferView or ArrayBuffer', packed);
  const bytes = memoryOf(packed, 'packed');
  if (bytes.length !== size) {
    throw new RangeError(`Expected ${size} bytes for packed but received ${bytes.length}`);
  }
  return bytes;
}

function checkFamily(family: unknown, syscall: string): number {
  if (typeof family !== 'number') throw typeError('family', 'AF_INET or AF_INET6', family);
  if (family !== AF_INET && family !== AF_INET6) throw systemError(-os.constants.errno.EAFNOSUPPORT, syscall);
  return family;
}

function illegal(syscall: string, text: string): SocketError {
  return new SocketError(
    `${syscall} EINVAL: illegal IP address string passed to ${syscall}: ${describeValue(text)}`,
    {
      code: 'EINVAL',
      errno: -os.constants.errno.EINVAL,
      syscall,
      address: text,
    },
  );
}

/**
 * The bytes of an address, 4 for AF_INET and 16 for AF_INET6: inet_pton(3), which takes
 * neither short forms nor zones. `SocketError` `EINVAL` for other text, `EAFNOSUPPORT` for
 * other families.
 */
export function inet_pton(family: number, text: string): Buffer {
  const size = checkFamily(family, 'inet_pton') === AF_INET ? 4 : 16;
  const address = checkText(text);
  const out = Buffer.alloc(size);
  const parsed =
    size === 4 ? parseInet4(address, 0, address.length, out, 0) : parseInet6(address, address.length, out, 0);
  if (!parsed) throw illegal('inet_pton', address);
  return out;
}

/**
 * The text of an address of 4 bytes (AF_INET) or 16 (AF_INET6): inet_ntop(3). `RangeError`
 * for another number of bytes, `SocketError` `EAFNOSUPPORT` for other families.
 */
export function inet_ntop(family: number, packed: Memory): string {
  if (checkFamily(family, 'inet_ntop') === AF_INET) return formatInet4(checkPacked(packed, 4), 0);
  return formatInet6(checkPacked(packed, 16), 0);
}

/**
 * The 4 bytes of an IPv4 address as inet_aton(3) reads it: with short forms (`127.1`),
 * octal and hexadecimal. `SocketError` `EINVAL` for other text.
 */
export function inet_aton(text: string): Buffer {
  const address = checkText(text);
  const value = address.includes('\0') ? -1 : native.inet_aton(address);
  if (value < 0) throw illegal('inet_aton', address);
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
}

/** The dotted quad of 4 bytes: inet_ntoa(3). `RangeError` for another number of bytes. */
export function inet_ntoa(packed: Memory): string {
  return formatInet4(checkPacked(packed, 4), 0);
}
