// AF_ALG: the kernel's ciphers and hashes by type and name.
import { littleEndian } from '../byteorder.ts';
import { AF_ALG } from '../constants.gen.ts';
import {
  type Codec,
  checkName,
  checkTuple,
  checkUint32,
  MAX_ADDRESS_LENGTH,
  raw,
  readName,
  readUint32,
  writeFamily,
  writeUint32,
} from './codec.ts';

/**
 * `[type, name, feat, mask]`: the kind of algorithm (`"hash"`, `"skcipher"`, `"aead"`, `"rng"`),
 * its name as /proc/crypto has it, and two words of flags.
 */
export type AlgAddress = readonly [type: string, name: string, feat: number, mask: number];

/** The tuples that AF_ALG takes: only type and name are needed. */
export type AlgAddressInput =
  | readonly [type: string, name: string]
  | readonly [type: string, name: string, feat: number]
  | AlgAddress;

const TYPE_SIZE = 14;
const NAME_OFFSET = 24;
/** sizeof(struct sockaddr_alg), whose name has 64 bytes. */
const SIZE = 88;

export const algCodec: Codec<AlgAddress> = {
  // struct sockaddr_alg, linux/if_alg.h: family, type, two words, name. Since Linux 4.12 a longer
  // name may stand behind the struct; no sockaddr is longer than sockaddr_storage.
  encode(address, out, what) {
    const [kind, algorithm, features, bits] = checkTuple(
      address,
      2,
      4,
      '[type, name], [type, name, feat] or [type, name, feat, mask]',
      what,
    );
    const type = checkName(kind, `the type of ${what}`, TYPE_SIZE);
    const name = checkName(algorithm, `the name of ${what}`, MAX_ADDRESS_LENGTH - NAME_OFFSET);
    const feat = checkUint32('feat', features ?? 0, what);
    const mask = checkUint32('mask', bits ?? 0, what);
    const size = Math.max(SIZE, NAME_OFFSET + name.length + 1);
    out.fill(0, 0, size);
    writeFamily(AF_ALG, out);
    out.set(type, 2);
    writeUint32(feat, out, 16, littleEndian);
    writeUint32(mask, out, 20, littleEndian);
    out.set(name, NAME_OFFSET);
    return size;
  },

  decode(bytes, length) {
    if (length < NAME_OFFSET) return raw(bytes, length);
    return Object.freeze([
      readName(bytes, 2, 2 + TYPE_SIZE),
      readName(bytes, NAME_OFFSET, length),
      readUint32(bytes, 16, littleEndian),
      readUint32(bytes, 20, littleEndian),
    ] as const);
  },

  target(address) {
    if (!Array.isArray(address)) return {};
    const [type, name]: unknown[] = address;
    return typeof type === 'string' && typeof name === 'string' ? { address: `${type} ${name}` } : {};
  },
};
