// What the old text protocols have in common: a command is a line, a reply is lines, and a text ends
// with a line that is one dot. Prints what is said. Knows no protocol.
import type { Reader, Socket } from 'berkeley-sockets';

const MOST = 100_000;

/** A conversation over a stream: a socket, or one of TLS. */
export class Dialogue {
  readonly #socket: Pick<Socket, 'sendall'>;
  /** What `startTls` begins with, in the middle of the conversation. */
  readonly reader: Reader;

  constructor(socket: Pick<Socket, 'sendall' | 'reader'>) {
    this.#socket = socket;
    this.reader = socket.reader();
  }

  /** The next line, without its end. A connection that ends in front of it is an `IncompleteReadError`. */
  async line(): Promise<string> {
    const line = (await this.reader.readuntil('\n')).toString().replace(/\r?\n$/, '');
    console.log(`< ${line}`);
    return line;
  }

  /** Sends a command; `secret` is what shall not be printed of it. */
  async send(command: string, secret?: string): Promise<void> {
    // A line end inside would be a second command, of whoever made up the name or the subject.
    if (/[\r\n]/.test(command)) throw new Error(`A command is one line: ${JSON.stringify(command)}`);
    console.log(`> ${secret ? command.replace(secret, '****') : command}`);
    await this.#socket.sendall(`${command}\r\n`);
  }

  /**
   * A reply that begins with a number, one of these: of one line, or, if that goes "211-…", of all
   * lines up to "211 …" (RFC 959 section 4.2, RFC 5321 section 4.2.1).
   */
  async reply(...codes: number[]): Promise<string> {
    const first = await this.line();
    const code = first.slice(0, 3);
    if (/^\d{3}-/.test(first)) {
      let line: string;
      do line = await this.line();
      while (line !== code && !line.startsWith(`${code} `));
    }
    if (!codes.includes(Number(code))) throw new Error(`The server says: ${first}`);
    return first;
  }

  async command(command: string, ...codes: number[]): Promise<string> {
    await this.send(command);
    return this.reply(...codes);
  }

  /** The lines of a text up to the dot. A line that begins with a dot came with one more. */
  async text(): Promise<string[]> {
    const lines: string[] = [];
    for (;;) {
      const line = await this.line();
      if (line === '.') return lines;
      if (lines.push(line.replace(/^\./, '')) > MOST) throw new Error(`A text of more than ${MOST} lines`);
    }
  }

  async sendText(lines: readonly string[]): Promise<void> {
    for (const line of lines) console.log(`> ${line}`);
    await this.#socket.sendall([...lines.map((line) => line.replace(/^\./, '..')), '.\r\n'].join('\r\n'));
  }
}
