// A terminal for a test: tmux holds it, the test sends keys and looks at the screen.
import assert from 'node:assert/strict';
import { eventually } from '../support/deadline.ts';
import { runPeer } from '../support/peer.ts';
import { type Ending, tempdir } from '../support/tempdir.ts';

/** A shell word, quoted. */
export const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

export class Terminal {
  readonly #args: readonly string[];
  readonly #env: NodeJS.ProcessEnv;

  private constructor(folder: string, args: readonly string[]) {
    const { TMUX, NODE_OPTIONS, NODE_TEST_CONTEXT, FORCE_COLOR, NO_COLOR, ...rest } = process.env;
    this.#env = { ...rest, TMUX_TMPDIR: folder, LC_ALL: 'C.UTF-8', TERM: 'xterm-256color' };
    this.#args = args;
  }

  /** A shell in a terminal of its own, of this size. */
  static async open(t: Ending, { width = 140, height = 30 } = {}): Promise<Terminal> {
    const terminal = new Terminal(tempdir(t), ['-u', '-f', '/dev/null', '-L', 'test']);
    const size = ['-x', String(width), '-y', String(height)];
    // A prompt that no output looks like, and no history.
    await terminal.#tmux('new-session', '-d', ...size, "env PS1='ready> ' HISTFILE= bash --norc --noprofile");
    t.after(async () => {
      await terminal.#tmux('kill-server').catch(() => {});
    });
    await terminal.shows(/^ready>/m);
    return terminal;
  }

  async #tmux(...words: string[]): Promise<string> {
    return (await runPeer('tmux', [...this.#args, ...words], { env: this.#env })).stdout;
  }

  /** Types a line, and Return. */
  async type(line: string): Promise<void> {
    await this.#tmux('send-keys', '-l', line);
    await this.#tmux('send-keys', 'Enter');
  }

  /** Presses keys, as tmux names them: `q`, `C-c`, `Down`. */
  async press(...keys: string[]): Promise<void> {
    await this.#tmux('send-keys', ...keys);
  }

  async resize(width: number, height: number): Promise<void> {
    await this.#tmux('resize-window', '-x', String(width), '-y', String(height));
  }

  /** The lines of the screen; with `styles` their escape sequences as well. */
  async lines(styles = false): Promise<string[]> {
    return (await this.#tmux('capture-pane', '-p', ...(styles ? ['-e'] : []))).split('\n');
  }

  /** What tmux tells of the pane: `alternate_on`, `cursor_flag`. */
  async state(name: string): Promise<string> {
    return (await this.#tmux('display-message', '-p', `#{${name}}`)).trim();
  }

  /** Waits until the screen matches; its text. */
  shows(pattern: RegExp, seconds = 15): Promise<string> {
    return eventually(
      async () => {
        const text = (await this.lines()).join('\n');
        assert.match(text, pattern);
        return text;
      },
      `a screen like ${pattern}`,
      seconds,
    );
  }
}
