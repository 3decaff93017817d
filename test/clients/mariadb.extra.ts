// mysql2 over our sockets, to MariaDB. Its server takes long to install: scripts/interop.mjs runs this.
import assert from 'node:assert/strict';
import { createConnection } from 'berkeley-sockets';
import mysql from 'mysql2/promise';
import { Chance } from '../support/chance.ts';
import { client } from './row.ts';
import { mariadb } from './servers.ts';

client(
  {
    client: 'mysql2',
    hook: '`stream` option',
    exercised: 'queries, prepared statements, 8 MiB blob, 20,000 rows; TCP, TLS, AF_UNIX',
  },
  async (stage) => {
    const server = await mariadb(stage);
    const inet = ['127.0.0.1', server.port] as const;
    const ways = [{ address: inet }, { address: inet, ssl: { ca: server.cert! } }, { address: server.path }];
    for (const { address, ssl } of ways) {
      const stream = (await createConnection(address)).toDuplex();
      const db = await mysql.createConnection({
        user: 'me',
        password: 'secret',
        database: 'mine',
        stream,
        ...(ssl && { ssl }),
      });
      const [rows] = await db.query('select 1 + 1 as n, @@version as v');
      assert.equal((rows as { n: number }[])[0]!.n, 2);
      const [cipher] = await db.query("show status like 'Ssl_cipher'");
      assert.equal((cipher as { Value: string }[])[0]!.Value !== '', ssl !== undefined);
      const blob = new Chance('blob').bytes(8 << 20);
      const [back] = await db.execute('select ? as b, ? as n', [blob, 7]);
      assert.ok(Buffer.from((back as { b: Buffer }[])[0]!.b).equals(blob));
      const [many] = await db.query('select seq, md5(seq) as h from seq_1_to_20000');
      assert.equal((many as unknown[]).length, 20_000);
      await assert.rejects(db.query('select nonsense'), { code: 'ER_BAD_FIELD_ERROR' });
      await db.end();
    }
    return server.version;
  },
  { seconds: 120 },
);
