// `berkeley-sockets/streams`: our sockets where Node's and the Web's streams are expected. Re-exports
// only. `toDuplex()`, `readable` and `writable` are methods of every socket.
export { type ConnectTarget, type DuplexOptions, SocketDuplex } from './duplex.ts';
export {
  connect,
  type SocketAddress,
  type SocketInfo,
  type SocketOptions,
  type StreamSocket,
} from './streams/connect.ts';
export { fromNetSocket } from './streams/netsocket.ts';
export { listen, type NodeListener, type NodeServer } from './streams/nodeserver.ts';
