// What ss(8) of iproute2 prints of sockets, and rows of ours, in one form to compare: a line each.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { AF_UNIX, SOCK_DGRAM, SOCK_STREAM } from 'berkeley-sockets';
import type { Connection } from 'berkeley-sockets/inspect';
import { type Ending, tempdir } from '../support/tempdir.ts';

// As ss spells them; the rest has a dash for a low line.
const spelt = new Map([
  ['ESTABLISHED', 'ESTAB'],
  ['UNCONNECTED', 'UNCONN'],
  ['FIN_WAIT1', 'FIN-WAIT-1'],
  ['FIN_WAIT2', 'FIN-WAIT-2'],
]);

const unixKind = (type: number): string =>
  type === SOCK_STREAM ? 'u_str' : type === SOCK_DGRAM ? 'u_dgr' : 'u_seq';

function inetText(address: readonly unknown[] | null): string {
  return address === null ? 'none' : `${address[0]} ${address[1]}`;
}

// ss tells of a datagram socket that somebody connected to as connected itself.
function stateText({ family, type, state }: Connection): string {
  if (family === AF_UNIX && type === SOCK_DGRAM) return 'DGRAM';
  return spelt.get(state) ?? state.replaceAll('_', '-');
}

/** One of our rows. */
export function shown(row: Connection): string {
  const unix = row.family === AF_UNIX;
  const name = (address: unknown) => String(address).replaceAll('\0', '@') || '*';
  const ends = unix
    ? // This ss does not name the other end.
      [`${name(row.local)} ${row.inode}`, `* ${row.peerInode}`]
    : [inetText(row.local as readonly unknown[]), inetText(row.remote as readonly unknown[] | null)];
  return [
    unix ? unixKind(row.type) : row.protocol,
    stateText(row),
    row.recvQueue,
    row.sendQueue,
    ...ends,
    ...row.holders.map(({ pid, name: process }) => `${process} ${pid}`).sort(),
  ].join(' | ');
}

/** Host and port as ss prints them: `[::1]:80`, `*:80`, `127.0.0.1%lo:80`, `0.0.0.0:*`. */
function inetOf(text: string): string {
  const [, host, port] = /^(.*):([^:]*)$/.exec(text)!;
  const bare = host!.replace(/^\[|\]$/g, '').replace(/%.*/, '');
  return port === '*' ? 'none' : `${bare === '*' ? '::' : bare} ${port}`;
}

/** What `ss` tells of the tables that are named as its option -A has them. */
export function ss(s: Ending, tables: string): string[] {
  // Into a file: Node's pipes are AF_UNIX sockets, which would be in the table.
  const file = path.join(tempdir(s), 'ss');
  const output = openSync(file, 'w');
  const args = ['-H', '-a', '-n', '-p', '-O', '-A', tables];
  const { status } = spawnSync('ss', args, { stdio: ['ignore', output, 'inherit'] });
  closeSync(output);
  assert.equal(status, 0);
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => {
    const [before, users = ''] = line.split(/\s+users:/);
    const [kind, state, received, sent, ...ends] = before!.trim().split(/\s+/);
    const shownEnds = kind!.startsWith('u_')
      ? [ends.slice(0, 2).join(' '), ends.slice(2, 4).join(' ')]
      : [inetOf(ends[0]!), inetOf(ends[1]!)];
    const holders = [...users.matchAll(/\("([^"]*)",pid=(\d+),fd=\d+\)/g)].map(
      ([, name, pid]) => `${name} ${pid}`,
    );
    return [
      kind,
      kind === 'u_dgr' ? 'DGRAM' : state,
      received,
      sent,
      ...shownEnds,
      ...[...new Set(holders)].sort(),
    ].join(' | ');
  });
}
