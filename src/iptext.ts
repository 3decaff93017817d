// The text of IPv4 and IPv6 addresses: parsing as strict as inet_pton(3), printing as
// inet_ntop(3) and RFC 5952 have it. Knows bytes and strings, nothing of sockaddr or ports.
// In TypeScript because a call into native code costs more than the parsing does.

const ZERO = 0x30;
const DOT = 0x2e;
const COLON = 0x3a;

/**
 * Writes the four bytes of a dotted quad, `text` from `start` to `end`, at `out[at]`.
 *
 * Strict: four decimal numbers to 255, no leading zeros (they would be octal to inet_aton),
 * no short forms. Returns whether `text` was one; `out` may be scribbled on if it was not.
 */
export function parseInet4(text: string, start: number, end: number, out: Uint8Array, at: number): boolean {
  let octets = 0;
  let value = 0;
  let digits = 0;
  for (let i = start; i < end; i++) {
    const c = text.charCodeAt(i);
    const digit = c - ZERO;
    if (digit >= 0 && digit <= 9) {
      if (digits > 0 && value === 0) return false;
      value = value * 10 + digit;
      if (value > 255) return false;
      digits++;
    } else if (c === DOT && digits > 0 && octets < 3) {
      out[at + octets++] = value;
      value = digits = 0;
    } else {
      return false;
    }
  }
  if (digits === 0 || octets !== 3) return false;
  out[at + 3] = value;
  return true;
}

function hexDigit(c: number): number {
  if (c >= ZERO && c <= 0x39) return c - ZERO;
  const letter = (c | 0x20) - 0x61;
  return letter >= 0 && letter <= 5 ? letter + 10 : -1;
}

/**
 * Writes the sixteen bytes of an IPv6 address, `text` up to `end`, at `out[at]`.
 *
 * RFC 4291 section 2.2 as inet_pton(3) reads it: `::` once and for at least one group, an
 * IPv4 tail, no zone. Returns whether `text` was one; `out` may be scribbled on if not.
 */
export function parseInet6(text: string, end: number, out: Uint8Array, at: number): boolean {
  let written = 0;
  let gap = -1;
  let group = 0;
  let digits = 0;
  let i = 0;
  if (text.charCodeAt(0) === COLON && (end < 2 || text.charCodeAt(++i) !== COLON)) return false;
  let start = i;
  for (; i < end; i++) {
    const c = text.charCodeAt(i);
    const digit = hexDigit(c);
    if (digit >= 0) {
      group = (group << 4) | digit;
      if (++digits > 4) return false;
    } else if (c === COLON) {
      start = i + 1;
      if (digits === 0) {
        if (gap >= 0) return false;
        gap = written;
        continue;
      }
      if (start === end || written > 14) return false;
      out[at + written++] = group >> 8;
      out[at + written++] = group & 0xff;
      group = digits = 0;
    } else if (c === DOT && written <= 12 && parseInet4(text, start, end, out, at + written)) {
      written += 4;
      digits = 0;
      break;
    } else {
      return false;
    }
  }
  if (digits > 0) {
    if (written > 14) return false;
    out[at + written++] = group >> 8;
    out[at + written++] = group & 0xff;
  }
  if (gap < 0) return written === 16;
  if (written === 16) return false;
  const tail = written - gap;
  out.copyWithin(at + 16 - tail, at + gap, at + written);
  out.fill(0, at + gap, at + 16 - tail);
  return true;
}

const octets = Array.from({ length: 256 }, (_, value) => String(value));
const octetsDotted = octets.map((text) => `${text}.`);

/** The dotted quad of the four bytes at `bytes[at]`. */
export function formatInet4(bytes: Uint8Array, at: number): string {
  const key = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  if (key === lastKey) return lastText;
  lastKey = key;
  lastText =
    octetsDotted[bytes[at]!]! +
    octetsDotted[bytes[at + 1]!]! +
    octetsDotted[bytes[at + 2]!]! +
    octets[bytes[at + 3]!]!;
  return lastText;
}

// Connections often come from one host, a proxy or the loopback: its text is made once.
let lastKey = 0;
let lastText = '0.0.0.0';

/**
 * The text of the sixteen bytes at `bytes[at]`: lower case, the first longest run of two or
 * more zero groups as `::` (RFC 5952 section 4.2), and, as inet_ntop(3) does, the last four
 * bytes dotted for v4-mapped (`::ffff:192.0.2.1`) and v4-compatible addresses.
 */
export function formatInet6(bytes: Uint8Array, at: number): string {
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; ) {
    const start = i;
    while (i < 8 && bytes[at + 2 * i] === 0 && bytes[at + 2 * i + 1] === 0) i++;
    if (i - start > bestLength) {
      best = start;
      bestLength = i - start;
    }
    if (i === start) i++;
  }
  const mapped = bestLength === 5 && bytes[at + 10] === 0xff && bytes[at + 11] === 0xff;
  const dotted = best === 0 && (bestLength === 6 || mapped);
  const groups = dotted ? 6 : 8;
  let text = '';
  for (let i = 0; i < groups; i++) {
    if (i === best) {
      text += i === 0 ? '::' : ':';
      i += bestLength - 1;
      continue;
    }
    text += ((bytes[at + 2 * i]! << 8) | bytes[at + 2 * i + 1]!).toString(16);
    if (i < groups - 1 || dotted) text += ':';
  }
  return dotted ? text + formatInet4(bytes, at + 12) : text;
}
