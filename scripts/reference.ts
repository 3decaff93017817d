// Writes docs/api.md from the declarations of the built library (dist/*.d.ts), which are what an
// editor shows: signatures and doc comments are written once, in src/. It is one page for both
// flavours: what differs is marked, and functions whose words differ stop the generator. `--check`
// writes nothing and fails when the page is stale.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { constantGroups } from '../src/spec/constants.ts';
import { type Declaration, lookUp, membersOf, moduleOf, skip } from './declarations.ts';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const page = path.join(root, 'docs', 'api.md');

// Where each name stands on the page: methods of a socket begin with a dot. A public name that
// is missing here, and one here that is not public, stops the generator. Types need no place:
// they come in the order of the alphabet.
const sections: Record<string, string> = {
  'Making sockets': 'socket socketpair createConnection createServer hasDualstackIPv6 fromfd fromHandle',
  Connections: '.connect .bind .listen .accept .accepted .shutdown',
  Receiving:
    '.recv .recvInto .tryRecvInto .recvfrom .recvfromInto .recvmany .sockatmark .[Symbol.asyncIterator]',
  'Messages out of a stream': '.reader Reader',
  Sending: '.send .sendall .trySend .sendto .sendmany .sendfile',
  'Time and readiness': '.settimeout .gettimeout .setblocking .getblocking .wait select waitAny',
  Options: '.getsockopt .setsockopt .get_inheritable .set_inheritable .tcpInfo',
  'Who is who': '.family .type .proto .fileno .getsockname .getpeername .peercred',
  Ending: '.close .closed .[Symbol.dispose] .[Symbol.asyncDispose] .detach .dup .ref .unref',
  TLS: 'wrapTls startTls TlsSocket',
  Streams: '.toDuplex SocketDuplex .readable .writable connect listen fromNetSocket',
  'Messages and descriptors': '.sendmsg .recvmsg .recvmsgInto CMSG_LEN CMSG_SPACE sendFds recvFds',
  'Control messages and structured options':
    'decodeControl encodeControl encodeLinger decodeLinger encodeTimeval decodeTimeval encodeCredentials ' +
    'decodeCredentials decodeGroups decodeText decodeTcpInfo encodeMembership encodeGroupRequest ' +
    'encodePacketMembership encodeTcpMd5Key encodeTransmitClock',
  'Multicast and filters':
    'joinGroup leaveGroup blockSource unblockSource setMulticastInterface attachFilter attachReusePortFilter ' +
    'encodeFilter decodeFilter',
  'Names and addresses':
    'getaddrinfo getnameinfo gethostbyname gethostbyname_ex gethostbyaddr getfqdn gethostname ' +
    'inet_pton inet_ntop inet_aton inet_ntoa',
  'Services, protocols, interfaces':
    'getservbyname getservbyport getprotobyname if_nameindex if_nametoindex if_indextoname',
  'Byte order': 'htons ntohs htonl ntohl',
  Servers: 'serve serveDatagrams activationSockets notifyReady watchdogInterval',
  Threads: 'startThread moveSocket serveThreads',
  'Seeing the network': 'connections interfaces routes',
  'The PROXY protocol': 'encodeProxyHeader parseProxyHeader readProxyHeader proxyTls',
  Settings: 'getdefaulttimeout setdefaulttimeout setBusyPoll',
  Errors:
    'SocketError TimeoutError AddressInfoError ClosedError IncompleteReadError LimitError ProxyProtocolError',
};

// --- writing Markdown --------------------------------------------------------------------

