// The only file that loads the native core, and the types of what it exports. A function
// takes a descriptor and numbers, and returns a number: >= 0, or -errno.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';

/** One function a system call: see native/syscalls.cpp. Addresses go through `engine.name`. */
export interface NativeSyscalls {
  socket(family: number, type: number, proto: number): number;
  /** The two descriptors in `io[0]` and `io[1]`. */
  socketpair(family: number, type: number, proto: number): number;
  /** Makes a foreign descriptor non-blocking and close-on-exec; -ENOTSOCK if it is no socket. */
  adopt(fd: number): number;
  dup(fd: number): number;
  close(fd: number): number;
  bind(fd: number, namelen: number): number;
  connect(fd: number, namelen: number): number;
  listen(fd: number, backlog: number): number;
  accept(fd: number): number;
  shutdown(fd: number, how: number): number;
  getsockname(fd: number): number;
  getpeername(fd: number): number;
  /** The length that the kernel gave, or -errno. */
  getsockopt(fd: number, level: number, name: number, value: Uint8Array): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array | null, length: number): number;
  /** Gives a socket a program of the classic BPF; `choosing` is among the sockets of one port. */
  attachFilter(fd: number, choosing: boolean, program: Uint8Array): number;
  recv(fd: number, view: Uint8Array, offset: number, length: number, flags: number): number;
  /** `recv` of an AF_UNIX stream; `io[0]`: it ended at a message with descriptors. */
  recvStream(fd: number, view: Uint8Array, offset: number, length: number): number;
  recvfrom(fd: number, view: Uint8Array, offset: number, length: number, flags: number): number;
  send(fd: number, view: Uint8Array, offset: number, length: number, flags: number): number;
  sendto(
    fd: number,
    view: Uint8Array,
    offset: number,
    length: number,
    flags: number,
    namelen: number,
  ): number;
  /** `revents`, 0 for none, or -errno. */
  poll(fd: number, events: number, milliseconds: number): number;
  /** poll(2) over the first `count` descriptors: how many are ready, 0 for none, or -errno. */
  pollmany(
    fds: Int32Array,
    events: Int16Array,
    revents: Int16Array,
    count: number,
    milliseconds: number,
  ): number;
  /** 1 or 0 as it is with a negative `change`, which sets it otherwise. */
  inheritable(fd: number, change: number): number;
}

/** From a file to a socket, and what a stream holds: see native/transfer.cpp. */
export interface NativeTransfers {
  /** The bytes that the socket took, 0 at the end of the file, or -errno. The file's position stays. */
  sendfile(socket: number, file: number, offset: number, length: number): number;
  /** pread(2) into the whole view, or read(2) with a negative position. */
  readFile(file: number, view: Uint8Array, position: number): number;
  /** The bytes in a stream's receive queue, up to urgent data, or -errno. */
  queued(fd: number): number;
  /** 1 where the next read begins at urgent data, 0 elsewhere, or -errno. */
  atmark(fd: number): number;
}

/** Messages: see native/message.cpp. Buffers are one, or several whose sizes add up to `length`. */
export interface NativeMessages {
  /**
   * The bytes received; `io[0]` is the length of the ancillary data, `io[1]` the message's flags,
   * `io[2]` how many descriptors came. They are closed unless `keep` is called.
   */
  recvmsg(
    fd: number,
    buffers: Uint8Array | readonly Uint8Array[],
    length: number,
    control: Uint8Array,
    room: number,
    flags: number,
  ): number;
  keep(): void;
  discard(): void;
  /** A `namelen` of -1 means the address of `engine.peer`, one of -2 none. */
  sendmsg(
    fd: number,
    buffers: Uint8Array | readonly Uint8Array[],
    length: number,
    control: Uint8Array | null,
    flags: number,
    namelen: number,
  ): number;
}

/** Datagrams in batches: see native/batch.cpp. */
export interface NativeBatches {
  recvmmsg(
    fd: number,
    count: number,
    bufsize: number,
    gro: number,
    meta: Int32Array,
    names: Uint8Array,
  ): number;
  unpack(into: Uint8Array, from: number, to: number, bufsize: number, meta: Int32Array): number;
  sendmmsg(fd: number, count: number, data: Uint8Array, meta: Int32Array, names: Uint8Array): number;
}

/** `[family, type, protocol, canonname, sockaddr]` of each address. */
export type AddressRows = [number, number, number, string, Uint8Array][];
/** `[name, aliases, addresses]` of a host. */
export type HostRow = [string, string[], string[]];
/** What a question to the resolver gave: its rows, or a failure: an EAI value, all of which are negative, or a positive errno. */
export type Answer<Rows> = Rows | number;

