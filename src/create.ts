// Making sockets, for either flavour: a new one, a pair, one of a handle, one of a foreign
// descriptor. Checks what the kernel would not refuse clearly.
import type { BaseSocket } from './base.ts';
import { native } from './binding.ts';
import { SO_DOMAIN, SO_PROTOCOL, SO_TYPE, SOCK_CLOEXEC, SOCK_NONBLOCK, SOL_SOCKET } from './constants.gen.ts';
import * as engine from './engine.ts';
import { type ClosedError, checkInteger, closedError, systemError, typeError } from './errors.ts';
import { getOption } from './options.ts';

const INT_MAX = 0x7fffffff;

/** How a flavour makes its socket of a descriptor. */
export type Construct<S> = new (fd: number, family: number, type: number, proto: number) => S;

// Numbers that the kernel does not know are its to refuse; those that it does know are small.
function checkKind(family: unknown, type: unknown, proto: unknown): void {
  checkInteger('family', family, 0, INT_MAX);
  checkInteger('type', type, 0, INT_MAX);
  checkInteger('proto', proto, 0, INT_MAX);
}

/** socket(2) for either flavour. @internal */
export function openSocket<S extends BaseSocket>(
  make: Construct<S>,
  family: number,
  type: number,
  proto: number,
): S {
  checkKind(family, type, proto);
  engine.ensureStarted();
  const plain = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
  const fd = native.socket(family, plain, proto);
  if (fd < 0) throw systemError(fd, 'socket');
  return made(make, fd, family, type, proto);
}

function made<S extends BaseSocket>(
  make: Construct<S>,
  fd: number,
  family: number,
  type: number,
  proto: number,
): S {
  const socket = new make(fd, family, type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), proto);
  if ((type & SOCK_NONBLOCK) !== 0) socket.timeout = 0;
  return socket;
}

/** socketpair(2) for either flavour. @internal */
export function openPair<S extends BaseSocket>(
  make: Construct<S>,
  family: number,
  type: number,
  proto: number,
): [S, S] {
  checkKind(family, type, proto);
  engine.ensureStarted();
  const r = native.socketpair(family, type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), proto);
  if (r < 0) throw systemError(r, 'socketpair');
  const [one, two] = [engine.io[0]!, engine.io[1]!];
  return [made(make, one, family, type, proto), made(make, two, family, type, proto)];
}

/** Adopts a handle for either flavour. @internal */
export function adoptHandle<S extends BaseSocket>(make: Construct<S>, handle: unknown): S {
  if (typeof handle !== 'object' || handle === null)
    throw typeError('handle', 'a handle of detach()', handle);
  const { fd, family, type, proto, ticket } = handle as Record<string, unknown>;
  checkInteger('handle.fd', fd, 0, INT_MAX);
  checkInteger('handle.family', family, 0, 0xff);
  checkInteger('handle.type', type, 0, 0xf);
  checkInteger('handle.proto', proto, 0, 0x3ffff);
  if (ticket !== undefined) checkInteger('handle.ticket', ticket, 1, Number.MAX_SAFE_INTEGER);
  engine.ensureStarted();
  if (ticket !== undefined && native.claim(fd as number, ticket as number) < 0) throw claimedBefore();
  const r = native.adopt(fd as number);
  if (r < 0) {
    if (ticket !== undefined) native.close(fd as number);
    throw systemError(r, 'fcntl');
  }
  const socket = new make(fd as number, family as number, type as number, proto as number);
  socket.noteCoalescing();
  return socket;
}

// The number may be another socket's by now, and must not be touched.
const claimedBefore = (): ClosedError =>
  closedError('fromHandle', 'a handle that was adopted before, or whose thread has ended,');

/** A duplicate of any descriptor for either flavour; detects what is not given. @internal */
export function duplicate<S extends BaseSocket>(
  make: Construct<S>,
  fd: number,
  family: number | undefined,
  type: number | undefined,
  proto: number | undefined,
): S {
  checkInteger('fd', fd, 0, INT_MAX);
  const detected = (name: number | undefined): number => getOption(fd, SOL_SOCKET, name as number) as number;
  const kind = {
    family: family === undefined ? detected(SO_DOMAIN) : checkInteger('family', family, 0, 0xff),
    type: type === undefined ? detected(SO_TYPE) : checkInteger('type', type, 0, 0xf),
    proto: proto === undefined ? detected(SO_PROTOCOL) : checkInteger('proto', proto, 0, 0x3ffff),
  };
  const copy = native.dup(fd);
  if (copy < 0) throw systemError(copy, 'dup');
  try {
    return adoptHandle(make, { fd: copy, ...kind });
  } catch (error) {
    native.close(copy);
    throw error;
  }
}
