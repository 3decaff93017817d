// `sock listen`: takes connections, or datagrams, and talks with the standard streams, or echoes.
import { type AnyAddress, SOCK_DGRAM, type Socket } from '../index.ts';
import { kindOf } from './dial.ts';
import { addressText, type Endpoint, endpointOf, pathOf } from './endpoint.ts';
import { announce, listenAt } from './listening.ts';
import { say } from './output.ts';
import type { Wire } from './pump.ts';
import { converse, type SessionOptions } from './session.ts';
import { type Given, UsageError } from './spec.ts';
import { type Input, type Output, standardInput, standardOutput } from './stdio.ts';
import { atTerminal, Terminal } from './terminal.ts';

const COMMAND = 'listen';
const PIECE = 65536;

function placeOf({ options, arguments: words }: Given): Endpoint {
  if (options.unix) {
    if (words.length > 1) throw new UsageError(`unexpected argument ${words[1]}`, COMMAND);
    return pathOf(words[0]!, COMMAND);
  }
  return endpointOf(words, '', COMMAND);
}

// One input for several connections, one after the other: what the last one did not take is the next one's.
class Shared {
  readonly #input: Input;
  #reading: Promise<Uint8Array | undefined> | undefined;

  constructor(input: Input) {
    this.#input = input;
  }

  lend(): Input {
    const { isTerminal, file } = this.#input;
    let end: ((nothing: undefined) => void) | undefined;
    const closed = new Promise<undefined>((resolve) => {
      end = resolve;
    });
    // sendfile(2) does not move the position: every connection gets the file from where it was.
    return {
      isTerminal,
      file,
      close: () => end!(undefined),
      read: async () => {
        this.#reading ??= this.#input.read();
        const reading = this.#reading;
        const piece = await Promise.race([reading, closed.then(() => closedMark)]);
        if (piece === closedMark) return undefined;
        this.#reading = undefined;
        return piece as Uint8Array | undefined;
      },
    };
  }
}

const closedMark = Symbol('closed');

const kept = (output: Output): Output => ({
  isTerminal: output.isTerminal,
  write: (bytes) => output.write(bytes),
  end: () => Promise.resolve(),
});

async function echo(connection: Socket): Promise<void> {
  const memory = Buffer.allocUnsafe(PIECE);
  for (;;) {
    const n = await connection.recvInto(memory);
    if (n === 0) return;
    await connection.sendall(memory.subarray(0, n));
  }
}

// Each connection by itself: an error of one is no other's.
async function echoAll(server: Socket, keep: boolean, tell: (line: string) => void): Promise<void> {
  const serve = async (connection: Socket, address: AnyAddress): Promise<void> => {
    tell(`connection from ${addressText(address)}`);
    try {
      await echo(connection);
    } catch (error) {
      if (!keep) throw error;
      tell(`${addressText(address)}: ${(error as Error).message}`);
    } finally {
      connection.close();
    }
  };
  for (;;) {
    const [connection, address] = await server.accept();
    const served = serve(connection, address);
    if (!keep) return await served;
  }
}

async function echoDatagrams(server: Socket): Promise<void> {
  for (;;) {
    const [data, address] = await server.recvfrom(PIECE);
    try {
      await server.sendto(data, address);
    } catch {
      // Who asked is gone, or has no address to be answered at.
    }
  }
}

// Datagrams of everybody; what is sent goes to whoever sent last.
class Answering implements Wire {
  readonly #socket: Socket;
  #peer: AnyAddress | undefined;
  #known: (() => void) | undefined;
  readonly #tell: (line: string) => void;

  constructor(s: Socket, tell: (line: string) => void) {
    this.#socket = s;
    this.#tell = tell;
  }

  async recvInto(view: Uint8Array): Promise<number> {
    const [n, address] = await this.#socket.recvfromInto(view);
    if (this.#peer === undefined || addressText(address) !== addressText(this.#peer))
      this.#tell(`datagrams from ${addressText(address)}`);
    this.#peer = address;
    this.#known?.();
    return n;
  }

  async sendall(data: Uint8Array): Promise<void> {
    if (this.#peer === undefined) {
      await new Promise<void>((resolve) => {
        this.#known = resolve;
      });
    }
    await this.#socket.sendto(data, this.#peer!);
  }

  shutdown(): void {}

  close(): void {
    this.#socket.close();
  }
}

export async function run(given: Given): Promise<number> {
  const { options } = given;
  const endpoint = placeOf(given);
  const kind = kindOf(given, endpoint, COMMAND);
  const datagrams = kind.type === SOCK_DGRAM;
  const keep = options.keep === true;
  const tell = (line: string): void => {
    if (options.verbose) say(line);
  };
  const server = await listenAt(endpoint, kind);
  try {
    const output = options.echo ? undefined : standardOutput();
    const write = (line: string): Promise<void> => (output ?? standardOutput()).write(Buffer.from(line));
    await announce(server.getsockname() as AnyAddress, options.json === true, write);
    if (options.echo) {
      await (datagrams ? echoDatagrams(server) : echoAll(server, keep, tell));
      return 0;
    }
    const session = { given, command: COMMAND, telnet: options.telnet === true, endless: datagrams };
    const terminal = atTerminal() && !options.hex ? new Terminal() : undefined;
    const input = terminal ?? standardInput();
    try {
      if (datagrams) return await converse(new Answering(server, tell), input, terminal ?? output!, session);
      return await take(server, input, terminal ?? output!, session, keep, tell);
    } finally {
      input.close();
    }
  } finally {
    server.close();
  }
}

async function take(
  server: Socket,
  input: Input,
  output: Output,
  session: SessionOptions,
  keep: boolean,
  tell: (line: string) => void,
): Promise<number> {
  if (!keep) {
    const [connection, address] = await server.accept();
    tell(`connection from ${addressText(address as AnyAddress)}`);
    // One is all that is wanted: who comes later is refused at once, and need not wait for nothing.
    server.close();
    try {
      return await converse(connection as Wire, input, output, session);
    } finally {
      connection.close();
    }
  }
  const shared = new Shared(input);
  let before: Input | undefined;
  for (;;) {
    const [connection, address] = await server.accept();
    tell(`connection from ${addressText(address as AnyAddress)}`);
    // A peer that has ended may still be sent to, until there is somebody else to send to.
    before?.close();
    const lent = shared.lend();
    before = lent;
    await new Promise<void>((next) => {
      converse(connection as Wire, lent, kept(output), { ...session, onend: next })
        .catch((error) => say(`${addressText(address as AnyAddress)}: ${(error as Error).message}`))
        .finally(() => {
          connection.close();
          next();
        });
    });
  }
}
