// Builds the native core, the TypeScript and the command: only what is older than its sources, so
// that `npm start` and `npm test` may call it every time. It needs a C++ compiler and nothing else.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);

const files = (folder, endings) =>
  readdirSync(path.join(root, folder), { recursive: true })
    .map((name) => path.join(root, folder, name))
    .filter((name) => endings.some((ending) => name.endsWith(ending)));
const newest = (names) => Math.max(0, ...names.map((name) => statSync(name).mtimeMs));
const stale = (target, sources) => !existsSync(target) || statSync(target).mtimeMs < newest(sources);

// `target` is as old as the start of its build, so that a source that was saved meanwhile
// is newer; and gone after a failure, so that the next build does not find it fresh.
function run(command, args, target) {
  const start = new Date();
  const r = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (r.error) {
    console.error(`${command} could not be started: ${r.error.message}`);
    process.exit(1);
  }
  if (r.status !== 0) {
    rmSync(target, { force: true });
    process.exit(r.status ?? 1);
  }
  utimesSync(target, start, start);
}

// Hidden visibility and -Bsymbolic: two copies of the addon in one process share nothing.
export const compilerFlags = [
  '-std=c++17',
  '-O2',
  '-fPIC',
  '-fno-exceptions',
  '-fno-rtti',
  '-fvisibility=hidden',
  '-fno-strict-aliasing',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-Wno-unused-parameter',
  '-Wno-missing-field-initializers',
];

export function buildNative({
  out = path.join(root, 'build', 'berkeley-sockets.node'),
  flags = [],
  libraries = ['-ldl'],
  force = false,
} = {}) {
  const sources = files('native', ['.cpp']);
  if (!force && !stale(out, [...files('native', ['.cpp', '.h', '.inc']), fileURLToPath(import.meta.url)]))
    return out;
  const headers = require('node-api-headers').include_dir;
  const compiler = process.env.CXX || 'c++';
  mkdirSync(path.dirname(out), { recursive: true });
  console.error(`building the native core with ${compiler}`);
  // Written beside and renamed: a process that has the old one mapped keeps it whole.
  const fresh = `${out}.${process.pid}`;
  run(
    compiler,
    [
      ...compilerFlags,
      ...flags,
      `-I${headers}`,
      '-shared',
      '-Wl,-Bsymbolic',
      '-o',
      fresh,
      ...sources,
      ...libraries,
    ],
    fresh,
  );
  renameSync(fresh, out);
  return out;
}

function buildTypeScript() {
  const stamp = path.join(root, 'dist', '.tsbuildinfo');
  if (!stale(stamp, [...files('src', ['.ts']), path.join(root, 'tsconfig.json')])) return;
  run(
    process.execPath,
    [
      path.join(root, 'node_modules', 'typescript', 'bin', 'tsc'),
      '-p',
      'tsconfig.json',
      '--incremental',
      '--tsBuildInfoFile',
      stamp,
    ],
    stamp,
  );
}

// Modules as they go into a bundle: CommonJS, since an ES module's import of `node:fs` loads Node's streams
// with it (for the names that it exports), wanted or not. One finds its files (the addon, the modules of
// worker threads) as if it were still by itself in dist/; a subcommand is a bundle of its own.
const modules = {
  name: 'modules',
  setup(build) {
    const source = path.join(root, 'src');
    build.onLoad({ filter: /\.ts$/ }, ({ path: file }) => {
      const name = path.relative(source, file);
      let contents = readFileSync(file, 'utf8').replaceAll(
        'import.meta.url',
        `placeOf('${name.replace(/\.ts$/, '.js')}')`,
      );
      if (name === 'constants.gen.ts') contents = shakable(contents);
      if (path.dirname(name) === 'cli/specs')
        contents = contents.replace(/\bimport\('\.\.\/(\w+)\.ts'\)/, "Promise.resolve(require('./$1.cjs'))");
      return { contents, loader: 'ts' };
    });
    build.onResolve({ filter: /^\.\/\w+\.cjs$/ }, ({ path: file }) => ({ path: file, external: true }));
  },
};

const placeOf =
  "const placeOf=(name)=>require('node:url').pathToFileURL(require('node:path').join(__dirname,'../dist',name)).href;";

// Reading a property might do anything, and is kept; a call that is marked so is not.
function shakable(text) {
  const read = (name) => `export const ${name} = /* @__PURE__ */ constantOf('${name}');`;
  const rest = text
    .replace(/^export const (\w+) = all\.\w+( as [^;]+)?;$/gm, (_, name) => read(name))
    .replace(/^export const \{\n([^}]*)\} = native\.constants;$/gm, (_, names) =>
      names.replace(/^ {2}(\w+),$/gm, (__, name) => read(name)),
    );
  return `${rest}\nfunction constantOf(name) { return native.constants[name]; }\n`;
}

// The command: a file, and one more for each subcommand, which has all that it needs. To find, read
// and compile the library's hundred modules takes half as long again as Node's own start.
export async function buildCommand() {
  const folder = path.join(root, 'bin');
  const entry = path.join(folder, 'sock.cjs');
  const start = new Date();
  if (!stale(entry, [...files('src', ['.ts']), fileURLToPath(import.meta.url)])) return;
  const { build } = await import('esbuild');
  const specs = readdirSync(path.join(root, 'src', 'cli', 'specs')).map((name) =>
    readFileSync(path.join(root, 'src', 'cli', 'specs', name), 'utf8'),
  );
  const subcommands = specs.flatMap((text) => /\bimport\('\.\.\/(\w+)\.ts'\)/.exec(text)?.[1] ?? []);
  const { outputFiles } = await build({
    entryPoints: Object.fromEntries([
      ['sock', path.join(root, 'src', 'cli', 'main.ts')],
      ...subcommands.map((name) => [name, path.join(root, 'src', 'cli', `${name}.ts`)]),
    ]),
    outdir: folder,
    bundle: true,
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    platform: 'node',
    target: 'node20',
    minify: true,
    legalComments: 'none',
    banner: { js: placeOf },
    plugins: [modules],
    write: false,
  });
  mkdirSync(folder, { recursive: true });
  // Whoever runs it meanwhile has an old file or a new one, never a part of one.
  for (const { path: file, contents } of outputFiles) {
    writeFileSync(`${file}.${process.pid}`, contents, { mode: file === entry ? 0o755 : 0o644 });
    renameSync(`${file}.${process.pid}`, file);
  }
  utimesSync(entry, start, start);
  const made = new Set(outputFiles.map((file) => file.path));
  for (const name of files('bin', [''])) if (!made.has(name)) rmSync(name, { force: true });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  buildNative({ force: process.argv.includes('--force') });
  buildTypeScript();
  await buildCommand();
}
