// `berkeley-sockets/sync`: sockets that block the thread. Re-exports only: here what waits, in
// vocabulary.ts what both flavours share.
export { Socket } from './blocking.ts';
export { createConnection, createServer } from './sync/connect.ts';
export {
  getaddrinfo,
  getfqdn,
  gethostbyaddr,
  gethostbyname,
  gethostbyname_ex,
  getnameinfo,
} from './sync/names.ts';
export { fromfd, fromHandle, socket, socketpair } from './sync/open.ts';
export { Reader } from './sync/reader.ts';
export { select, waitAny } from './sync/select.ts';
export * from './vocabulary.ts';
