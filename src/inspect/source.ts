// Where a table is read, and when the kernel's answer means that it is to be read elsewhere.
import { describeValue, SocketError } from '../errors.ts';
import type { Source } from './connection.ts';

/** Checks what was given. */
export function checkSource(source: unknown): Source | undefined {
  if (source === undefined || source === 'netlink' || source === 'proc') return source;
  throw new TypeError(`Expected 'netlink' or 'proc' for source but received ${describeValue(source)}`);
}

// No such table (net/core/sock_diag.c), or no AF_NETLINK in this kernel.
const absences: ReadonlySet<string> = new Set([
  'ENOENT',
  'EOPNOTSUPP',
  'ENOTSUP',
  'EAFNOSUPPORT',
  'EPROTONOSUPPORT',
  'ESOCKTNOSUPPORT',
]);

// Not for this process: seccomp, SELinux and the like answer so.
const denials: ReadonlySet<string> = new Set(['EPERM', 'EACCES', 'ENOSYS', 'ECONNREFUSED', 'EINVAL']);

/** Whether the kernel has no such table. */
export const isAbsent = (error: unknown): boolean => error instanceof SocketError && absences.has(error.code);

/** Whether the kernel does not tell in this way, rather than that something is wrong. */
export const isRefused = (error: unknown): boolean =>
  isAbsent(error) || (error instanceof SocketError && denials.has(error.code));
