// `for await` over a socket, and over the connections that a listener accepts.
import assert from 'node:assert/strict';
import { ClosedError, TimeoutError } from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';
import {
  across,
  bound,
  connections,
  datagrams,
  listening,
  meet,
  open,
  pair,
  streams,
} from '../support/transports.ts';

across(streams, 'a stream gives its bytes until its end', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const data = new Chance('iteration').bytes(1 << 20);
  const sending = a.sendall(data).then(() => a.close());
  const chunks: Buffer[] = [];
  for await (const chunk of b) {
    assert.ok(Buffer.isBuffer(chunk) && chunk.length > 0);
    chunks.push(chunk);
  }
  assert.ok(Buffer.concat(chunks).equals(data));
  await sending;
});

across(datagrams, 'a datagram socket gives [data, address], the empty datagram too', async (s, transport) => {
  const a = bound(s, transport);
  const b = bound(s, transport);
  const texts = ['one', '', 'three'];
  const sending = (async () => {
    for (const text of texts) await a.sendto(text, b.getsockname());
  })();
  const got: string[] = [];
  for await (const [data, address] of b as AsyncIterable<[Buffer, unknown]>) {
    assert.deepEqual(address, a.getsockname());
    got.push(data.toString());
    if (got.length === 3) break;
  }
  assert.deepEqual(got, texts);
  await sending;
});

across(streams, 'leaving the loop leaves the rest to be received', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  await a.sendall('first');
  for await (const chunk of b) {
    assert.equal(chunk.toString(), 'first');
    break;
  }
  await a.sendall('second');
  assert.equal((await b.recv(100)).toString(), 'second');
});

across(streams, 'a timeout and a close come out of the loop', async (s, transport) => {
  const [a, b] = await pair(s, transport);
  const drain = async () => {
    for await (const _ of b);
  };
  b.settimeout(0.02);
  await assert.rejects(drain(), TimeoutError);
  b.settimeout(null);
  const draining = drain();
  setTimeout(() => b.close(), 10);
  await assert.rejects(draining, ClosedError);
  await assert.rejects(drain(), ClosedError);
  a.close();
});

across(connections, 'accepted() gives connections until it is aborted', async (s, transport) => {
  const listener = listening(s, transport);
  const stop = new AbortController();
  const clients = [open(s, transport), open(s, transport), open(s, transport)];
  let count = 0;
  const serving = (async () => {
    for await (const [connection] of listener.accepted({ signal: stop.signal })) {
      await connection.sendall(`number ${count++}`);
      connection.close();
    }
  })();
  for (const [i, client] of clients.entries()) {
    await client.connect(listener.getsockname());
    assert.equal((await client.recv(100)).toString(), `number ${i}`);
  }
  stop.abort(new Error('enough'));
  await assert.rejects(serving, /enough/);
  // Nothing was accepted behind its back: the next connection is for the next accept.
  const [late] = await meet(s, transport, listener);
  assert.equal(late.closed, false);
});

across(connections, 'accepted() ends when its listener is closed', async (s, transport) => {
  const listener = listening(s, transport);
  const serving = (async () => {
    for await (const [connection] of listener.accepted()) connection.close();
  })();
  setTimeout(() => listener.close(), 10);
  await serving;
});

across(connections, 'leaving accepted() leaves the listener open', async (s, transport) => {
  const listener = listening(s, transport);
  const client = open(s, transport);
  await client.connect(listener.getsockname());
  for await (const [connection, address] of listener.accepted()) {
    assert.deepEqual(address, client.getsockname());
    connection.close();
    break;
  }
  await meet(s, transport, listener);
});
