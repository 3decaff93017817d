// Packet filters: programs of the classic BPF that the kernel runs on what comes to a socket.
// Knows the form of instructions, not what they mean.
import { type BaseSocket, checkSocket } from './base.ts';
import { native } from './binding.ts';
import { type Memory, memoryOf } from './bytes.ts';
import { checkInteger, systemError, typeError } from './errors.ts';
import { fieldsOf, littleEndian } from './layout.ts';

/** One instruction, as `tcpdump -ddd` prints them: operation, jumps if true and if false, operand. */
export type FilterInstruction = readonly [code: number, jt: number, jf: number, k: number];

/** sizeof(struct sock_filter). */
const SIZE = 8;
/** BPF_MAXINSNS, linux/bpf_common.h. */
const MOST = 4096;

/** The `struct sock_filter`s of a program: 8 bytes an instruction. */
export function encodeFilter(program: readonly FilterInstruction[]): Buffer {
  if (!Array.isArray(program)) throw typeError('program', 'an array of [code, jt, jf, k]', program);
  if (program.length < 1 || program.length > MOST)
    throw new RangeError(`Expected 1 to ${MOST} instructions for program but received ${program.length}`);
  const bytes = Buffer.alloc(SIZE * program.length);
  const fields = fieldsOf(bytes);
  for (const [i, instruction] of program.entries()) {
    if (!Array.isArray(instruction) || instruction.length !== 4)
      throw typeError(`program[${i}]`, '[code, jt, jf, k]', instruction);
    const [code, jt, jf, k] = instruction as unknown[];
    fields.setUint16(SIZE * i, checkInteger(`the code of program[${i}]`, code, 0, 0xffff), littleEndian);
    fields.setUint8(SIZE * i + 2, checkInteger(`the jt of program[${i}]`, jt, 0, 0xff));
    fields.setUint8(SIZE * i + 3, checkInteger(`the jf of program[${i}]`, jf, 0, 0xff));
    fields.setUint32(SIZE * i + 4, checkInteger(`the k of program[${i}]`, k, 0, 0xffffffff), littleEndian);
  }
  return bytes;
}

/** The program in the value of `SO_GET_FILTER`; none in an empty one. */
export function decodeFilter(bytes: Memory): FilterInstruction[] {
  const fields = fieldsOf(memoryOf(bytes, 'bytes'));
  if (fields.byteLength % SIZE !== 0) {
    throw new RangeError(
      `Expected a multiple of ${SIZE} bytes for bytes but received ${fields.byteLength} bytes`,
    );
  }
  return Array.from({ length: fields.byteLength / SIZE }, (_, i) => [
    fields.getUint16(SIZE * i, littleEndian),
    fields.getUint8(SIZE * i + 2),
    fields.getUint8(SIZE * i + 3),
    fields.getUint32(SIZE * i + 4, littleEndian),
  ]);
}

function attach(sock: BaseSocket, program: readonly FilterInstruction[], choosing: boolean): void {
  checkSocket(sock);
  const bytes = encodeFilter(program);
  const r = native.attachFilter(sock.descriptor('setsockopt'), choosing, bytes);
  if (r < 0) throw systemError(r, 'setsockopt');
}

/**
 * Lets a program decide what comes to the socket: it returns how many bytes of a packet to keep,
 * 0 to drop it. It takes the place of one that is there; `SO_DETACH_FILTER` ends it,
 * `SO_LOCK_FILTER` makes it stay, `SO_GET_FILTER` reads it. socket(7) at `SO_ATTACH_FILTER`.
 *
 * Errors: `EINVAL` for a program that the kernel finds unsound, `EPERM` for a locked one.
 */
export function attachFilter(sock: BaseSocket, program: readonly FilterInstruction[]): void {
  attach(sock, program, false);
}

/**
 * Lets a program choose among the sockets that share a port by `SO_REUSEPORT`: it returns the
 * place of one in the order in which they were bound. socket(7) at `SO_ATTACH_REUSEPORT_CBPF`.
 */
export function attachReusePortFilter(sock: BaseSocket, program: readonly FilterInstruction[]): void {
  attach(sock, program, true);
}
