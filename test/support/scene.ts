// A test with an end: whatever it opens is closed when it is over, in reverse order, and then
// nothing may be left. (A test's own `after` hooks run later than a file's `afterEach` and in
// the order in which they were made, so leaks cannot be counted there.)
import { type TestContext, test } from 'node:test';
import { setdefaulttimeout, socketpair } from 'berkeley-sockets';
import { within } from './deadline.ts';
import { awaitedFlavour, type Flavour, flavours, type Sockets } from './flavours.ts';
import { Snapshot } from './leaks.ts';
import type { Ending } from './tempdir.ts';

// The engine may open descriptors of its own with the first call that waits: before any test counts.
const [first, other] = socketpair();
const waiting = first.recv(1);
other.close();
await waiting;
first.close();

type Clean = () => void | Promise<void>;

/** What a test opened and what it may be told: handed to the body of a `scene`. */
export class Scene implements Ending {
  readonly #test: TestContext;
  readonly #cleaners: Clean[] = [];
  /** What sockets are made of here: the library in one of its flavours. */
  readonly sockets: Sockets;
  /** Whether their calls block. */
  readonly blocks: boolean;

  constructor(test: TestContext, flavour: Flavour = awaitedFlavour) {
    this.#test = test;
    this.sockets = flavour.sockets;
    this.blocks = flavour !== awaitedFlavour;
  }

  after(clean: Clean): void {
    this.#cleaners.push(clean);
  }

  /** Closes `resource` when the test is over, and returns it. */
  own<T extends { close(): unknown }>(resource: T): T {
    this.after(() => void resource.close());
    return resource;
  }

  /** Reports the test as skipped, for a condition that only the body can find out. */
  skip(reason: string): void {
    this.#test.skip(reason);
  }

  /** Runs every cleaner, whatever the others do; the first failure comes out at the end. */
  async end(): Promise<void> {
    let failure: unknown;
    for (const clean of this.#cleaners.splice(0).reverse()) {
      try {
        await clean();
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
  }
}

export interface SceneOptions {
  /** Seconds that the body may take: only a hang comes near it. */
  seconds?: number;
  /** Why this test cannot run here; false where it can. */
  skip?: string | false;
  /** Which of the two makes its sockets; the one that is awaited if it is not given. */
  flavour?: Flavour;
}

/** A test that ends clean: its body within `seconds`, and no descriptor nor active resource left. */
export function scene(
  name: string,
  body: (scene: Scene) => void | Promise<void>,
  { seconds = 30, skip = false, flavour = awaitedFlavour }: SceneOptions = {},
): void {
  test(name, { skip }, async (t) => {
    const before = new Snapshot();
    const stage = new Scene(t, flavour);
    // No timer ends a call that blocks: it has to end by itself.
    if (flavour !== awaitedFlavour) setdefaulttimeout(seconds / 2);
    try {
      await within((async () => body(stage))(), name, seconds);
    } catch (error) {
      // The body's own failure says more than what it leaves behind.
      await stage.end().catch(() => {});
      throw error;
    } finally {
      if (flavour !== awaitedFlavour) setdefaulttimeout(null);
    }
    await stage.end();
    await before.assertNothingLeft(3);
  });
}

/** One scenario in both flavours: a test each. */
export function bothScenes(
  name: string,
  body: (scene: Scene) => void | Promise<void>,
  options: SceneOptions = {},
): void {
  for (const flavour of flavours) scene(`${name} [${flavour.name}]`, body, { ...options, flavour });
}
