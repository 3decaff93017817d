// `sock connect` and `sock listen`: data and the end of file reach the other side in each direction
// whatever the other direction does: quiet, blocked, or done.
import assert from 'node:assert/strict';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { eventually, sleep, within } from '../support/deadline.ts';
import { type Ending, tempdir } from '../support/tempdir.ts';
import { type Command, startSock } from './sockcommand.ts';

interface Scene {
  command: Command;
  /** The other end of its connection. */
  peer: net.Socket;
}

type Role = 'client' | 'server';
type Family = 'tcp' | 'unix';

async function meet(t: Ending, role: Role, family: Family, options = {}): Promise<Scene> {
  const file = path.join(tempdir(t), 's');
  if (role === 'server') {
    const command = startSock(t, ['listen', family === 'tcp' ? '127.0.0.1:0' : `unix:${file}`], options);
    const [, where] = await command.says(/listening on (.*)\n/);
    const target =
      family === 'tcp' ? { host: '127.0.0.1', port: Number(where!.split(':')[1]) } : { path: file };
    const peer = net.connect({ ...target, allowHalfOpen: true });
    t.after(() => void peer.destroy());
    await within(new Promise((resolve) => peer.once('connect', resolve)), 'the connection');
    return { command, peer };
  }
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
  await new Promise<void>((resolve) =>
    family === 'tcp' ? server.listen(0, '127.0.0.1', resolve) : server.listen(file, resolve),
  );
  t.after(() => void server.close());
  const where = family === 'tcp' ? `127.0.0.1:${(server.address() as net.AddressInfo).port}` : `unix:${file}`;
  const accepted = new Promise<net.Socket>((resolve) => server.once('connection', resolve));
  const command = startSock(t, ['connect', where], options);
  const peer = await within(accepted, 'the connection', 20);
  t.after(() => void peer.destroy());
  return { command, peer };
}

interface Arrived {
  bytes: number;
  text: string;
  ended: boolean;
}

/** Reads what the command sends. */
function receive(peer: net.Socket): Arrived {
  const arrived: Arrived = { bytes: 0, text: '', ended: false };
  peer.on('data', (data: Buffer) => {
    arrived.bytes += data.length;
    arrived.text = (arrived.text + data.toString('latin1')).slice(-200);
  });
  peer.on('end', () => {
    arrived.ended = true;
  });
  peer.resume();
  return arrived;
}

const block = Buffer.alloc(1 << 19, 'x');

// Writes until nothing goes any more.
async function fill(stream: NodeJS.WritableStream & { writableLength: number }): Promise<number> {
  let written = 0;
  for (;;) {
    stream.write(block);
    written += block.length;
    const before = stream.writableLength;
    await sleep(0.05);
    if (before > 0 && stream.writableLength === before && before > 4 * block.length) return written;
  }
}

const directions = (name: string, body: (t: Ending, role: Role, family: Family) => Promise<void>): void => {
  for (const role of ['client', 'server'] as const)
    for (const family of ['tcp', 'unix'] as const)
      test(`${name} [${role}, ${family}]`, { timeout: 120_000 }, (t) => body(t, role, family));
};

directions('what is read goes out, and its end, while the peer is quiet', async (t, role, family) => {
  const { command, peer } = await meet(t, role, family);
  const arrived = receive(peer);
  command.stdin.write('one ');
  await eventually(() => arrived.text === 'one ', 'the first piece', 20);
  command.stdin.end('two');
  await eventually(() => arrived.text === 'one two' && arrived.ended, 'all of it, and its end', 20);
  // It waits for the peer's end, and ends with that.
  assert.equal(command.child.exitCode, null);
  peer.end();
  assert.equal((await command.exit()).code, 0);
});

directions('what is read goes out, and its end, while the output is blocked', async (t, role, family) => {
  const { command, peer } = await meet(t, role, family);
  const arrived = receive(peer);
  const written = await fill(peer);
  command.stdin.end('still here');
  await eventually(() => arrived.text === 'still here' && arrived.ended, 'all of it, and its end', 20);
  command.read();
  peer.end();
  const { code, stdout } = await command.exit();
  assert.deepEqual([code, stdout.length], [0, written]);
});

