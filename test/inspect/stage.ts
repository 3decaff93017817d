// Sockets to be seen, and the comparison of what we tell of them with what ss(8) does.
import assert from 'node:assert/strict';
import { AF_INET, AF_INET6, createConnection, createServer, type Socket } from 'berkeley-sockets';
import { type Connection, connections } from 'berkeley-sockets/inspect';
import { eventually } from '../support/deadline.ts';
import { requirePeer } from '../support/peer.ts';
import type { Scene } from '../support/scene.ts';
import { shown, ss } from './ss.ts';

const tables = 'tcp,udp,unix';
export const protocols = ['tcp', 'udp', 'unix'] as const;
/** Why these tests cannot run here; false where they can. */
export const skip = requirePeer('ss', 'ip', 'python3').skip ?? false;

/** The rows of a state, as text: the two ends. */
export const ends = (rows: readonly Connection[], state: string): string[] =>
  rows
    .filter((row) => row.state === state)
    .map((row) => `${row.local} ${row.remote}`)
    .sort();

/** Two addresses as text. */
export const pair = (a: unknown, b: unknown): string => `${a} ${b}`;

/** Ours and those of ss, once both tell the same: what other programs do meanwhile passes. */
export async function sameAsSs(s: Scene): Promise<Connection[]> {
  return eventually(
    async () => {
      const before = ss(s, tables);
      const rows = await connections({ protocol: protocols });
      // This ss knows nothing of sockets that are only bound.
      const ours = rows.filter(({ state }) => state !== 'CLOSE').map(shown);
      assert.deepEqual(ours.sort(), before.sort());
      return rows;
    },
    'the rows of ss',
    5,
  );
}

/** A connection: the two ends. */
export async function connected(s: Scene, server: Socket<AF_INET | AF_INET6>): Promise<[Socket, Socket]> {
  const client = s.own(await createConnection(server.getsockname() as [string, number]));
  const [accepted] = await server.accept();
  return [client, s.own(accepted)];
}

/** A socket that listens. */
export function listener(s: Scene, host = '127.0.0.1', backlog = 16) {
  const six = host.includes(':');
  return s.own(createServer([host, 0], { family: six ? AF_INET6 : AF_INET, backlog }));
}
