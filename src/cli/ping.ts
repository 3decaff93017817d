// `sock ping`: echo requests and what comes back. The bytes are icmp.ts's.
import {
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  type AnyAddress,
  decodeControl,
  getaddrinfo,
  IP_RECVERR,
  IP_RECVTTL,
  IP_TTL,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_RECVERR,
  IPV6_RECVHOPLIMIT,
  IPV6_UNICAST_HOPS,
  MSG_ERRQUEUE,
  SO_TIMESTAMPNS,
  SOCK_DGRAM,
  SOCK_RAW,
  SOL_SOCKET,
  type Socket,
  SocketError,
  socket,
  type Timestamp,
} from '../index.ts';
import { echoRequest, errorText, type Heard, heardOf } from './icmp.ts';
import { print, printJson, say, standardPrinter, visible } from './output.ts';
import { Failure, type Given, UsageError } from './spec.ts';

const SIZE = 56;
const MOST = 65507;
const HEADERS = 128;
const CONTROL = 512;
// Faster floods the network, which ping(8) leaves to root.
const FASTEST = 0.002;

type Version = 4 | 6;

interface Echo {
  readonly socket: Socket;
  readonly version: Version;
  readonly address: AnyAddress;
  readonly id: number;
  /** Whether packets come with their IPv4 header: those of raw sockets do. */
  readonly header: boolean;
}

/** A reply, as --json tells it; times in seconds. */
interface Reply {
  seq: number;
  from: string;
  bytes: number;
  ttl: number | undefined;
  time: number;
  duplicate: boolean;
}

function open(version: Version, address: AnyAddress): Echo {
  const family = version === 4 ? AF_INET : AF_INET6;
  const proto = version === 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6!;
  try {
    const s = socket(family, SOCK_DGRAM, proto);
    // The kernel keeps the identifier: the port that it is bound to.
    s.bind(['', 0]);
    s.setsockopt(
      version === 4 ? IPPROTO_IP : IPPROTO_IPV6,
      version === 4 ? IP_RECVERR! : IPV6_RECVERR!,
      true,
    );
    return { socket: s as Socket, version, address, id: s.getsockname()[1] as number, header: false };
  } catch (error) {
    if (!(error instanceof SocketError)) throw error;
  }
  try {
    const s = socket(family, SOCK_RAW, proto) as Socket;
    return { socket: s, version, address, id: 1 + Math.floor(Math.random() * 0xfffe), header: version === 4 };
  } catch (error) {
    if (!(error instanceof SocketError) || error.code !== 'EPERM') throw error;
    throw new Failure(
      'no permission to ping: the group is not in the sysctl net.ipv4.ping_group_range, and there is no CAP_NET_RAW',
    );
  }
}

async function target({ options, arguments: [host] }: Given): Promise<[Version, AnyAddress, string]> {
  const family = options.ipv4 ? AF_INET : options.ipv6 ? AF_INET6 : AF_UNSPEC;
  const [found] = await getaddrinfo(host!, null, { family, type: SOCK_DGRAM });
  const [of, , , , sockaddr] = found!;
  const parts = sockaddr as readonly (string | number)[];
  return [of === AF_INET ? 4 : 6, sockaddr as AnyAddress, String(parts[0])];
}

// When the kernel received it: not when this process got round to it. By performance.now(), in seconds;
// unless the clock of the day was set meanwhile.
function arrival(timestamp: Timestamp | undefined): number {
  const now = performance.now() / 1000;
  if (timestamp === undefined) return now;
  const origin = BigInt(Math.round(performance.timeOrigin * 1e6));
  const then = Number(timestamp.nanoseconds - origin) / 1e9;
  return then <= now && then > now - 1 ? then : now;
}

/** As ping(8): the faster, the more digits. */
const millis = (seconds: number): string => {
  const ms = seconds * 1000;
  return ms.toFixed(ms >= 100 ? 0 : ms >= 10 ? 1 : ms >= 1 ? 2 : 3);
};

class Pings {
  readonly #echo: Echo;
  readonly #tell: (line: string) => void;
  readonly #sentAt = new Map<number, { seq: number; at: number; heard: boolean }>();
  readonly #stop = new AbortController();
  readonly replies: Reply[] = [];
  sent = 0;
  received = 0;
  duplicates = 0;
  errors = 0;
  #first = 0;
  #last = 0;
  #waiting = 0;
  #answered = (): void => {};

