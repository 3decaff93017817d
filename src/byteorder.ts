// Integers between the machine's byte order and the network's, which is big-endian.
import { checkInteger } from './errors.ts';

export const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

function swap16(value: number): number {
  return littleEndian ? ((value & 0xff) << 8) | (value >>> 8) : value;
}

function swap32(value: number): number {
  return littleEndian ? ((swap16(value & 0xffff) << 16) | swap16(value >>> 16)) >>> 0 : value;
}

/** A 16-bit integer from host to network order: byteorder(3). `RangeError` beyond 16 bits. */
export function htons(value: number): number {
  return swap16(checkInteger('value', value, 0, 0xffff));
}

/** A 16-bit integer from network to host order. `RangeError` beyond 16 bits. */
export function ntohs(value: number): number {
  return swap16(checkInteger('value', value, 0, 0xffff));
}

/** A 32-bit integer from host to network order. `RangeError` beyond 32 bits. */
export function htonl(value: number): number {
  return swap32(checkInteger('value', value, 0, 0xffffffff));
}

/** A 32-bit integer from network to host order. `RangeError` beyond 32 bits. */
export function ntohl(value: number): number {
  return swap32(checkInteger('value', value, 0, 0xffffffff));
}
