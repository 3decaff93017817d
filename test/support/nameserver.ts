// A small name server (RFC 1035) for tests in a network of their own. Knows a table of
// records; asked for a name that it should not answer, it says nothing.
import dgram from 'node:dgram';

export interface Records {
  A?: string[];
  AAAA?: string[];
  CNAME?: string;
  PTR?: string;
}

const types = { A: 1, CNAME: 5, PTR: 12, AAAA: 28 } as const;

function packName(name: string): Buffer {
  const labels = name
    .split('.')
    .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  return Buffer.concat([...labels, Buffer.from([0])]);
}

function packRecord(name: string, type: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([packName(name), fixed, data]);
}

const packInet4 = (text: string) => Buffer.from(text.split('.').map(Number));

function packInet6(text: string): Buffer {
  const [head = '', tail] = text.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const left = groups(head);
  const right = groups(tail ?? '');
  const all = [...left, ...Array(8 - left.length - right.length).fill('0'), ...right];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

/** The answers to a question, along a chain of canonical names; undefined for a name that does not exist. */
function answers(table: Record<string, Records>, name: string, type: number): Buffer[] | undefined {
  const records = table[name.toLowerCase()];
  if (records === undefined) return undefined;
  if (records.CNAME !== undefined) {
    const alias = packRecord(name, types.CNAME, packName(records.CNAME));
    return [alias, ...(answers(table, records.CNAME, type) ?? [])];
  }
  if (type === types.A) return (records.A ?? []).map((text) => packRecord(name, type, packInet4(text)));
  if (type === types.AAAA) return (records.AAAA ?? []).map((text) => packRecord(name, type, packInet6(text)));
  if (type === types.PTR && records.PTR !== undefined) return [packRecord(name, type, packName(records.PTR))];
  return [];
}

/** Answers on 127.0.0.1:53; `silent` names get no answer. It does not keep the process alive. */
export async function startNameserver(
  table: Record<string, Records>,
  silent: (name: string) => boolean,
): Promise<void> {
  const socket = dgram.createSocket('udp4');
  socket.on('message', (query, from) => {
    const labels: string[] = [];
    let at = 12;
    for (; query[at] !== 0; at += query[at]! + 1)
      labels.push(query.toString('latin1', at + 1, at + 1 + query[at]!));
    const name = labels.join('.');
    if (silent(name)) return;
    const question = query.subarray(12, at + 5);
    const found = answers(table, name, query.readUInt16BE(at + 1));
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8580 | (found === undefined ? 3 : 0), 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(found?.length ?? 0, 6);
    socket.send(Buffer.concat([header, question, ...(found ?? [])]), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(53, '127.0.0.1', resolve));
  socket.unref();
}
