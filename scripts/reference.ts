// Writes docs/api.md from the declarations of the built library (dist/*.d.ts), which are what an
// editor shows: signatures and doc comments are written once, in src/. `--check` writes nothing
// and fails when the page is stale. Knows the form in which tsc prints declarations, nothing of
// TypeScript beyond that: TypeScript 7 has no compiler API in JavaScript.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { constantGroups } from '../src/spec/constants.ts';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const page = path.join(root, 'docs', 'api.md');
const CONSTANTS = './constants.gen.ts';

// Where each name stands on the page: methods of a socket begin with a dot. A public name that
// is missing here, and one here that is not public, stops the generator. Types need no place:
// they come in the order of the alphabet.
const sections: Record<string, string> = {
  'Making sockets': 'socket socketpair createConnection createServer hasDualstackIPv6 fromfd fromHandle',
  Connections: '.connect .bind .listen .accept .accepted .shutdown',
  Receiving: '.recv .recvInto .tryRecvInto .recvfrom .recvfromInto .recvmany .[Symbol.asyncIterator]',
  Sending: '.send .sendall .trySend .sendto .sendmany',
  'Time and readiness': '.settimeout .gettimeout .setblocking .getblocking .wait',
  Options: '.getsockopt .setsockopt .get_inheritable .set_inheritable',
  'Who is who': '.family .type .proto .fileno .getsockname .getpeername',
  Ending: '.close .closed .[Symbol.dispose] .[Symbol.asyncDispose] .detach .dup .ref .unref',
  'Names and addresses':
    'getaddrinfo getnameinfo gethostbyname gethostbyname_ex gethostbyaddr getfqdn gethostname ' +
    'inet_pton inet_ntop inet_aton inet_ntoa',
  'Services, protocols, interfaces':
    'getservbyname getservbyport getprotobyname if_nameindex if_nametoindex if_indextoname',
  'Byte order': 'htons ntohs htonl ntohl',
  Settings: 'getdefaulttimeout setdefaulttimeout setBusyPoll',
  Errors: 'SocketError TimeoutError AddressInfoError ClosedError',
};

// --- reading declarations ---------------------------------------------------------------

/** A statement of a module, or a member of a class: its doc comment and its text. */
interface Declaration {
  doc: string;
  text: string;
}

const endsWithBody = /^(?:export )?(?:declare )?(?:abstract )?(?:class|interface) /;

/** Where the string, comment or bracket that begins at `at` is over, or the next character. */
function skip(text: string, at: number): number {
  if (at >= text.length) throw new Error(`no end of what begins with ${text.slice(0, 60)}`);
  const quote = text[at]!;
  if (quote === "'" || quote === '"' || quote === '`') {
    let end = at + 1;
    while (text[end] !== quote) end += text[end] === '\\' ? 2 : 1;
    return end + 1;
  }
  if (text.startsWith('/*', at)) return text.indexOf('*/', at) + 2;
  if (text.startsWith('//', at)) return Math.max(text.indexOf('\n', at), at + 2);
  if ('([{'.includes(quote)) {
    let end = at + 1;
    while (!')]}'.includes(text[end]!)) end = skip(text, end);
    return end + 1;
  }
  return at + 1;
}

function declarations(text: string): Declaration[] {
  const found: Declaration[] = [];
  let doc = '';
  for (let at = 0; at < text.length; ) {
    if (text.startsWith('/**', at)) doc = text.slice(at, skip(text, at));
    if (/\s/.test(text[at]!) || text.startsWith('/*', at) || text.startsWith('//', at)) {
      at = skip(text, at);
      continue;
    }
    const begin = at;
    const body = endsWithBody.test(text.slice(at, at + 100));
    for (let over = false; !over && at < text.length; ) {
      over = body ? text[at] === '{' : text[at] === ';';
      at = skip(text, at);
    }
    // How errors are made is no business of who catches them.
    const statement = text.slice(begin, at).replace(/\s*constructor\(message[^)]*\);/, '');
    found.push({ doc, text: statement.replace(/\{\s*\}$/, '{}') });
    doc = '';
  }
  return found;
}

interface Module {
  /** The declared name → its declarations: several for overloads. */
  declared: Map<string, Declaration[]>;
  /** A local name → the module it comes from and its name there. */
  imported: Map<string, [from: string, name: string]>;
  exported: Map<string, [from: string, name: string]>;
}

const modules = new Map<string, Module>();

