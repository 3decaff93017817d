// The module that a thread runs: how it may be named, with which options of Node's its worker starts,
// and, in there, its default export. Knows nothing of what is done with it.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describeValue, typeError } from '../errors.ts';

/** A module's address from the text or the URL that the program gave: absolute, since nobody knows its own folder. */
export function moduleAddress(given: unknown, name = 'moduleUrl'): string {
  if (given instanceof URL) return given.href;
  if (typeof given !== 'string') throw typeError(name, 'a URL', given);
  if (path.isAbsolute(given)) return pathToFileURL(given).href;
  if (URL.canParse(given)) return given;
  throw new TypeError(
    `Expected a URL or an absolute path for ${name} but received ${describeValue(given)}: ` +
      "new URL('./name.js', import.meta.url) is the file beside the one that says so",
  );
}

// What a worker may be told beside its module. Only asked where the process runs a text of its command line
// (`node --input-type=module -e …`), which a worker with a file refuses to take over (ERR_INPUT_TYPE_NOT_ALLOWED).
const withValue = /^(?:-r|--require|--import|--loader|--experimental-loader|-C|--conditions)$/;
const alone =
  /^(?:--(?:require|import|loader|experimental-loader|conditions)=.*|--enable-source-maps|--no-warnings|--experimental-(?:strip|transform)-types)$/;

/** The options of Node's for a worker; `undefined`: those of this process. */
export function workerOptions(): string[] | undefined {
  const options = process.execArgv;
  if (!options.some((each) => each.startsWith('--input-type'))) return undefined;
  return options.flatMap((each, at) => {
    if (alone.test(each)) return [each];
    return withValue.test(each) && options[at + 1] !== undefined ? [each, options[at + 1]!] : [];
  });
}

// --- in the worker -----------------------------------------------------------------------

const codeOf = (error: unknown): unknown => (error as NodeJS.ErrnoException | undefined)?.code;

/** Where the package is described that a file would find as `tsx`. */
function manifestOfTsx(file: string): string | undefined {
  for (let at = file; at !== path.dirname(at); at = path.dirname(at)) {
    const manifest = path.join(path.dirname(at), 'node_modules', 'tsx', 'package.json');
    if (existsSync(manifest)) return manifest;
  }
  return undefined;
}

// The loader tsx registers itself in worker threads only of the newest versions of Node (tsx 4.23,
// dist/loader.mjs). Where the process runs on it, so does the thread. Whether it is there already tells a module
// that has nothing in it, and that plain Node does not load.
async function followTsx(): Promise<void> {
  const { execArgv } = process;
  const named = execArgv.map((each, at) =>
    each === '--import' ? execArgv[at + 1] : /^--import=(.*)/.exec(each)?.[1],
  );
  const tsx = named.find((each) => each !== undefined && /(?:^|\/)tsx(?:\/|$)/.test(each));
  if (tsx === undefined) return;
  try {
    await import(new URL('./modules.d.ts', import.meta.url).href);
  } catch (error) {
    if (codeOf(error) !== 'ERR_UNKNOWN_FILE_EXTENSION') return;
    const manifest = manifestOfTsx(
      tsx.startsWith('file:') ? fileURLToPath(tsx) : path.join(process.cwd(), 'x'),
    );
    if (manifest === undefined) return;
    const api = JSON.parse(readFileSync(manifest, 'utf8')).exports['./esm/api'].import.default as string;
    const { register } = await import(new URL(api, pathToFileURL(manifest)).href);
    register();
  }
}

let following: Promise<void> | undefined;

/** The function that a module exports by default; the error names the module. */
export async function defaultExport(address: string): Promise<(...args: unknown[]) => unknown> {
  let found: { default?: unknown };
  try {
    if (!address.startsWith('data:')) {
      following ??= followTsx();
      await following;
    }
    found = await import(address);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`the module ${address} could not be loaded: ${reason}`, { cause: error });
  }
  let exported = found.default;
  // What a compiler made of an ES module for CommonJS has its own default there.
  if (typeof exported === 'object' && exported !== null && 'default' in exported) exported = exported.default;
  if (typeof exported === 'function') return exported as (...args: unknown[]) => unknown;
  const what = 'default' in found ? `is ${describeValue(found.default)}` : 'is missing';
  throw new TypeError(
    `the module ${address} has to export a function by default: \`export default\` ${what}`,
  );
}
