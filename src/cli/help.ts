// Help, the man pages and the shells' completion, made of the specs.
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

const statusesOf = (spec: CommandSpec): readonly (readonly [string, string])[] =>
  [
    [0, 'done'] as const,
    [1, 'failed; the reason is on standard error'] as const,
    [2, 'wrong usage'] as const,
    ...(spec.statuses ?? []),
  ].map(([status, what]) => [String(status), what] as const);

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
    'Exit status: 0 done, 1 failed, 2 wrong usage.',
  ].join('\n');
}

const roff = (text: string): string =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(['.])/gm, '\\&$1');

/** The man page of a command, as man(7) has it. */
export function manPage(spec: CommandSpec, version: string): string {
  const tagged = (pairs: readonly (readonly [string, string])[]): string[] =>
    pairs.flatMap(([name, what]) => ['.TP', `.B ${roff(name.trim())}`, roff(what)]);
  const section = (title: string, lines: string[]): string[] =>
    lines.length === 0 ? [] : [`.SH ${title}`, ...lines];
  return `${[
    `.TH SOCK\\-${spec.name.toUpperCase()} 1 "" "berkeley\\-sockets ${roff(version)}" "User Commands"`,
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

/** What a shell completes: commands, options, the few values that an option or argument takes. */
export function completionOf(shell: string, specs: readonly CommandSpec[]): string {
  const words = (spec: CommandSpec): string =>
    [
      ...spec.options.map(({ name }) => `--${name}`),
      ...spec.arguments.flatMap((each) => each.choices ?? []),
    ].join(' ');
  const names = specs.map(({ name }) => name).join(' ');
  if (shell === 'fish') {
    return specs
      .flatMap((spec) => [
        `complete -c sock -n __fish_use_subcommand -a ${spec.name} -d '${spec.summary.replaceAll("'", "\\'")}'`,
        ...spec.options.map(
          ({ name, short, value, what }) =>
            `complete -c sock -n '__fish_seen_subcommand_from ${spec.name}' -l ${name}${short ? ` -s ${short}` : ''}${value ? ' -r' : ''} -d '${what.replaceAll("'", "\\'")}'`,
        ),
      ])
      .join('\n');
  }
  const cases = specs.map((spec) => `    ${spec.name}) words="${words(spec)}" ;;`).join('\n');
  const body = [
    '_sock() {',
    '  local words=""',
    '  if [ "$COMP_CWORD" -eq 1 ]; then',
    `    words="${names}"`,
    `  else case "\${COMP_WORDS[1]}" in`,
    cases,
    `    help) words="${names}" ;;`,
    '  esac; fi',
    `  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))`,
    `  [ "\${#COMPREPLY[@]}" -gt 0 ] || COMPREPLY=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}"))`,
    '}',
    'complete -F _sock sock',
  ].join('\n');
  return shell === 'zsh' ? `autoload -U +X bashcompinit && bashcompinit\n${body}` : body;
}
