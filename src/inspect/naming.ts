// The names of interfaces where a table has their indexes.
import { if_indextoname } from '../interfaces.ts';

/** The interface's name; `""` for one that is gone by now. */
export function interfaceName(index: number): string {
  try {
    return if_indextoname(index);
  } catch {
    return '';
  }
}
