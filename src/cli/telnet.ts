// The Telnet protocol (RFC 854, options RFC 855) as a codec: takes the commands out of what comes,
// says what is to be answered, escapes what is sent. Agrees to what a plain client can do, refuses
// the rest politely, and answers only what changes something, so that no two ends can talk about
// an option for ever (RFC 1143). Opens nothing.

const IAC = 255;
const DONT = 254;
const DO = 253;
const WONT = 252;
const WILL = 251;
const SB = 250;
const SE = 240;

// Options: RFC 856, 857, 858, 1091, 1073.
const BINARY = 0;
const ECHO = 1;
const SUPPRESS_GO_AHEAD = 3;
const TERMINAL_TYPE = 24;
const WINDOW_SIZE = 31;

const IS = 0;
const SEND = 1;

const CR = 13;
const LF = 10;
const NUL = 0;

// A subnegotiation is a few bytes; one that never ends must not fill the memory.
const MOST = 4096;

/** What stands at the user's end of a Telnet connection, where it is a terminal. */
export interface TelnetTerminal {
  /** As in TERM. */
  readonly name: string;
  size(): { columns: number; rows: number };
  /** The other end echoes what is typed, or does so no more. */
  echo(on: boolean): void;
}

/** One connection's Telnet state. */
export class Telnet {
  readonly #terminal: TelnetTerminal | undefined;
  // Options that are on: ours, the other end's.
  #ours = new Set<number>();
  #theirs = new Set<number>();
  #command = 0;
  #state: 'data' | 'iac' | 'option' | 'sub' | 'sub iac' = 'data';
  #sub: number[] = [];
  #afterCr = false;
  // A carriage return was sent, and nothing behind it yet.
  #openCr = false;

  /** Without a terminal, echo and the like are refused: programs do not want to read what they wrote. */
  constructor(terminal?: TelnetTerminal) {
    this.#terminal = terminal;
  }

  /** What of `bytes` is data, and what is to be sent in answer. */
  decode(bytes: Uint8Array): { data: Uint8Array; answer: Uint8Array } {
    // Most of what comes has neither commands nor carriage returns.
    if (this.#state === 'data' && !this.#afterCr && !bytes.includes(IAC) && !bytes.includes(CR))
      return { data: bytes, answer: new Uint8Array(0) };
    const data = new Uint8Array(bytes.length);
    const answer: number[] = [];
    let length = 0;
    for (const byte of bytes) {
      if (this.#state !== 'data') {
        if (this.#step(byte, answer)) {
          data[length++] = IAC;
          this.#afterCr = false;
        }
      } else if (byte === IAC) {
        this.#state = 'iac';
      } else {
        // A carriage return of its own is CR NUL (RFC 854), unless the other end sends binary.
        const filler = byte === NUL && this.#afterCr && !this.#theirs.has(BINARY);
        this.#afterCr = byte === CR;
        if (!filler) data[length++] = byte;
      }
    }
    return { data: data.subarray(0, length), answer: Uint8Array.from(answer) };
  }

  // A byte of a command; true for an escaped 255 of the data.
  #step(byte: number, answer: number[]): boolean {
    switch (this.#state) {
      case 'iac':
        this.#state = 'data';
        if (byte === IAC) return true;
        if (byte >= WILL && byte <= DONT) {
          this.#command = byte;
          this.#state = 'option';
        } else if (byte === SB) {
          this.#sub = [];
          this.#state = 'sub';
        }
        // Any other (no operation, go ahead, data mark, are you there …) asks nothing of a client.
        return false;
      case 'option':
        this.#state = 'data';
        this.#negotiate(this.#command, byte, answer);
        return false;
      case 'sub':
        if (byte === IAC) this.#state = 'sub iac';
        else if (this.#sub.length < MOST) this.#sub.push(byte);
        return false;
      default:
        if (byte === IAC) {
          this.#sub.push(IAC);
          this.#state = 'sub';
          return false;
        }
        this.#state = 'data';
        if (byte === SE) this.#subnegotiate(answer);
        return false;
    }
  }

  #negotiate(command: number, option: number, answer: number[]): void {
    if (command === WILL || command === WONT) {
      const on = command === WILL;
      if (this.#theirs.has(option) === on) return;
      const agreed = on && this.#wants(option);
      if (on && !agreed) {
        answer.push(IAC, DONT, option);
        return;
      }
      if (on) this.#theirs.add(option);
      else this.#theirs.delete(option);
      answer.push(IAC, on ? DO : DONT, option);
      if (option === ECHO) this.#terminal?.echo(on);
      return;
    }
    const on = command === DO;
    if (this.#ours.has(option) === on) return;
    if (on && !this.#offers(option)) {
      answer.push(IAC, WONT, option);
      return;
    }
    if (on) this.#ours.add(option);
    else this.#ours.delete(option);
    answer.push(IAC, on ? WILL : WONT, option);
    if (on && option === WINDOW_SIZE) answer.push(...this.#windowSize());
  }

  #wants(option: number): boolean {
    if (option === ECHO) return this.#terminal !== undefined;
    return option === SUPPRESS_GO_AHEAD || option === BINARY;
  }

  #offers(option: number): boolean {
    if (option === TERMINAL_TYPE || option === WINDOW_SIZE) return this.#terminal !== undefined;
    return option === SUPPRESS_GO_AHEAD || option === BINARY;
  }

  #subnegotiate(answer: number[]): void {
    if (this.#sub[0] !== TERMINAL_TYPE || this.#sub[1] !== SEND || !this.#ours.has(TERMINAL_TYPE)) return;
    const name = Buffer.from(this.#terminal!.name.toUpperCase());
    answer.push(IAC, SB, TERMINAL_TYPE, IS, ...escaped(name), IAC, SE);
  }

  #windowSize(): number[] {
    const { columns, rows } = this.#terminal!.size();
    const size = Uint8Array.of(columns >> 8, columns & 255, rows >> 8, rows & 255);
    return [IAC, SB, WINDOW_SIZE, ...escaped(size), IAC, SE];
  }

  /** What tells the other end that the window has another size: nothing unless it asked for it. */
  resized(): Uint8Array | undefined {
    return this.#ours.has(WINDOW_SIZE) ? Uint8Array.from(this.#windowSize()) : undefined;
  }

  /**
   * Data to be sent: 255 doubled; line ends as CR LF, and a carriage return of its own as CR NUL
   * (RFC 854), unless binary was agreed on.
   */
  encode(bytes: Uint8Array): Uint8Array {
    if (this.#ours.has(BINARY)) return bytes.includes(IAC) ? Uint8Array.from(escaped(bytes)) : bytes;
    const out = new Uint8Array(2 * bytes.length + 1);
    let length = 0;
    for (const byte of bytes) {
      // What comes behind a carriage return tells which of the two it is.
      const open = this.#openCr;
      this.#openCr = byte === CR;
      if (open) out[length++] = byte === LF ? LF : NUL;
      if (open && byte === LF) continue;
      if (byte === LF) out[length++] = CR;
      if (byte === IAC) out[length++] = IAC;
      out[length++] = byte;
    }
    return out.subarray(0, length);
  }

  /** What is missing when the data has ended. */
  finish(): Uint8Array {
    const open = this.#openCr;
    this.#openCr = false;
    return Uint8Array.from(open ? [NUL] : []);
  }
}

function escaped(bytes: Uint8Array): number[] {
  const out: number[] = [];
  for (const byte of bytes) {
    out.push(byte);
    if (byte === IAC) out.push(IAC);
  }
  return out;
}
