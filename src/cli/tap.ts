// `sock tap`: stands between two programs, shows every chunk, and can make the line between them bad.
import { writeFileSync } from 'node:fs';
import { type AnyAddress, encodeLinger, SO_LINGER, SOCK_STREAM, SOL_SOCKET, type Socket } from '../index.ts';
import { serve } from '../server.ts';
import { dial, kindOf } from './dial.ts';
import { addressText, endpointOf, endpointText } from './endpoint.ts';
import { announce, listenAt } from './listening.ts';
import { colours, say } from './output.ts';
import { atOnce } from './serving/small.ts';
import { type Given, UsageError } from './spec.ts';
import { type Output, standardOutput } from './stdio.ts';
import {
  type Filter,
  type Happening,
  jsonOf,
  type Look,
  linesOf,
  Recording,
  type Side,
  shown,
} from './tapping/records.ts';
import { type Faults, harmless, pass, passBadly, type Wires } from './tapping/relay.ts';
import { reportPage } from './tapping/report.ts';

const COMMAND = 'tap';
// What may wait to be shown: whoever reads must not hold up the conversation, nor fill the memory.
const MOST_WAITING = 8 * 1024 * 1024;
const BATCH_MS = 20;

/** `Omit` for each member of a union. */
type Told = Happening extends infer H ? (H extends Happening ? Omit<H, 'at' | 'since'> : never) : never;

// Tells what happens, and keeps it.
class Teller {
  readonly #output: Output;
  readonly #json: boolean;
  readonly #filter: Filter;
  readonly #look: Look;
  readonly recording: Recording | undefined;
  readonly #start = performance.now();
  readonly #last = new Map<number, number>();
  #pending: Happening[] = [];
  #timer: NodeJS.Timeout | undefined;
  #waiting = 0;
  #left = 0;

