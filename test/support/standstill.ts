// Peers that do not move: an address at which a connect neither succeeds nor fails.
import { type Address, type Socket, TimeoutError } from 'berkeley-sockets';
import type { Scene } from './scene.ts';
import { listening, open, type Transport } from './transports.ts';

/**
 * The address of a TCP listener whose backlog is full. Linux then drops every SYN (tcp(7),
 * listen(2)), so that a connect hangs until it is accepted or the sender gives up minutes later.
 */
export async function fullBacklog(scene: Scene, transport: Transport): Promise<Address> {
  const listener = listening(scene, transport, 0);
  await fill(scene, transport, listener);
  return listener.getsockname();
}

/** Connects to `listener` until a connect hangs: its backlog is full from then on. */
export async function fill(scene: Scene, transport: Transport, listener: Socket): Promise<void> {
  for (let i = 0; i < 10; i++) {
    const client = open(scene, transport);
    client.settimeout(0.1);
    try {
      await client.connect(listener.getsockname());
    } catch (error) {
      if (!(error instanceof TimeoutError)) continue;
      client.close();
      return;
    }
  }
  throw new Error('a listener with a backlog of 0 took ten connections');
}
