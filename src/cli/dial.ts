// Opening a connection as a command line says: which address was tried and why it failed, again and
// again if the user wants to wait.
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  AF_UNSPEC,
  type AnyAddress,
  createConnection,
  getaddrinfo,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  type Socket,
  SocketError,
  socket,
} from '../index.ts';
import { addressText, type Endpoint, endpointText } from './endpoint.ts';
import { timeText } from './output.ts';
import { type Given, UsageError } from './spec.ts';

/** What kind of socket a command line asks for. */
export interface Kind {
  readonly type: number;
  /** `AF_UNSPEC`, `AF_INET` or `AF_INET6`. */
  readonly family: number;
}

/** Reads `--udp`, `--dgram`, `--seqpacket`, `--ipv4`, `--ipv6`. */
export function kindOf({ options }: Given, endpoint: Endpoint, command: string): Kind {
  const unix = endpoint.kind === 'unix';
  const wrong = (option: string, what: string): never => {
    throw new UsageError(`${option} is for ${what}`, command);
  };
  if (options.udp && unix) wrong('--udp', 'hosts and ports: AF_UNIX datagrams are --dgram');
  if (options.dgram && !unix) wrong('--dgram', 'unix:PATH: datagrams of a port are --udp');
  if (options.seqpacket && !unix) wrong('--seqpacket', 'unix:PATH');
  if (options.seqpacket && options.dgram) wrong('--seqpacket', 'one kind of socket, --dgram for another');
  if ((options.ipv4 || options.ipv6) && unix) wrong(options.ipv4 ? '--ipv4' : '--ipv6', 'hosts and ports');
  if (options.ipv4 && options.ipv6) wrong('--ipv4', 'IPv4 only, --ipv6 for IPv6 only');
  const datagrams = options.udp || options.dgram;
  return {
    type: datagrams ? SOCK_DGRAM : options.seqpacket ? SOCK_SEQPACKET : SOCK_STREAM,
    family: unix ? AF_UNIX : options.ipv4 ? AF_INET : options.ipv6 ? AF_INET6 : AF_UNSPEC,
  };
}

const PAUSE = 250;

interface DialOptions extends Kind {
  /** Seconds for all of it, or null. */
  readonly timeout: number | null;
  /** Is told of each attempt, as a line. */
  readonly tell: ((line: string) => void) | undefined;
}

const left = (deadline: number): number | null =>
  deadline === Number.POSITIVE_INFINITY ? null : Math.max(0.001, (deadline - performance.now()) / 1000);

/** Connects. */
export async function dial(endpoint: Endpoint, options: DialOptions): Promise<Socket> {
  const { type, timeout, tell } = options;
  const start = performance.now();
  const onattempt = (address: AnyAddress, error: unknown): void => {
    const time = timeText((performance.now() - start) / 1000);
    if (error === undefined) tell?.(`connected to ${addressText(address)} after ${time}`);
    else tell?.(`tried ${addressText(address)}: ${(error as Error).message} (after ${time})`);
  };
  tell?.(`connecting to ${endpointText(endpoint)}`);
  if (type !== SOCK_STREAM) return await dialMessages(endpoint, options, onattempt);
  const { family } = options;
  const address = endpoint.kind === 'unix' ? endpoint.path : ([endpoint.host, endpoint.port] as const);
  const connection = (await createConnection(address, {
    timeout,
    onattempt,
    ...(family !== AF_UNIX && { family }),
  })) as Socket;
  connection.settimeout(null);
  return connection;
}

// Datagrams, and AF_UNIX sequenced packets: the first address to which a socket can be connected.
async function dialMessages(
  endpoint: Endpoint,
  { type, family, timeout }: DialOptions,
  onattempt: (address: AnyAddress, error: unknown) => void,
): Promise<Socket> {
  const addresses: [number, AnyAddress][] =
    endpoint.kind === 'unix'
      ? [[AF_UNIX, endpoint.path as AnyAddress]]
      : (await getaddrinfo(endpoint.host, endpoint.port, { family, type })).map((row) => [
          row[0],
          row[4] as AnyAddress,
        ]);
  let failure: unknown;
  for (const [each, address] of addresses) {
    const s = socket(each, type) as Socket;
    try {
      s.settimeout(timeout);
      // An address of its own, in the abstract namespace, so that it can be answered: unix(7), autobind.
      if (each === AF_UNIX && type === SOCK_DGRAM) s.bind('');
      await s.connect(address);
      s.settimeout(null);
      onattempt(address, undefined);
      return s;
    } catch (error) {
      s.close();
      onattempt(address, error);
      failure ??= error;
    }
  }
  throw failure;
}

/** Connects; tries again until it succeeds, or the time is over. */
export async function dialPatiently(endpoint: Endpoint, options: DialOptions): Promise<Socket> {
  const { timeout } = options;
  const deadline = timeout === null ? Number.POSITIVE_INFINITY : performance.now() + timeout * 1000;
  for (;;) {
    try {
      return await dial(endpoint, { ...options, timeout: left(deadline) });
    } catch (error) {
      const code = (error as { code?: unknown }).code;
      const passes = error instanceof AggregateError || error instanceof SocketError;
      if (!passes || code === 'EACCES' || performance.now() + PAUSE >= deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}
