// A chat for people with nothing but telnet or netcat: names, who comes and goes, and lines to everybody.
// Knows connections; who accepts them is not its business.
import { StringDecoder } from 'node:string_decoder';
import { SHUT_WR, type Socket } from '../../index.ts';
import { visible } from '../output.ts';
import { Telnet } from '../telnet.ts';

const PIECE = 4096;
const LONGEST_LINE = 1000;
// What a guest may be behind before it is shown out: the others do not wait for it.
const MOST_BEHIND = 1 << 18;
const NAME = /^[\p{L}\p{N}_-]{1,20}$/u;

const HELP = '/nick NAME: another name; /me DOES: say what you do; /who: who is here; /quit: leave';

/** A place where guests talk. */
export class Room {
  readonly #guests = new Map<string, Guest>();

  /** Everybody who has a name. */
  get names(): string[] {
    return [...this.#guests.values()].map(({ name }) => name!);
  }

  /** Tells everybody a line, or everybody but one. */
  tell(line: string, but?: Guest): void {
    for (const guest of this.#guests.values()) if (guest !== but) guest.tell(line);
  }

  /** Gives a guest a name, unless it is somebody else's. */
  name(guest: Guest, name: string): boolean {
    const key = name.toLowerCase();
    const holder = this.#guests.get(key);
    if (holder !== undefined && holder !== guest) return false;
    this.leave(guest);
    guest.name = name;
    this.#guests.set(key, guest);
    return true;
  }

  leave(guest: Guest): void {
    if (guest.name !== undefined) this.#guests.delete(guest.name.toLowerCase());
  }

  /** Has somebody in until they leave. */
  async welcome(conn: Socket): Promise<void> {
    const guest = new Guest(conn);
    try {
      guest.tell('Welcome. What is your name?');
      for await (const line of guest.lines()) {
        if (this.#hear(guest, line) === 'left') break;
      }
    } finally {
      this.leave(guest);
      if (guest.name !== undefined) this.tell(`* ${guest.name} has left`);
    }
    await guest.bow();
  }

  #hear(guest: Guest, line: string): 'left' | undefined {
    const [word = '', ...rest] = line.trim().split(/\s+/);
    const said = rest.join(' ');
    if (word === '') return undefined;
    if (word === '/quit') {
      guest.tell('Good bye.');
      return 'left';
    }
    if (word === '/help') guest.tell(HELP);
    else if (word === '/who') guest.tell(`Here: ${this.names.join(', ') || 'nobody'}`);
    else if (guest.name === undefined) this.#enter(guest, word === '/nick' ? said : line.trim());
    else if (word === '/nick') this.#rename(guest, said);
    else if (word === '/me') this.tell(`* ${guest.name} ${said}`);
    else if (word.startsWith('/')) guest.tell(`No command ${word}. ${HELP}`);
    else this.tell(`<${guest.name}> ${line}`, guest);
    return undefined;
  }

  #admit(guest: Guest, name: string): boolean {
    if (!NAME.test(name)) guest.tell('A name has up to 20 letters, digits, - and _. What is yours?');
    else if (!this.name(guest, name)) guest.tell(`${name} is here already. Another name?`);
    else return true;
    return false;
  }

  #enter(guest: Guest, name: string): void {
    const others = this.names;
    if (!this.#admit(guest, name)) return;
    guest.tell(
      `Hello, ${name}. ${others.length === 0 ? 'Nobody else is here' : `Here: ${others.join(', ')}`}. ${HELP}`,
    );
    this.tell(`* ${name} has joined`, guest);
  }

  #rename(guest: Guest, name: string): void {
    const before = guest.name;
    if (this.#admit(guest, name)) this.tell(`* ${before} is now ${name}`);
  }
}

/** Somebody at the other end of a connection. */
class Guest {
  readonly #conn: Socket;
  readonly #telnet = new Telnet();
  readonly #decoder = new StringDecoder('utf8');
  #behind = 0;
  #sending: Promise<unknown> = Promise.resolve();
  name: string | undefined;

  constructor(conn: Socket) {
    this.#conn = conn;
  }

  tell(line: string): void {
    this.#send(this.#telnet.encode(Buffer.from(`${line}\n`)));
  }

  #send(bytes: Uint8Array): void {
    if (this.#conn.closed) return;
    this.#behind += bytes.length;
    if (this.#behind > MOST_BEHIND) {
      this.#conn.close();
      return;
    }
    this.#sending = this.#conn.sendall(bytes).then(
      () => {
        this.#behind -= bytes.length;
      },
      // Its reading tells that it is gone.
      () => {},
    );
  }

  /** What it says, line by line, without what could drive another one's terminal. */
  async *lines(): AsyncGenerator<string, void, undefined> {
    const memory = Buffer.allocUnsafe(PIECE);
    let rest = '';
    for (;;) {
      let n = 0;
      try {
        n = await this.#conn.recvInto(memory);
      } catch {
        // Gone without a word, or shown out.
      }
      if (n === 0) break;
      const { data, answer } = this.#telnet.decode(memory.subarray(0, n));
      if (answer.length > 0) this.#send(answer);
      const parts = (rest + this.#decoder.write(Buffer.from(data))).split('\n');
      rest = parts.pop()!.slice(0, LONGEST_LINE);
      for (const line of parts) yield clean(line);
    }
    if (rest !== '') yield clean(rest);
  }

  /** Ends after what it was told has gone out. */
  async bow(): Promise<void> {
    await this.#sending;
    if (!this.#conn.closed) this.#conn.shutdown(SHUT_WR);
  }
}

const clean = (line: string): string => visible(line.replace(/\r/g, '').slice(0, LONGEST_LINE));
