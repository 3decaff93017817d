// The small services: echo (RFC 862), discard (863), character generator (864), daytime (867), time
// (868), and hello. What each does with a connection, and with a datagram.
import {
  AF_UNIX,
  type AnyAddress,
  IPPROTO_TCP,
  SHUT_WR,
  type SOCK_DGRAM,
  type Socket,
  TCP_NODELAY,
} from '../../index.ts';

/** What a service does. */
export interface Service {
  /** The port that IANA gave it; for others one that needs no rights. */
  readonly port: number;
  stream(conn: Socket, address: AnyAddress): Promise<void>;
  /** The answer to a datagram; nothing: none. */
  datagram?(data: Buffer): Buffer | undefined;
}

const PIECE = 65536;

async function echo(conn: Socket): Promise<void> {
  const memory = Buffer.allocUnsafe(PIECE);
  for (let n = await conn.recvInto(memory); n > 0; n = await conn.recvInto(memory))
    await conn.sendall(memory.subarray(0, n));
}

async function discard(conn: Socket): Promise<void> {
  const memory = Buffer.allocUnsafe(PIECE);
  while ((await conn.recvInto(memory)) > 0);
}

/**
 * Sends and ends. To close while something is there to be read resets the connection (RFC 1122,
 * 4.2.2.13), and what was sent may be lost: what the client says is read for a moment.
 */
async function say(conn: Socket, data: Buffer): Promise<void> {
  await conn.sendall(data);
  conn.shutdown(SHUT_WR);
  conn.settimeout(1);
  const memory = Buffer.allocUnsafe(4096);
  try {
    for (let left = 16; left > 0 && (await conn.recvInto(memory)) > 0; left--);
  } catch {
    // It has what it came for.
  }
}

// RFC 864: lines of 72 of the 95 printable characters, each line a step further.
const PRINTABLE = 95;
const WIDTH = 72;
const LINES = Buffer.concat(
  Array.from({ length: PRINTABLE }, (_, line) =>
    Buffer.from([...Array.from({ length: WIDTH }, (_, at) => 0x20 + ((line + at) % PRINTABLE)), 0x0d, 0x0a]),
  ),
);

async function generate(conn: Socket): Promise<void> {
  // What is sent to it is thrown away, while it sends.
  discard(conn).catch(() => {});
  for (;;) await conn.sendall(LINES);
}

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = 'January February March April May June July August September October November December'.split(
  ' ',
);

/** As RFC 867 shows it: `Tuesday, February 22, 1982 17:37:43-UTC`. */
export function daytimeText(date: Date): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  const clock = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(':');
  return `${DAYS[date.getUTCDay()]}, ${MONTHS[date.getUTCMonth()]} ${date.getUTCDate()}, ${date.getUTCFullYear()} ${clock}-UTC\r\n`;
}

// From 1900 to 1970 (RFC 868). 32 bits last until 2036, and begin again then.
const SINCE_1900 = 2_208_988_800;

export function timeBytes(date: Date): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE((Math.floor(date.getTime() / 1000) + SINCE_1900) % 2 ** 32);
  return bytes;
}

export const services: Readonly<Record<string, Service>> = {
  hello: { port: 8000, stream: (conn) => say(conn, Buffer.from('Hello, world!\r\n')) },
  echo: { port: 7, stream: echo, datagram: (data) => data },
  discard: { port: 9, stream: discard, datagram: () => undefined },
  chargen: {
    port: 19,
    stream: generate,
    // RFC 864: a random number of characters, up to 512.
    datagram: () => LINES.subarray(0, Math.floor(Math.random() * 513)),
  },
  daytime: {
    port: 13,
    stream: (conn) => say(conn, Buffer.from(daytimeText(new Date()))),
    datagram: () => Buffer.from(daytimeText(new Date())),
  },
  time: {
    port: 37,
    stream: (conn) => say(conn, timeBytes(new Date())),
    datagram: () => timeBytes(new Date()),
  },
};

// Two of these services that answer each other would do so for ever: somebody need only forge one
// datagram (CERT advisory CA-1996-01).
const ANSWERING = [7, 13, 17, 19, 37];

/**
 * Small pieces go out at once: Nagle's algorithm and delayed acknowledgements wait for each other, 40 ms
 * each time (RFC 1122, 4.2.3.4).
 */
export function atOnce(conn: Socket): Socket {
  if (conn.family !== AF_UNIX) conn.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);
  return conn;
}

/** Answers a datagram. */
export async function answer(
  service: Service,
  data: Buffer,
  address: AnyAddress,
  s: Socket<number, typeof SOCK_DGRAM>,
): Promise<void> {
  if (Array.isArray(address) && ANSWERING.includes(Number(address[1]))) return;
  const reply = service.datagram?.(data);
  if (reply !== undefined) await s.sendto(reply, address);
}
