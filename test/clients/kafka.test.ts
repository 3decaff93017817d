// kafkajs over our sockets, up to a broker's first answer: Debian has no broker, so a few lines of the
// protocol stand here (kafka.apache.org/protocol: ApiVersions).
import assert from 'node:assert/strict';
import { socket } from 'berkeley-sockets';
import { serve } from 'berkeley-sockets/server';
import { Kafka, logLevel } from 'kafkajs';
import { client } from './row.ts';

const API_VERSIONS = 18;

client(
  {
    client: 'kafkajs',
    hook: '`socketFactory` option',
    exercised: 'connects, its ApiVersions request is answered',
  },
  async (stage) => {
    const asked: number[] = [];
    const broker = serve(['127.0.0.1', 0], async (conn) => {
      for await (const frame of conn.reader().frames({ lengthBytes: 4, endian: 'big' })) {
        const [key, version, correlation] = [
          frame.readInt16BE(0),
          frame.readInt16BE(2),
          frame.subarray(4, 8),
        ];
        asked.push(key);
        // No error; one interface, from version 0 to 2; no throttle.
        const body = Buffer.from(`0000${'00000001'}${'001200000002'}${version > 0 ? '00000000' : ''}`, 'hex');
        const answer = Buffer.concat([Buffer.alloc(4), correlation, body]);
        answer.writeInt32BE(answer.length - 4);
        await conn.sendall(answer);
      }
    });
    stage.after(() => broker.close());
    let made = 0;
    const kafka = new Kafka({
      brokers: [`127.0.0.1:${broker.address[1]}`],
      clientId: 'berkeley',
      logLevel: logLevel.NOTHING,
      retry: { retries: 0 },
      socketFactory: ({ host, port, onConnect }) => {
        made++;
        return socket().toDuplex().connect(port, host, onConnect) as never;
      },
    });
    const admin = kafka.admin();
    await admin.connect();
    assert.deepEqual(asked, [API_VERSIONS]);
    assert.equal(made, 1);
    await admin.disconnect();
    return 'a broker of a few lines in the test';
  },
);