  constructor(echo: Echo, tell: (line: string) => void) {
    this.#echo = echo;
    this.#tell = tell;
  }

  /** Seconds from the first request to the last thing that happened. */
  get elapsed(): number {
    return Math.max(0, this.#last - this.#first);
  }

  stop(): void {
    this.#stop.abort();
    this.#answered();
  }

  /** Sends until `count` requests have gone, and waits for what is still to come. */
  async run(count: number, interval: number, timeout: number, data: Buffer): Promise<void> {
    const listening = this.#listen(data.length + HEADERS);
    this.#first = performance.now() / 1000;
    while (this.sent < count && !this.#stop.signal.aborted) {
      await this.#send(data);
      const next = this.#first + this.sent * interval;
      if (this.sent < count) await this.#pause(next - performance.now() / 1000, false);
    }
    if (this.#waiting > 0) await this.#pause(timeout, true);
    this.stop();
    await listening;
  }

  // Until the time has passed, or it is stopped; or, where that is asked for, nothing is to come any more.
  #pause(seconds: number, answered: boolean): Promise<void> {
    if (this.#stop.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, seconds * 1000));
      this.#answered = () => {
        if (!this.#stop.signal.aborted && !(answered && this.#waiting === 0)) return;
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #send(data: Buffer): Promise<void> {
    const { socket: s, version, id, address } = this.#echo;
    const seq = ++this.sent;
    const packet = echoRequest(version, id, seq, data);
    this.#sentAt.set(seq & 0xffff, { seq, at: performance.now() / 1000, heard: false });
    this.#waiting++;
    try {
      await s.sendto(packet, address);
    } catch (error) {
      if (!(error instanceof SocketError)) throw error;
      this.#sentAt.delete(seq & 0xffff);
      this.#waiting--;
      this.errors++;
      say(`sock: ${error.message}`);
    }
    this.#last = performance.now() / 1000;
  }

  async #listen(bufsize: number): Promise<void> {
    const { socket: s, version, header } = this.#echo;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        const [packet, ancdata, , from] = await s.recvmsg(bufsize, CONTROL, { signal });
        const control = decodeControl(ancdata);
        const now = arrival(control.timestamp);
        const heard = heardOf(version, packet, header);
        if (heard !== undefined)
          this.#heard(heard, String((from as readonly unknown[])[0]), control.ttl ?? control.hopLimit, now);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof SocketError)) throw error;
        await this.#reported(error);
      }
    }
  }

  // A datagram socket is told of ICMP errors by its error queue: the data are the request.
  async #reported(failure: SocketError): Promise<void> {
    const { socket: s, version } = this.#echo;
    for (let found = 0; ; found++) {
      try {
        const [packet, ancdata] = await s.recvmsg(HEADERS, CONTROL, { flags: MSG_ERRQUEUE! });
        const { error } = decodeControl(ancdata);
        if (error === undefined || packet.length < 8) continue;
        const what = errorText(version, error.icmpType, error.icmpCode) ?? error.code;
        const from = error.offender?.[0] ?? 'this host';
        const seq = packet.readUInt16BE(6);
        this.#heard({ kind: 'error', id: this.#echo.id, seq, size: packet.length, what }, from, undefined, 0);
      } catch {
        if (found === 0) throw failure;
        return;
      }
    }
  }

  #heard({ kind, id, seq, size, what }: Heard, from: string, ttl: number | undefined, now: number): void {
    const request = this.#sentAt.get(seq);
    // Somebody else's: a raw socket sees every ping of this machine.
    if (id !== this.#echo.id || request === undefined) return;
    this.#last = performance.now() / 1000;
    const duplicate = request.heard;
    if (!duplicate) {
      request.heard = true;
      this.#waiting--;
    }
    if (kind === 'error') {
      this.errors++;
      this.#tell(`From ${visible(from)} icmp_seq=${request.seq} ${what}`);
    } else {
      const time = Math.max(0, now - request.at);
      if (duplicate) this.duplicates++;
      else this.received++;
      this.replies.push({ seq: request.seq, from, bytes: size, ttl, time, duplicate });
      const more = [...(ttl === undefined ? [] : [`ttl=${ttl}`]), `time=${millis(time)} ms`].join(' ');
      this.#tell(
        `${size} bytes from ${visible(from)}: icmp_seq=${request.seq} ${more}${duplicate ? ' (DUP!)' : ''}`,
      );
    }
    this.#answered();
  }
}

