// Echo requests of ICMP (RFC 792) and ICMPv6 (RFC 4443).

/** RFC 1071. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += bytes.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** An echo request; `payload` has an even length. Over IPv6 the checksum is the kernel's. */
export function echoRequest(version: 4 | 6, id: number, sequence: number, payload: string): Buffer {
  const packet = Buffer.concat([Buffer.alloc(8), Buffer.from(payload)]);
  packet[0] = version === 4 ? 8 : 128;
  packet.writeUInt16BE(id, 4);
  packet.writeUInt16BE(sequence, 6);
  if (version === 4) packet.writeUInt16BE(checksum(packet), 2);
  return packet;
}
