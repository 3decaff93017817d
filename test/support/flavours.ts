// The two flavours of the library as one scenario sees them. It is written with `await`: what the
// blocking flavour gives is there at once, and to await it is to have it. Nothing may wait for
// something that the same scenario does only later.
import * as awaited from 'berkeley-sockets';
import * as blocking from 'berkeley-sockets/sync';

/** What a scenario makes sockets of. Typed as the flavour that is awaited, for both. */
export type Sockets = typeof awaited;

export interface Flavour {
  readonly name: 'awaited' | 'blocking';
  readonly sockets: Sockets;
}

export const awaitedFlavour: Flavour = { name: 'awaited', sockets: awaited };
export const blockingFlavour: Flavour = { name: 'blocking', sockets: blocking as unknown as Sockets };
export const flavours: readonly Flavour[] = [awaitedFlavour, blockingFlavour];