directions('what is read goes out, and its end, after the peer has ended', async (t, role, family) => {
  const { command, peer } = await meet(t, role, family);
  const arrived = receive(peer);
  peer.end('bye');
  assert.equal((await command.closesOutput()).toString(), 'bye');
  await sleep(0.5);
  command.stdin.write('late ');
  await eventually(() => arrived.text === 'late ', 'what was read after the end', 20);
  await sleep(0.5);
  command.stdin.end('later');
  await eventually(() => arrived.text === 'late later' && arrived.ended, 'all of it, and its end', 20);
  assert.equal((await command.exit()).code, 0);
});

directions('what comes is written, and its end, while the input is quiet', async (t, role, family) => {
  const { command, peer } = await meet(t, role, family);
  receive(peer);
  command.read();
  peer.write('one ');
  await command.prints('one ');
  peer.end('two');
  assert.equal((await command.closesOutput()).toString(), 'one two');
  assert.equal(command.child.exitCode, null);
  command.stdin.end();
  assert.equal((await command.exit()).code, 0);
});

directions('what comes is written, and its end, while the peer takes nothing', async (t, role, family) => {
  const { command, peer } = await meet(t, role, family);
  peer.pause();
  const written = await fill(command.stdin as never);
  peer.end('still here');
  assert.equal((await command.closesOutput()).toString(), 'still here');
  const arrived = receive(peer);
  command.stdin.end();
  await eventually(() => arrived.ended && arrived.bytes === written, 'all that was read', 30);
  assert.equal((await command.exit()).code, 0);
});

directions('what comes is written, and its end, after the input has ended', async (t, role, family) => {
  const { command, peer } = await meet(t, role, family);
  const arrived = receive(peer);
  command.stdin.end('question');
  await eventually(() => arrived.ended, 'the end', 20);
  await sleep(0.5);
  peer.write('answer ');
  await command.prints('answer ');
  peer.end('over');
  const { code, stdout } = await command.exit();
  assert.deepEqual([code, stdout.toString()], [0, 'answer over']);
});

// The kernel sends a file by itself (sendfile): another way through the same directions.
directions('a file goes out, and its end, while the output is blocked', async (t, role, family) => {
  const file = path.join(tempdir(t), 'file');
  const content = Buffer.alloc(3_000_000, 'abcdefgh');
  writeFileSync(file, content);
  const stdin = openSync(file, 'r');
  t.after(() => closeSync(stdin));
  const { command, peer } = await meet(t, role, family, { stdin });
  const arrived = receive(peer);
  const written = await fill(peer);
  await eventually(() => arrived.ended, 'the end of the file', 20);
  assert.equal(arrived.bytes, content.length);
  command.read();
  peer.end();
  const { code, stdout } = await command.exit();
  assert.deepEqual([code, stdout.length], [0, written]);
});

directions('nobody reads the output any more: what is read still goes out', async (t, role, family) => {
  const { command, peer } = await meet(t, role, family);
  const arrived = receive(peer);
  peer.write('a line\n');
  await command.prints('a line');
  command.stdout.destroy();
  await sleep(0.1);
  for (let i = 0; i < 100; i++) peer.write(block);
  await eventually(() => peer.writableLength === 0, 'the rest was taken from the peer', 20);
  command.stdin.end('sent all the same');
  await eventually(() => arrived.text === 'sent all the same' && arrived.ended, 'what was read', 20);
  peer.end();
  assert.equal((await within(command.ended, 'its end', 20)).code, 0);
});

directions('a peer that is gone for good ends it, though the input is open', async (t, role, family) => {
  const { command, peer } = await meet(t, role, family);
  if (family === 'tcp') {
    // A close alone cannot be told from the end of one direction: it is the answer to what is sent.
    peer.end();
    await command.closesOutput();
    peer.destroy();
    await sleep(0.1);
    command.stdin.write('is anybody there?');
    const { code, stderr } = await command.exit();
    assert.equal(code, 1);
    assert.match(stderr, /^sock: send (EPIPE|ECONNRESET)[^\n]*\n$/m);
  } else {
    peer.destroy();
    assert.equal((await command.exit()).code, 0);
  }
});

test('a peer that resets the connection is a failure, told in one line; what came before is written', async (t) => {
  const { command, peer } = await meet(t, 'client', 'tcp');
  peer.write('last words');
  await command.prints('last words');
  peer.resetAndDestroy();
  const { code, stderr, stdout } = await command.exit();
  assert.deepEqual([code, stdout.toString()], [1, 'last words']);
  assert.match(stderr, /^(listening[^\n]*\n)?sock: recv ECONNRESET[^\n]*\n$/);
});
