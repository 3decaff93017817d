// The service manager's side of a server: sockets that it has opened beforehand (sd_listen_fds(3)),
// and what it wants to hear of our state (sd_notify(3)). Both are plain protocols: environment
// variables, and datagrams to an AF_UNIX socket.
import { isMainThread } from 'node:worker_threads';
import { AF_UNIX, SOCK_DGRAM } from '../constants.gen.ts';
import { describeValue, SocketError, typeError } from '../errors.ts';
import { fromfd, fromHandle, socket } from '../open.ts';
import type { Socket } from '../socket.ts';

// The first descriptor that is handed over: SD_LISTEN_FDS_START.
const FIRST = 3;
const LISTEN = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES'];

/** What `activationSockets` can be told. */
export interface ActivationOptions {
  /** Only the sockets of this name (`FileDescriptorName=`); the others are left for another call. */
  name?: string | undefined;
  /**
   * Whether the environment variables are removed, so that programs started from here do not take
   * them for theirs: true if it is not given.
   */
  unset?: boolean | undefined;
}

interface Handed {
  fd: number;
  name: string;
}

// Those that nobody has taken yet, of this process; read from the environment once.
let handed: Handed[] | undefined;

function read(): Handed[] {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = process.env;
  // They may be meant for the process that started us, or for one that we start.
  if (LISTEN_PID === undefined || LISTEN_FDS === undefined || Number(LISTEN_PID) !== process.pid) return [];
  const count = /^\d{1,6}$/.test(LISTEN_FDS) ? Number(LISTEN_FDS) : 0;
  const names = LISTEN_FDNAMES?.split(':') ?? [];
  // "unknown" is systemd's own name for one without: sd_listen_fds_with_names(3).
  return Array.from({ length: count }, (_, i) => ({ fd: FIRST + i, name: names[i] || 'unknown' }));
}

/**
 * The sockets that a service manager handed over to this process (`LISTEN_FDS`; with systemd, those
 * of the `.socket` unit), in its order. None if there are none, or if they are another process's.
 * Each is given once, to the first call that asks for it: with `{ name }`, for those of that name.
 *
 * They are close-on-exec and non-blocking from then on. `serve(socket, …)` takes one that listens.
 * Descriptors that are no sockets are left alone. Only in the main thread: `detach()` and
 * `fromHandle()` move a socket to another. sd_listen_fds(3).
 */
export function activationSockets(options: ActivationOptions = {}): Socket[] {
  if (typeof options !== 'object' || options === null) throw typeError('options', 'an object', options);
  const { name, unset = true } = options;
  if (name !== undefined && typeof name !== 'string') throw typeError('name', 'a string', name);
  if (!isMainThread)
    throw new SocketError('activationSockets belongs to the main thread: move its sockets to this one', {
      code: 'EPERM',
    });
  handed ??= read();
  const wanted = handed.filter((each) => name === undefined || each.name === name);
  handed = handed.filter((each) => !wanted.includes(each));
  if (unset) for (const variable of LISTEN) delete process.env[variable];
  return wanted.flatMap(({ fd }) => adopted(fd) ?? []);
}

function adopted(fd: number): Socket | undefined {
  let kind: { family: number; type: number; proto: number };
  try {
    // Asks the kernel what it is; the socket that remains has the number that was handed over.
    using probe = fromfd(fd);
    kind = { family: probe.family, type: probe.type, proto: probe.proto };
  } catch (error) {
    if (error instanceof SocketError && (error.code === 'ENOTSOCK' || error.code === 'EBADF'))
      return undefined;
    throw error;
  }
  return fromHandle({ fd, ...kind });
}

/** What `notifyReady` tells: the text of sd_notify(3), or its variables. */
export type ServiceState = string | Readonly<Record<string, string | number | bigint | boolean | undefined>>;

/**
 * Tells the service manager of this service's state: that it is ready, if nothing else is given.
 * Whether it was sent: false where nobody has asked for it (no `NOTIFY_SOCKET`).
 *
 * `notifyReady({ READY: 1, STATUS: 'serving' })`; `{ RELOADING: 1 }`, to which MONOTONIC_USEC is
 * added; `{ WATCHDOG: 1 }`, twice in every `watchdogInterval()`; `{ STOPPING: 1 }`; `{ MAINPID: pid }`.
 * A `true` is 1, a `false` or `undefined` is left out. Errors: of the socket; `RangeError` for a
 * line end inside a value. sd_notify(3).
 */
export async function notifyReady(state: ServiceState = 'READY=1'): Promise<boolean> {
  const text = textOf(state);
  const path = process.env.NOTIFY_SOCKET;
  if (path === undefined || path === '') return false;
  if (!path.startsWith('/') && !path.startsWith('@')) {
    throw new SocketError(`NOTIFY_SOCKET is no path and no abstract name: ${describeValue(path)}`, {
      code: 'EAFNOSUPPORT',
      path,
    });
  }
  using s = socket(AF_UNIX, SOCK_DGRAM);
  await s.sendto(text, path.startsWith('@') ? Buffer.from(`\0${path.slice(1)}`) : path);
  return true;
}

function textOf(state: unknown): string {
  if (typeof state === 'string') return state;
  if (typeof state !== 'object' || state === null)
    throw typeError('state', 'a string, or an object of variables', state);
  const lines = Object.entries(state)
    .filter(([, value]) => value !== undefined && value !== false)
    .map(([name, value]) => [name, value === true ? '1' : String(value)] as const);
  for (const [name, value] of lines) {
    if (!/^[A-Z][A-Z0-9_]*$/.test(name))
      throw new RangeError(
        `Expected names such as READY or STATUS in state but received ${describeValue(name)}`,
      );
    if (/[\n\0]/.test(value))
      throw new RangeError(`Expected one line for ${name} but received ${describeValue(value)}`);
  }
  // With RELOADING the manager wants to know when, by CLOCK_MONOTONIC: what hrtime reads.
  if (lines.some(([name]) => name === 'RELOADING') && !lines.some(([name]) => name === 'MONOTONIC_USEC'))
    lines.push(['MONOTONIC_USEC', String(process.hrtime.bigint() / 1000n)]);
  return lines.map(([name, value]) => `${name}=${value}`).join('\n');
}

/**
 * Seconds within which the service manager wants to hear `WATCHDOG=1`, again and again: send it
 * twice as often. `undefined` where no watchdog is set for this process. sd_watchdog_enabled(3).
 */
export function watchdogInterval(): number | undefined {
  const { WATCHDOG_USEC, WATCHDOG_PID } = process.env;
  if (WATCHDOG_PID !== undefined && Number(WATCHDOG_PID) !== process.pid) return undefined;
  return WATCHDOG_USEC !== undefined && /^[1-9]\d*$/.test(WATCHDOG_USEC)
    ? Number(WATCHDOG_USEC) / 1e6
    : undefined;
}
