// Sockets that were collected without close(): their descriptors are closed, and the program is
// warned. Knows slots, not sockets.
import { describeNames } from './description.ts';
import * as engine from './engine.ts';

// What is remembered of a socket must not hold it: its slot, and the slot's generation, which
// has moved on if the socket was closed.
const MAX_SLOTS = 2 ** 21;
const unclosed = new FinalizationRegistry((held: number) => {
  const slot = held % MAX_SLOTS;
  if (engine.generations[slot]! >>> 0 !== Math.floor(held / MAX_SLOTS)) return;
  const fd = engine.fds[slot]!;
  const names = describeNames(fd, ', ');
  engine.closeSlot(slot, true);
  process.emitWarning(`unclosed socket: fd ${fd}${names}`, {
    type: 'ResourceWarning',
    detail:
      'The socket was collected without close(): keep it in a variable until it is closed, or use `using`.',
  });
});

/** Watches over the owner of a slot, from now until it is closed or collected. */
export function watchOwner(owner: object, slot: number): void {
  unclosed.register(owner, slot + (engine.generations[slot]! >>> 0) * MAX_SLOTS);
}
