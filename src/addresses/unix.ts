// AF_UNIX: paths, and names in the abstract namespace. Touches no file.
import { AF_UNIX } from '../constants.gen.ts';
import { describeValue, typeError } from '../errors.ts';
import { type Codec, writeFamily } from './codec.ts';

/**
 * A path; a `Buffer` with a leading NUL for a name in the abstract namespace; a `Buffer`
 * without one for a path that is not UTF-8; `""` for a socket without a name.
 */
export type UnixAddress = string | Buffer;

const PATH_OFFSET = 2;
/** sizeof(sun_path), unix(7). */
const MAX_PATH = 108;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export const unixCodec: Codec<UnixAddress> = {
  // struct sockaddr_un, unix(7): family, then the path with its NUL, or a NUL and a name
  // in the abstract namespace that counts every byte to its end, or nothing.
  encode(address, out, what) {
    if (typeof address !== 'string' && !(address instanceof Uint8Array)) {
      throw typeError(what, 'a path (a string or a Buffer)', address);
    }
    const bytes = typeof address === 'string' ? Buffer.from(address) : address;
    writeFamily(AF_UNIX, out);
    if (bytes.length === 0) return PATH_OFFSET;
    const abstract = bytes[0] === 0;
    // The kernel would take a path of 108 bytes without a NUL, but every other program
    // that asks for the name then reads past its end.
    const limit = abstract ? MAX_PATH : MAX_PATH - 1;
    if (bytes.length > limit) {
      const kind = abstract ? 'an abstract name' : 'a path';
      throw new RangeError(
        `Expected ${kind} of at most ${limit} bytes for ${what} but received ${bytes.length} bytes`,
      );
    }
    if (!abstract && bytes.includes(0)) {
      throw new RangeError(`Expected a path without NUL for ${what} but received ${describeValue(address)}`);
    }
    out.set(bytes, PATH_OFFSET);
    if (abstract) return PATH_OFFSET + bytes.length;
    out[PATH_OFFSET + bytes.length] = 0;
    return PATH_OFFSET + bytes.length + 1;
  },

  decode(bytes, length) {
    if (length <= PATH_OFFSET) return '';
    const name = bytes.subarray(PATH_OFFSET, length);
    if (name[0] === 0) return Buffer.from(name);
    const nul = name.indexOf(0);
    const path = nul < 0 ? name : name.subarray(0, nul);
    try {
      return utf8.decode(path);
    } catch {
      return Buffer.from(path);
    }
  },

  target(address) {
    if (typeof address !== 'string' && !(address instanceof Uint8Array)) return {};
    const path = typeof address === 'string' ? address : Buffer.from(address).toString();
    if (path === '') return {};
    // As ss(8) and /proc/net/unix print the abstract namespace.
    return { path: path.replaceAll('\0', '@') };
  },
};
