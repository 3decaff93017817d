// Random schedules of calls on both sides of a connection, against a model: the bytes in their order.
import assert from 'node:assert/strict';
import { SHUT_WR, SO_RCVBUF, SO_SNDBUF, SOL_SOCKET, type TlsSocket } from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';
import { within } from '../support/deadline.ts';
import { scene as plainScene, type Scene, type SceneOptions } from '../support/scene.ts';
import { openssl } from './certificate.ts';
import { over, plain } from './connection.ts';

const scene = (name: string, body: (s: Scene) => Promise<void>, options: SceneOptions = {}): void =>
  plainScene(name, body, { ...openssl, ...options });

/** One random schedule of calls on both sides; what arrives is what was sent. */
async function schedule(a: TlsSocket, b: TlsSocket, chance: Chance): Promise<void> {
  const ends = [a, b].map((end) => ({ end, sent: [] as Buffer[], got: [] as Buffer[] }));
  const SIZES = [1, 100, 5000, 70_000, 300_000];
  const write = async ({ end, sent }: (typeof ends)[0]): Promise<void> => {
    for (let n = chance.integer(0, 6); n > 0; n--) {
      const data = chance.bytes(chance.integer(1, SIZES[chance.integer(0, 4)]!));
      const how = chance.integer(0, 5);
      if (how === 0) {
        const taken = end.trySend(data) ?? 0;
        sent.push(data.subarray(0, taken));
      } else if (how === 1) sent.push(data.subarray(0, await end.send(data)));
      else if (how === 2) {
        // In its midst, as a rule; the model learns how much of it went.
        const stop = new AbortController();
        const sending = end.sendall(data, { signal: stop.signal });
        const turns = chance.integer(0, 4);
        void (async () => {
          for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
          stop.abort(new Error('enough'));
        })();
        const went = await sending.then(
          () => data.length,
          (error: { bytesSent?: number }) => error.bytesSent ?? 0,
        );
        sent.push(data.subarray(0, went));
      } else if (how === 3) {
        sent.push(data, data);
        await Promise.all([end.sendall(data), end.sendall(data)]);
      } else {
        sent.push(data);
        await end.sendall(data);
      }
      if (chance.integer(0, 3) === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    end.shutdown(SHUT_WR);
  };
  const read = async ({ end, got }: (typeof ends)[0]): Promise<void> => {
    for (;;) {
      const size = chance.integer(1, SIZES[chance.integer(0, 4)]!);
      const how = chance.integer(0, 4);
      const view = Buffer.alloc(size);
      let n: number | undefined;
      if (how === 0) {
        n = end.tryRecvInto(view);
        await new Promise((resolve) => setImmediate(resolve));
        if (n === undefined) continue;
      } else if (how === 1) n = await end.recvInto(view);
      else if (how === 2) {
        const stop = new AbortController();
        setImmediate(() => stop.abort(new Error('enough')));
        n = await end.recvInto(view, { signal: stop.signal }).catch(() => undefined);
        if (n === undefined) continue;
      } else if (how === 3) {
        const both = await Promise.all([end.recv(size), end.recv(size)]);
        got.push(...both);
        if (both[1].length === 0) return;
        continue;
      } else {
        const chunk = await end.recv(size);
        assert.ok(chunk.length <= size);
        got.push(chunk);
        if (chunk.length === 0) return;
        continue;
      }
      if (n === 0) return;
      got.push(view.subarray(0, n));
    }
  };
  await Promise.all(ends.flatMap((each) => [write(each), read(each)]));
  for (const i of [0, 1]) {
    const expected = Buffer.concat(ends[i]!.sent);
    const got = Buffer.concat(ends[1 - i]!.got);
    assert.equal(got.length, expected.length);
    assert.ok(got.equals(expected), 'the bytes in their order');
  }
}

scene(
  'a thousand random schedules of reads and writes',
  async () => {
    for (let i = 0; i < 1000; i++) {
      const chance = new Chance(`schedule ${i}`);
      await plainly(async (s) => {
        const sockets = plain(s);
        if (i % 2 === 0) {
          for (const each of sockets) {
            each.setsockopt(SOL_SOCKET, SO_SNDBUF, chance.integer(1, 100_000));
            each.setsockopt(SOL_SOCKET, SO_RCVBUF, chance.integer(1, 100_000));
          }
        }
        const version = i % 3 === 0 ? 'TLSv1.2' : 'TLSv1.3';
        const [a, b] = await over(s, sockets, { client: { maxVersion: version } });
        await within(schedule(a, b, chance), `schedule ${i}`, 20);
      });
    }
  },
  { seconds: 240 },
);

/** Closes what `body` opened, so that a thousand of them do not pile up. */
async function plainly(body: (s: Scene) => Promise<void>): Promise<void> {
  const opened: { close(): unknown }[] = [];
  const own = <T extends { close(): unknown }>(resource: T): T => {
    opened.push(resource);
    return resource;
  };
  try {
    await body({ own } as unknown as Scene);
  } finally {
    for (const each of opened.reverse()) each.close();
  }
}
