// `sock bench`: rounds with a server that sends back what it gets.
import {
  AF_UNIX,
  IPPROTO_TCP,
  SOCK_DGRAM,
  type Socket,
  SocketError,
  TCP_NODELAY,
  TimeoutError,
} from '../index.ts';
import { dial, type Kind, kindOf } from './dial.ts';
import { type Endpoint, endpointOf, endpointText } from './endpoint.ts';
import { bar, Histogram } from './histogram.ts';
import { bytesText, colours, print, printJson, say, styled, timeText } from './output.ts';
import { Failure, type Given, UsageError } from './spec.ts';
import { sparkline } from './traffic.ts';

const SECONDS = 5;
const SIZE = 64;
const MOST_CONNECTIONS = 10_000;
const LONGEST_DATAGRAM = 65_507;
const LARGEST = 2 ** 30;
/** How long a connection may take, and how long a stream may be silent. */
const PATIENCE = 10;
/** After that a datagram is lost. */
const LOST = 1;
const NUMBERED = 4;

/** Bars of the histogram, and parts of the time. */
const RANGES = 16;
const PARTS = 60;
const BAR = 40;

class Rounds {
  readonly size: number;
  readonly seconds: number;
  readonly latency = new Histogram();
  readonly parts: number[] = Array(PARTS).fill(0);
  lost = 0;
  elapsed = 0;
  #start = 0;

  constructor(size: number, seconds: number) {
    this.size = size;
    this.seconds = seconds;
  }

  begin(): void {
    this.#start = performance.now();
  }

