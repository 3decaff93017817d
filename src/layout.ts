// C structs in bytes: this machine's byte order and word size, and a place to write a struct
// into. Pure functions: no system calls, and no struct is known by name.
import { littleEndian } from './byteorder.ts';

export { littleEndian };

/** Size of a C `long`, which is also how structs that hold one are aligned. */
export const LONG: 4 | 8 = ['arm', 'ia32', 'mips', 'mipsel'].includes(process.arch) ? 4 : 8;

/** The fields of the struct that `bytes` hold; read them with `littleEndian`. */
export function fieldsOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The bytes of a struct of `size` bytes, all zero but for what `write` writes. */
export function struct(size: number, write: (fields: DataView, bytes: Buffer) => void): Buffer {
  const bytes = Buffer.alloc(size);
  write(fieldsOf(bytes), bytes);
  return bytes;
}

/** The bytes of one C int. */
export function intBytes(value: number): Buffer {
  return struct(4, (fields) => fields.setInt32(0, value, littleEndian));
}

/** The C int that `bytes` are; `undefined` for another length. */
export function intOf(bytes: Uint8Array): number | undefined {
  return bytes.length === 4 ? fieldsOf(bytes).getInt32(0, littleEndian) : undefined;
}

/** The same, unsigned. */
export function unsignedOf(bytes: Uint8Array): number | undefined {
  return bytes.length === 4 ? fieldsOf(bytes).getUint32(0, littleEndian) : undefined;
}

/** A signed integer of 4 or 8 bytes, as `long` and `time_t` are. */
export function readLong(fields: DataView, at: number, size: 4 | 8): bigint {
  return size === 8 ? fields.getBigInt64(at, littleEndian) : BigInt(fields.getInt32(at, littleEndian));
}

export function writeLong(fields: DataView, at: number, size: 4 | 8, value: number): void {
  if (size === 8) fields.setBigInt64(at, BigInt(value), littleEndian);
  else fields.setInt32(at, value, littleEndian);
}
