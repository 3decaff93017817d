// `sock resolve`: names to addresses and back.
import {
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  AI_CANONNAME,
  getaddrinfo,
  getnameinfo,
  inet_pton,
  NI_NAMEREQD,
  SOCK_STREAM,
} from '../index.ts';
import { type Column, printRows, visible } from './output.ts';
import type { Given } from './spec.ts';

interface Row {
  name: string;
  family: 'IPv4' | 'IPv6' | '';
  address: string;
  canonical?: string;
}

function familyOf(address: string): number | undefined {
  for (const family of [AF_INET, AF_INET6]) {
    try {
      inet_pton(family, address);
      return family;
    } catch {}
  }
  return undefined;
}

export async function run({ options, arguments: names }: Given): Promise<number> {
  const family = options.ipv4 ? AF_INET : options.ipv6 ? AF_INET6 : AF_UNSPEC;
  const rows: Row[] = [];
  for (const name of names) {
    const numeric = familyOf(name);
    if (numeric !== undefined) {
      const [host] = await getnameinfo(numeric === AF_INET ? [name, 0] : [name, 0, 0, 0], NI_NAMEREQD);
      rows.push({ name: host, family: numeric === AF_INET ? 'IPv4' : 'IPv6', address: name });
      continue;
    }
    const flags = options.canonical ? AI_CANONNAME : 0;
    const found = await getaddrinfo(name, null, { family, type: SOCK_STREAM, flags });
    const canonical = found.find((row) => row[3] !== '')?.[3];
    for (const [each, , , , address] of found) {
      const host = String((address as readonly unknown[])[0]);
      rows.push({
        name,
        family: each === AF_INET ? 'IPv4' : 'IPv6',
        address: host,
        ...(options.canonical && { canonical: canonical ?? name }),
      });
    }
  }
  const columns: Column<Row>[] = [
    { title: 'Name', cell: (row) => visible(row.name) },
    { title: 'Family', cell: (row) => row.family },
    { title: 'Address', cell: (row) => row.address },
    ...(options.canonical
      ? [{ title: 'Canonical name', cell: (row: Row) => visible(row.canonical ?? '') }]
      : []),
  ];
  await printRows(rows, columns, options.json === true);
  return 0;
}
