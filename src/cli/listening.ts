// Listening as a command line says: on a port of every address, of both IP versions where that works, or on
// an AF_UNIX path, which is taken over from a dead server and removed at the end.
import { lstatSync, unlinkSync } from 'node:fs';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  AF_UNSPEC,
  type AnyAddress,
  getaddrinfo,
  hasDualstackIPv6,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  SO_REUSEADDR,
  SOCK_DGRAM,
  SOL_SOCKET,
  type Socket,
  SocketError,
  socket,
} from '../index.ts';
import type { Kind } from './dial.ts';
import { addressJson, addressText, type Endpoint } from './endpoint.ts';
import { say } from './output.ts';
import { Failure } from './spec.ts';

interface Place {
  readonly family: number;
  readonly address: AnyAddress;
  readonly dual: boolean;
}

/** Where to bind: the host may be a name, which bind does not look up. */
async function placeOf(endpoint: Endpoint, { family, type }: Kind): Promise<Place> {
  if (endpoint.kind === 'unix') return { family: AF_UNIX, address: endpoint.path as AnyAddress, dual: false };
  const { host, port } = endpoint;
  if (host === '' && typeof port === 'number') {
    const dual = family === AF_UNSPEC && hasDualstackIPv6();
    const six = dual || family === AF_INET6;
    return { family: six ? AF_INET6 : AF_INET, address: ['', port], dual };
  }
  const [first] = await getaddrinfo(host === '' ? '0.0.0.0' : host, port, { family, type });
  return { family: first![0], address: first![4] as AnyAddress, dual: false };
}

// A file that nobody answers at is a dead server's.
async function isDead(path: string, type: number): Promise<boolean> {
  if (!lstatSync(path).isSocket()) return false;
  const probe = socket(AF_UNIX, type);
  try {
    await probe.connect(path);
    return false;
  } catch (error) {
    return (error as SocketError).code === 'ECONNREFUSED';
  } finally {
    probe.close();
  }
}

/**
 * A bound socket, that listens unless it is one of datagrams. `signals`: the signals that end the process are
 * nobody else's business, and remove the file too.
 */
export async function listenAt(endpoint: Endpoint, kind: Kind, signals = true): Promise<Socket> {
  const { family, address, dual } = await placeOf(endpoint, kind);
  const s = socket(family, kind.type) as Socket;
  try {
    const datagrams = kind.type === SOCK_DGRAM;
    if (family !== AF_UNIX && !datagrams) s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1);
    if (family === AF_INET6) s.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY as number, dual ? 0 : 1);
    try {
      s.bind(address);
    } catch (error) {
      const taken = (error as SocketError).code === 'EADDRINUSE';
      if (!taken || typeof address !== 'string' || !(await isDead(address, kind.type))) throw error;
      unlinkSync(address);
      s.bind(address);
    }
    if (typeof address === 'string') removeAtEnd(address, signals);
    if (!datagrams) s.listen();
    return s;
  } catch (error) {
    s.close();
    throw explained(error);
  }
}

// What to do about it, where that is known.
function explained(error: unknown): unknown {
  const { code, message } = error as SocketError;
  const advice: Record<string, string> = {
    EADDRINUSE: 'somebody else listens there: sock netstat --listening tells who',
    EACCES: 'ports below 1024 need root, and a path the right to write to its folder',
  };
  const known = error instanceof SocketError ? advice[code] : undefined;
  return known === undefined ? error : new Failure(`${message} (${known})`);
}

function removeAtEnd(path: string, signals: boolean): void {
  const remove = (): void => {
    try {
      unlinkSync(path);
    } catch {}
  };
  process.once('exit', remove);
  if (!signals) return;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      remove();
      // As if nobody had caught it, so that the shell sees what ended it.
      process.kill(process.pid, signal);
    });
  }
}

/** Says where it listens: for people on standard error, for programs one line of JSON by `write`. */
export async function announce(
  address: AnyAddress,
  json: boolean,
  write: (line: string) => Promise<void>,
): Promise<void> {
  if (json) await write(`${JSON.stringify(addressJson(address))}\n`);
  else say(`listening on ${addressText(address)}`);
}
