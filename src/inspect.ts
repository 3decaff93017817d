// `berkeley-sockets/inspect`: what the kernel knows of sockets, interfaces and routes. Re-exports
// only.
export type {
  Connection,
  ConnectionAddress,
  ConnectionState,
  ConnectionsOptions,
  Holder,
  InspectOptions,
  InternetProtocol,
  Protocol,
  SocketRow,
  Source,
} from './inspect/connection.ts';
export { connections } from './inspect/connections.ts';
export { interfaces, routes } from './inspect/interfaces.ts';
export type {
  InterfaceAddress,
  InterfaceState,
  InterfaceStatistics,
  NetworkInterface,
  NextHop,
  Route,
  RoutesOptions,
  RouteType,
} from './inspect/network.ts';
