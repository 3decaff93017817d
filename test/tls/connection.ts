// First steps of a test: a TLS connection between two sockets of this process.
import {
  type Socket,
  socketpair,
  type TlsClientOptions,
  type TlsServerOptions,
  type TlsSocket,
  wrapTls,
} from 'berkeley-sockets';
import type { Scene } from '../support/scene.ts';
import { type Certificates, certificates } from './certificate.ts';

/** What the two sides can be told beside their certificates. */
export interface Sides {
  client?: Partial<TlsClientOptions>;
  server?: Partial<TlsServerOptions>;
}

/** A client and its server over two connected sockets. */
export async function over(
  scene: Scene,
  [near, far]: [Socket, Socket],
  { client, server }: Sides = {},
): Promise<[client: TlsSocket, server: TlsSocket]> {
  const { ca, server: identity } = await certificates();
  const both = await Promise.all([
    wrapTls(near, { ca, servername: 'localhost', ...client }),
    wrapTls(far, { key: identity.key, cert: identity.cert, ...server, isServer: true }),
  ]);
  for (const each of both) scene.own(each);
  return both;
}

/** Two connected sockets without a network, closed after the test. */
export function plain(scene: Scene): [Socket, Socket] {
  const both = socketpair();
  for (const each of both) scene.own(each);
  return both;
}

/** A client and its server over a pair of sockets. */
export async function secured(scene: Scene, sides?: Sides): Promise<[client: TlsSocket, server: TlsSocket]> {
  return over(scene, plain(scene), sides);
}

/** Receives until `size` bytes are there or the stream ends. */
export async function receive(connection: TlsSocket, size: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (let have = 0; have < size; ) {
    const chunk = await connection.recv(Math.min(65536, size - have));
    if (chunk.length === 0) break;
    chunks.push(chunk);
    have += chunk.length;
  }
  return Buffer.concat(chunks);
}

/** How a handshake failed: its code, on both sides. */
export async function failure(
  [near, far]: [Socket, Socket],
  client: Partial<TlsClientOptions>,
  server: Partial<TlsServerOptions>,
): Promise<[client: string, server: string]> {
  const known: Certificates = await certificates();
  const both = await Promise.allSettled([
    wrapTls(near, { ca: known.ca, servername: 'localhost', ...client }),
    wrapTls(far, { key: known.server.key, cert: known.server.cert, ...server, isServer: true }),
  ]);
  return both.map((result) => {
    if (result.status === 'rejected')
      return String((result.reason as { code?: string }).code ?? result.reason);
    result.value.close();
    return 'fulfilled';
  }) as [string, string];
}
