// `sock serve`: one of the services, on a port, until it is interrupted.
import {
  AF_INET6,
  AF_UNSPEC,
  type AnyAddress,
  type InetAddress,
  SOCK_DGRAM,
  SOCK_STREAM,
  type Socket,
} from '../index.ts';
import { serve, serveDatagrams, serveThreads } from '../server.ts';
import { addressJson, addressText, type Endpoint, pathOf } from './endpoint.ts';
import { listenAt } from './listening.ts';
import { print, say } from './output.ts';
import { overUdp, portOfService, type Serving, serviceOf } from './serving/handlers.ts';
import { answer, atOnce } from './serving/small.ts';
import { type Given, UsageError } from './spec.ts';

const COMMAND = 'serve';
const GRACE = 1;

interface Running {
  readonly closed: Promise<void>;
  close(options: { grace: number }): Promise<void>;
}

type Protocol = 'tcp' | 'udp' | 'unix';

function servingOf({ options, arguments: [name = '', folder] }: Given): Serving {
  const wrong = (what: string): never => {
    throw new UsageError(what, COMMAND);
  };
  if (name === 'http' && folder === undefined) wrong('http needs a folder: sock serve http DIR');
  if (name !== 'http' && folder !== undefined) wrong(`unexpected argument ${folder}`);
  if (options.udp && !overUdp(name)) wrong(`${name} has no UDP`);
  if (options.udp && options.once) wrong('--once is for connections');
  const threads = options.threads as number | undefined;
  if (threads === 0) wrong('--threads 0: at least one');
  if (options.max === 0) wrong('--max 0: at least one');
  if (threads !== undefined && name === 'chat') wrong('--threads: all guests of a chat are in one thread');
  if (threads !== undefined && options.once) wrong('--once is for one thread');
  if (threads !== undefined && options.max !== undefined && Number(options.max) < threads)
    wrong(`--max ${options.max}: at least one for each of ${threads} threads`);
  return { name, folder, hidden: options.hidden === true, verbose: options.verbose === true };
}

async function announce(name: string, protocol: Protocol, s: Socket, json: boolean): Promise<void> {
  const address = s.getsockname() as AnyAddress;
  if (json) await print(JSON.stringify({ service: name, protocol, ...addressJson(address) }));
  else say(`serving ${name} on ${protocol === 'unix' ? '' : `${protocol} `}${addressText(address)}`);
}

export async function run(given: Given): Promise<number> {
  const { options } = given;
  const serving = servingOf(given);
  const { name } = serving;
  const unix = options.unix === undefined ? undefined : pathOf(String(options.unix), COMMAND);
  if (unix !== undefined && (options.udp || options.port !== undefined || options.host !== undefined))
    throw new UsageError('--unix PATH is instead of a host and a port', COMMAND);
  const service = await serviceOf(serving);
  const host = String(options.host ?? '');
  const family = host.includes(':') ? AF_INET6 : AF_UNSPEC;
  const at = (port: number): Endpoint => unix ?? { kind: 'inet', host, port };
  const port = (options.port as number | undefined) ?? portOfService(name);

  const listeners: [Protocol, Socket][] = [];
  if (!options.udp) {
    const s = await listenAt(at(port), { type: SOCK_STREAM, family }, false);
    listeners.push([unix === undefined ? 'tcp' : 'unix', s]);
  }
  if (unix === undefined && overUdp(name) && !options.tcp && !options.once) {
    // The same number for both, also where the kernel chose it.
    const same = listeners.length > 0 ? (listeners[0]![1].getsockname() as InetAddress)[1] : port;
    listeners.push(['udp', await listenAt(at(same), { type: SOCK_DGRAM, family })]);
  }
  const servers: Running[] = [];
  for (const [protocol, s] of listeners) servers.push(await start(given, serving, service, protocol, s));
  const stop = (): void => {
    for (const server of servers) server.close({ grace: GRACE }).catch(() => {});
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  for (const [protocol, s] of listeners) await announce(name, protocol, s, options.json === true);
  await Promise.all(servers.map((server) => server.closed));
  return 0;
}

async function start(
  { options }: Given,
  serving: Serving,
  service: Awaited<ReturnType<typeof serviceOf>>,
  protocol: Protocol,
  s: Socket,
): Promise<Running> {
  const tell = (error: unknown, place: { address?: AnyAddress | undefined }): void => {
    if (!options.verbose) return;
    say(`${place.address === undefined ? '' : `${addressText(place.address)}: `}${(error as Error).message}`);
  };
  const limits = {
    ...(options.max !== undefined && { maxConnections: options.max as number }),
    ...(options.timeout !== undefined && { idleTimeout: options.timeout as number }),
  };
  const threads = options.threads as number | undefined;
  if (threads !== undefined) {
    const module = new URL('./serving/worker.js', import.meta.url);
    module.searchParams.set('serving', JSON.stringify(serving));
    module.searchParams.set('protocol', protocol);
    if (protocol === 'udp') return serveThreads(s, module, { threads, type: SOCK_DGRAM, onerror: tell });
    return serveThreads(s, module, { threads, ...limits, onerror: tell });
  }
  if (protocol === 'udp') {
    const handler = (data: Buffer, address: AnyAddress): Promise<void> =>
      answer(service, data, address, s as Socket<number, typeof SOCK_DGRAM>);
    return serveDatagrams(s, handler, { onerror: tell });
  }
  let served = false;
  const server = serve(
    s,
    async (conn, address) => {
      if (options.once) {
        // The one that is wanted; what else came meanwhile is closed.
        if (served) return;
        served = true;
      }
      if (options.verbose) say(`connection from ${addressText(address)}`);
      try {
        await service.stream(atOnce(conn as Socket), address);
      } finally {
        if (options.once) server.close({ grace: 0 }).catch(() => {});
      }
    },
    { ...limits, onerror: tell },
  );
  return server;
}
