// The PROXY header in front of a connection's own bytes: taken from the socket to the byte, so that
// what stands behind it is the handler's; and from whom one is to be expected. Knows sockets from
// outside, and of the header only its length (proxyprotocol.ts).
import { BlockList, isIP } from 'node:net';
import type { AnyAddress } from '../address.ts';
import { MSG_PEEK } from '../constants.gen.ts';
import { typeError } from '../errors.ts';
import type { Socket } from '../socket.ts';
import {
  LONGEST_LINE,
  type ProxyHeader,
  ProxyProtocolError,
  parseProxyHeader,
  proxyHeaderLength,
} from './proxyprotocol.ts';

/** Which headers `serve` expects. */
export interface ProxyOptions {
  /** Only this version; either if it is not given. */
  version?: 'v1' | 'v2' | undefined;
  /**
   * Who sends headers: addresses and networks (`'10.0.0.0/8'`), or a function. Connections from
   * anybody else are served as they are, without a header. Everybody if it is not given.
   */
  trusted?: readonly string[] | ((address: AnyAddress) => boolean) | undefined;
}

/** The option as `serve` takes it. */
export type ProxyProtocol = boolean | 'v1' | 'v2' | ProxyOptions;

/** What is expected of a server's connections. */
export interface Expectation {
  version: 1 | 2 | undefined;
  from(address: AnyAddress): boolean;
}

/** Checks the option; `undefined` where no headers are expected. */
export function expectation(option: unknown): Expectation | undefined {
  if (option === undefined || option === false) return undefined;
  const options = typeof option === 'string' ? { version: option } : option === true ? {} : option;
  if (typeof options !== 'object' || options === null)
    throw typeError('proxyProtocol', "a boolean, 'v1', 'v2' or an object", option);
  const { version, trusted } = options as ProxyOptions;
  if (version !== undefined && version !== 'v1' && version !== 'v2')
    throw typeError('the version of proxyProtocol', "'v1' or 'v2'", version);
  return {
    version: version === undefined ? undefined : version === 'v1' ? 1 : 2,
    from: typeof trusted === 'function' ? trusted : networks(trusted),
  };
}

function networks(trusted: unknown): (address: AnyAddress) => boolean {
  if (trusted === undefined) return () => true;
  if (!Array.isArray(trusted))
    throw typeError('trusted', 'an array of addresses and networks, or a function', trusted);
  const list = new BlockList();
  for (const each of trusted as unknown[]) {
    const [, host, bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(String(each)) ?? [];
    const version = isIP(host ?? '');
    const most = version === 4 ? 32 : 128;
    if (typeof each !== 'string' || version === 0 || Number(bits ?? 0) > most)
      throw typeError('trusted', 'addresses and networks such as "10.0.0.0/8"', each);
    list.addSubnet(host!, Number(bits ?? most), version === 4 ? 'ipv4' : 'ipv6');
  }
  return (address) => {
    const host = Array.isArray(address) ? String(address[0]) : '';
    const version = isIP(host);
    // An IPv4 network also matches its addresses in IPv6 form, as a dual-stack socket gives them.
    return version !== 0 && list.check(host, version === 4 ? 'ipv4' : 'ipv6');
  };
}

/**
 * Takes the PROXY header from a connection, in however many pieces it comes, and not a byte more:
 * the pieces are looked at (MSG_PEEK) before they are taken.
 *
 * Errors: `ProxyProtocolError`; those of `recv`. **Cancel safety**: none, what was taken is lost:
 * close the connection.
 */
export async function readProxyHeader(
  socket: Socket,
  options: { version?: 1 | 2 | undefined; signal?: AbortSignal | undefined } = {},
): Promise<ProxyHeader> {
  const { version, signal } = options;
  // As long as the length is not known, all that came is header: looked at, then taken.
  let have = Buffer.alloc(0);
  let length: number | undefined;
  while (length === undefined) {
    const seen = await socket.recv(LONGEST_LINE - have.length, { flags: MSG_PEEK, signal });
    if (seen.length === 0) throw ended(have);
    const both = Buffer.concat([have, seen]);
    length = proxyHeaderLength(both);
    const end = Math.min(length ?? both.length, both.length);
    have = Buffer.concat([have, await socket.recv(end - have.length, { signal })]);
  }
  // The rest of a long one of version 2.
  const whole = Buffer.alloc(length);
  have.copy(whole);
  for (let at = have.length; at < length; ) {
    const n = await socket.recvInto(whole.subarray(at), { signal });
    if (n === 0) throw ended(whole.subarray(0, at));
    at += n;
  }
  const header = parseProxyHeader(whole);
  if (version !== undefined && header.version !== version)
    throw new ProxyProtocolError(`a header of version ${header.version}, where ${version} is expected`);
  return header;
}

// Whoever only looks whether the port is open connects and says nothing.
const ended = (have: Buffer): ProxyProtocolError =>
  have.length === 0
    ? new ProxyProtocolError('the connection ended without a header', 'ECONNABORTED')
    : new ProxyProtocolError('the connection ended within the header');
