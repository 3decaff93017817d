// The table that one scenario is crossed over: each kind of socket with an address to bind
// to. Also the first steps that nearly every scenario takes: a listener, a connected pair.
import os from 'node:os';
import {
  type Address,
  AF_INET,
  AF_INET6,
  AF_UNIX,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  type Socket,
} from 'berkeley-sockets';
import { eventually } from './deadline.ts';
import { flavours } from './flavours.ts';
import { type Scene, type SceneOptions, scene } from './scene.ts';
import { tempPath } from './tempdir.ts';

export interface Transport {
  name: string;
  family: number;
  type: number;
  /** An address that nobody else is bound to. */
  free(scene: Scene): Address;
  /** Why this machine has none of it; false where it has. */
  missing: string | false;
}

const loopback6 = Object.values(os.networkInterfaces()).some((rows) =>
  rows?.some((row) => row.address === '::1'),
);
const noIPv6 = loopback6 ? false : 'this machine has no ::1';

const inet = (): Address => ['127.0.0.1', 0];
const inet6 = (): Address => ['::1', 0, 0, 0];
const path = (scene: Scene): Address => tempPath(scene);

export const tcp4: Transport = {
  name: 'TCP4',
  family: AF_INET,
  type: SOCK_STREAM,
  free: inet,
  missing: false,
};
export const tcp6: Transport = {
  name: 'TCP6',
  family: AF_INET6,
  type: SOCK_STREAM,
  free: inet6,
  missing: noIPv6,
};
export const unixStream: Transport = {
  name: 'AF_UNIX stream',
  family: AF_UNIX,
  type: SOCK_STREAM,
  free: path,
  missing: false,
};
export const unixSeqpacket: Transport = {
  name: 'AF_UNIX seqpacket',
  family: AF_UNIX,
  type: SOCK_SEQPACKET,
  free: path,
  missing: false,
};
export const udp4: Transport = {
  name: 'UDP4',
  family: AF_INET,
  type: SOCK_DGRAM,
  free: inet,
  missing: false,
};
export const udp6: Transport = {
  name: 'UDP6',
  family: AF_INET6,
  type: SOCK_DGRAM,
  free: inet6,
  missing: noIPv6,
};
export const unixDatagram: Transport = {
  name: 'AF_UNIX datagram',
  family: AF_UNIX,
  type: SOCK_DGRAM,
  free: path,
  missing: false,
};

/** Byte streams. */
export const streams = [tcp4, tcp6, unixStream];
/** What listens, accepts and connects. */
export const connections = [...streams, unixSeqpacket];
/** Messages without a connection. */
export const datagrams = [udp4, udp6, unixDatagram];
/** Messages, each received whole. */
export const messages = [...datagrams, unixSeqpacket];
export const everything = [...connections, ...datagrams];

/** One scenario on each transport: a test each. */
export function across(
  transports: readonly Transport[],
  name: string,
  body: (scene: Scene, transport: Transport) => void | Promise<void>,
  options: SceneOptions = {},
): void {
  for (const transport of transports) {
    scene(`${name} (${transport.name})`, (stage) => body(stage, transport), {
      ...options,
      skip: options.skip || transport.missing,
    });
  }
}

/** One scenario on each transport, in both flavours: see flavours.ts. */
export function acrossBoth(
  transports: readonly Transport[],
  name: string,
  body: (scene: Scene, transport: Transport) => void | Promise<void>,
  options: SceneOptions = {},
): void {
  for (const flavour of flavours)
    across(transports, `${name} [${flavour.name}]`, body, { ...options, flavour });
}

/** A socket of this transport and of the scene's flavour, closed after the test. */
export function open(scene: Scene, transport: Transport): Socket {
  return scene.own(scene.sockets.socket(transport.family, transport.type));
}

/** A socket bound to a free address. */
export function bound(scene: Scene, transport: Transport): Socket {
  const s = open(scene, transport);
  s.bind(transport.free(scene));
  return s;
}

/** A listener at a free address. */
export function listening(scene: Scene, transport: Transport, backlog?: number): Socket {
  const s = bound(scene, transport);
  s.listen(backlog);
  return s;
}

/** Connects again and again until the peer listens: a program that does not say when it does. */
export async function reach(scene: Scene, transport: Transport, address: Address): Promise<Socket> {
  return eventually(async () => {
    const client = open(scene, transport);
    try {
      await client.connect(address);
    } catch (error) {
      client.close();
      throw error;
    }
    return client;
  }, `somebody to listen at ${address}`);
}

/** Connects to `listener` and accepts: both ends. */
export async function meet(
  scene: Scene,
  transport: Transport,
  listener: Socket,
): Promise<[client: Socket, server: Socket]> {
  const client = open(scene, transport);
  // Begun first, so that several pairs that meet at once are not mixed up. A thread that blocks goes
  // one step after the other: the backlog takes the connection.
  const accepting = scene.blocks ? undefined : listener.accept();
  const connecting = client.connect(listener.getsockname());
  const [[server]] = await Promise.all([accepting ?? listener.accept(), connecting]);
  return [client, scene.own(server)];
}

/**
 * Two sockets that talk to each other. Streams and packets in sequence: the client and the
 * accepted end. Datagrams: two bound sockets, each connected to the other.
 */
export async function pair(scene: Scene, transport: Transport): Promise<[Socket, Socket]> {
  if (transport.type !== SOCK_DGRAM) {
    const listener = listening(scene, transport);
    const both = await meet(scene, transport, listener);
    listener.close();
    return both;
  }
  const a = bound(scene, transport);
  const b = bound(scene, transport);
  await a.connect(b.getsockname());
  await b.connect(a.getsockname());
  return [a, b];
}

/** Receives until `size` bytes are there or the stream ends. */
export async function receive(s: Socket, size: number, atMost = 65536): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let have = 0;
  while (have < size) {
    const chunk = await s.recv(Math.min(atMost, size - have));
    if (chunk.length === 0) break;
    chunks.push(chunk);
    have += chunk.length;
  }
  return Buffer.concat(chunks);
}

/** Receives until the end of the stream. */
export const receiveAll = (s: Socket): Promise<Buffer> => receive(s, Number.POSITIVE_INFINITY);
