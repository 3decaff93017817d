// `sock netstat`: the table of sockets, once or live.
import { AF_INET, AF_INET6 } from '../index.ts';
import { type Connection, type ConnectionsOptions, connections } from '../inspect.ts';
import { colours, print, printJson, say, styled, tableLines } from './output.ts';
import { columnsOf, heldBy, holdersText, inOrder, portsOf, protocolsOf, stateOf } from './socketrows.ts';
import { type Given, UsageError } from './spec.ts';

const FASTEST = 0.1;

/** The rows that are asked for, as a question to be asked again. */
function question(given: Given): () => Promise<Connection[]> {
  const { options } = given;
  const chosen: ConnectionsOptions = {
    protocol: protocolsOf(given),
    family: options.ipv4 ? AF_INET : options.ipv6 ? AF_INET6 : undefined,
    state: (options.state as string[] | undefined)?.map(stateOf),
    listening: options.listening ? true : undefined,
    tcpInfo: Boolean(options.info || options.json || options.watch),
    processes: withProcesses(given),
  };
  const ports = options.port as number[] | undefined;
  const wanted = options.process as string[] | undefined;
  return async () =>
    (await connections(chosen)).filter(
      (row) =>
        (ports === undefined || portsOf(row).some((port) => ports.includes(port))) &&
        (wanted === undefined || heldBy(row, wanted)),
    );
}

const withProcesses = ({ options }: Given): boolean =>
  [options.processes, options.process, options.port, options.listening, options.watch, options.json].some(
    (option) => option !== undefined,
  );

export async function run(given: Given): Promise<number> {
  const { options } = given;
  if (options.ipv4 && options.ipv6)
    throw new UsageError('--ipv4 and --ipv6: leave both away for both', 'netstat');
  if (options.interval !== undefined && !options.watch)
    throw new UsageError('--interval is for --watch', 'netstat');
  const ask = question(given);
  if (options.watch) {
    if (options.json) throw new UsageError('--watch shows a table: not with --json', 'netstat');
    const { watch } = await import('./watch.ts');
    return watch(ask, Math.max(FASTEST, (options.interval as number | undefined) ?? 1));
  }
  const rows = inOrder(await ask());
  if (options.json) await printJson(rows.map(plain));
  else await printTable(given, rows);
  return rows.length === 0 && (options.port !== undefined || options.process !== undefined) ? 1 : 0;
}

async function printTable(given: Given, rows: readonly Connection[]): Promise<void> {
  const { options } = given;
  const ports = (options.port ?? []) as number[];
  const colour = colours(process.stdout);
  const columns = columnsOf({ processes: withProcesses(given), info: options.info === true, colour });
  if (rows.length > 0 || ports.length === 0) await print(tableLines(rows, columns, colour).join('\n'));
  for (const port of ports) {
    const sentences = holdersText(rows, port);
    if (sentences.length > 0)
      await print(`\n${sentences.map((text) => styled(text, 'bold', colour)).join('\n')}`);
    else say(`sock: nobody holds port ${port}`);
  }
}

// Abstract names are bytes: as text with their leading NUL; Infinity is no number of JSON.
function plain(row: Connection): unknown {
  const address = (value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString() : value);
  return { ...row, local: address(row.local), remote: address(row.remote) };
}
