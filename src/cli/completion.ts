// What the shells complete, made of the specs: functions for bash (and zsh), rules for fish.
import type { CommandSpec } from './spec.ts';

const fishText = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

function fishCompletion(specs: readonly CommandSpec[]): string {
  const of = ({ name }: CommandSpec) => `complete -c sock -n '__fish_seen_subcommand_from ${name}'`;
  const names = specs.map(({ name }) => name).join(' ');
  return [
    ...specs.flatMap((spec) => [
      `complete -c sock -n __fish_use_subcommand -a ${spec.name} -d ${fishText(spec.summary)}`,
      ...spec.options.map(({ name, short, value, choices: few, what }) =>
        [
          `${of(spec)} -l ${name}`,
          ...(short === undefined ? [] : [`-s ${short}`]),
          ...(value === undefined ? [] : ['-r']),
          ...(few === undefined ? [] : [`-a ${fishText(few.join(' '))}`]),
          `-d ${fishText(what)}`,
        ].join(' '),
      ),
      ...spec.arguments
        .filter((each) => each.choices !== undefined)
        .map((each) => `${of(spec)} -a ${fishText(each.choices!.join(' '))}`),
    ]),
    `complete -c sock -n __fish_use_subcommand -a help -d 'what a command does'`,
    `complete -c sock -n '__fish_seen_subcommand_from help' -a ${fishText(names)}`,
  ].join('\n');
}

// zsh runs it as bash does. The words behind an option that takes a value are its choices, or files.
function bashCompletion(specs: readonly CommandSpec[]): string {
  const names = specs.map(({ name }) => name).join(' ');
  const words = (spec: CommandSpec): string =>
    [
      ...spec.options.map(({ name }) => `--${name}`),
      ...spec.arguments.flatMap((each) => each.choices ?? []),
    ].join(' ');
  const valued = specs.flatMap(({ name: command, options }) =>
    options
      .filter(({ value }) => value !== undefined)
      .map(({ name, short, choices = [] }) => ({
        forms: [`"${command} --${name}"`, ...(short === undefined ? [] : [`"${command} -${short}"`])].join(
          '|',
        ),
        words: choices.join(' '),
      })),
  );
  const free = valued.filter((each) => each.words === '').map(({ forms }) => forms);
  return [
    '_sock() {',
    `  local words="" current="\${COMP_WORDS[COMP_CWORD]}"`,
    '  if [ "$COMP_CWORD" -eq 1 ]; then',
    `    words="${names} help"`,
    `  else case "\${COMP_WORDS[1]} \${COMP_WORDS[COMP_CWORD-1]}" in`,
    ...(free.length === 0 ? [] : [`    ${free.join('|')}) ;;`]),
    ...valued
      .filter((each) => each.words !== '')
      .map((each) => `    ${each.forms}) words="${each.words}" ;;`),
    `    *) case "\${COMP_WORDS[1]}" in`,
    ...specs.map((spec) => `      ${spec.name}) words="${words(spec)}" ;;`),
    `      help) words="${names}" ;;`,
    '    esac ;;',
    '  esac; fi',
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    `  [ "\${#COMPREPLY[@]}" -gt 0 ] || COMPREPLY=($(compgen -f -- "$current"))`,
    '}',
    'complete -F _sock sock',
  ].join('\n');
}

/** What a shell completes: commands, options, the few values that an option or argument takes. */
export function completionOf(shell: string, specs: readonly CommandSpec[]): string {
  if (shell === 'fish') return fishCompletion(specs);
  const body = bashCompletion(specs);
  return shell === 'zsh' ? `autoload -U +X bashcompinit && bashcompinit\n${body}` : body;
}
