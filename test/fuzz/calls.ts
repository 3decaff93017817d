// The public functions and methods with hostile arguments, on sockets that are open, closed, and in
// the middle of a call. Every call ends, with a value, or with an error of a documented class in the
// library's own words.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as library from 'berkeley-sockets';
import type { Chance } from '../support/chance.ts';
import { isRefusal } from './codecs.ts';
import { anyMemory, anyText, anything, once, pick } from './hostile.ts';

type Callable = (...args: unknown[]) => unknown;

// What asks the network, takes descriptors that are not the fuzzer's, or changes the defaults of what comes after.
const leftOut = new Set([
  'constructor',
  'fromHandle',
  'fromfd',
  'getaddrinfo',
  'getnameinfo',
  'gethostbyname',
  'gethostbyname_ex',
  'gethostbyaddr',
  'getfqdn',
  'createConnection',
  'createServer',
  'connect',
  'sendto',
  'sendmany',
  'bind',
  'setdefaulttimeout',
  'setBusyPoll',
  'detach',
  'hasDualstackIPv6',
  'activationSockets',
  // These wait for ever when there is nothing to wait for.
  'select',
  'waitAny',
  // These tell errors by events.
  'toDuplex',
]);

/** A function of a socket's, such as sendFds: its first argument is always one here. */
const takesSocket = (call: Callable): boolean =>
  /^(?:async )?function \w+\(sock\b/.test(Function.prototype.toString.call(call));

const isClass = (value: Callable): boolean => /^class\b/.test(Function.prototype.toString.call(value));

const functions = Object.entries(library as unknown as Record<string, unknown>).filter(
  (entry): entry is [string, Callable] =>
    typeof entry[1] === 'function' && !leftOut.has(entry[0]) && !isClass(entry[1] as Callable),
);

// The documented ones: what is internal trusts its callers.
const methods = [
  ...readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8').matchAll(/^### s\.(\w+)$/gm),
]
  .map(([, name]) => name!)
  .filter(
    (name) =>
      !leftOut.has(name) &&
      typeof Object.getOwnPropertyDescriptor(prototypeOf(name), name)?.value === 'function',
  );

function prototypeOf(name: string): object {
  let at: object = library.Socket.prototype;
  while (!Object.hasOwn(at, name) && at !== Object.prototype) at = Object.getPrototypeOf(at);
  return at;
}

/** A signal that ends what would wait, or what does not belong there. */
function options(chance: Chance): unknown {
  if (once(chance, 6)) return anything(chance);
  return {
    signal: AbortSignal.timeout(chance.integer(0, 2)),
    flags: once(chance, 4) ? anything(chance) : chance.integer(0, 3),
  };
}

/** Runs calls for a while; how many were made. */
export async function callAround(chance: Chance, calls: number): Promise<number> {
  const folder = mkdtempSync(path.join(tmpdir(), 'bsd-fuzz-'));
  const before = process.cwd();
  process.chdir(folder);
  const sockets: library.Socket[] = [];
  try {
    for (let i = 0; i < calls; i++) {
      while (sockets.length < 6) {
        for (const each of library.socketpair(
          library.AF_UNIX,
          pick(chance, [library.SOCK_STREAM, library.SOCK_DGRAM]),
        )) {
          each.settimeout(0.002);
          sockets.push(each as library.Socket);
        }
      }
      const socket = pick(chance, sockets);
      const args = Array.from({ length: chance.integer(0, 4) }, () =>
        pick(chance, [
          () => anything(chance),
          () => anyMemory(chance),
          () => chance.integer(0, 100),
          () => anyText(chance),
          () => options(chance),
          () => pick(chance, sockets),
        ])(),
      );
      const method = pick(chance, methods);
      const [name, call] = once(chance, 4)
        ? pick(chance, functions)
        : [
            method,
            (...given: unknown[]) => (socket as unknown as Record<string, Callable>)[method]!(...given),
          ];
      if (takesSocket(call)) args[0] = socket;
      // What waits is over soon, whatever was set before.
      if (!socket.closed) socket.settimeout(0.002);
      try {
        release(await settled(call(...args)));
      } catch (error) {
        if (!isRefusal(error) && !isAbort(error))
          throw new Error(`${name}(${args.map(shown).join(', ')})`, { cause: error });
      }
      if (once(chance, 8)) sockets.splice(sockets.indexOf(socket), 1)[0]!.close();
    }
    return calls;
  } finally {
    for (const socket of sockets) socket.close();
    process.chdir(before);
    rmSync(folder, { recursive: true, force: true });
  }
}

// Iterators and readers do nothing until they are used.
async function settled(value: unknown): Promise<unknown> {
  if (typeof (value as PromiseLike<unknown> | undefined)?.then !== 'function') return value;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('not over after 5 s')), 5000);
  });
  try {
    return await Promise.race([value, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Closes the sockets among what a call gave. */
function release(value: unknown): void {
  if (value instanceof library.Socket) value.close();
  else if (Array.isArray(value)) for (const each of value) release(each);
}

const isAbort = (error: unknown): boolean => error instanceof DOMException;

function shown(value: unknown): string {
  try {
    return typeof value === 'object' && value !== null
      ? (value.constructor?.name ?? 'object')
      : String(value);
  } catch {
    return 'a trap';
  }
}
