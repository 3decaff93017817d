// connections(): every table of sockets that the kernel has, one after the other, and the processes
// that have them open.
import { AF_INET, AF_INET6, NETLINK_SOCK_DIAG } from '../constants.gen.ts';
import { typeError } from '../errors.ts';
import { checkOptions } from '../flavour.ts';
import { type Inquiry, openInquiry } from './asking.ts';
import {
  type Choice,
  type Connection,
  type ConnectionsOptions,
  checkFlag,
  choiceOf,
  type Protocol,
  type Source,
} from './connection.ts';
import { familyTables, nameUnixPeers } from './familydiag.ts';
import { socketHolders } from './holders.ts';
import { inetProtocols, inetRequest, inetRows } from './inetdiag.ts';
import { interfaceName } from './naming.ts';
import type { Datagram, Take } from './netlink.ts';
import { procRows } from './procnet.ts';
import { checkSource, isAbsent, isRefused } from './source.ts';

/** A table of the kernel's: of one protocol in one family. */
interface Table {
  readonly protocol: Protocol;
  readonly family: number;
  /** `undefined` where only the text tells. */
  readonly request: Datagram | undefined;
  take(rows: Connection[]): Take;
}

/** The tables that may have rows of the choice. */
function tablesOf({ family, protocols, type, mask }: Choice, tcpInfo: boolean): Table[] {
  const tables: Table[] = [];
  for (const of of [AF_INET, AF_INET6]) {
    for (const protocol of inetProtocols) {
      if (protocol.proto < 0 || (type !== undefined && protocol.type !== type)) continue;
      tables.push({
        protocol: protocol.name,
        family: of,
        request: protocol.diag ? inetRequest(of, protocol.proto, mask, tcpInfo) : undefined,
        take: (rows) => inetRows(protocol, tcpInfo, rows),
      });
    }
  }
  for (const table of familyTables)
    tables.push({
      protocol: table.name,
      family: table.family,
      request: table.request(mask),
      take: (rows) => table.rows(rows, interfaceName),
    });
  return tables.filter(
    (table) =>
      (family === undefined || table.family === family) &&
      (protocols === undefined || protocols.has(table.protocol)),
  );
}

/** What the kernel tells of a table; `undefined` where it does not tell by netlink. */
async function diagRows(
  inquiry: Inquiry,
  table: Table,
  source: Source | undefined,
  signal: AbortSignal | undefined,
): Promise<Connection[] | undefined> {
  if (table.request === undefined) return undefined;
  try {
    return await inquiry.list(table.request, (rows: Connection[]) => table.take(rows), signal);
  } catch (error) {
    if (source === undefined ? isRefused(error) : isAbsent(error)) return undefined;
    throw error;
  }
}

/**
 * The sockets of this network namespace, as the kernel tells of them: a row each, ordered by family
 * and protocol. Those of all processes are told of; the processes only as far as this one may look
 * into them (`pid` is `null` for other users' unless this is root's).
 *
 * The kernel is asked by `NETLINK_SOCK_DIAG`, sock_diag(7); where it refuses that, the files under
 * /proc/net are read, which tell less: docs/inspect.md.
 *
 * Errors: those of `socket()` and of the question, with `source: 'netlink'`. **Cancel safety**: an
 * aborted call leaves nothing behind.
 */
export async function connections(options: ConnectionsOptions = {}): Promise<Connection[]> {
  if (typeof options !== 'object' || options === null) throw typeError('options', 'an object', options);
  const choice = choiceOf(options);
  const tcpInfo = checkFlag('tcpInfo', options.tcpInfo, false);
  const processes = checkFlag('processes', options.processes, true);
  const source = checkSource(options.source);
  const signal = checkOptions<ConnectionsOptions>(options)?.signal;

  const all: Connection[] = [];
  const inquiry = openInquiry(NETLINK_SOCK_DIAG!, 'sock_diag', source);
  try {
    for (const table of tablesOf(choice, tcpInfo)) {
      let rows = inquiry === undefined ? undefined : await diagRows(inquiry, table, source, signal);
      if (rows === undefined)
        rows = source === 'netlink' ? [] : procRows(table.protocol, table.family, interfaceName);
      if (table.protocol === 'unix') nameUnixPeers(rows);
      for (const row of rows) if (choice.matches(row)) all.push(row);
    }
  } finally {
    inquiry?.close();
  }
  if (processes && all.some((row) => row.inode !== 0)) await addHolders(all, signal);
  return all;
}

async function addHolders(rows: readonly Connection[], signal: AbortSignal | undefined): Promise<void> {
  const found = await socketHolders(signal);
  for (const row of rows) {
    const holders = found.get(row.inode);
    if (holders === undefined) continue;
    row.holders = holders;
    row.pid = holders[0]!.pid;
    row.process = holders[0]!.name;
  }
}
