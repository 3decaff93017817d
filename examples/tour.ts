// The tour: the programs of this folder serve and talk to each other on loopback, over TCP, UDP
// and AF_UNIX. Every port is one that the system chose, so that nothing collides.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scene } from './stage.ts';

const here = '127.0.0.1';
const start = performance.now();
console.log('A tour of Berkeley sockets. Every line is marked with the program that says it.');

await scene('Addresses, ports, sockets', 'What every program starts with.', async (stage) => {
  await stage.run('addresses', '01-addresses-and-ports.ts', [], /^http +is on port 80$/);
  await stage.run('sockets', '03-create.ts', [], /^AF_INET +SOCK_STREAM.*created$/);
});

await scene('A TCP client fetches a page', 'Connect, send a request, receive to the end.', async (stage) => {
  await stage.run('client', '04-tcp-client.ts', [], /It works/);
});

await scene('A TCP server says hello', 'And telnet, which only listens.', async (stage) => {
  const server = stage.start('server', '05-hello-server.ts', '0', here);
  const telnet = stage.start('telnet', '02-telnet.ts', 'localhost', await server.port());
  await telnet.says(/^Hello 127\.0\.0\.1$/);
  await telnet.ends();
});

await scene('Binding', 'The address that a server binds decides who reaches it.', async (stage) => {
  await stage.run('server', '06-bind.ts', [], /^bind 'localhost': 127\.0\.0\.1 is reached at 127\.0\.0\.1$/);
});

await scene('Streams', 'What arrives is bytes in order, in pieces of any size.', async (stage) => {
  await stage.run('partial', '07-partial.ts', [], /^recv\(10000\) received \d{1,4}$/);
  await stage.run('stream', '08-stream.ts', [], /^sends: 1, recvs: [2-9]/);
  await stage.run('sendall', '09-sendall.ts', [], /^sendall is done: 20000000 of 20000000/);
  await stage.run('the end', '10-end-of-stream.ts', [], /^server: ''$/);
  await stage.run('fragments', '11-reassembly.ts', [], /^joined, then decoded: .*世界$/);
});

await scene('Timeouts', 'Half a second here; by itself the program takes five.', async (stage) => {
  await stage.run('timeout', '12-timeout.ts', ['0.5'], /^settimeout\(0\.5\): timed out/);
});

await scene('UDP', 'No connection: a datagram there, a datagram back.', async (stage) => {
  const server = stage.start('server', '13-udp-server.ts', '0', here);
  await stage.run('client', '14-udp-client.ts', [here, await server.port()], /^Received 'GET off my lawn'/);
});

await scene(
  'AF_UNIX',
  'The same, between programs of one machine; the address is a file name.',
  async (stage) => {
    const folder = mkdtempSync(join(tmpdir(), 'tour-'));
    try {
      const server = stage.start('server', '15-unix-server.ts', join(folder, 'foo'));
      await server.says(/^Listening/);
      await stage.run('client', '16-unix-client.ts', [join(folder, 'foo')], /^Hello/);
      await stage.run('datagrams', '17-unix-datagram.ts', [], /^client: received 'OK\.\.\.World'/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);

await scene('Errors', 'Every step can fail; what is thrown says which and where.', async (stage) => {
  await stage.run('errors', '18-errors.ts', [], /^Connect: .*ECONNREFUSED/);
});

await scene('Client and server', 'Four steps, and five.', async (stage) => {
  const server = stage.start('server', '20-server.ts', '0', here);
  await stage.run('client', '19-client.ts', [here, await server.port(), 'Hello, server'], /^Hello, server$/);
  await server.ends();
});

await scene(
  'A full backlog',
  'Whoever finds no room in the queue waits. Nobody is refused.',
  async (stage) => {
    await stage.run('backlog', '21-backlog.ts', [], /a patient one: connected/);
  },
);

await scene('A live server', 'It goes on after each client.', async (stage) => {
  const server = stage.start('server', '22-live-server.ts', '0', here);
  const port = await server.port();
  await stage.run('client 1', '19-client.ts', [here, port, 'first'], /^OK\.\.\.first$/);
  await stage.run('client 2', '19-client.ts', [here, port, 'second'], /^OK\.\.\.second$/);
});

await scene('Many connections', 'The first client is silent, and the second is served.', async (stage) => {
  const server = stage.start('server', '23-many-connections.ts', '0', here);
  const port = await server.port();
  const first = stage.start('client 1', '02-telnet.ts', here, port);
  await first.says(/^Welcome/);
  const second = stage.start('client 2', '02-telnet.ts', here, port);
  await second.says(/^Welcome/);
  second.types('typed by the second');
  await second.says(/^OK\.\.\. typed by the second$/);
  first.types('typed by the first');
  await first.says(/^OK\.\.\. typed by the first$/);
  first.hangsUp();
  second.hangsUp();
  await first.ends();
  await second.ends();
});

await scene('send and sendall', 'One system call, and as many as it takes.', async (stage) => {
  await stage.run('sending', '24-send-and-sendall.ts', [], /^sendall: (ECONNRESET|EPIPE) after \d+/);
});

await scene('Blocking', 'The same without `await`: each call holds its program up.', async (stage) => {
  const server = stage.start('server', '26-blocking-server.ts', '0', here);
  const port = await server.port();
  await stage.run(
    'client',
    '25-blocking-client.ts',
    [here, port, 'Hello, server'],
    /^OK\.\.\.Hello, server$/,
  );
  await stage.run('timeout', '27-blocking-timeout.ts', ['0.5'], /^select\(0\.25\): 0 sockets/);
  const datagrams = stage.start('UDP server', '28-blocking-udp-server.ts', '0', here);
  await stage.run(
    'UDP client',
    '29-blocking-udp-client.ts',
    [here, await datagrams.port()],
    /^Received 'GET off my lawn'/,
  );
});

await scene(
  'Many connections, with limits',
  "serve() does what a server of one's own tends to forget.",
  async (stage) => {
    const server = stage.start('server', '30-serve.ts', '0', here);
    const client = stage.start('client', '02-telnet.ts', here, await server.port());
    await client.says(/^Welcome/);
    client.types('hello');
    await client.says(/^OK\.\.\. hello$/);
    client.hangsUp();
    await client.ends();
  },
);

await scene('Threads', 'A thread for each client, all of them blocked most of the time.', async (stage) => {
  const server = stage.start('server', '31-threaded-server.ts', '0', here);
  const port = await server.port();
  const first = stage.start('client 1', '02-telnet.ts', here, port);
  const second = stage.start('client 2', '02-telnet.ts', here, port);
  await first.says(/^Welcome/);
  await second.says(/^Welcome/);
  second.types('to a thread of its own');
  await second.says(/^OK\.\.\. to a thread of its own$/);
  first.hangsUp();
  second.hangsUp();
  await first.ends();
  await second.ends();
});

console.log(`
That was the whole tour, in ${((performance.now() - start) / 1000).toFixed(0)} seconds. To keep a server up:

    ${['node', ...process.execArgv, 'examples/05-hello-server.ts'].join(' ')}

and in another terminal

    telnet localhost 9000

(or, without telnet: ${['node', ...process.execArgv, 'examples/02-telnet.ts'].join(' ')} localhost 9000)
examples/README.md lists all the programs.`);
