// The PROXY protocol's header as a proxy writes it: values to bytes (proxyprotocol.ts: back).
import type { AnyAddress } from '../address.ts';
import { bytesOf, type Data } from '../bytes.ts';
import { SOCK_DGRAM, SOCK_STREAM } from '../constants.gen.ts';
import { checkInteger, typeError } from '../errors.ts';
import { formatInet4, formatInet6, parseInet4, parseInet6 } from '../iptext.ts';
import { crc32c } from './crc32c.ts';
import {
  ADDRESS_LENGTHS,
  FIXED_LENGTH,
  PATH_LENGTH,
  PP2_TYPE_CRC32C,
  SIGNATURE,
  TYPES,
} from './proxyprotocol.ts';

/** What `encodeProxyHeader` makes a header of. */
export interface ProxyHeaderInput {
  /** 2 if it is not given. */
  version?: 1 | 2 | undefined;
  /** The proxy's own connection (version 2): addresses are not told. */
  local?: boolean | undefined;
  /** `SOCK_STREAM` if it is not given; `SOCK_DGRAM` in version 2 only. */
  type?: number | undefined;
  /** The client's address; together with `destination`, and of the same family. */
  source?: AnyAddress | undefined;
  destination?: AnyAddress | undefined;
  /** Version 2 only. */
  tlvs?: readonly (readonly [type: number, value: Data])[] | undefined;
  /** Adds a checksum of the whole header (version 2). */
  checksum?: boolean | undefined;
}

/** The kind of an address, by its form: 1 and 2 for IPv4 and IPv6, 3 for AF_UNIX, 0 for none. */
function kindOf(address: unknown, name: string): number {
  if (address === undefined) return 0;
  if (typeof address === 'string' || address instanceof Uint8Array) return 3;
  if (!Array.isArray(address)) throw typeError(name, '[host, port], or a path', address);
  if (typeof address[0] !== 'string') throw typeError(`the host of ${name}`, 'a string', address[0]);
  checkInteger(`the port of ${name}`, address[1], 0, 0xffff);
  return address[0].includes(':') ? 2 : 1;
}

function packed(address: readonly unknown[], kind: number, name: string): Uint8Array {
  const out = new Uint8Array(kind === 1 ? 4 : 16);
  const host = address[0] as string;
  const good = kind === 1 ? parseInet4(host, 0, host.length, out, 0) : parseInet6(host, host.length, out, 0);
  if (!good) throw new RangeError(`Expected a numeric host in ${name} but received ${JSON.stringify(host)}`);
  return out;
}

/**
 * The header that a proxy sends before everything else: `await conn.sendall(encodeProxyHeader({
 * source: client, destination: [host, port] }))`. Without addresses it says that they are not
 * known. `TypeError` and `RangeError` for what the version has no form for.
 */
export function encodeProxyHeader(input: ProxyHeaderInput = {}): Buffer {
  if (typeof input !== 'object' || input === null) throw typeError('input', 'an object', input);
  const { version = 2, local = false, type = SOCK_STREAM as number, source, destination } = input;
  if (version !== 1 && version !== 2)
    throw new RangeError(`Expected 1 or 2 for version but received ${String(version)}`);
  if (!TYPES.includes(type) || type === 0)
    throw new RangeError(`Expected SOCK_STREAM or SOCK_DGRAM for type but received ${String(type)}`);
  const kind = kindOf(source, 'source');
  if (kindOf(destination, 'destination') !== kind)
    throw new TypeError('Expected source and destination of the same family');
  if (local && kind !== 0) throw new TypeError('Expected no addresses in a local header');
  return version === 1 ? encodeLine(input, kind) : encodeBinary(input, kind, type);
}

function encodeLine(input: ProxyHeaderInput, kind: number): Buffer {
  if (
    input.local ||
    (input.tlvs?.length ?? 0) > 0 ||
    input.checksum ||
    kind === 3 ||
    input.type === SOCK_DGRAM
  )
    throw new RangeError('Expected TCP addresses only: version 1 has no form for anything else');
  if (kind === 0) return Buffer.from('PROXY UNKNOWN\r\n');
  const [source, destination] = [input.source, input.destination] as [[string, number], [string, number]];
  const text = (address: [string, number], name: string): string => {
    const bytes = packed(address, kind, name);
    return kind === 1 ? formatInet4(bytes, 0) : formatInet6(bytes, 0);
  };
  return Buffer.from(
    `PROXY TCP${kind === 1 ? 4 : 6} ${text(source, 'source')} ${text(destination, 'destination')} ` +
      `${source[1]} ${destination[1]}\r\n`,
  );
}

function encodeBinary(input: ProxyHeaderInput, kind: number, type: number): Buffer {
  const tlvs = (input.tlvs ?? []).map(([number, value], i) => {
    const bytes = bytesOf(value, `the value of tlvs[${i}]`);
    if (bytes.length > 0xffff) throw new RangeError(`Expected at most 65535 bytes in tlvs[${i}]`);
    const head = Buffer.alloc(3);
    head.writeUInt8(checkInteger(`the type of tlvs[${i}]`, number, 0, 0xff));
    head.writeUInt16BE(bytes.length, 1);
    return Buffer.concat([head, bytes]);
  });
  if (input.checksum) tlvs.push(Buffer.from([PP2_TYPE_CRC32C, 0, 4, 0, 0, 0, 0]));
  const parts = [addressBlock(input, kind), ...tlvs];
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (length > 0xffff) throw new RangeError('Expected a header of at most 65535 bytes behind its beginning');
  const fixed = Buffer.alloc(FIXED_LENGTH);
  fixed.set(SIGNATURE);
  fixed[12] = 0x20 | (input.local ? 0 : 1);
  fixed[13] = kind === 0 ? 0 : (kind << 4) | TYPES.indexOf(type);
  fixed.writeUInt16BE(length, 14);
  const header = Buffer.concat([fixed, ...parts]);
  if (input.checksum) header.writeUInt32BE(crc32c(header), header.length - 4);
  return header;
}

function addressBlock(input: ProxyHeaderInput, kind: number): Buffer {
  const block = Buffer.alloc(ADDRESS_LENGTHS[kind]!);
  if (kind === 0) return block;
  [input.source, input.destination].forEach((address, which) => {
    const name = which === 0 ? 'source' : 'destination';
    if (kind === 3) {
      const path = bytesOf(address, name);
      if (path.length > PATH_LENGTH) throw new RangeError(`Expected at most 108 bytes for ${name}`);
      block.set(path, which * PATH_LENGTH);
      return;
    }
    const bytes = packed(address as [string, number], kind, name);
    block.set(bytes, which * bytes.length);
    block.writeUInt16BE((address as [string, number])[1], 2 * bytes.length + 2 * which);
  });
  return block;
}
