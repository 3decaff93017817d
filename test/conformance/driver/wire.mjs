// The frames between the `_socket` stand-in and this driver, as ../wire.py says, and what an
// exception of the library's is to Python.

const isBytes = (v) =>
  ArrayBuffer.isView(v) ||
  v instanceof ArrayBuffer ||
  (typeof SharedArrayBuffer !== 'undefined' && v instanceof SharedArrayBuffer);
export const asBuffer = (v) =>
  ArrayBuffer.isView(v) ? Buffer.from(v.buffer, v.byteOffset, v.byteLength) : Buffer.from(v);

export function pack(message) {
  const parts = [];
  let size = 0;
  const enc = (v) => {
    if (v === undefined || v === null) return null;
    if (typeof v === 'number')
      return Number.isFinite(v) ? v : { $f: String(v).toLowerCase().replace('infinity', 'inf') };
    if (typeof v === 'bigint') return Number(v);
    if (typeof v !== 'object') return v;
    if (isBytes(v)) {
      const b = asBuffer(v);
      const ref = { $b: [size, b.length] };
      parts.push(b);
      size += b.length;
      return ref;
    }
    if (Array.isArray(v)) return v.map(enc);
    return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, enc(x)]));
  };
  const head = Buffer.from(JSON.stringify(enc(message)));
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(head.length, 0);
  lengths.writeUInt32BE(size, 4);
  return Buffer.concat([lengths, head, ...parts]);
}

function unpack(head, payload) {
  return JSON.parse(head.toString(), (_key, v) => {
    if (v && typeof v === 'object' && !Array.isArray(v)) {
      if (v.$b) return payload.subarray(v.$b[0], v.$b[0] + v.$b[1]);
      if (v.$f) return Number(v.$f.replace('inf', 'Infinity'));
    }
    return v;
  });
}

/** Puts frames together again, and hands each to `take`. */
export class FrameReader {
  #chunks = [];
  #have = 0;
  #need = 8;
  #lengths = null;

  constructor(take) {
    this.take = take;
  }

  add(chunk) {
    this.#chunks.push(chunk);
    this.#have += chunk.length;
    while (this.#have >= this.#need) {
      const all = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
      this.#chunks = [all];
      if (!this.#lengths) {
        this.#lengths = [all.readUInt32BE(0), all.readUInt32BE(4)];
        this.#need = 8 + this.#lengths[0] + this.#lengths[1];
        continue;
      }
      const end = 8 + this.#lengths[0];
      const message = unpack(all.subarray(8, end), all.subarray(end, this.#need));
      const rest = all.subarray(this.#need);
      this.#chunks = [rest];
      this.#have = rest.length;
      this.#lengths = null;
      this.#need = 8;
      this.take(message);
    }
  }
}

/** An exception, as ../wire.py has it. */
export function describe(e, lib) {
  const is = (name) => typeof lib[name] === 'function' && e instanceof lib[name];
  if (is('AggregateError') || e instanceof AggregateError) e = e.errors?.[0] ?? e;
  const message = String(e?.message ?? e);
  const base = {
    code: typeof e?.code === 'string' ? e.code : null,
    message,
    errno: typeof e?.errno === 'number' ? Math.abs(e.errno) : null,
  };
  if (e?.$wire) return e.$wire;
  if (is('TimeoutError')) return { ...base, kind: 'timeout' };
  if (is('AddressInfoError')) return { ...base, kind: 'gai', errno: null };
  if (is('SocketError')) return { ...base, kind: 'os' };
  // V8's own complaints are faults (a function that the library lacks, a bug in it),
  // never the TypeError that a test hopes for
  const fault =
    /is not (a function|iterable|a constructor|defined)|Cannot (read|set|destructure|convert|access)|undefined or null/;
  if (e instanceof ReferenceError || (e instanceof TypeError && !e.code && fault.test(message))) {
    return { ...base, kind: 'fault', message: `${message}\n${e.stack}` };
  }
  if (e instanceof TypeError) return { ...base, kind: 'type' };
  if (e instanceof RangeError) return { ...base, kind: 'range' };
  // our own fs calls, or a system error that is not the library's class
  if (base.code && base.errno)
    return {
      ...base,
      kind: e?.syscall === 'open' || e?.syscall === 'close' ? 'os' : 'internal',
      message: `not a SocketError: ${message}`,
    };
  return { ...base, kind: 'internal', message: `${e?.constructor?.name}: ${message}\n${e?.stack ?? ''}` };
}
