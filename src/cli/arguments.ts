// From the words of a command line to what a command was given. Knows the specs, no command.
import { parseArgs } from 'node:util';
import { type CommandSpec, type Given, type OptionSpec, UsageError } from './spec.ts';

const SIZE = /^([0-9]+(?:\.[0-9]+)?)([kmgt]?)(?:i?b)?$/i;
const POWERS = ['', 'k', 'm', 'g', 't'];

/** Bytes of `"64k"`, `"1.5M"`, `"100"`; powers of 1024. `undefined` for anything else. */
export function sizeOf(text: string): number | undefined {
  const match = SIZE.exec(text);
  return match === null
    ? undefined
    : Math.round(Number(match[1]) * 1024 ** POWERS.indexOf(match[2]!.toLowerCase()));
}

/** The port that a text is, or a `UsageError`. */
export function portOf(text: string, command: string): number {
  if (/^[0-9]+$/.test(text) && Number(text) <= 65535) return Number(text);
  throw new UsageError(`port ${text}: a port is a number from 0 to 65535`, command);
}

function readValue(option: OptionSpec, text: string, command: string): string | number {
  const wrong = (what: string): never => {
    throw new UsageError(`--${option.name} ${text}: expected ${what}`, command);
  };
  if (option.choices !== undefined && !option.choices.includes(text)) wrong(option.choices.join(', '));
  switch (option.type) {
    case 'count':
      return /^[0-9]+$/.test(text) && Number.isSafeInteger(Number(text))
        ? Number(text)
        : wrong('a whole number');
    case 'seconds':
      return /^[0-9]+(\.[0-9]+)?$/.test(text) ? Number(text) : wrong('a number of seconds, such as 2.5');
    case 'size':
      return sizeOf(text) ?? wrong('a number of bytes, such as 64k');
    case 'port':
      return portOf(text, command);
    default:
      return text;
  }
}

/** The name among `names` that is nearest to a mistyped one, or nothing. */
export function nearest(word: string, names: readonly string[]): string | undefined {
  const begun = names.filter((name) => word.length > 1 && name.startsWith(word));
  if (begun.length === 1) return begun[0];
  let best: string | undefined;
  let least = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const name of names) {
    const distance = distanceOf(word, name);
    if (distance < least) [least, best] = [distance, name];
  }
  return best;
}

// Levenshtein's distance, row by row.
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}

/** Reads the words behind a command's name. A `UsageError` says what is wrong with them. */
export function readArguments(spec: CommandSpec, words: readonly string[]): Given {
  const { tokens } = parseArgs({
    args: [...words],
    options: Object.fromEntries(
      spec.options.map(({ name, short, value }) => [
        name,
        { type: value === undefined ? ('boolean' as const) : ('string' as const), ...(short && { short }) },
      ]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const options: Record<string, string | number | boolean | (string | number)[]> = {};
  const found: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') found.push(token.value);
    if (token.kind !== 'option') continue;
    const option = spec.options.find(({ name }) => name === token.name);
    if (option === undefined) throw unknownOption(token.rawName, spec);
    if (option.value === undefined) {
      if (token.value !== undefined) throw new UsageError(`--${option.name} takes no value`, spec.name);
      options[option.name] = true;
      continue;
    }
    if (token.value === undefined)
      throw new UsageError(`${token.rawName} needs a value: ${token.rawName} ${option.value}`, spec.name);
    const value = readValue(option, token.value, spec.name);
    if (option.many) options[option.name] = [...((options[option.name] as string[]) ?? []), value];
    else options[option.name] = value;
  }
  checkArguments(spec, found);
  return { options, arguments: found };
}

function unknownOption(given: string, spec: CommandSpec): UsageError {
  const near = nearest(
    given.replace(/^-+/, ''),
    spec.options.map(({ name }) => name),
  );
  return new UsageError(
    `no option ${given}${near === undefined ? '' : `: did you mean --${near}?`}`,
    spec.name,
  );
}

function checkArguments(spec: CommandSpec, found: readonly string[]): void {
  const needed = spec.arguments.filter(({ optional }) => !optional);
  const missing = needed[found.length];
  if (missing !== undefined && found.length < needed.length)
    throw new UsageError(`${missing.name} is missing: ${missing.what}`, spec.name);
  if (found.length > spec.arguments.length && !spec.arguments.at(-1)?.many)
    throw new UsageError(`unexpected argument ${found[spec.arguments.length]}`, spec.name);
  spec.arguments.forEach(({ name, choices }, at) => {
    const given = found[at];
    if (given !== undefined && choices !== undefined && !choices.includes(given))
      throw new UsageError(`${name} ${given}: expected ${choices.join(', ')}`, spec.name);
  });
}
