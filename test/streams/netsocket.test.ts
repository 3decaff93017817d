// From `net.Socket` to our sockets, and Node's servers on our listeners where something is wrong.
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import net from 'node:net';
import { createConnection, IPPROTO_TCP, TCP_NODELAY } from 'berkeley-sockets';
import { fromNetSocket, listen } from 'berkeley-sockets/streams';
import { eventually, within } from '../support/deadline.ts';
import { type Scene, scene } from '../support/scene.ts';
import { tempPath } from '../support/tempdir.ts';

/** A server of Node's whose connections are paused, and a client of Node's. */
async function ends(
  stage: Scene,
  where: net.ListenOptions,
): Promise<[client: net.Socket, server: net.Socket]> {
  const server = net.createServer({ pauseOnConnect: true });
  server.listen(where);
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const { path } = where;
  const client =
    path === undefined
      ? net.connect((server.address() as net.AddressInfo).port, '127.0.0.1')
      : net.connect(path);
  client.setNoDelay(true);
  await once(client, 'connect');
  const [other] = (await accepted) as [net.Socket];
  stage.after(async () => {
    client.destroy();
    other.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return [client, other];
}

for (const local of [false, true]) {
  scene(
    `a connection of Node’s becomes ours, data unread included (${local ? 'AF_UNIX' : 'TCP'})`,
    async (stage) => {
      const where = local ? { path: tempPath(stage) } : { port: 0, host: '127.0.0.1' };
      const [client, server] = await ends(stage, where);
      client.write('before');
      await new Promise((resolve) => setTimeout(resolve, 20));
      const closed = once(server, 'close');
      const ours = stage.own(fromNetSocket(server));
      assert.equal(server.destroyed, true);
      await closed;
      assert.equal((await ours.recv(100)).toString(), 'before');
      await ours.sendall('after');
      assert.equal(String((await once(client, 'data'))[0]), 'after');
      // And the client's end: Node has read nothing of what comes from now on.
      const other = stage.own(fromNetSocket(client));
      await ours.sendall('to ours');
      assert.equal((await other.recv(100)).toString(), 'to ours');
      if (!local) assert.equal(other.getsockopt(IPPROTO_TCP, TCP_NODELAY), 1);
      // There and back again.
      const stream = other.toDuplex();
      stage.after(() => void stream.destroy());
      await ours.sendall('streamed');
      assert.equal(String((await once(stream, 'data'))[0]), 'streamed');
    },
  );
}

scene('what Node holds already is not lost without a word', async (stage) => {
  const [client, server] = await ends(stage, { port: 0, host: '127.0.0.1' });
  server.write('unread');
  await eventually(() => client.readableLength === 6, 'the data');
  assert.throws(() => fromNetSocket(client), /holds 6 bytes to read and 0 to write/);
  assert.equal(client.destroyed, false);
  assert.equal(String(client.read()), 'unread');
  stage.own(fromNetSocket(client));

  server.write(Buffer.alloc(32 << 20));
  assert.throws(() => fromNetSocket(server), /to write/);
});

scene('what is no open net.Socket is refused', async (stage) => {
  for (const wrong of [undefined, null, 5, {}, new EventEmitter()])
    assert.throws(() => fromNetSocket(wrong as never), TypeError);
  const [client] = await ends(stage, { port: 0, host: '127.0.0.1' });
  client.destroy();
  assert.throws(() => fromNetSocket(client), { code: 'EBADF' });
  assert.throws(() => fromNetSocket(new net.Socket()), { code: 'EBADF' });
});

scene('listen hands connections to net.Server, with its options, and ends them', async (stage) => {
  const told: string[] = [];
  const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (s) => {
    s.on('data', (chunk) => told.push(String(chunk)));
    s.on('end', () => s.end('half closed, still heard'));
  });
  for (const event of ['listening', 'close']) server.on(event, () => told.push(event));
  const listener = listen(server, ['127.0.0.1', 0]);
  stage.after(() => listener.close());
  const s = stage.own(await createConnection(listener.address));
  await s.sendall('hello');
  await eventually(() => told.includes('hello'), 'the data');
  assert.equal(listener.connections, 1);
  s.shutdown(1);
  assert.equal(String(await s.reader().readall()), 'half closed, still heard');
  await eventually(() => listener.connections === 0, 'its end');

  const idle = stage.own(await createConnection(listener.address));
  await eventually(() => listener.connections === 1, 'the connection');
  await within(listener.close(), 'close');
  assert.equal((await idle.recv(1)).length, 0);
  await eventually(() => told.includes('close'), 'close');
  assert.deepEqual(told, ['listening', 'hello', 'close']);
});

scene('listen refuses what is no server', () => {
  assert.throws(() => listen({} as never, ['127.0.0.1', 0]), TypeError);
  assert.throws(() => listen(new EventEmitter() as never, ['127.0.0.1', 0]), /"connection"/);
  assert.throws(
    () =>
      listen(
        net.createServer(() => {}),
        ['127.0.0.1', 70_000],
      ),
    RangeError,
  );
});
