// What is the same in both flavours, the very same objects: constants, errors, addresses, tables,
// and everything that never waits. Re-exports only.
export type {
  Address,
  AddressInput,
  AlgAddress,
  AlgAddressInput,
  AnyAddress,
  BluetoothAddress,
  BluetoothAddressInput,
  CanAddress,
  CanAddressInput,
  FamilyAddresses,
  FamilyAddressInputs,
  Inet6Address,
  Inet6AddressInput,
  InetAddress,
  NetlinkAddress,
  PacketAddress,
  PacketAddressInput,
  QipcrtrAddress,
  TipcAddress,
  TipcAddressInput,
  UnixAddress,
  VsockAddress,
} from './address.ts';
export { type Ancillary, type AncillaryInput, CMSG_LEN, CMSG_SPACE } from './ancillary.ts';
export type { SocketHandle } from './base.ts';
export type { HostRow } from './binding.ts';
export { setBusyPoll } from './busypoll.ts';
export { htonl, htons, ntohl, ntohs } from './byteorder.ts';
export type { Data, Memory } from './bytes.ts';
export * from './constants.gen.ts';
export {
  type AlgOperation,
  type Control,
  type ControlInput,
  decodeControl,
  encodeControl,
  type PacketInfo,
  type PacketInfoInput,
} from './control.ts';
export { type Passable, type PassOptions, recvFds, sendFds } from './descriptors.ts';
export type { ExtendedError, Zerocopy } from './errorqueue.ts';
export {
  AddressInfoError,
  ClosedError,
  IncompleteReadError,
  LimitError,
  SocketError,
  TimeoutError,
} from './errors.ts';
export {
  attachFilter,
  attachReusePortFilter,
  decodeFilter,
  encodeFilter,
  type FilterInstruction,
} from './filter.ts';
export type {
  BatchOptions,
  FileOptions,
  IntoOptions,
  Received,
  TransferOptions,
  WaitOptions,
} from './flavour.ts';
export { inet_aton, inet_ntoa, inet_ntop, inet_pton } from './inet.ts';
export { gethostname, if_indextoname, if_nameindex, if_nametoindex } from './interfaces.ts';
export { hasDualstackIPv6, type ServerOptions } from './listen.ts';
export {
  encodeGroupRequest,
  encodeMembership,
  encodeTcpMd5Key,
  type Membership,
  type TcpKey,
} from './membership.ts';
export type { MessageOptions, ReceivedMessage } from './messaging.ts';
export {
  blockSource,
  type GroupOptions,
  type InterfaceOptions,
  joinGroup,
  leaveGroup,
  setMulticastInterface,
  unblockSource,
} from './multicast.ts';
export type { AddressInfo, AddressInfoHints } from './queries.ts';
export type { ConnectionAddress, ConnectionOptions, FamilyOf } from './race.ts';
export type { Readiness } from './readiness.ts';
export type { Ready, Selectable, Unpacked, Wanted } from './selection.ts';
export { getprotobyname, getservbyname, getservbyport } from './services.ts';
export {
  type Credentials,
  decodeCredentials,
  decodeGroups,
  decodeLinger,
  decodeText,
  encodeCredentials,
  encodeLinger,
  encodePacketMembership,
  encodeTransmitClock,
  type Linger,
  type PacketMembership,
  type TransmitClock,
} from './structures.ts';
export { decodeTcpInfo, type TcpInfo } from './tcpinfo.ts';
export { getdefaulttimeout, setdefaulttimeout } from './timeout.ts';
export {
  decodeTimeval,
  encodeTimeval,
  type Timestamp,
  type Timestamps,
  type TimevalOptions,
} from './timeval.ts';
