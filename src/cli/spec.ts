// What a command looks like on its line: its arguments and options as data. Parsing, help, the man
// page and shell completion all read the same rows.

/** An option of a command. */
export interface OptionSpec {
  /** The long name, without its dashes. */
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  /** What stands behind it in a usage line, such as `SECONDS`; a flag has nothing. */
  readonly value?: string;
  /** What a value is checked to be: text if it is not given. */
  readonly type?: 'text' | 'count' | 'seconds' | 'size' | 'port';
  /** May be given several times. */
  readonly many?: boolean;
  /** The values that are possible, where they are few. */
  readonly choices?: readonly string[];
  readonly what: string;
}

/** An argument of a command. */
export interface ArgumentSpec {
  /** In capitals, as in a usage line. */
  readonly name: string;
  readonly optional?: boolean;
  /** Takes all that are left. */
  readonly many?: boolean;
  readonly choices?: readonly string[];
  readonly what: string;
}

/** What a command was given: options by their long names, arguments in their order. */
export interface Given {
  readonly options: Readonly<Record<string, string | number | boolean | (string | number)[] | undefined>>;
  readonly arguments: readonly string[];
}

/** Does what a command does; the exit status. */
export type Run = (given: Given) => Promise<number>;

/** A command. */
export interface CommandSpec {
  readonly name: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** Paragraphs for its help and man page. */
  readonly description: readonly string[];
  readonly arguments: readonly ArgumentSpec[];
  readonly options: readonly OptionSpec[];
  readonly examples: readonly (readonly [line: string, what: string])[];
  /** What the status means beyond 0 (done), 1 (failed) and 2 (wrong usage). */
  readonly statuses?: readonly (readonly [status: number, what: string])[];
  /** Loaded when the command is run: help must not wait for what it does not need. */
  load(): Promise<{ run: Run }>;
}

/** A command line that makes no sense: told in one line, with status 2. */
export class UsageError extends Error {
  // By which it is known: a subcommand's bundle has a class of its own.
  override readonly name = 'UsageError';
  readonly command: string | undefined;

  constructor(message: string, command?: string) {
    super(message);
    this.command = command;
  }
}

/** A failure that is told in one line, with status 1. Any other error of a command is told the same way. */
export class Failure extends Error {}
