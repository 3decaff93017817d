// Requests a second of node:http on Node's own net and on our sockets (`listen`), under wrk, in turns:
//   node bench/micro/http.mjs [seconds a turn, 4] [turns, 5] [connections, 64]
// A server runs in a process of its own. Prints every turn and the median of the ratios.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { fileURLToPath } from 'node:url';

const body = Buffer.from('Hello, World!\n');
const app = (_request, response) => {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length });
  response.end(body);
};

if (process.argv[2] === 'serve') {
  const server = http.createServer(app);
  if (process.argv[3] === 'net') {
    server.listen(0, '127.0.0.1', () => console.log(server.address().port));
  } else {
    const { listen } = await import('berkeley-sockets/streams');
    console.log(listen(server, ['127.0.0.1', 0]).address[1]);
  }
} else {
  const [seconds = 4, turns = 5, connections = 64] = process.argv.slice(2).map(Number);
  const start = async (kind) => {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), 'serve', kind], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(child.stdout, 'data');
    return { child, url: `http://127.0.0.1:${Number(line)}/` };
  };
  const measure = ({ url }, duration) => {
    const text = execFileSync('wrk', ['-t1', `-c${connections}`, `-d${duration}s`, url], {
      encoding: 'utf8',
    });
    if (/Non-2xx|Socket errors/.test(text)) throw new Error(text);
    return Number(/Requests\/sec:\s+([\d.]+)/.exec(text)[1]);
  };
  const [net, ours] = [await start('net'), await start('ours')];
  try {
    for (const each of [net, ours]) measure(each, 1);
    const ratios = [];
    for (let turn = 0; turn < turns; turn++) {
      const [a, b] = turn % 2 === 0 ? [net, ours] : [ours, net];
      const first = measure(a, seconds);
      const second = measure(b, seconds);
      const [n, o] = turn % 2 === 0 ? [first, second] : [second, first];
      ratios.push(o / n);
      console.log(`net ${n.toFixed(0)}/s  ours ${o.toFixed(0)}/s  ratio ${(o / n).toFixed(3)}`);
    }
    console.log(`median of ${turns}: ${ratios.sort((x, y) => x - y)[turns >> 1].toFixed(3)}`);
  } finally {
    for (const { child } of [net, ours]) child.kill();
  }
}
