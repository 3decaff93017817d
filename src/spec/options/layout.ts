// Values of C structs in hex, as rows write them: this machine's byte order and word size.
// Pure functions: no system calls.
import { LONG, littleEndian as little } from '../../layout.ts';

const hex = (value: number, bytes: number): string => {
  const digits = value.toString(16).padStart(2 * bytes, '0');
  return little ? (digits.match(/../g) ?? []).reverse().join('') : digits;
};

export const int = (value: number): string => hex(value, 4);

/** An interface's index in network byte order, as the int that IP_UNICAST_IF takes. */
export const networkInt = (value: number): number =>
  little ? (value << 24) | ((value & 0xff00) << 8) : value;

/** struct sockaddr_storage of an IPv4 (8 digits) or IPv6 (32 digits) address. Family numbers: Linux. */
export function sockaddr(address: string): string {
  const body =
    address.length === 8 ? `${hex(2, 2)}0000${address}` : `${hex(10, 2)}0000${int(0)}${address}${int(0)}`;
  return body.padEnd(256, '0');
}

/** struct group_req, or with a source struct group_source_req (RFC 3678). */
export const groupRequest = (index: number, group: string, source?: string): string =>
  int(index).padEnd(2 * LONG, '0') + sockaddr(group) + (source === undefined ? '' : sockaddr(source));
