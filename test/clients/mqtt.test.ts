// MQTT.js over our sockets, to Mosquitto.
import assert from 'node:assert/strict';
import { socket } from 'berkeley-sockets';
import mqtt from 'mqtt';
import { Chance } from '../support/chance.ts';
import { requirePeer } from '../support/peer.ts';
import { client } from './row.ts';
import { mosquitto } from './servers.ts';

const once = (emitter: mqtt.MqttClient, event: 'connect' | 'message'): Promise<unknown[]> =>
  new Promise((resolve) => emitter.once(event, (...given: unknown[]) => resolve(given)));

const { skip } = requirePeer('mosquitto');

client(
  {
    client: 'mqtt',
    hook: 'stream builder of `MqttClient`',
    exercised: 'QoS 0, 1 and 2, retained, a 4 MiB message, last will, reconnect',
  },
  async (stage) => {
    const server = await mosquitto(stage);
    const open = async (options: mqtt.IClientOptions = {}): Promise<mqtt.MqttClient> => {
      const one = new mqtt.MqttClient(() => socket().toDuplex().connect(server.port, '127.0.0.1') as never, {
        reconnectPeriod: 20,
        ...options,
      });
      stage.after(() => one.endAsync(true));
      await once(one, 'connect');
      return one;
    };
    const [a, b] = [
      await open(),
      await open({ will: { topic: 'will', payload: Buffer.from('gone'), qos: 1, retain: false } }),
    ];
    await a.subscribeAsync('#', { qos: 2 });
    const big = new Chance('message').bytes(4 << 20);
    for (const [qos, payload] of [
      [0, 'zero'],
      [1, 'one'],
      [2, big],
    ] as const) {
      const heard = once(a, 'message');
      await b.publishAsync(`t/${qos}`, payload, { qos });
      const [topic, message] = await heard;
      assert.equal(topic, `t/${qos}`);
      assert.ok(Buffer.from(payload).equals(message as Buffer));
    }
    await b.publishAsync('kept', 'for later', { retain: true, qos: 1 });
    const c = await open();
    const kept = once(c, 'message');
    await c.subscribeAsync('kept');
    assert.equal(String((await kept)[1]), 'for later');
    // A connection that breaks: the will is published, and the client connects again.
    const last = new Promise((resolve) =>
      a.on('message', (topic, m) => topic === 'will' && resolve(String(m))),
    );
    const again = once(b, 'connect');
    (b.stream as unknown as { resetAndDestroy(): void }).resetAndDestroy();
    assert.equal(await last, 'gone');
    await again;
    for (const each of [a, b, c]) await each.endAsync();
    return server.version;
  },
  { skip },
);
