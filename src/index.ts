// `berkeley-sockets`: sockets on the event loop. Re-exports only.
export type {
  Address,
  AddressInput,
  AnyAddress,
  Inet6Address,
  Inet6AddressInput,
  InetAddress,
  UnixAddress,
} from './address.ts';
export type { SocketHandle } from './base.ts';
export type { HostRow } from './binding.ts';
export { setBusyPoll } from './busypoll.ts';
export { htonl, htons, ntohl, ntohs } from './byteorder.ts';
export type { Data, Memory } from './bytes.ts';
export {
  type ConnectionAddress,
  type ConnectionOptions,
  createConnection,
  createServer,
  type FamilyOf,
  hasDualstackIPv6,
  type ServerOptions,
} from './connect.ts';
export * from './constants.gen.ts';
export { AddressInfoError, ClosedError, SocketError, TimeoutError } from './errors.ts';
export { inet_aton, inet_ntoa, inet_ntop, inet_pton } from './inet.ts';
export { if_indextoname, if_nameindex, if_nametoindex } from './interfaces.ts';
export {
  type AddressInfo,
  type AddressInfoOptions,
  getaddrinfo,
  getfqdn,
  gethostbyaddr,
  gethostbyname,
  gethostbyname_ex,
  gethostname,
  getnameinfo,
  type LookupOptions,
} from './names.ts';
export { fromfd, fromHandle, socket, socketpair } from './open.ts';
export type { Readiness } from './readiness.ts';
export { getprotobyname, getservbyname, getservbyport } from './services.ts';
export {
  type Accepted,
  type IntoOptions,
  type Item,
  type Received,
  Socket,
  type TransferOptions,
  type WaitOptions,
} from './socket.ts';
export { getdefaulttimeout, setdefaulttimeout } from './timeout.ts';