/** Least, mean, greatest, and standard deviation of the times; nothing without a reply. */
function timesOf(
  replies: readonly Reply[],
): { min: number; avg: number; max: number; mdev: number } | undefined {
  if (replies.length === 0) return undefined;
  const times = replies.map(({ time }) => time);
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const avg = mean(times);
  const variance = mean(times.map((time) => time * time)) - avg * avg;
  const least = times.reduce((a, b) => Math.min(a, b));
  return {
    min: least,
    avg,
    max: times.reduce((a, b) => Math.max(a, b)),
    mdev: Math.sqrt(Math.max(0, variance)),
  };
}

function statistics(host: string, pings: Pings): string {
  const { sent, received, duplicates, errors } = pings;
  const lost = sent === 0 ? 0 : (100 * (sent - received)) / sent;
  const counts = [
    `${sent} packets transmitted`,
    `${received} received`,
    ...(duplicates > 0 ? [`+${duplicates} duplicates`] : []),
    ...(errors > 0 ? [`+${errors} errors`] : []),
    `${Number(lost.toPrecision(6))}% packet loss`,
    `time ${Math.round(pings.elapsed * 1000)}ms`,
  ];
  const lines = ['', `--- ${visible(host)} ping statistics ---`, counts.join(', ')];
  const times = timesOf(pings.replies);
  if (times !== undefined) {
    const all = [times.min, times.avg, times.max, times.mdev].map((time) => (time * 1000).toFixed(3));
    lines.push(`rtt min/avg/max/mdev = ${all.join('/')} ms`);
  }
  return lines.join('\n');
}

export async function run(given: Given): Promise<number> {
  const { options, arguments: words } = given;
  const wrong = (what: string): never => {
    throw new UsageError(what, 'ping');
  };
  const size = (options.size as number | undefined) ?? SIZE;
  const ttl = options.ttl as number | undefined;
  const count = (options.count as number | undefined) ?? Number.POSITIVE_INFINITY;
  const interval = (options.interval as number | undefined) ?? 1;
  if (options.ipv4 && options.ipv6) wrong('--ipv4 and --ipv6: leave both away for both');
  if (size > MOST) wrong(`--size ${size}: a packet has at most ${MOST} bytes of data`);
  if (count < 1) wrong('--count 0: expected at least 1');
  if (interval < FASTEST) wrong(`--interval ${interval}: expected at least ${FASTEST} s`);
  if (ttl !== undefined && (ttl < 1 || ttl > 255)) wrong(`--ttl ${ttl}: expected 1 to 255`);

  const [version, address, text] = await target(given);
  const echo = open(version, address);
  const level = version === 4 ? IPPROTO_IP : IPPROTO_IPV6;
  echo.socket.setsockopt(level, version === 4 ? IP_RECVTTL! : IPV6_RECVHOPLIMIT!, true);
  echo.socket.setsockopt(SOL_SOCKET, SO_TIMESTAMPNS!, true);
  if (ttl !== undefined) echo.socket.setsockopt(level, version === 4 ? IP_TTL! : IPV6_UNICAST_HOPS!, ttl);

  const tell =
    options.json || options.quiet ? () => {} : (line: string) => void standardPrinter().write(`${line}\n`);
  const pings = new Pings(echo, tell);
  const stop = (): void => pings.stop();
  const deadline = options.deadline as number | undefined;
  const timer = deadline === undefined ? undefined : setTimeout(stop, deadline * 1000);
  process.once('SIGINT', stop);
  if (!options.json) {
    const all = version === 4 ? `${size}(${size + 28}) bytes of data.` : `${size} data bytes`;
    await print(`PING ${visible(words[0]!)} (${text}) ${all}`);
  }
  try {
    const data = Buffer.from(Array.from({ length: size }, (_, at) => at & 0xff));
    await pings.run(count, interval, (options.timeout as number | undefined) ?? 10, data);
  } finally {
    clearTimeout(timer);
    process.off('SIGINT', stop);
    echo.socket.close();
  }
  if (options.json) {
    const { sent, received, duplicates, errors, replies } = pings;
    await printJson({
      host: words[0],
      address: text,
      sent,
      received,
      duplicates,
      errors,
      times: timesOf(replies) ?? null,
      replies,
    });
  } else await print(statistics(words[0]!, pings));
  return pings.received > 0 ? 0 : 1;
}
