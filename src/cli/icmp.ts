// Echo requests and what comes back, as bytes: RFC 792 (IPv4) and RFC 4443 (IPv6). Pure.

/** What tells the two versions apart. */
const TYPES = {
  4: { request: 8, reply: 0, unreachable: 3, exceeded: 11 },
  6: { request: 128, reply: 129, unreachable: 1, exceeded: 3 },
} as const;

const HEADER = 8;
const IPV4_LEAST = 20;
const IPV6_HEADER = 40;

/** What a packet says of one of our requests. */
export interface Heard {
  readonly kind: 'reply' | 'error';
  readonly id: number;
  readonly seq: number;
  /** Bytes of the ICMP message. */
  readonly size: number;
  /** What the error is, in words. */
  readonly what: string;
}

/** RFC 1071: the sum of all 16 bit words, in ones' complement. */
export function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at]! << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** An echo request. Over IPv6, and in a datagram socket, the kernel writes its own checksum. */
export function echoRequest(version: 4 | 6, id: number, seq: number, data: Uint8Array): Buffer {
  const packet = Buffer.alloc(HEADER + data.length);
  packet[0] = TYPES[version].request;
  packet.writeUInt16BE(id, 4);
  packet.writeUInt16BE(seq & 0xffff, 6);
  packet.set(data, HEADER);
  packet.writeUInt16BE(checksum(packet), 2);
  return packet;
}

const UNREACHABLE_4 = [
  'Destination Net Unreachable',
  'Destination Host Unreachable',
  'Destination Protocol Unreachable',
  'Destination Port Unreachable',
  'Frag needed and DF set',
  'Source Route Failed',
];
const UNREACHABLE_6 = [
  'No route',
  'Administratively prohibited',
  'Beyond scope of source address',
  'Address unreachable',
  'Port unreachable',
];

/** The words of ping(8) for an ICMP error; `undefined` for messages of other types. */
export function errorText(version: 4 | 6, type: number, code: number): string | undefined {
  const types = TYPES[version];
  if (type === types.exceeded) return code === 0 ? 'Time to live exceeded' : 'Frag reassembly time exceeded';
  if (type === types.unreachable)
    return (version === 4 ? UNREACHABLE_4 : UNREACHABLE_6)[code] ?? `Destination Unreachable, code ${code}`;
  if (version === 6 && type === 2) return 'Packet too big';
  return undefined;
}

function withoutHeader(packet: Buffer): Buffer | undefined {
  const length = (packet[0]! & 15) * 4;
  return packet.length >= IPV4_LEAST && length >= IPV4_LEAST ? packet.subarray(length) : undefined;
}

/** What a received packet says; `undefined` if it is about no echo request. `header`: it has its IPv4 header. */
export function heardOf(version: 4 | 6, packet: Buffer, header: boolean): Heard | undefined {
  const icmp = header ? withoutHeader(packet) : packet;
  if (icmp === undefined || icmp.length < HEADER) return undefined;
  const [type, code] = [icmp[0]!, icmp[1]!];
  const named = (message: Buffer) => ({ id: message.readUInt16BE(4), seq: message.readUInt16BE(6) });
  if (type === TYPES[version].reply) return { kind: 'reply', ...named(icmp), size: icmp.length, what: '' };
  const what = errorText(version, type, code);
  if (what === undefined) return undefined;
  // An error holds the packet that it is about, from its IP header on.
  const inner = icmp.subarray(HEADER);
  const request =
    version === 4 ? (inner.length === 0 ? undefined : withoutHeader(inner)) : inner.subarray(IPV6_HEADER);
  if (request === undefined || request.length < HEADER || request[0] !== TYPES[version].request)
    return undefined;
  return { kind: 'error', ...named(request), size: icmp.length, what };
}
