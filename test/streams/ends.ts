// A stream over a socket of ours with the plain socket at its other end, and what it tells.
import type { DuplexOptions, SocketDuplex } from 'berkeley-sockets';
import type { Scene } from '../support/scene.ts';
import { pair, type Transport, tcp4 } from '../support/transports.ts';

/** A stream and the plain socket at its other end. */
export async function ends(stage: Scene, transport: Transport = tcp4, options?: DuplexOptions) {
  const [a, b] = await pair(stage, transport);
  const s = a.toDuplex(options);
  stage.after(() => void s.destroy());
  return { s, b };
}

/** The first time it emits `name`. */
export const event = (s: SocketDuplex, name: string): Promise<unknown> =>
  new Promise((resolve) => s.once(name, resolve));

/** Every event, in order. */
export function story(s: SocketDuplex): string[] {
  const told: string[] = [];
  for (const name of ['connect', 'ready', 'end', 'finish', 'error', 'close'])
    s.on(name, (given) => told.push(given === undefined ? name : `${name} ${given?.code ?? given}`));
  return told;
}
