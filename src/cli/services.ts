// `sock services`: the table of services.
import { getservbyname, getservbyport, SocketError } from '../index.ts';
import { portOf } from './arguments.ts';
import { type Column, printRows } from './output.ts';
import { Failure, type Given } from './spec.ts';

interface Row {
  service: string;
  port: number;
  protocol: 'tcp' | 'udp';
}

const PROTOCOLS = ['tcp', 'udp'] as const;
const MOST = 1024;

function attempt<T>(find: () => T): T | undefined {
  try {
    return find();
  } catch (error) {
    if (error instanceof SocketError) return undefined;
    throw error;
  }
}

function lookUp(what: string): Row[] {
  const rows: Row[] = [];
  const numeric = /^[0-9]+$/.test(what);
  for (const protocol of PROTOCOLS) {
    if (numeric) {
      const port = portOf(what, 'services');
      const service = attempt(() => getservbyport(port, protocol));
      if (service !== undefined) rows.push({ service, port, protocol });
    } else {
      const port = attempt(() => getservbyname(what, protocol));
      if (port !== undefined) rows.push({ service: what, port, protocol });
    }
  }
  if (rows.length === 0)
    throw new Failure(numeric ? `port ${what} belongs to no service` : `no service ${what}`);
  return rows;
}

function wellKnown(): Row[] {
  const rows: Row[] = [];
  for (let port = 1; port < MOST; port++) {
    for (const protocol of PROTOCOLS) {
      const service = attempt(() => getservbyport(port, protocol));
      if (service !== undefined) rows.push({ service, port, protocol });
    }
  }
  return rows;
}

export async function run({ options, arguments: [what] }: Given): Promise<number> {
  const columns: Column<Row>[] = [
    { title: 'Service', cell: (row) => row.service },
    { title: 'Port', right: true, cell: (row) => String(row.port) },
    { title: 'Protocol', cell: (row) => row.protocol },
  ];
  await printRows(what === undefined ? wellKnown() : lookUp(what), columns, options.json === true);
  return 0;
}
