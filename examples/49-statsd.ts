// Metrics in DogStatsD's form: several in a datagram to an AF_UNIX socket. The program never waits for who
// counts them: what finds no room, or nobody, is dropped.  [SOCKET] [ROUNDS]
import { AF_UNIX, SOCK_DGRAM, type Socket, SocketError, socket } from 'berkeley-sockets';

const [path = '/var/run/datadog/dsd.socket', rounds = 1] = process.argv.slice(2);
const MOST = 8192; // bytes of a datagram

class Metrics {
  sent = 0;
  dropped = 0;
  readonly #path: string;
  #socket: Socket<AF_UNIX> | undefined;
  #lines: string[] = [];
  #size = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** `c` counts, `g` is a level, `ms` a time, `h` a distribution. */
  async add(name: string, value: number, type: 'c' | 'g' | 'ms' | 'h', tags: string[] = []): Promise<void> {
    const line = `${name}:${value}|${type}${tags.length > 0 ? `|#${tags.join(',')}` : ''}`;
    const size = Buffer.byteLength(line) + 1;
    if (this.#size + size > MOST) await this.flush();
    this.#lines.push(line);
    this.#size += size;
  }

  async flush(): Promise<void> {
    const lines = this.#lines;
    this.#lines = [];
    this.#size = 0;
    if (lines.length === 0) return;
    const taken = await this.#try(lines.join('\n'));
    if (taken) this.sent += lines.length;
    else this.dropped += lines.length;
  }

  async #try(datagram: string): Promise<boolean> {
    try {
      if (this.#socket === undefined) {
        this.#socket = socket(AF_UNIX, SOCK_DGRAM);
        await this.#socket.connect(this.#path); // a matter of the kernel alone: it does not wait either
      }
      return this.#socket.trySend(datagram) !== undefined;
    } catch (error) {
      if (!(error instanceof SocketError)) throw error;
      this.close(); // ENOENT, ECONNREFUSED: it is gone, and may be back for the next one
      return false;
    }
  }

  close(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }
}

const metrics = new Metrics(path);
for (let round = 0; round < Number(rounds); round++) {
  await metrics.add('page.views', 1, 'c', ['env:test', 'path:/']);
  await metrics.add('queue.length', round, 'g');
  await metrics.add('answer.time', 12.5, 'ms', ['env:test']);
  await metrics.flush();
}
metrics.close();
console.log(`${metrics.sent} metrics sent, ${metrics.dropped} dropped`);
