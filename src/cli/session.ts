// One conversation between a connection and the standard streams, with what the user asked to be done to
// its bytes: the same for a client and a server.

import { LineEnds, unescaped } from './escapes.ts';
import { Expectation } from './expect.ts';
import { hexLines } from './hexdump.ts';
import { bytesText, colours, say, styled } from './output.ts';
import { type Moved, Progress } from './progress.ts';
import { type Ending, type PumpOptions, pump, type Wire } from './pump.ts';
import { Failure, type Given } from './spec.ts';
import type { Input, Output } from './stdio.ts';
import { Telnet, type TelnetTerminal } from './telnet.ts';

/** How a session goes. */
export interface SessionOptions {
  readonly given: Given;
  readonly command: string;
  readonly telnet: boolean;
  /** The peer has ended its data. */
  onend?(): void;
  /** Messages without an end. */
  readonly endless: boolean;
  readonly terminal?: (TelnetTerminal & { onresize(changed: () => void): void }) | undefined;
}

// Writes one thing after the other, whoever asks.
class Queue implements Output {
  readonly #output: Output;
  #last: Promise<void> = Promise.resolve();

  constructor(output: Output) {
    this.#output = output;
  }

  get isTerminal(): boolean {
    return this.#output.isTerminal;
  }

  write(bytes: Uint8Array): Promise<void> {
    const next = this.#last.then(() => this.#output.write(bytes));
    this.#last = next.catch(() => {});
    return next;
  }

  end(): Promise<void> {
    return this.#last.then(() => this.#output.end());
  }
}

// Shows both directions in hexadecimal.
class HexView {
  readonly output: Queue;
  #sent = 0;
  #received = 0;

  constructor(output: Output) {
    this.output = new Queue(output);
  }

  #lines(mark: '<' | '>', bytes: Uint8Array, offset: number): Buffer {
    const colour = colours({ isTTY: this.output.isTerminal });
    const lines = hexLines(bytes, offset).map((line) => `${mark} ${line}`);
    return Buffer.from(
      lines.map((line) => `${styled(line, mark === '<' ? 'cyan' : 'yellow', colour)}\n`).join(''),
    );
  }

  sent(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.output.write(this.#lines('>', bytes, this.#sent)).catch(() => {});
    this.#sent += bytes.length;
  }

  received(bytes: Uint8Array): Uint8Array {
    const lines = this.#lines('<', bytes, this.#received);
    this.#received += bytes.length;
    return lines;
  }
}

type Codec = Pick<PumpOptions, 'encode' | 'finish' | 'decode'>;

// What is done to the bytes of either direction: nothing if nothing was asked for, so that the kernel can
// send a file by itself.
function codecOf({ given, telnet, terminal }: SessionOptions, wire: Wire): Codec {
  const { options } = given;
  const ends = options.crlf && !telnet ? new LineEnds() : undefined;
  if (ends !== undefined) return { encode: (bytes) => ends.encode(bytes) };
  if (!telnet) return {};
  const protocol = new Telnet(terminal);
  terminal?.onresize(() => {
    const size = protocol.resized();
    if (size !== undefined) wire.sendall(size).catch(() => {});
  });
  return {
    encode: (bytes) => protocol.encode(bytes),
    finish: () => protocol.finish(),
    decode: (bytes, reply) => {
      const { data, answer } = protocol.decode(bytes);
      if (answer.length > 0) reply(answer);
      return data;
    },
  };
}

/** Talks until it is over; the exit status. */
export async function converse(
  wire: Wire,
  input: Input,
  output: Output,
  session: SessionOptions,
): Promise<number> {
  const { given, command, telnet, endless } = session;
  const { options } = given;
  const text = (name: 'send' | 'expect'): Buffer | undefined =>
    options[name] === undefined ? undefined : unescaped(String(options[name]), `--${name}`, command);
  const expected = text('expect');
  const expectation = expected && new Expectation(expected);
  const codec = codecOf(session, wire);
  const hex = options.hex ? new HexView(output) : undefined;
  const first = text('send');
  const timeout = options.timeout as number | undefined;
  const moved: Moved = { sent: 0, received: 0 };
  const progress = progressOf(session, input, output, moved);
  const encode = (bytes: Uint8Array): Uint8Array => {
    const out = codec.encode?.(bytes) ?? bytes;
    hex?.sent(out);
    return out;
  };
  const transforms = codec.encode !== undefined || hex !== undefined;
  let ending: Ending;
  try {
    ending = await pump(wire, input, clearing(hex?.output ?? output, progress), {
      ...codec,
      ...(transforms && { encode }),
      ...(first !== undefined && { first: transforms ? encode(first) : first }),
      ...(expectation !== undefined && { see: (bytes) => (expectation.see(bytes) ? 'enough' : undefined) }),
      ...(hex !== undefined && { show: (bytes) => hex.received(bytes) }),
      endless,
      together: telnet,
      ...(session.onend !== undefined && { onend: session.onend }),
      moved,
      ...(expectation === undefined ? { silence: timeout } : { limit: timeout }),
    });
  } finally {
    progress?.finish();
  }
  if (options.verbose) say(`sent ${bytesText(moved.sent)}, received ${bytesText(moved.received)}`);
  if (expectation !== undefined && !expectation.met) {
    const what = JSON.stringify(String(options.expect));
    throw new Failure(
      ending === 'late'
        ? `${what} did not come within ${timeout} s`
        : `${what} did not come: the peer has ended`,
    );
  }
  if (ending === 'silence') throw new Failure(`nothing came or went for ${timeout} s`);
  return 0;
}

function progressOf(
  { given: { options }, endless }: SessionOptions,
  input: Input,
  output: Output,
  moved: Moved,
): Progress | undefined {
  const transfer = !endless && !input.isTerminal && !output.isTerminal;
  if (!options.progress && !(transfer && process.stderr.isTTY)) return undefined;
  const { file } = input;
  return new Progress(moved, file && Math.max(0, file.size - file.offset));
}

// A terminal shows one thing at a time.
function clearing(output: Output, progress: Progress | undefined): Output {
  if (progress === undefined || !output.isTerminal) return output;
  return {
    isTerminal: true,
    write: (bytes) => {
      progress.clear();
      return output.write(bytes);
    },
    end: () => output.end(),
  };
}
