// `berkeley-sockets/server`: servers and what surrounds them. Re-exports only.
export {
  type ActivationOptions,
  activationSockets,
  notifyReady,
  type ServiceState,
  watchdogInterval,
} from './serving/activation.ts';
export type { CrewErrorPlace } from './serving/crew.ts';
export {
  type DatagramContext,
  type DatagramErrorPlace,
  type DatagramHandler,
  type DatagramServeOptions,
  type DatagramServer,
  serveDatagrams,
} from './serving/datagrams.ts';
export type { CloseOptions } from './serving/handlers.ts';
export { type ProxyOptions, type ProxyProtocol, readProxyHeader } from './serving/proxied.ts';
export { encodeProxyHeader, type ProxyHeaderInput } from './serving/proxyencoder.ts';
export {
  PP2_SUBTYPE_SSL_CIPHER,
  PP2_SUBTYPE_SSL_CN,
  PP2_SUBTYPE_SSL_KEY_ALG,
  PP2_SUBTYPE_SSL_SIG_ALG,
  PP2_SUBTYPE_SSL_VERSION,
  PP2_TYPE_ALPN,
  PP2_TYPE_AUTHORITY,
  PP2_TYPE_CRC32C,
  PP2_TYPE_NETNS,
  PP2_TYPE_NOOP,
  PP2_TYPE_SSL,
  PP2_TYPE_UNIQUE_ID,
  type ProxyHeader,
  ProxyProtocolError,
  type ProxyTls,
  type ProxyTlv,
  parseProxyHeader,
  proxyTls,
} from './serving/proxyprotocol.ts';
export {
  type Handler,
  type Listening,
  type ListeningFamily,
  type ServeOptions,
  type Server,
  serve,
} from './serving/serve.ts';
export type { ConnectionContext, ErrorPlace } from './serving/served.ts';
export {
  type ReloadOptions,
  type ServeThreadsOptions,
  serveThreads,
  type ThreadServer,
} from './serving/threads.ts';
export { startThread, type Thread } from './threading/thread.ts';
export { type MovedSocket, moveSocket } from './transit.ts';