function moduleOf(specifier: string): Module {
  const known = modules.get(specifier);
  if (known !== undefined) return known;
  const file = path.join(root, 'dist', specifier.replace(/\.ts$/, '.d.ts'));
  if (!existsSync(file)) throw new Error(`${path.relative(root, file)} is not there: npm run build`);
  const module: Module = { declared: new Map(), imported: new Map(), exported: new Map() };
  modules.set(specifier, module);
  for (const declaration of declarations(readFileSync(file, 'utf8'))) {
    const between = /^(import|export)(?: type)? \{([^}]*)\} from '([^']*)'/.exec(declaration.text);
    if (between !== null) {
      const names = between[1] === 'import' ? module.imported : module.exported;
      for (const each of between[2]!.split(',').filter((part) => part.trim() !== '')) {
        const [name, local = name] = each
          .trim()
          .replace(/^type /, '')
          .split(' as ');
        names.set(local!, [between[3]!, name!]);
      }
      continue;
    }
    const name = /^(?:export )?(?:declare )?(?:abstract )?(?:class|interface|type|function) (\w+)/.exec(
      declaration.text,
    )?.[1];
    if (name !== undefined) module.declared.set(name, [...(module.declared.get(name) ?? []), declaration]);
  }
  return module;
}

/** A name that is visible in `specifier`, followed to where it is declared. */
function lookUp(specifier: string, name: string): { specifier: string; list: Declaration[] } | undefined {
  const module = moduleOf(specifier);
  const list = module.declared.get(name);
  if (list !== undefined) return { specifier, list };
  const [from, there] = module.imported.get(name) ?? [];
  return from?.startsWith('./') && from !== CONSTANTS && !from.includes('/spec/')
    ? lookUp(from, there!)
    : undefined;
}

function bodyOf(declaration: Declaration): string {
  let at = 0;
  while (declaration.text[at] !== '{') at = skip(declaration.text, at);
  return declaration.text.slice(at + 1, -1);
}

