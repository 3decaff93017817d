// Sockets as text for people: in inspect() and in warnings. Knows descriptors, not sockets.
import { inspect } from 'node:util';
import { decodeAddress } from './address.ts';
import { native } from './binding.ts';
import * as engine from './engine.ts';

/** ` local=… peer=…` of an open descriptor, without what it does not have. */
export function describeNames(fd: number, separator: string, proto = 0): string {
  const local = describeName(native.getsockname(fd), proto);
  const remote = describeName(native.getpeername(fd), proto);
  return `${local && `${separator}local ${local}`}${remote && `${separator}peer ${remote}`}`;
}

function describeName(result: number, proto: number): string {
  if (result < 0) return '';
  const address = decodeAddress(engine.name, engine.io[engine.IO_NAMELEN]!, proto);
  return address === '' ? '' : inspect(address, { breakLength: Number.POSITIVE_INFINITY });
}

const families = [
  'UNIX',
  'INET',
  'INET6',
  'NETLINK',
  'PACKET',
  'VSOCK',
  'CAN',
  'ALG',
  'BLUETOOTH',
  'TIPC',
  'QIPCRTR',
];
const types = ['STREAM', 'DGRAM', 'RAW', 'RDM', 'SEQPACKET'];

/** `AF_INET SOCK_STREAM`, or a number for what has no name here. */
export function describeKind(family: number, type: number): string {
  return `${nameOf('AF_', families, family)} ${nameOf('SOCK_', types, type)}`;
}

function nameOf(prefix: string, names: readonly string[], value: number): string {
  const name = names.find((each) => native.constants[prefix + each] === value);
  return name === undefined ? String(value) : prefix + name;
}