  constructor(output: Output, { options }: Given, filter: Filter) {
    this.#output = output;
    this.#json = options.json === true;
    this.#filter = filter;
    this.#look = {
      hex: options.hex === true,
      colour: colours({ isTTY: output.isTerminal }),
      most: (options.bytes as number | undefined) ?? 4096,
    };
    this.recording = options.report === undefined ? undefined : new Recording();
  }

  tell(told: Told): void {
    const now = (performance.now() - this.#start) / 1000;
    const since = now - (this.#last.get(told.connection) ?? now);
    this.#last.set(told.connection, now);
    if (told.event === 'close') this.#last.delete(told.connection);
    const happening = { ...told, at: now, since } as Happening;
    if (this.#waiting > MOST_WAITING) {
      this.#left++;
      return;
    }
    // To make lines of it takes longer than to pass it on: that is done when there is time, for many at once.
    if (happening.event === 'chunk') {
      const data = Uint8Array.from(happening.data);
      this.#waiting += data.length;
      this.#pending.push({ ...happening, data });
    } else this.#pending.push(happening);
    this.#timer ??= setTimeout(() => this.#flush(), BATCH_MS);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#left > 0) say(`${this.#left} events were left out: they came faster than they were taken`);
    this.#left = 0;
    let text = '';
    for (const happening of this.#pending) {
      if (happening.event === 'chunk') this.#waiting -= happening.data.length;
      this.recording?.add(happening);
      if (!shown(happening, this.#filter)) continue;
      const lines = this.#json ? [JSON.stringify(jsonOf(happening))] : linesOf(happening, this.#look);
      text += `${lines.join('\n')}\n`;
    }
    this.#pending = [];
    // Nobody reads it any more.
    if (text !== '') this.write(text).catch(() => process.exit(0));
  }

  async write(text: string): Promise<void> {
    const bytes = Buffer.from(text);
    this.#waiting += bytes.length;
    const before = this.#writing;
    this.#writing = before.then(() => this.#output.write(bytes));
    await this.#writing;
    this.#waiting -= bytes.length;
  }

  #writing: Promise<void> = Promise.resolve();

  /** Tells what is still to be told; resolves when it is written. */
  finish(): Promise<void> {
    this.#flush();
    return this.#writing;
  }
}

function filterOf({ options }: Given): Filter {
  const match = options.match as string | undefined;
  try {
    return {
      from: options.from as Side | undefined,
      match: match === undefined ? undefined : new RegExp(match, 's'),
    };
  } catch (error) {
    throw new UsageError(`--match ${match}: ${(error as Error).message}`, COMMAND);
  }
}

function faultsOf({ options }: Given): Faults {
  const limit = (name: string): number => {
    const value = options[name] as number | undefined;
    if (value === 0 && (name === 'rate' || name === 'chunk'))
      throw new UsageError(`--${name} 0: nothing would ever be passed on`, COMMAND);
    return value ?? Number.POSITIVE_INFINITY;
  };
  return {
    delay: (options.delay as number | undefined) ?? 0,
    rate: limit('rate'),
    chunk: limit('chunk'),
    dropAfter: limit('drop-after'),
    resetAfter: limit('reset-after'),
  };
}

// So that close() sends a reset instead of an end (socket(7), SO_LINGER with no time).
function reset(s: Socket): void {
  if (s.closed) return;
  try {
    s.setsockopt(SOL_SOCKET, SO_LINGER, encodeLinger({ onoff: true, linger: 0 }));
  } catch {
    // AF_UNIX knows no resets: it is just closed.
  }
  s.close();
}

export async function run(given: Given): Promise<number> {
  const { options, arguments: words } = given;
  const here = endpointOf([words[0]!], '127.0.0.1', COMMAND);
  const there = endpointOf([words[1]!], 'localhost', COMMAND);
  const filter = filterOf(given);
  const faults = faultsOf(given);
  const good = harmless(faults);
  const listener = await listenAt(here, kindOf({ options: {}, arguments: [] }, here, COMMAND), false);
  const output = standardOutput();
  const teller = new Teller(output, given, filter);
  const { recording } = teller;
  const address = listener.getsockname() as AnyAddress;
  const title = `${addressText(address)} -> ${endpointText(there)}`;
  const report = (): void => {
    if (recording !== undefined) writeFileSync(String(options.report), reportPage(recording, title));
  };
  // A place that cannot be written to is told of now, not when everything is over.
  report();

  let count = 0;
  const handle = async (client: Socket, address: AnyAddress): Promise<void> => {
    const connection = ++count;
    const sent = { client: 0, target: 0 };
    teller.tell({ event: 'open', connection, client: addressText(address), target: endpointText(there) });
    let target: Socket | undefined;
    try {
      target = await dial(there, {
        ...kindOf({ options: {}, arguments: [] }, there, COMMAND),
        type: SOCK_STREAM,
        timeout: null,
        tell: undefined,
      });
      atOnce(client);
      atOnce(target);
      const wires: Wires = {
        passed: 0,
        dropped: false,
        fault: (what) => teller.tell({ event: 'fault', connection, what }),
        reset: () => {
          reset(client);
          if (target !== undefined) reset(target);
        },
      };
      await both(
        [client, target],
        good,
        faults,
        wires,
        (from, data) => {
          sent[from] += data.length;
          teller.tell({ event: 'chunk', connection, from, data });
        },
        (from) => teller.tell({ event: 'end', connection, from }),
      );
    } catch (error) {
      teller.tell({ event: 'error', connection, what: (error as Error).message });
      // The client is to see what its peer would have made it see.
      reset(client);
      if (target !== undefined) reset(target);
    } finally {
      client.close();
      target?.close();
      teller.tell({ event: 'close', connection, sent: sent.client, received: sent.target });
    }
  };
  const server = serve(
    listener,
    async (client, address) => {
      await handle(client as Socket, address as AnyAddress);
      if (server.connections <= 1 && recording !== undefined) {
        await teller.finish();
        report();
      }
      if (options.once) server.close({ grace: 1 }).catch(() => {});
    },
    { onerror: (error) => say((error as Error).message) },
  );
  const stop = (): void => void server.close({ grace: 0 }).catch(() => {});
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  await announce(address, options.json === true, (line) => teller.write(line));
  await server.closed;
  await teller.finish();
  report();
  if (recording !== undefined) say(`report: ${String(options.report)}`);
  return 0;
}

async function both(
  [client, target]: readonly [Socket, Socket],
  good: boolean,
  faults: Faults,
  wires: Wires,
  chunk: (from: Side, data: Uint8Array) => void,
  end: (from: Side) => void,
): Promise<void> {
  const way = async (from: Socket, to: Socket, side: Side): Promise<void> => {
    const told = (data: Uint8Array): void => chunk(side, data);
    try {
      await (good ? pass(from, to, told) : passBadly(from, to, faults, wires, told));
      end(side);
    } catch (error) {
      if (!wires.dropped) throw error;
    }
  };
  await Promise.all([way(client, target, 'client'), way(target, client, 'target')]);
}
