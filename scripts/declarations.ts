// The declarations of the built library (dist/*.d.ts) as text: what modules declare, import and
// export, and the members of classes. Knows the form in which tsc prints them, nothing of TypeScript
// beyond that: TypeScript 7 has no compiler API in JavaScript.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
/** The constants, which have a page of their own. */
const CONSTANTS = './constants.gen.ts';

/** A statement of a module, or a member of a class: its doc comment and its text. */
export interface Declaration {
  doc: string;
  text: string;
}

const endsWithBody = /^(?:export )?(?:declare )?(?:abstract )?(?:class|interface) /;

/** Where the string, comment or bracket that begins at `at` is over, or the next character. */
export function skip(text: string, at: number): number {
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

export function moduleOf(specifier: string): Module {
  const known = modules.get(specifier);
  if (known !== undefined) return known;
  const file = path.join(root, 'dist', specifier.replace(/\.ts$/, '.d.ts'));
  if (!existsSync(file)) throw new Error(`${path.relative(root, file)} is not there: npm run build`);
  const module: Module = { declared: new Map(), imported: new Map(), exported: new Map() };
  modules.set(specifier, module);
  const near = (from: string) =>
    from.startsWith('.') ? `./${path.posix.join(path.posix.dirname(specifier), from)}` : from;
  for (const declaration of declarations(readFileSync(file, 'utf8'))) {
    const all = /^export \* from '([^']*)'/.exec(declaration.text);
    if (all !== null && near(all[1]!) !== CONSTANTS) {
      for (const [name, where] of moduleOf(near(all[1]!)).exported) module.exported.set(name, where);
      continue;
    }
    const between = /^(import|export)(?: type)? \{([^}]*)\} from '([^']*)'/.exec(declaration.text);
    if (between !== null) {
      const names = between[1] === 'import' ? module.imported : module.exported;
      for (const each of between[2]!.split(',').filter((part) => part.trim() !== '')) {
        const [name, local = name] = each
          .trim()
          .replace(/^type /, '')
          .split(' as ');
        names.set(local!, [near(between[3]!), name!]);
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
export function lookUp(
  specifier: string,
  name: string,
): { specifier: string; list: Declaration[] } | undefined {
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
export function membersOf(
  specifier: string,
  name: string,
  into = new Map<string, Declaration[]>(),
): typeof into {
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
