// Bytes as lines of hexadecimal and text, as hexdump -C has them. Pure.

const PER_LINE = 16;

const hex = (n: number, width: number): string => n.toString(16).padStart(width, '0');

/** The lines of `bytes`; `offset` is the place of the first one in its stream. */
export function hexLines(bytes: Uint8Array, offset = 0): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += PER_LINE) {
    const row = bytes.subarray(at, at + PER_LINE);
    const cells = Array.from(row, (byte) => hex(byte, 2));
    const left = cells.slice(0, PER_LINE / 2).join(' ');
    const right = cells.slice(PER_LINE / 2).join(' ');
    const text = Array.from(row, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.'));
    lines.push(`${hex(offset + at, 8)}  ${left.padEnd(23)}  ${right.padEnd(23)}  |${text.join('')}|`);
  }
  return lines;
}
