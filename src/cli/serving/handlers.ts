// What `sock serve` does with a connection, by the name of the service; and the place where threads find it.
import type { AnyAddress, SOCK_DGRAM, Socket } from '../../index.ts';
import { say } from '../output.ts';
import { Room } from './chat.ts';
import { Folder } from './files.ts';
import { serveFiles } from './http.ts';
import { answer, atOnce, type Service, services } from './small.ts';

/** What is served, such that it can be told to another thread. */
export interface Serving {
  readonly name: string;
  readonly folder?: string | undefined;
  readonly hidden?: boolean;
  readonly verbose?: boolean;
}

export const portOfService = (name: string): number =>
  services[name]?.port ?? (name === 'chat' ? 7000 : 8080);

/** Whether its RFC has it over UDP too. */
export const overUdp = (name: string): boolean => services[name]?.datagram !== undefined;

export async function serviceOf({ name, folder, hidden, verbose }: Serving): Promise<Service> {
  const small = services[name];
  if (small !== undefined) return small;
  if (name === 'chat') {
    const room = new Room();
    return { port: 0, stream: (conn) => room.welcome(conn) };
  }
  const files = await Folder.open(folder!, hidden === true);
  const log = verbose ? say : (): void => {};
  return { port: 0, stream: (conn, address) => serveFiles(conn, address, files, log) };
}

/** What a thread runs for its connections, or its datagrams: chosen by the query of its module's address. */
export async function handlerOf(url: string): Promise<(...given: never[]) => Promise<void>> {
  const query = new URL(url).searchParams;
  const serving = JSON.parse(query.get('serving')!) as Serving;
  const service = await serviceOf(serving);
  if (query.get('protocol') === 'udp')
    return (data: Buffer, address: AnyAddress, { socket }: { socket: Socket<number, typeof SOCK_DGRAM> }) =>
      answer(service, data, address, socket);
  return (conn: Socket, address: AnyAddress) => service.stream(atOnce(conn), address);
}
