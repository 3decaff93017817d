// `sock netstat --watch`: the table again and again, on the whole screen.
import { performance } from 'node:perf_hooks';
import type { Connection } from '../inspect.ts';
import { firstView, pageOf, pressed, screenLines, shownFlows } from './liveview.ts';
import { colours } from './output.ts';
import { Screen } from './screen.ts';
import { Failure } from './spec.ts';
import { type Flow, Traffic } from './traffic.ts';

const COURSE = 60;

/** Shows what `ask` gives every `interval` seconds until the user has seen enough. */
export async function watch(ask: () => Promise<Connection[]>, interval: number): Promise<number> {
  if (!process.stdin.isTTY || !process.stdout.isTTY)
    throw new Failure('--watch needs a terminal for its keys and its table; --json is for programs');
  const traffic = new Traffic(COURSE);
  let view = firstView;
  let flows: Flow[] = traffic.sample(await ask(), performance.now() / 1000);
  let clock = new Date();
  let wake = (): void => {};
  const colour = colours(process.stdout);
  const draw = (): void => {
    const { width, height } = screen;
    screen.draw(screenLines(view, flows, { width, height, colour, clock: clock.toTimeString().slice(0, 8) }));
  };
  const screen = new Screen((key) => {
    view = pressed(view, key, pageOf(screen.height), shownFlows(view, flows).length);
    if (view.ended) wake();
    else draw();
  }, draw);
  try {
    while (!view.ended) {
      draw();
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, interval * 1000);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      if (view.ended) break;
      const rows = await ask();
      // While it is paused the table stands still; the courses go on.
      const next = traffic.sample(rows, performance.now() / 1000);
      if (!view.paused) [flows, clock] = [next, new Date()];
    }
  } finally {
    screen.close();
  }
  return 0;
}