/** The public members of a class and of those that it extends, as far as they are the library's. */
function membersOf(specifier: string, name: string, into = new Map<string, Declaration[]>()): typeof into {
  const found = lookUp(specifier, name);
  if (found === undefined) return into;
  const [declaration] = found.list;
  const own = new Map<string, Declaration[]>();
  for (const member of declarations(bodyOf(declaration!))) {
    if (member.doc.includes('@internal') || /^(?:#|constructor\b|protected |private )/.test(member.text))
      continue;
    const key = /^(?:(?:abstract|readonly|get|set) )*(\[[\w.]+\]|\w+)/.exec(member.text)![1]!;
    own.set(key, [...(own.get(key) ?? []), member]);
  }
  for (const [key, list] of own) if (!into.has(key)) into.set(key, list);
  const base = / extends (\w+)/.exec(
    declaration!.text.slice(0, declaration!.text.indexOf('{')).replace(/<[^{]*?>(?= extends)/, ''),
  );
  return base === null ? into : membersOf(found.specifier, base[1]!, into);
}

// --- writing Markdown --------------------------------------------------------------------

/** A doc comment without its stars, one line a paragraph as it is. */
function prose(doc: string): string {
  return doc
    .replace(/^\/\*\*|\*\/$/g, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
    .join('\n')
    .trim();
}

// A name that the module has under another one goes by its own: `AF_INET as InetFamily`.
function ownNames(specifier: string, text: string): string {
  let own = text;
  for (const [local, [, name]] of moduleOf(specifier).imported) {
    if (local !== name) own = own.replaceAll(new RegExp(`\\b${local}\\b`, 'g'), name);
  }
  return own;
}

/** A signature on one line, or with a line an argument when that is too long. */
function signature(text: string): string {
  const line = text
    .replace(/^(?:export )?(?:declare )?/, '')
    .replace(/^get (.*)\(\)/, 'readonly $1')
    .replace(/\s+/g, ' ')
    .replace(/; \}/g, ' }');
  if (line.length <= 100) return line;
  let open = 0;
  while (line[open] !== '(') open++;
  const close = skip(line, open) - 1;
  const list = [''];
  for (let at = open + 1, angles = 0; at < close; ) {
    const end = skip(line, at);
    if (line[at] === '<') angles++;
    else if (line[at] === '>' && line[at - 1] !== '=') angles--;
    if (line[at] === ',' && angles === 0) list.push('');
    else list[list.length - 1] += line.slice(at, end);
    at = end;
  }
  return `${line.slice(0, open + 1)}\n${list.map((part) => `  ${part.trim()},\n`).join('')}${line.slice(close)}`;
}

const code = (lines: readonly string[]): string => `\`\`\`ts declaration\n${lines.join('\n')}\n\`\`\`\n`;

/** What stands under a heading: the declaration, and what its doc comment says. */
function entry(specifier: string, list: readonly Declaration[]): string {
  const doc = prose(list.find((each) => each.doc !== '')?.doc ?? '');
  return `${code(list.map((each) => signature(ownNames(specifier, each.text))))}${doc === '' ? '' : `\n${doc}\n`}`;
}

/** A type, whose members have doc comments of their own; without what the compiler alone reads. */
function typeEntry(specifier: string, declaration: Declaration): string {
  const text = ownNames(specifier, declaration.text)
    .replace(/^(?:export )?(?:declare )?/, '')
    .replace(/^ {4}/gm, '  ');
  const doc = prose(declaration.doc);
  return `${code([text.includes('\n') || text.length <= 100 ? text : broken(text)])}${doc === '' ? '' : `\n${doc}\n`}`;
}

/** A long type with a line an alternative. */
function broken(text: string): string {
  if (text.includes(' ? ')) return text.replaceAll(' : ', '\n  : ');
  let lines = '';
  for (let at = 0, end = 0; at < text.length; at = end) {
    end = skip(text, at);
    lines += text.startsWith('| ', at) ? '\n  ' : '';
    lines += text.slice(at, end);
  }
  return lines.replace(/ = (?!\n)/, ' =\n  | ').replace(/ \n/g, '\n');
}

function constantTable(): string {
  const rows = constantGroups.map(({ title, constants }) => {
    const prefixes = new Set(constants.map(({ name }) => name.replace(/_.*/, '_')));
    return `| ${title} | ${[...prefixes].map((prefix) => `\`${prefix}\``).join(' ')} | ${constants.length} |\n`;
  });
  return `| what | names | how many |\n|---|---|---|\n${rows.join('')}`;
}

// --- the page ------------------------------------------------------------------------------

// Adding to a map while it is walked through is what makes this reach the types of types.
function mentions(
  list: readonly Declaration[],
  specifier: string,
  into: Map<string, [string, string]>,
): void {
  for (const [name] of list.flatMap(({ text }) => [...text.matchAll(/\b[A-Z]\w+\b/g)])) {
    const local = ownNames(specifier, name);
    if (!into.has(local) && lookUp(specifier, name) !== undefined) into.set(local, [specifier, name]);
  }
}

/** Heading → what stands under it, for every public name, and the types that their signatures name. */
function entries(): Map<string, string> {
  const found = new Map<string, string>();
  const names = new Map(moduleOf('./index.ts').exported);
  for (const [name, [from, there]] of names) {
    const { specifier, list } = lookUp(from, there)!;
    const isFunction = /\bfunction /.test(list[0]!.text.slice(0, 30));
    if (name === 'Socket') {
      for (const [member, overloads] of membersOf(specifier, name)) {
        found.set(`.${member}`, entry(specifier, overloads));
        mentions(overloads, specifier, names);
      }
      found.set(name, `${prose(list[0]!.doc)}\n`);
      continue;
    }
    mentions(list, specifier, names);
    found.set(name, isFunction ? entry(specifier, list) : typeEntry(specifier, list[0]!));
  }
  return found;
}

const titleOf = (name: string): string => name.replace(/^\.\[/, 's[').replace(/^\./, 's.');

/** The anchor that GitHub gives a heading. */
const anchorOf = (title: string): string =>
  title
    .toLowerCase()
    .replace(/[^\w -]/g, '')
    .replaceAll(' ', '-');

const link = (title: string): string => `[${title.replace(/[[\]]/g, '\\$&')}](#${anchorOf(title)})`;

function reference(): string {
  const left = entries();
  const take = (name: string): string => {
    const text = left.get(name);
    if (text === undefined)
      throw new Error(`scripts/reference.ts has a place for ${name}, which is not public`);
    left.delete(name);
    return text;
  };
  const about = take('Socket');
  const parts = Object.entries(sections).map(([title, names]) => ({
    title,
    list: names.split(' ').map((name) => [titleOf(name), take(name)] as const),
  }));
  const homeless = [...left.keys()].filter((name) => !/^[A-Z]/.test(name));
  if (homeless.length > 0) throw new Error(`scripts/reference.ts has no place for ${homeless.join(', ')}`);
  parts.push({ title: 'Types', list: [...left].sort(([a], [b]) => (a < b ? -1 : 1)) });

  const contents = parts.map(
    ({ title, list }) => `- **${link(title)}**: ${list.map(([name]) => link(name)).join(', ')}\n`,
  );
  const body = parts.map(
    ({ title, list }) =>
      `## ${title}\n\n${list.map(([name, text]) => `### ${name}\n\n${text}`).join('\n')}\n`,
  );
  return `<!-- Generated by \`npm run generate\` from the declarations in src/: do not edit. -->
# The API

Everything that \`berkeley-sockets\` exports, as its types have it; \`s\` is a socket. What holds for all of it
(timeouts, aborts, errors) is told in the [README](../README.md#timeouts-aborts-and-what-they-leave-behind),
deviations from Python in [from-python.md](from-python.md).

${about}
\`F\` and \`T\` are a socket's family and type, as in \`Socket<AF_INET, SOCK_STREAM>\`.

${contents.join('')}- **[Constants](#constants)**

${body.join('')}## Constants

By their C names, with the platform's own values. One that the platform lacks is \`undefined\`, and typed
\`number | undefined\`. What the options do is in [options.md](options.md).

${constantTable()}`;
}

const fresh = reference();
if (!existsSync(page) || readFileSync(page, 'utf8') !== fresh) {
  if (process.argv.includes('--check')) {
    console.error('docs/api.md is stale: run `npm run generate`');
    process.exitCode = 1;
  } else {
    writeFileSync(page, fresh);
    console.error('wrote docs/api.md');
  }
}
