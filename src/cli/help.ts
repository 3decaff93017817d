// Help and the man pages, made of the specs.
import type { ArgumentSpec, CommandSpec, OptionSpec } from './spec.ts';

const WIDTH = 80;

/** `text` in lines of at most `width` characters behind an indent. */
function wrapped(text: string, indent: number, width = WIDTH): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && indent + line.length + 1 + word.length > width) {
      lines.push(line);
      line = '';
    }
    line += line === '' ? word : ` ${word}`;
  }
  return [...lines, line].map((each) => ' '.repeat(indent) + each);
}

const argumentText = ({ name, optional, many }: ArgumentSpec): string => {
  const text = many ? `${name}…` : name;
  return optional ? `[${text}]` : text;
};

/** `sock connect [OPTION…] HOST PORT` */
export function usageOf(spec: CommandSpec): string {
  const options = spec.options.length > 0 ? ['[OPTION…]'] : [];
  return ['sock', spec.name, ...options, ...spec.arguments.map(argumentText)].join(' ');
}

const optionText = ({ name, short, value }: OptionSpec): string =>
  `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;

function rows(pairs: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(
    28,
    pairs.reduce((most, [name]) => Math.max(most, name.length), 0),
  );
  return pairs.flatMap(([name, what]) => {
    const [first = '', ...rest] = wrapped(what, width + 4);
    return name.length > width
      ? [`  ${name}`, first, ...rest]
      : [`  ${name.padEnd(width)}  ${first.trimStart()}`, ...rest];
  });
}

const choices = ({ what, choices: few }: { what: string; choices?: readonly string[] }): string =>
  few === undefined ? what : `${what}: ${few.join(', ')}`;

const STATUSES = [
  [0, 'done'],
  [1, 'failed; the reason is on standard error'],
  [2, 'wrong usage'],
] as const;

// What a command says of a status stands in place of what all have in common.
const statusesOf = ({ statuses = [] }: CommandSpec): readonly (readonly [string, string])[] =>
  [...STATUSES.filter(([status]) => !statuses.some(([own]) => own === status)), ...statuses]
    .sort(([a], [b]) => a - b)
    .map(([status, what]) => [String(status), what] as const);

/** The help of one command. */
export function helpOf(spec: CommandSpec): string {
  const part = (title: string, lines: string[]): string[] =>
    lines.length === 0 ? [] : ['', title, ...lines];
  return [
    `usage: ${usageOf(spec)}`,
    '',
    ...spec.description.flatMap((paragraph, at) => [...(at === 0 ? [] : ['']), ...wrapped(paragraph, 0)]),
    ...part('Arguments:', rows(spec.arguments.map((each) => [each.name, choices(each)]))),
    ...part('Options:', rows(spec.options.map((each) => [optionText(each), choices(each)]))),
    ...part('Exit status:', rows(statusesOf(spec))),
    ...part(
      'Examples:',
      spec.examples.flatMap(([line, what]) => [`  ${line}`, ...wrapped(what, 6)]),
    ),
  ].join('\n');
}

/** The list of commands. */
export function overview(specs: readonly CommandSpec[]): string {
  return [
    'usage: sock COMMAND [OPTION…] [ARGUMENT…]',
    '',
    'Real sockets on the command line: telnet, netcat and netstat of one family.',
    '',
    'Commands:',
    ...rows(specs.map(({ name, summary }) => [name, summary])),
    '',
    'sock help COMMAND tells the options of one; sock --version the version.',
    'sock --man COMMAND writes its man page, sock --completion bash|zsh|fish what',
    'the shell is to complete.',
    'Exit status: 0 done, 1 failed, 2 wrong usage.',
  ].join('\n');
}

const roff = (text: string): string =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    // Quotes that can be copied into a shell, and that a macro does not take for its own.
    .replaceAll("'", '\\(aq')
    .replaceAll('"', '\\(dq')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replaceAll('`', '\\(ga')
    .replace(/^\./gm, '\\&.');

const tagged = (pairs: readonly (readonly [string, string])[]): string[] =>
  pairs.flatMap(([name, what]) => ['.TP', `.B ${roff(name.trim())}`, roff(what)]);
const section = (title: string, lines: string[]): string[] =>
  lines.length === 0 ? [] : [`.SH ${title}`, ...lines];
const header = (name: string, version: string): string =>
  `.TH ${roff(name.toUpperCase())} 1 "" "berkeley\\-sockets ${roff(version)}" "User Commands"`;

/** The man page of a command, as man(7) has it. */
export function manPage(spec: CommandSpec, version: string): string {
  return `${[
    header(`sock-${spec.name}`, version),
    ...section('NAME', [roff(`sock-${spec.name} - ${spec.summary}`)]),
    ...section('SYNOPSIS', [`.B ${roff(usageOf(spec))}`]),
    ...section(
      'DESCRIPTION',
      spec.description.flatMap((text) => ['.PP', roff(text)]),
    ),
    ...section('ARGUMENTS', tagged(spec.arguments.map((each) => [each.name, choices(each)]))),
    ...section('OPTIONS', tagged(spec.options.map((each) => [optionText(each), choices(each)]))),
    ...section('EXIT STATUS', tagged(statusesOf(spec))),
    ...section('EXAMPLES', tagged(spec.examples)),
  ].join('\n')}\n`;
}

/** The man page of the whole. */
export function manOverview(specs: readonly CommandSpec[], version: string): string {
  return `${[
    header('sock', version),
    ...section('NAME', [roff('sock - real sockets on the command line')]),
    ...section('SYNOPSIS', [`.B ${roff('sock COMMAND [OPTION…] [ARGUMENT…]')}`]),
    ...section('COMMANDS', tagged(specs.map(({ name, summary }) => [`sock-${name}(1)`, summary]))),
    ...section('EXIT STATUS', tagged(STATUSES.map(([status, what]) => [String(status), what]))),
  ].join('\n')}\n`;
}
