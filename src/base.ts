// What a socket of either flavour is: it owns one descriptor, and does everything that never
// waits. Knows no promises.
import os from 'node:os';
import {
  type Address,
  type AddressInput,
  type AnyAddress,
  decodeAddress,
  encodeAddress,
  NEEDS_LOOKUP,
  targetOf,
} from './address.ts';
import { native } from './binding.ts';
import type { Data } from './bytes.ts';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  IPPROTO_TCP,
  IPPROTO_UDP,
  SO_PEERCRED,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  SOL_SOCKET,
  SOMAXCONN,
  TCP_INFO,
  TCP_ULP,
  UDP_GRO,
} from './constants.gen.ts';
import { describeKind, describeNames } from './description.ts';
import * as engine from './engine.ts';
import { addressInfoError, checkFlag, checkInteger, closedError, systemError, typeError } from './errors.ts';
import { getOption, setOption } from './options.ts';
import { type Credentials, decodeCredentials } from './structures.ts';
import { decodeTcpInfo, TCP_INFO_SIZE, type TcpInfo } from './tcpinfo.ts';
import { checkTimeout, defaultTimeout } from './timeout.ts';
import { watchOwner } from './unclosed.ts';

/** The descriptor of a socket between two owners: `detach()` gives it, `fromHandle` takes it. */
export interface SocketHandle {
  fd: number;
  family: number;
  type: number;
  proto: number;
  /** Of a handle that `moveSocket` gave: the first who shows it gets the socket. */
  ticket?: number;
}

const INT_MAX = 0x7fffffff;
const NOBODY = 0xffffffff;

// A read that comes short has emptied the queue only where nothing but the end of the queue
// ends a read: in TCP and AF_UNIX streams (native/receive.cpp and engine.cpp have their exceptions), not in SCTP or
// kernel TLS, whose streams have records.
function kindOf(family: number, type: number, proto: number): number {
  if (type !== SOCK_STREAM) return 0;
  if (family === AF_UNIX) return engine.STREAM | engine.SHORT | engine.ANCILLARY;
  const tcp = (family === AF_INET || family === AF_INET6) && (proto === 0 || proto === IPPROTO_TCP);
  return tcp ? engine.STREAM | engine.SHORT : engine.STREAM;
}

const COALESCING = 1 << 30;

/** The descriptor's owner, and the calls that never wait. */
export abstract class BaseSocket<F extends number = number> {
  /** The place in the engine's tables; -1 once closed. @internal */
  slot = -1;
  /** Seconds; -1 for none. @internal */
  timeout: number;
  // family, type, protocol and COALESCING in one small integer: a socket may be one of ten
  // thousand.
  #kind: number;

  /** Takes ownership of `fd`; it does not fail. @internal */
  constructor(fd: number, family: number, type: number, proto: number) {
    this.timeout = defaultTimeout;
    this.#kind = family | (type << 8) | (proto << 12);
    this.slot = engine.openSlot(fd, kindOf(family, type, proto));
    watchOwner(this, this.slot);
  }

  /** A socket of the same flavour and kind on a new descriptor. @internal */
  abstract adopt(fd: number): BaseSocket<F>;

  /** The address family, such as `AF_INET`. */
  get family(): number {
    return this.#kind & 0xff;
  }