  end(): void {
    this.elapsed = (performance.now() - this.#start) / 1000;
  }

  get over(): boolean {
    return performance.now() - this.#start >= this.seconds * 1000;
  }

  made(from: number, to: number): void {
    this.latency.add((to - from) / 1000);
    const part = Math.floor(((to - this.#start) / 1000 / this.seconds) * PARTS);
    this.parts[Math.min(PARTS - 1, Math.max(0, part))]!++;
  }
}

/** Where the answer differs from what was sent. */
function compare(sent: Buffer, answer: Buffer): void {
  if (!sent.equals(answer))
    throw new Failure('what comes back is not what was sent: it needs an echo server');
}

async function stream(s: Socket, rounds: Rounds): Promise<void> {
  const { size } = rounds;
  const message = Buffer.from(Array.from({ length: Math.min(size, 4096) }, (_, at) => 97 + (at % 26)));
  const sent = size <= message.length ? message : Buffer.alloc(size, message);
  const answer = Buffer.allocUnsafe(size);
  let first = true;
  while (!rounds.over) {
    const start = performance.now();
    const sending = s.sendall(sent);
    // Both at once: a large message fills every buffer on the way there and back.
    const receiving = receiveAll(s, answer);
    await Promise.all([sending, receiving]);
    rounds.made(start, performance.now());
    if (first) compare(sent, answer);
    first = false;
  }
}

async function receiveAll(s: Socket, answer: Buffer): Promise<void> {
  for (let at = 0; at < answer.length; ) {
    const n = await s.recvInto(answer.subarray(at));
    if (n === 0) throw new Failure(`the server ended the connection after ${at} of ${answer.length} bytes`);
    at += n;
  }
}

async function datagrams(s: Socket, rounds: Rounds): Promise<void> {
  const sent = Buffer.alloc(rounds.size, 'abcdefghijklmnopqrstuvwxyz');
  s.settimeout(LOST);
  for (let number = 0; !rounds.over; number++) {
    // Too short for a number of its own, a late answer passes for the next one's.
    if (sent.length >= NUMBERED) sent.writeUInt32BE(number >>> 0);
    const start = performance.now();
    try {
      await s.send(sent);
      for (;;) {
        const answer = await s.recv(LONGEST_DATAGRAM);
        if (answer.equals(sent)) break;
        if (number === 0) compare(sent, answer);
      }
      rounds.made(start, performance.now());
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error;
      rounds.lost++;
    }
  }
}

async function connect(endpoint: Endpoint, kind: Kind, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  try {
    // Not all at once: a backlog of 128 holds no more.
    while (sockets.length < count) {
      const some = Math.min(64, count - sockets.length);
      const made = await Promise.allSettled(
        Array.from({ length: some }, () => dial(endpoint, { ...kind, timeout: PATIENCE, tell: undefined })),
      );
      for (const each of made) if (each.status === 'fulfilled') sockets.push(each.value);
      const failed = made.find((each) => each.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    }
  } catch (error) {
    for (const s of sockets) s.close();
    throw error;
  }
  return sockets;
}

const round = (value: number): number => Number(value.toPrecision(4));

function figures(rounds: Rounds, connections: number): Record<string, unknown> {
  const { latency, elapsed, lost, size } = rounds;
  const times = Object.fromEntries(
    [0.5, 0.9, 0.99, 0.999].map((share) => [`p${share * 100}`, round(latency.quantile(share))]),
  );
  return {
    connections,
    size,
    seconds: round(elapsed),
    rounds: latency.count,
    lost,
    roundsPerSecond: round(latency.count / elapsed),
    bytesPerSecond: round((latency.count * size) / elapsed),
    latency: { min: round(latency.min), mean: round(latency.mean), ...times, max: round(latency.max) },
    histogram: latency
      .ranges(RANGES)
      .map(({ from, to, count }) => ({ from: round(from), to: round(to), count })),
    course: rounds.parts.map((count) => round((count * PARTS) / rounds.seconds)),
  };
}

const numberText = (value: number): string => Math.round(value).toLocaleString('en');

function picture(rounds: Rounds, colour: boolean): string {
  const { latency, elapsed, size, lost } = rounds;
  const most = latency.ranges(RANGES).reduce((a, b) => Math.max(a, b.count), 0);
  const bold = (text: string) => styled(text, 'bold', colour);
  const rate = latency.count / elapsed;
  const quantiles = [0.5, 0.9, 0.99, 0.999].map(
    (share) => `p${share * 100} ${timeText(latency.quantile(share))}`,
  );
  const ranges = latency.ranges(RANGES).map(({ from, to, count }) => {
    const span = `${timeText(from).padStart(8)} – ${timeText(to).padEnd(8)}`;
    const share = ((100 * count) / latency.count).toFixed(1).padStart(5);
    return `  ${span} ${styled(bar(count / most, BAR).padEnd(BAR), 'cyan', colour)} ${share} %`;
  });
  const fastest = rounds.parts.reduce((a, b) => Math.max(a, b)) * (PARTS / rounds.seconds);
  return [
    '',
    `${bold('Rounds')}      ${numberText(latency.count)} in ${timeText(elapsed)}: ${numberText(rate)} a second${lost > 0 ? `; ${numberText(lost)} lost` : ''}`,
    `${bold('Throughput')}  ${bytesText(rate * size)}/s each way`,
    `${bold('Latency')}     least ${timeText(latency.min)}, mean ${timeText(latency.mean)}, ${quantiles.join(', ')}, most ${timeText(latency.max)}`,
    '',
    bold('How the times are spread'),
    ...ranges,
    '',
    bold('Rounds a second over the time'),
    `  ${styled(sparkline(rounds.parts, PARTS), 'green', colour)}  up to ${numberText(fastest)}`,
  ].join('\n');
}

export async function run(given: Given): Promise<number> {
  const { options, arguments: words } = given;
  const wrong = (what: string): never => {
    throw new UsageError(what, 'bench');
  };
  const endpoint = endpointOf(words, 'localhost', 'bench');
  const kind = kindOf(given, endpoint, 'bench');
  const size = (options.size as number | undefined) ?? SIZE;
  const seconds = (options.secs as number | undefined) ?? SECONDS;
  const count = (options.conns as number | undefined) ?? 1;
  const most = kind.type === SOCK_DGRAM ? LONGEST_DATAGRAM : LARGEST;
  if (size < 1 || size > most) wrong(`--size ${size}: expected 1 to ${most}`);
  if (count < 1 || count > MOST_CONNECTIONS) wrong(`--conns ${count}: expected 1 to ${MOST_CONNECTIONS}`);
  if (!(seconds > 0)) wrong('--secs 0: expected more');

  const sockets = await connect(endpoint, kind, count);
  const rounds = new Rounds(size, seconds);
  const what = `${kind.type === SOCK_DGRAM ? 'UDP, ' : ''}${count === 1 ? 'one connection' : `${count} connections`}, ${bytesText(size)} there and back`;
  if (process.stderr.isTTY) say(`${endpointText(endpoint)}: ${what}, for ${timeText(seconds)} …`);
  // Who has not answered at all by now will not; who did may have a large message half way through.
  const hangUp = (): void => {
    for (const s of sockets) s.close();
  };
  const silent = setTimeout(() => rounds.latency.count === 0 && hangUp(), (seconds + LOST) * 1000);
  const slow = setTimeout(hangUp, (seconds + PATIENCE) * 1000);
  rounds.begin();
  try {
    await Promise.all(
      sockets.map((s) => {
        if (kind.type === SOCK_DGRAM) return datagrams(s, rounds);
        if (s.family !== AF_UNIX) s.setsockopt(IPPROTO_TCP, TCP_NODELAY, true);
        s.settimeout(seconds + PATIENCE);
        return stream(s, rounds);
      }),
    );
  } catch (error) {
    if (
      rounds.over &&
      error instanceof SocketError &&
      (error.code === 'EBADF' || error instanceof TimeoutError)
    )
      throw new Failure(`${endpointText(endpoint)}: no answer: it needs an echo server`);
    throw error;
  } finally {
    rounds.end();
    clearTimeout(silent);
    clearTimeout(slow);
    for (const s of sockets) s.close();
  }
  if (rounds.latency.count === 0)
    throw new Failure(`${endpointText(endpoint)}: nothing came back; ${rounds.lost} lost`);
  if (options.json) await printJson(figures(rounds, count));
  else await print(`${endpointText(endpoint)}: ${what}\n${picture(rounds, colours(process.stdout))}`);
  return 0;
}
