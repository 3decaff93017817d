#!/usr/bin/env node
// The `sock` command: finds the command, reads its arguments, runs it, and turns whatever goes wrong
// into one line on standard error and an exit status.
import { readFileSync } from 'node:fs';
import { nearest, readArguments } from './arguments.ts';
import { commands } from './commands.ts';
import { helpOf, manOverview, manPage, overview } from './help.ts';
import { print, say } from './output.ts';
import { type CommandSpec, UsageError } from './spec.ts';

const version = (): string =>
  (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string })
    .version;

function find(name: string): CommandSpec {
  const spec = commands.find((each) => each.name === name);
  if (spec !== undefined) return spec;
  const near = nearest(
    name,
    commands.map((each) => each.name),
  );
  throw new UsageError(`no command ${name}${near === undefined ? '' : `: did you mean ${near}?`}`);
}

async function run(words: readonly string[]): Promise<number> {
  const [name, ...rest] = words;
  if (name === undefined || name === '--help' || name === '-h' || (name === 'help' && rest.length === 0)) {
    await print(overview(commands));
    return name === undefined ? 2 : 0;
  }
  if (name === '--version' || name === '-V') {
    await print(version());
    return 0;
  }
  if (name === 'help') {
    await print(helpOf(find(rest[0]!)));
    return 0;
  }
  // For those who package it: the man page of a command, a shell's completion.
  if (name === '--man') {
    const page = rest[0] ?? 'sock';
    await print(page === 'sock' ? manOverview(commands, version()) : manPage(find(page), version()));
    return 0;
  }
  if (name === '--completion') {
    const shell = rest[0] ?? '';
    if (!['bash', 'zsh', 'fish'].includes(shell))
      throw new UsageError(`--completion: expected bash, zsh or fish`);
    const { completionOf } = await import('./completion.ts');
    await print(completionOf(shell, commands));
    return 0;
  }
  const spec = find(name);
  const end = rest.indexOf('--');
  if ((end < 0 ? rest : rest.slice(0, end)).some((word) => word === '--help' || word === '-h')) {
    await print(helpOf(spec));
    return 0;
  }
  const given = readArguments(spec, rest);
  return (await spec.load()).run(given);
}

// Why, in one line: every address that was tried and its failure, where there are several.
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message || error.name : String(error);
  const each =
    error instanceof AggregateError
      ? error.errors.map((one: unknown) => (one instanceof Error ? one.message : String(one)))
      : [];
  return [...new Set([message.split('\n')[0]!, ...each])].filter((one) => one !== '').join('; ');
}

const isUsageError = (error: unknown): error is UsageError =>
  error instanceof Error && error.name === 'UsageError';

async function main(): Promise<void> {
  try {
    process.exitCode = await run(process.argv.slice(2));
  } catch (error) {
    if (isUsageError(error)) {
      say(`sock: ${error.message}`);
      say(error.command === undefined ? 'Try: sock help' : `Try: sock help ${error.command}`);
      process.exitCode = 2;
    } else {
      say(`sock: ${reasonOf(error)}`);
      process.exitCode = 1;
    }
  }
}

void main();