  /** The socket's type, such as `SOCK_STREAM`, without `SOCK_NONBLOCK` and `SOCK_CLOEXEC`. */
  get type(): number {
    return (this.#kind >> 8) & 0xf;
  }

  /** The protocol, as it was given or found: 0 is the family's default. */
  get proto(): number {
    return (this.#kind & ~COALESCING) >>> 12;
  }

  /** Whether the socket was closed or detached. */
  get closed(): boolean {
    return this.slot < 0;
  }

  /** @internal */
  get isUnix(): boolean {
    return (this.#kind & 0xff) === AF_UNIX;
  }

  /** @internal */
  get isUnixDatagram(): boolean {
    return (this.#kind & 0xfff) === (AF_UNIX | (SOCK_DGRAM << 8));
  }

  /** Whether the kernel may hand over several datagrams in one buffer (UDP_GRO). @internal */
  get coalescing(): boolean {
    return (this.#kind & COALESCING) !== 0;
  }

  /** Asks the kernel whether it does: after the option was set, or on a foreign descriptor. @internal */
  noteCoalescing(): void {
    const { family, proto, slot } = this;
    const udp = this.type === SOCK_DGRAM && (family === AF_INET || family === AF_INET6);
    if (!udp || (proto !== 0 && proto !== IPPROTO_UDP) || UDP_GRO === undefined) return;
    const value = new Int32Array(1);
    const r = native.getsockopt(engine.fds[slot]!, IPPROTO_UDP, UDP_GRO, new Uint8Array(value.buffer));
    this.#kind = r > 0 && value[0] !== 0 ? this.#kind | COALESCING : this.#kind & ~COALESCING;
  }

  /** Whether messages come one by one, with an address each. @internal */
  get isDatagram(): boolean {
    const type = (this.#kind >> 8) & 0xf;
    return type !== SOCK_STREAM && type !== SOCK_SEQPACKET;
  }

  /** The descriptor of an open socket; what was gathered to send goes out first. @internal */
  descriptor(syscall: string): number {
    if (this.slot < 0) throw closedError(syscall);
    engine.flush();
    return engine.fds[this.slot]!;
  }

  /** The descriptor's number; -1 once closed. It stays the socket's own. */
  fileno(): number {
    return this.slot < 0 ? -1 : engine.fds[this.slot]!;
  }

  /**
   * Gives the socket a local address. Hosts are numeric, `""` (any) or `"localhost"`. Another name
   * would have to be looked up: a socket that blocks does that, one on the event loop refuses it
   * (`await gethostbyname(name)` first).
   *
   * bind(2). Errors: `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES`; for AF_UNIX `ENOENT`, `ENOTDIR`.
   */
  bind(address: AddressInput<F>): void {
    this.descriptor('bind');
    const { family, proto } = this;
    let length = encodeAddress(family, address, engine.name, 'address', proto);
    if (length === NEEDS_LOOKUP) length = this.lookUpLocal(address);
    // Not the descriptor of before: to read an address may be to run the caller's code.
    if (this.slot < 0) throw closedError('bind');
    const r = native.bind(engine.fds[this.slot]!, length);
    if (r < 0) throw systemError(r, 'bind', targetOf(family, address, proto));
  }

  /** The length in `engine.name` of the address to bind to, whose host is a name. @internal */
  protected lookUpLocal(address: unknown): number {
    const host = String((address as readonly unknown[])[0]);
    throw addressInfoError(
      'EAI_NONAME',
      'getaddrinfo',
      `bind does not look up names, which may block: await gethostbyname(${JSON.stringify(host)}) first`,
    );
  }

  /**
   * Makes the socket accept connections. `backlog` is the kernel's own queue of connections that
   * wait to be accepted; a negative one counts as 0, and the kernel caps it at
   * `/proc/sys/net/core/somaxconn`. listen(2).
   */
  listen(backlog: number = Math.min(SOMAXCONN, 128)): void {
    const n = checkInteger('backlog', backlog, -INT_MAX - 1, INT_MAX);
    const r = native.listen(this.descriptor('listen'), Math.max(0, n));
    if (r < 0) throw systemError(r, 'listen');
  }

  /** Ends one direction or both: `SHUT_RD`, `SHUT_WR`, `SHUT_RDWR`. shutdown(2). */
  shutdown(how: number): void {
    checkInteger('how', how, 0, 2);
    const r = native.shutdown(this.descriptor('shutdown'), how);
    if (r < 0) throw systemError(r, 'shutdown');
  }

  /**
   * Whether the next receive begins at the mark of urgent data (`MSG_OOB`): what comes in front of
   * it is read. sockatmark(3).
   */
  sockatmark(): boolean {
    const r = native.atmark(this.descriptor('sockatmark'));
    if (r < 0) throw systemError(r, 'sockatmark');
    return r === 1;
  }

  /** The local address. getsockname(2). */
  getsockname(): Address<F> {
    const r = native.getsockname(this.descriptor('getsockname'));
    if (r < 0) throw systemError(r, 'getsockname');
    return this.#nameOut();
  }

  /** The address of the other end. getpeername(2). Errors: `ENOTCONN`. */
  getpeername(): Address<F> {
    const r = native.getpeername(this.descriptor('getpeername'));
    if (r < 0) throw systemError(r, 'getpeername');
    return this.#nameOut();
  }

  #nameOut(): Address<F> {
    return decodeAddress(engine.name, engine.io[engine.IO_NAMELEN]!, this.proto) as AnyAddress as Address<F>;
  }

  /**
   * A socket option: as a number, or as a `Buffer` of at most `buflen` bytes. getsockopt(2);
   * docs/options.md lists the options.
   */
  getsockopt(level: number, name: number): number;
  getsockopt(level: number, name: number, buflen: number): Buffer;
  getsockopt(level: number, name: number, buflen?: number): number | Buffer;
  getsockopt(level: number, name: number, buflen?: number): number | Buffer {
    return getOption(this.descriptor('getsockopt'), level, name, buflen);
  }

  /**
   * Sets a socket option: a number, a boolean, bytes (a string is its UTF-8), or `null` together
   * with the length of the value. setsockopt(2).
   */
  setsockopt(level: number, name: number, value: number | boolean | Data | null, optlen?: number): void {
    setOption(this.descriptor('setsockopt'), level, name, value, optlen);
    if (level === IPPROTO_UDP && name === UDP_GRO) this.noteCoalescing();
    // Kernel TLS makes records of the stream.
    if (level === IPPROTO_TCP && name === TCP_ULP) engine.flags[this.slot]! &= ~engine.SHORT;
  }

  /**
   * What the kernel knows of a TCP connection: times in seconds, sizes in bytes. `TCP_INFO`, tcp(7).
   *
   * Errors: `ENOPROTOOPT`, `ENOTSUP` for a socket of another protocol.
   */
  tcpInfo(): TcpInfo {
    return decodeTcpInfo(getOption(this.descriptor('getsockopt'), IPPROTO_TCP, TCP_INFO, TCP_INFO_SIZE));
  }

  /**
   * Process, user and group of the other end of an AF_UNIX connection, as they were when it
   * called `connect`, `listen` or `socketpair`. `SO_PEERCRED`, unix(7).
   *
   * Errors: `ENOTCONN` where nobody is at the other end, `ENOTSUP` for another family.
   */
  peercred(): Credentials {
    const value = getOption(this.descriptor('getsockopt'), SOL_SOCKET, SO_PEERCRED, 12);
    if (!this.isUnix) throw systemError(-os.constants.errno.EOPNOTSUPP, 'getsockopt');
    const credentials = decodeCredentials(value);
    // The kernel says so by user and group -1, and process 0 (net/core/sock.c, cred_to_ucred).
    if (credentials.uid === NOBODY) throw systemError(-os.constants.errno.ENOTCONN, 'getsockopt');
    return credentials;
  }

  /**
   * How long a call may take as a whole, in seconds: `null` waits for ever, 0 never waits
   * (`EAGAIN`, `EINPROGRESS` from `connect`). It holds for calls made from now on.
   */
  settimeout(seconds: number | null): void {
    this.timeout = checkTimeout(seconds, 'seconds');
  }

  /** The timeout in seconds, or `null`. */
  gettimeout(): number | null {
    return this.timeout < 0 ? null : this.timeout;
  }

  /** `setblocking(true)` is `settimeout(null)`, `setblocking(false)` is `settimeout(0)`. */
  setblocking(flag: boolean): void {
    this.timeout = checkFlag('flag', flag) ? -1 : 0;
  }

  /** Whether calls wait: false if the timeout is 0. */
  getblocking(): boolean {
    return this.timeout !== 0;
  }

  /** Whether programs started from now on inherit the descriptor: false at first. */
  get_inheritable(): boolean {
    const r = native.inheritable(this.descriptor('fcntl'), -1);
    if (r < 0) throw systemError(r, 'fcntl');
    return r === 1;
  }

  /** Lets programs started from now on inherit the descriptor, or not (FD_CLOEXEC). */
  set_inheritable(inheritable: boolean): void {
    const on = checkFlag('inheritable', inheritable);
    const r = native.inheritable(this.descriptor('fcntl'), on ? 1 : 0);
    if (r < 0) throw systemError(r, 'fcntl');
  }

  /** A second socket on the same connection, with a descriptor and the same timeout of its own. */
  dup(): this {
    const fd = native.dup(this.descriptor('dup'));
    if (fd < 0) throw systemError(fd, 'dup');
    const copy = this.adopt(fd);
    copy.timeout = this.timeout;
    if (this.coalescing) copy.noteCoalescing();
    return copy as this;
  }

  /** Gives the slot back; the handle if the descriptor stays open. @internal */
  protected release(close: boolean): SocketHandle {
    const handle = { fd: this.fileno(), family: this.family, type: this.type, proto: this.proto };
    const { slot } = this;
    this.slot = -1;
    const r = engine.closeSlot(slot, close);
    if (r < 0) throw systemError(r, 'close');
    return handle;
  }

  /** Gives the slot back; the descriptor is that one's who claims the handle. @internal */
  protected offer(): Required<SocketHandle> {
    const { slot, family, type, proto } = this;
    const fd = this.fileno();
    this.slot = -1;
    const ticket = engine.offerSlot(slot);
    return { fd, family, type, proto, ticket };
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    const what = describeKind(this.family, this.type);
    if (this.slot < 0) return `<Socket closed ${what}>`;
    const fd = engine.fds[this.slot]!;
    return `<Socket fd ${fd} ${what}${describeNames(fd, ' ', this.proto)}>`;
  }
}

/** What is given as a socket must be one of ours, of either flavour. */
export function checkSocket(sock: unknown): void {
  if (!(sock instanceof BaseSocket)) throw typeError('sock', 'a socket', sock);
}