/** Descriptors between two owners: see native/transit.cpp. */
export interface NativeTransit {
  /** 0, or -ENOENT where there is no such offer (any more). */
  claim(fd: number, ticket: number): number;
  /** 1 as long as nobody has claimed it. */
  offered(ticket: number): number;
}

/** Name resolution and the system's tables: see names.ts. */
export interface NativeNames {
  /** Look-ups in threads: `dispatch` is called with each answer. 0, or -errno. */
  startResolver(dispatch: (id: number, answer: Answer<unknown>) => void): number;
  /** Whether look-ups keep the process alive. */
  holdResolver(hold: boolean): void;
  /** Drops a look-up that no thread has begun. */
  cancelLookup(id: number): void;
  /**
   * Blocks at most that long for the answer to a question that was asked with a negative id;
   * `undefined` while there is none.
   */
  awaitLookup(id: number, milliseconds: number): Answer<unknown> | undefined;
  // Each question comes twice: with an id for `dispatch` or `awaitLookup`, returning 0 or -errno,
  // and answered in place.
  getaddrinfo(
    id: number,
    host: string | null,
    service: string | null,
    family: number,
    type: number,
    proto: number,
    flags: number,
  ): number;
  getaddrinfoSync(
    host: string | null,
    service: string | null,
    family: number,
    type: number,
    proto: number,
    flags: number,
  ): Answer<AddressRows>;
  getnameinfo(id: number, sockaddr: Uint8Array, flags: number): number;
  getnameinfoSync(sockaddr: Uint8Array, flags: number): Answer<[host: string, service: string]>;
  gethostbyname(id: number, name: string): number;
  gethostbynameSync(name: string): Answer<HostRow>;
  gethostbyaddr(id: number, sockaddr: Uint8Array): number;
  gethostbyaddrSync(sockaddr: Uint8Array): Answer<HostRow>;
  gai_strerror(failure: number): string;
  /** The port, or -errno. */
  getservbyname(name: string, proto: string | null): number;
  getservbyport(port: number, proto: string | null): string | null;
  /** The number, or -errno. */
  getprotobyname(name: string): number;
  /** The interface's index, or -errno (ENODEV). */
  if_nametoindex(name: string): number;
  /** The interface's name, or -errno (ENXIO). */
  if_indextoname(index: number): string | number;
  /** Every interface, or -errno. */
  if_nameindex(): [index: number, name: string][] | number;
  /** The address as the number that its bytes spell, or -1. */
  inet_aton(text: string): number;
}

/** Readiness, and the transfers that it drives: see native/engine.cpp and engine.ts. */
export interface NativeEngine {
  attach(
    io: Int32Array,
    name: Uint8Array,
    peer: Uint8Array,
    records: Int32Array,
    ring: Uint8Array,
    ringRecords: Int32Array,
    dispatch: () => void,
  ): number;
  tables(
    fds: Int32Array,
    generations: Int32Array,
    asks: Int32Array,
    flags: Uint8Array,
    want: Uint8Array,
  ): void;
  slab(which: number, area: Uint8Array): void;
  receive(slot: number, most: number): number;
  /** The same, waiting where nothing is there. */
  receiveWithin(slot: number, most: number, milliseconds: number): number;
  watch(slot: number): number;
  /** `end`: 1 closes the descriptor, 0 leaves it open, 2 offers it and returns the ticket; or -errno. */
  release(slot: number, end: number): number;
  flush(count: number): void;
  reference(): void;
  start(thread: number): number;
  busyPoll(seconds: number): void;
}

export interface Native
  extends NativeSyscalls,
    NativeTransfers,
    NativeMessages,
    NativeBatches,
    NativeTransit,
    NativeNames,
    NativeEngine {
  readonly constants: Readonly<Record<string, number | undefined>>;
}

function load(): Native {
  const require = createRequire(import.meta.url);
  // A binary for the other C library fails to load, and the next one is tried.
  const platform = `${process.platform}-${process.arch}`;
  const candidates = ['build', `prebuilds/${platform}`, `prebuilds/${platform}-musl`].map(
    (folder) => `../${folder}/berkeley-sockets.node`,
  );
  const failures: string[] = [];
  for (const candidate of candidates) {
    const file = new URL(candidate, import.meta.url);
    if (!existsSync(file)) {
      failures.push(`  ${candidate}: not there`);
      continue;
    }
    try {
      return require(candidate) as Native;
    } catch (error) {
      failures.push(`  ${candidate}: ${(error as Error).message}`);
    }
  }
  throw new Error(
    `berkeley-sockets could not load its native core for ${platform} ` +
      `(Node ${process.version}). Tried:\n${failures.join('\n')}\n` +
      'In a clone of the repository, `npm run build` makes it with the C++ compiler at hand. ' +
      'In an installed package, this platform has no prebuilt binary: see "Platforms" in the README.',
  );
}

export const native: Native = load();
