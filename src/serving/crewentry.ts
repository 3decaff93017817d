// What runs in a thread of `serveThreads`: `serve` or `serveDatagrams` with the module's handler, on the
// listeners that the main thread lends. Knows nothing of the other threads.
import { workerData } from 'node:worker_threads';
import { CountedSocket } from '../counted.ts';
import { adoptHandle } from '../create.ts';
import { Socket } from '../socket.ts';
import { packFailure } from '../threading/failures.ts';
import { defaultExport } from '../threading/modules.ts';
import { printDirectly } from '../threading/output.ts';
import {
  ACCEPTED,
  type Beginning,
  CONNECTIONS,
  FAILED,
  NUMBERS,
  type Order,
  RECEIVED,
  type Report,
  SENT,
  TIMEOUTS,
} from './crewprotocol.ts';
import {
  type DatagramErrorPlace,
  type DatagramHandler,
  type DatagramServer,
  serveDatagrams,
} from './datagrams.ts';
import { type Handler, type Server, serve } from './serve.ts';
import type { ErrorPlace } from './served.ts';

const COUNT_PERIOD = 50;

const { port, module, datagrams, options, tells, numbers } = workerData as Beginning;
const servers = new Map<number, Server | DatagramServer>();
const earlier = new Float64Array(NUMBERS);
let ending = false;

printDirectly();

function say(report: Report): void {
  port.postMessage(report);
}

function add(to: Float64Array, server: Server | DatagramServer): void {
  const counts =
    'accepted' in server
      ? [
          server.connections,
          server.accepted,
          server.failed,
          server.timeouts,
          server.bytesReceived,
          server.bytesSent,
        ]
      : [server.handlers, server.received, server.failed, 0, server.bytesReceived, 0];
  counts.forEach((n, at) => {
    to[at]! += n;
  });
}

// As they are now; a number that is read meanwhile is one of before or of now.
function count(): void {
  const sum = Float64Array.from(earlier);
  for (const server of servers.values()) add(sum, server);
  for (const at of [CONNECTIONS, ACCEPTED, FAILED, TIMEOUTS, RECEIVED, SENT]) numbers[at] = sum[at]!;
}

/** Ends the thread as one that crashed, but says why first. */
function give(error: unknown): never {
  say({ failure: packFailure(error) });
  process.exit(1);
}

function listen(id: number, handle: Extract<Order, { listen: number }>['handle'], handler: unknown): void {
  const onerror = (error: unknown, place: ErrorPlace | DatagramErrorPlace) =>
    say({ error: packFailure(error), place });
  const told = tells ? { ...options, onerror } : options;
  const server = datagrams
    ? serveDatagrams(adoptHandle<Socket>(Socket, handle), handler as DatagramHandler, told)
    : serve(adoptHandle<CountedSocket>(CountedSocket, handle) as Socket, handler as Handler, told);
  servers.set(id, server);
  server.closed.then(() => gone(id, server), give);
  say({ listening: id });
}

function gone(id: number, server: Server | DatagramServer): void {
  add(earlier, server);
  earlier[CONNECTIONS] = 0;
  if (servers.get(id) === server) servers.delete(id);
  if (ending && servers.size === 0) process.exit(0);
}

function end(grace: number): void {
  ending = true;
  if (servers.size === 0) process.exit(0);
  for (const server of servers.values()) void server.close({ grace });
  say({ stopped: true });
}

process.on('exit', count);
setInterval(count, COUNT_PERIOD).unref();
try {
  const handler = await defaultExport(module);
  port.on('message', (order: Order) => {
    try {
      if ('end' in order) end(order.end);
      else if ('listen' in order) listen(order.listen, order.handle, handler);
      // Its connections stay to their own end.
      else void servers.get(order.leave)?.close({ grace: Number.POSITIVE_INFINITY });
    } catch (error) {
      give(error);
    }
  });
  say({ ready: true });
} catch (error) {
  give(error);
}
