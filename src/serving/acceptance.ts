// What a server makes of an error of accept(2), or of receiving datagrams: tables with reasons.
// Knows error codes, nothing of sockets.
import { SocketError } from '../errors.ts';

/**
 * What to do about an error: go on with the `'next'` connection, `'wait'` until the system has
 * what it lacks, or give up: `'fatal'`.
 */
export type Verdict = 'next' | 'wait' | 'fatal';

/** Errors that say something of one connection, which is gone, and nothing of the listener. */
const OF_THE_CONNECTION = [
  // The client had gone before it was accepted: accept(2).
  'ECONNABORTED',
  'ECONNRESET',
  'ETIMEDOUT',
  // A firewall rule forbids the connection: accept(2), Linux.
  'EPERM',
  // "Linux accept() passes already-pending network errors on the new socket as an error code from
  // accept()": these, says accept(2), are to be treated like EAGAIN.
  'ENETDOWN',
  'EPROTO',
  'ENOPROTOOPT',
  'EHOSTDOWN',
  'ENONET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  // Among them too. It is also what a socket of a type that does not listen gives: a server asks
  // for SO_ACCEPTCONN before it begins. Node's name of the same number is the second.
  'EOPNOTSUPP',
  'ENOTSUP',
  // "In addition to those mentioned, also": accept(2), of Linux and of other kernels.
  'ENOSR',
  'ESOCKTNOSUPPORT',
  'EPROTONOSUPPORT',
];

/** Errors that pass when somebody, here or elsewhere, gives back what there is too little of. */
const OF_THE_SYSTEM = [
  // Descriptors: of this process, of the system.
  'EMFILE',
  'ENFILE',
  // Memory, of sockets or at all.
  'ENOBUFS',
  'ENOMEM',
];

/** What is pending on a datagram socket is told by the next call: an earlier datagram's fate. */
const OF_A_DATAGRAM = [
  // ICMP messages: udp(7). A server that sends answers meets clients that are gone.
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOPROTOOPT',
  'EPROTO',
  'EACCES',
  'EMSGSIZE',
  'EHOSTDOWN',
  'ENETDOWN',
  'ENONET',
  // AF_UNIX: a connected socket's other end was closed.
  'ECONNRESET',
];

/** How long a server sleeps that is out of descriptors or memory, in seconds, if nothing wakes it. */
export const SHORTAGE_PAUSE = 0.1;

/** After so many errors in a row that should concern single connections, a server pauses: it must not spin. */
export const MOST_IN_A_ROW = 64;

function verdict(error: unknown, passing: readonly string[]): Verdict {
  // Anything else is a mistake in a program, which no repetition mends: EBADF, EINVAL, ENOTSOCK, EFAULT.
  if (!(error instanceof SocketError)) return 'fatal';
  if (passing.includes(error.code)) return 'next';
  return OF_THE_SYSTEM.includes(error.code) ? 'wait' : 'fatal';
}

/** What an error of accept(2) means for the server. */
export const acceptVerdict = (error: unknown): Verdict => verdict(error, OF_THE_CONNECTION);

/** What an error of receiving means for a server of datagrams. */
export const receiveVerdict = (error: unknown): Verdict => verdict(error, OF_A_DATAGRAM);

/** How connections end when clients go away: what a handler that was in the middle of something meets. */
const OF_A_CLIENT_GONE = [
  'ECONNRESET',
  'EPIPE',
  'ECONNABORTED',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'ENETRESET',
];

/** Whether an error is only that the client went away, or was too slow for its socket's timeout. */
export const isClientGone = (error: unknown): boolean =>
  error instanceof SocketError && OF_A_CLIENT_GONE.includes(error.code);
