// `berkeley-sockets`: sockets on the event loop. Re-exports only: here what waits, in vocabulary.ts
// what both flavours share.
export { createConnection, createServer } from './connect.ts';
export { type ConnectTarget, type DuplexOptions, SocketDuplex } from './duplex.ts';
export {
  type AddressInfoOptions,
  getaddrinfo,
  getfqdn,
  gethostbyaddr,
  gethostbyname,
  gethostbyname_ex,
  getnameinfo,
  type LookupOptions,
} from './names.ts';
export { fromfd, fromHandle, socket, socketpair } from './open.ts';
export { type FrameOptions, type Iterated, type LimitOptions, type LineOptions, Reader } from './reader.ts';
export { type AnyOptions, select, waitAny } from './select.ts';
export { type Accepted, type Item, Socket } from './socket.ts';
export type { TlsClientOptions, TlsOptions, TlsServerOptions } from './tls/options.ts';
export { TlsSocket } from './tls/socket.ts';
export { startTls, wrapTls } from './tls.ts';
export * from './vocabulary.ts';
