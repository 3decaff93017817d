// pg over our sockets, to PostgreSQL.
import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import { AF_UNIX, socket } from 'berkeley-sockets';
import pg from 'pg';
import { Chance } from '../support/chance.ts';
import { requirePeer } from '../support/peer.ts';
import { client } from './row.ts';
import { postgres } from './servers.ts';

const { skip } = requirePeer('pg_createcluster', 'openssl');

client(
  {
    client: 'pg',
    hook: '`stream` option',
    exercised: 'queries, parameters, 8 MiB rows, NOTIFY, a pool; TCP, TLS, AF_UNIX',
  },
  async (stage) => {
    const server = await postgres(stage);
    const inet = (): Duplex => socket().toDuplex();
    const unix = (): Duplex => socket(AF_UNIX).toDuplex();
    const common = { user: 'postgres', database: 'postgres', port: server.port };
    const ways = [
      { host: '127.0.0.1', stream: inet },
      { host: '127.0.0.1', stream: inet, ssl: { ca: server.cert!, servername: 'localhost' } },
      { host: server.path, stream: unix },
    ];
    for (const way of ways) {
      const db = new pg.Client({ ...common, ...way });
      await db.connect();
      const { rows } = await db.query(
        'select $1::int + 1 as n, inet_server_port() as port, ssl from pg_stat_ssl where pid = pg_backend_pid()',
        [41],
      );
      assert.deepEqual(rows, [
        { n: 42, port: way.host === server.path ? null : server.port, ssl: way.ssl !== undefined },
      ]);
      const bytes = new Chance('row').bytes(8 << 20);
      const back = await db.query('select $1::bytea as b', [bytes]);
      assert.ok(back.rows[0].b.equals(bytes));
      const many = await db.query('select i, md5(i::text) as h from generate_series(1, 20000) i');
      assert.equal(many.rows.length, 20_000);
      await assert.rejects(db.query('select nonsense'), { code: '42703' });
      const told = new Promise((resolve) => db.once('notification', resolve));
      await db.query('listen news');
      await db.query("notify news, 'hello'");
      assert.equal(((await told) as { payload: string }).payload, 'hello');
      await db.end();
    }
    const pool = new pg.Pool({ ...common, ...ways[0]!, max: 4 });
    const results = await Promise.all(
      Array.from({ length: 40 }, (_, i) => pool.query('select $1::int as i', [i])),
    );
    assert.deepEqual(
      results.map(({ rows }) => rows[0].i),
      Array.from({ length: 40 }, (_, i) => i),
    );
    await pool.end();
    return server.version;
  },
  { seconds: 90, skip },
);
