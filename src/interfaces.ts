// The machine itself: its name, and its network interfaces by index and name (if_nameindex(3)
// and its relatives).
import os from 'node:os';
import { native } from './binding.ts';
import { checkInteger, describeValue, systemError, typeError } from './errors.ts';

/** Every interface: `[[1, "lo"], …]`. `SocketError` if the kernel cannot be asked. */
export function if_nameindex(): [index: number, name: string][] {
  const list = native.if_nameindex();
  if (typeof list === 'number') throw systemError(list, 'if_nameindex');
  return list;
}

/** The index of an interface. `SocketError` `ENODEV` if there is none of that name. */
export function if_nametoindex(name: string): number {
  if (typeof name !== 'string') throw typeError('name', 'a string', name);
  if (name.includes('\0'))
    throw new RangeError(`Expected a name without NUL but received ${describeValue(name)}`);
  const index = native.if_nametoindex(name);
  if (index < 0) throw systemError(index, 'if_nametoindex', { address: name });
  return index;
}

/** The name of an interface. `SocketError` `ENXIO` if there is none of that index. */
export function if_indextoname(index: number): string {
  const name = native.if_indextoname(checkInteger('index', index, 0, 0xffffffff));
  if (typeof name === 'number') throw systemError(name, 'if_indextoname', { address: String(index) });
  return name;
}

/** This machine's name, as gethostname(2) has it: not always a qualified one (see `getfqdn`). */
export function gethostname(): string {
  return os.hostname();
}
