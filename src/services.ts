// Services and protocols by name and number: the system's tables (services(5),
// protocols(5), through the C library and so through nsswitch.conf), and behind them the
// built-in ones of spec/services.ts.
import os from 'node:os';
import { native } from './binding.ts';
import { checkInteger, describeValue, SocketError, typeError } from './errors.ts';
import { protocols, services } from './spec/services.ts';

const errno = os.constants.errno.ENOENT;

function notFound(syscall: string, what: string, problem: string): SocketError {
  return new SocketError(`${syscall} ENOENT ${what}: ${problem}`, { code: 'ENOENT', errno: -errno, syscall });
}

function checkName(name: string, value: unknown): string {
  if (typeof value !== 'string') throw typeError(name, 'a string', value);
  if (value.includes('\0'))
    throw new RangeError(`Expected no NUL in ${name} but received ${describeValue(value)}`);
  return value;
}

function listed(list: string, word: string): boolean {
  return list.split(' ').includes(word);
}

/** The port and the protocols of a service in the built-in table. @internal */
export function wellKnown(service: string): { port: number; protocols: string[] } | undefined {
  const row = services.find(([names]) => listed(names, service));
  return row && { port: row[1], protocols: row[2].split(' ') };
}

/**
 * The port of a service, `proto` being `"tcp"`, `"udp"` or any (then the first that is
 * listed): getservbyname(3). `SocketError` `ENOENT` if nobody knows it.
 */
export function getservbyname(name: string, proto?: string): number {
  const service = checkName('name', name);
  const protocol = proto === undefined ? null : checkName('proto', proto);
  const port = native.getservbyname(service, protocol);
  if (port >= 0) return port;
  for (const [names, known, over] of services) {
    if (listed(names, service) && (protocol === null || listed(over, protocol))) return known;
  }
  throw notFound(
    'getservbyname',
    protocol === null ? service : `${service}/${protocol}`,
    'service/proto not found',
  );
}

/**
 * The service of a port (in host byte order), `proto` as for `getservbyname`:
 * getservbyport(3). `SocketError` `ENOENT` if nobody knows it.
 */
export function getservbyport(port: number, proto?: string): string {
  checkInteger('port', port, 0, 0xffff);
  const protocol = proto === undefined ? null : checkName('proto', proto);
  const name = native.getservbyport(port, protocol);
  if (name !== null) return name;
  for (const [names, known, over] of services) {
    if (known === port && (protocol === null || listed(over, protocol))) return names.split(' ')[0]!;
  }
  throw notFound(
    'getservbyport',
    protocol === null ? `${port}` : `${port}/${protocol}`,
    'port/proto not found',
  );
}

/** The number of a protocol, as `socket()` takes it: getprotobyname(3). `SocketError` `ENOENT` if nobody knows it. */
export function getprotobyname(name: string): number {
  const protocol = checkName('name', name);
  const number = native.getprotobyname(protocol);
  if (number >= 0) return number;
  for (const [names, known] of protocols) {
    if (listed(names, protocol)) return known;
  }
  throw notFound('getprotobyname', protocol, 'protocol not found');
}
