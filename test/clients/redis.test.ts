// ioredis over our sockets, to Redis.
import assert from 'node:assert/strict';
import { createConnection } from 'berkeley-sockets';
import { AbstractConnector, Redis } from 'ioredis';
import { Chance } from '../support/chance.ts';
import { eventually } from '../support/deadline.ts';
import { requirePeer } from '../support/peer.ts';
import { client } from './row.ts';
import { redis } from './servers.ts';

const { skip } = requirePeer('redis-server');

client(
  {
    client: 'ioredis',
    hook: '`Connector` option',
    exercised: 'pipeline of 10,000, transaction, 8 MiB value, publish, reconnect; TCP, AF_UNIX',
  },
  async (stage) => {
    const server = await redis(stage);
    for (const address of [['127.0.0.1', server.port] as const, server.path]) {
      let connections = 0;
      class Ours extends AbstractConnector {
        constructor() {
          super(0);
        }
        async connect(): Promise<never> {
          connections++;
          const stream = (await createConnection(address)).toDuplex();
          this.stream = stream as never;
          return stream as never;
        }
      }
      const open = (): Redis => {
        const db = new Redis({ Connector: Ours as never, retryStrategy: () => 1 });
        stage.after(() => db.disconnect());
        // It is cut off on purpose below.
        db.on('error', () => {});
        return db;
      };
      const db = open();
      assert.equal(await db.set('key', 'value'), 'OK');
      assert.equal(await db.get('key'), 'value');
      const big = new Chance('value').bytes(8 << 20);
      await db.set('big', big);
      assert.ok((await db.getBuffer('big'))!.equals(big));
      const pipeline = db.pipeline();
      pipeline.del('n');
      for (let i = 0; i < 10_000; i++) pipeline.incr('n');
      const results = await pipeline.exec();
      assert.deepEqual(results!.at(-1), [null, 10_000]);
      const done = await db.multi().set('a', 1).get('a').exec();
      assert.deepEqual(done, [
        [null, 'OK'],
        [null, '1'],
      ]);
      await assert.rejects(db.incr('key'), /not an integer/);

      const listener = open();
      const heard = new Promise((resolve) => listener.once('message', (...given) => resolve(given)));
      await listener.subscribe('news');
      await db.publish('news', 'hello');
      assert.deepEqual(await heard, ['news', 'hello']);

      // Cut off by the server, the client comes back.
      const before = connections;
      await listener.quit();
      await db.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'no').catch(() => {});
      await eventually(async () => (await db.get('key')) === 'value', 'the connection again');
      assert.equal(connections, before + 1);
      await db.quit();
    }
    return server.version;
  },
  { skip },
);
