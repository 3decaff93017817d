// Lines and frames a second over loopback: a socket's reader, beside node:readline on Node's net
// with the same input. Prints rates and the ratio. node bench/micro/lines.mjs [MiB]
import { spawn } from 'node:child_process';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { createConnection } from 'berkeley-sockets';

const mebibytes = Number(process.argv[2] ?? 64);
const rounds = 3;

// In a process of its own, so that the reading side has its thread for itself.
const feeder = `
  const net = require('node:net');
  const lines = Buffer.from(Array.from({length: 26214}, (_, i) => 'line ' + i + ' of the input, of usual size' ).join('\\n') + '\\n');
  const frame = Buffer.alloc(44, 'x'); frame.writeUInt32BE(40);
  const frames = Buffer.concat(Array(lines.length / 44 | 0).fill(frame));
  const servers = [lines, frames].map((block) => net.createServer((socket) => {
    let left = ${mebibytes} * 1048576 / block.length | 0;
    const more = () => { while (left > 0) { left--; if (!socket.write(block)) return socket.once('drain', more); } socket.end(); };
    more();
  }).listen(0, '127.0.0.1'));
  setTimeout(() => console.log(JSON.stringify(servers.map((s) => s.address().port))), 200);
`;
const child = spawn(process.execPath, ['-e', feeder], { stdio: ['ignore', 'pipe', 'inherit'] });
const [linePort, framePort] = await new Promise((resolve) =>
  child.stdout.once('data', (data) => resolve(JSON.parse(data))),
);

const kinds = {
  'node:readline, events': async () => {
    let count = 0;
    const socket = net.connect(linePort, '127.0.0.1');
    const lines = createInterface({ input: socket, crlfDelay: Infinity });
    lines.on('line', () => count++);
    await new Promise((resolve) => lines.once('close', resolve));
    return count;
  },
  'node:readline, for await': async () => {
    let count = 0;
    for await (const _ of createInterface({ input: net.connect(linePort, '127.0.0.1'), crlfDelay: Infinity }))
      count++;
    return count;
  },
  'reader.lines()': async () => {
    let count = 0;
    const s = await createConnection(['127.0.0.1', linePort]);
    for await (const _ of s.reader().lines()) count++;
    s.close();
    return count;
  },
  'reader.lineBatches()': async () => {
    let count = 0;
    const s = await createConnection(['127.0.0.1', linePort]);
    for await (const lines of s.reader().lineBatches()) for (const _ of lines) count++;
    s.close();
    return count;
  },
  'reader.readline()': async () => {
    let count = 0;
    const s = await createConnection(['127.0.0.1', linePort]);
    const reader = s.reader();
    while ((await reader.readline()).length > 0) count++;
    s.close();
    return count;
  },
  'reader.frames()': async () => {
    let count = 0;
    const s = await createConnection(['127.0.0.1', framePort]);
    for await (const _ of s.reader().frames({ lengthBytes: 4 })) count++;
    s.close();
    return count;
  },
};

const best = {};
for (let round = 0; round < rounds; round++) {
  for (const [kind, run] of Object.entries(kinds)) {
    const start = performance.now();
    const count = await run();
    best[kind] = Math.max(best[kind] ?? 0, (count / (performance.now() - start)) * 1000);
  }
}
child.kill();
const base = best['node:readline, for await'];
for (const [kind, rate] of Object.entries(best)) {
  console.log(
    `${kind.padEnd(26)} ${(rate / 1e6).toFixed(2)} million/s  ${(rate / base).toFixed(2)} × for await`,
  );
}
