// Servers in one call, for either flavour.
import type { AddressInput } from './address.ts';
import { native } from './binding.ts';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOCK_STREAM,
  SOL_SOCKET,
} from './constants.gen.ts';
import { type Construct, openSocket } from './create.ts';
import { ensureStarted } from './engine.ts';
import { checkFlag, checkInteger, SocketError, typeError } from './errors.ts';
import type { FlavouredSocket } from './flavour.ts';

/** What `createServer` can be told. */
export interface ServerOptions {
  /** `AF_INET`, `AF_INET6` or `AF_UNIX`: what the address looks like if it is not given. */
  family?: number | undefined;
  /** As of `listen`. */
  backlog?: number | undefined;
  /** Lets several sockets share the port (SO_REUSEPORT); the kernel spreads the connections. */
  reusePort?: boolean | undefined;
  /** An AF_INET6 socket that takes IPv4 too. Without it IPv6 sockets take IPv6 only. */
  dualstackIPv6?: boolean | undefined;
}

function familyOf(address: unknown, dualstack: boolean): number {
  if (!Array.isArray(address)) return AF_UNIX;
  return dualstack || String(address[0]).includes(':') ? AF_INET6 : AF_INET;
}

/** `createServer` for either flavour. @internal */
export function openServer<S extends FlavouredSocket>(
  make: Construct<S>,
  address: AddressInput,
  options: ServerOptions,
): S {
  if (typeof options !== 'object' || options === null) throw typeError('options', 'an object', options);
  const { backlog, reusePort = false, dualstackIPv6 = false } = options;
  // Before a file of this name is made.
  if (backlog !== undefined) checkInteger('backlog', backlog, -0x80000000, 0x7fffffff);
  checkFlag('reusePort', reusePort);
  checkFlag('dualstackIPv6', dualstackIPv6);
  const family = options.family ?? familyOf(address, dualstackIPv6);
  if (dualstackIPv6 && family !== AF_INET6) throw new RangeError('dualstackIPv6 needs the family AF_INET6');
  if (dualstackIPv6 && !hasDualstackIPv6()) {
    throw new SocketError('dualstackIPv6 is not supported on this platform', {
      code: 'EAFNOSUPPORT',
      syscall: 'socket',
    });
  }
  if (reusePort && SO_REUSEPORT === undefined) {
    throw new SocketError('SO_REUSEPORT is not supported on this platform', {
      code: 'ENOPROTOOPT',
      syscall: 'setsockopt',
    });
  }
  const server = openSocket(make, family, SOCK_STREAM, 0);
  try {
    if (family !== AF_UNIX) server.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1);
    if (reusePort) server.setsockopt(SOL_SOCKET, SO_REUSEPORT as number, 1);
    if (family === AF_INET6) server.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY as number, dualstackIPv6 ? 0 : 1);
    server.bind(address);
    if (backlog === undefined) server.listen();
    else server.listen(backlog);
    return server;
  } catch (error) {
    server.close();
    throw error;
  }
}

/** Whether one AF_INET6 socket can take IPv4 connections too. */
export function hasDualstackIPv6(): boolean {
  ensureStarted();
  const fd = native.socket(AF_INET6, SOCK_STREAM, 0);
  if (fd < 0) return false;
  const off = new Uint8Array(4);
  const r = native.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY as number, off, off.length);
  native.close(fd);
  return r === 0;
}