/** A doc comment without its stars, one line a paragraph as it is. An example in it is no whole program. */
function prose(doc: string): string {
  return doc
    .replace(/^\/\*\*|\*\/$/g, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
    .join('\n')
    .replaceAll(/^```ts$/gm, '```ts fragment')
    .trim();
}

// Of both flavours: what is a promise in the one and plain in the other is written `P<X>`, and the
// options are those with a signal.
function ofBoth(text: string): string {
  return text.replaceAll(/\bTold<M, ((?:[^<>]|<[^<>]*>)+)>/g, '$1').replaceAll(/\bGiven<M, /g, 'P<');
}

// The classes that `Socket` is made of are no users' business: a function that takes one takes a socket.
const isInner = (specifier: string, name: string): boolean =>
  /^(?:export )?declare abstract class /.test(lookUp(specifier, name)?.list.at(0)?.text ?? '');

// A name that the module has under another one goes by its own: `AF_INET as InetFamily`.
function ownNames(specifier: string, text: string): string {
  let own = text;
  for (const [local, [, name]] of moduleOf(specifier).imported) {
    const shown = isInner(specifier, local) ? 'Socket' : name;
    if (local !== shown) own = own.replaceAll(new RegExp(`\\b${local}\\b`, 'g'), shown);
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

const docOf = (list: readonly Declaration[]): string =>
  prose(list.find((each) => each.doc !== '')?.doc ?? '');

/** What stands under a heading: the declaration, for whom it is, and what its doc comment says. */
function entry(
  specifier: string,
  list: readonly Declaration[],
  blocks: boolean,
  note = blocks ? '' : 'Not in `berkeley-sockets/sync`.',
): string {
  const lines = list.map((each) => signature(ofBoth(ownNames(specifier, each.text))));
  const doc = [note, docOf(list)].filter((part) => part !== '');
  return `${code(lines)}${doc.map((part) => `\n${part}\n`).join('')}`;
}

/**
 * A function of both flavours, as the awaited one has it. What they do is told twice, for two
 * editors; the first paragraph has to be the same.
 */
function flavouredEntry(
  name: string,
  specifier: string,
  list: Declaration[],
  blocking: Declaration[],
): string {
  const told = (doc: string) => doc.split('\n\n')[0]!.replaceAll('\n', ' ');
  if (told(docOf(list)) !== told(docOf(blocking)))
    throw new Error(`the doc comments of ${name} in the two flavours say different things`);
  const both = list.map((each) => ({ ...each, text: each.text.replaceAll(/\bPromise</g, 'P<') }));
  return entry(specifier, both, true);
}

/** A type, whose members have doc comments of their own; without what the compiler alone reads. */
function typeEntry(specifier: string, declaration: Declaration): string {
  const text = ofBoth(ownNames(specifier, declaration.text))
    .replace(/^(?:export )?(?:declare )?/, '')
    .replace(/^ {4}/gm, '  ')
    .replaceAll(/\n *(?:\/\*\* @internal \*\/\n[^\n]*|#private);/g, '');
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
  const shown = (text: string) => ofBoth(text).replaceAll(/\/\*\* @internal \*\/\n[^\n]*;/g, '');
  for (const [name] of list.flatMap(({ text }) => [...shown(text).matchAll(/\b[A-Z]\w+\b/g)])) {
    const local = ownNames(specifier, name);
    if (!into.has(local) && !isInner(specifier, name) && lookUp(specifier, name) !== undefined)
      into.set(local, [specifier, name]);
  }
}

/** Heading → what stands under it, for every public name, and the types that their signatures name. */
function entries(): Map<string, string> {
  const found = new Map<string, string>();
  // Name → entry point, of those that are for one thing. Without the constants of `server`, which are
  // another specification's.
  const special = new Map<string, string>();
  const names = new Map(moduleOf('./index.ts').exported);
  for (const point of ['server', 'inspect', 'streams']) {
    for (const [name, where] of moduleOf(`./${point}.ts`).exported) {
      if (names.has(name) || lookUp(...where) === undefined) continue;
      names.set(name, where);
      special.set(name, point);
    }
  }
  const sync = moduleOf('./sync.ts').exported;
  for (const [name, [from, there]] of names) {
    const { specifier, list } = lookUp(from, there)!;
    const isFunction = /\bfunction /.test(list[0]!.text.slice(0, 30));
    if (name === 'Socket') {
      const blocking = membersOf(...sync.get(name)!);
      for (const [member, overloads] of membersOf(specifier, name)) {
        found.set(`.${member}`, entry(specifier, overloads, blocking.has(member)));
        mentions(overloads, specifier, names);
      }
      found.set(name, `${prose(list[0]!.doc)}\n`);
      continue;
    }
    mentions(list, specifier, names);
    const other = sync.get(name);
    if (!isFunction) found.set(name, typeEntry(specifier, list[0]!));
    else if (special.has(name))
      found.set(name, entry(specifier, list, false, `In \`berkeley-sockets/${special.get(name)}\`.`));
    else if (other === undefined || other[0] === from)
      found.set(name, entry(specifier, list, other !== undefined));
    else found.set(name, flavouredEntry(name, specifier, list, lookUp(...other)!.list));
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

Everything that \`berkeley-sockets\`, \`berkeley-sockets/sync\`, \`berkeley-sockets/server\`,
\`berkeley-sockets/streams\` and \`berkeley-sockets/inspect\` export, as their types have it; \`s\` is a
socket. \`P<X>\` is \`Promise<X>\` in \`berkeley-sockets\`, whose calls are awaited, and plain \`X\` in
\`berkeley-sockets/sync\`, whose calls block the thread and take no \`signal\`. What holds for all of it
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
