// Our servers with threads. usage: node ours_threads.mjs echo ADDR THREADS
//   THREADS     serveThreads with so many, each with its event loop
//   connection  a blocking accept loop, and a blocking thread for each connection
import { rmSync } from 'node:fs';
import { serveThreads, startThread } from 'berkeley-sockets/server';
import { createServer } from 'berkeley-sockets/sync';

const [mode, address, threads] = process.argv.slice(2);
if (mode !== 'echo') throw new Error(`no mode ${mode}`);
const kind = address.slice(0, address.indexOf(':'));
const rest = address.slice(kind.length + 1);
const where = kind === 'unix' ? rest : ['127.0.0.1', Number(rest)];
const backlog = 4096;
if (kind === 'unix') rmSync(rest, { force: true });
const module = (name) => new URL(name, import.meta.url);
const ready = (port) => console.log('READY', kind === 'unix' ? '' : port);

if (threads === 'connection') {
  const s = createServer(where, { backlog });
  ready(s.getsockname()[1]);
  for (;;) startThread(module('./clientthread.mjs'), s.accept()[0]);
} else {
  const server = await serveThreads(where, module('./handler.mjs'), {
    threads: Number(threads),
    backlog,
    onerror(error) {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') throw error;
    },
  });
  ready(server.address[1]);
}
