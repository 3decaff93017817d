// `sock connect`: a connection, and the standard streams or a person at its end.
import { type AnyAddress, SOCK_DGRAM, SOCK_STREAM } from '../index.ts';
import { dial, dialPatiently, kindOf } from './dial.ts';
import { addressText, type Endpoint, endpointOf } from './endpoint.ts';
import { say } from './output.ts';
import type { Wire } from './pump.ts';
import { converse } from './session.ts';
import { type Given, UsageError } from './spec.ts';
import { type Input, type Output, standardInput, standardOutput } from './stdio.ts';
import { atTerminal, Terminal } from './terminal.ts';

const COMMAND = 'connect';

function speaksTelnet({ options }: Given, endpoint: Endpoint, type: number): boolean {
  if (options.raw) return false;
  if (options.telnet && (type !== SOCK_STREAM || options.udp))
    throw new UsageError('--telnet is for streams', COMMAND);
  if (options.telnet) return true;
  const port = endpoint.kind === 'inet' ? endpoint.port : undefined;
  return type === SOCK_STREAM && !options.tls && (port === 23 || port === 'telnet');
}

const nameOf = (of: () => AnyAddress): string => {
  try {
    return addressText(of());
  } catch {
    return '(unknown)';
  }
};

export async function run(given: Given): Promise<number> {
  const { options } = given;
  const endpoint = endpointOf(given.arguments, 'localhost', COMMAND);
  const kind = kindOf(given, endpoint, COMMAND);
  const telnet = speaksTelnet(given, endpoint, kind.type);
  const needsTls = ['servername', 'ca', 'alpn', 'insecure'].find((name) => options[name] !== undefined);
  if (needsTls !== undefined && !options.tls) throw new UsageError(`--${needsTls} is for --tls`, COMMAND);
  if (options.tls && kind.type !== SOCK_STREAM) throw new UsageError('--tls is for streams', COMMAND);
  const timeout = (options.timeout as number | undefined) ?? null;
  const tell = options.verbose ? (line: string): void => say(line) : undefined;
  const open = options.wait ? dialPatiently : dial;
  const connection = await open(endpoint, { ...kind, timeout, tell });
  tell?.(
    `${nameOf(() => connection.getsockname() as AnyAddress)} to ${nameOf(() => connection.getpeername() as AnyAddress)}`,
  );
  const wire: Wire = options.tls
    ? await (await import('./securing.ts')).secure(connection, endpoint, given)
    : connection;
  const terminal = atTerminal() && !options.hex ? new Terminal() : undefined;
  const input: Input = terminal ?? standardInput();
  const output: Output = terminal ?? standardOutput();
  if (terminal !== undefined)
    say(`connected to ${nameOf(() => connection.getpeername() as AnyAddress)}; Ctrl-D ends the input`);
  try {
    return await converse(wire, input, output, {
      given,
      command: COMMAND,
      telnet,
      endless: kind.type === SOCK_DGRAM,
      terminal: telnet ? terminal : undefined,
    });
  } finally {
    input.close();
    wire.close();
  }
}
