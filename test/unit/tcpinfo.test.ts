// struct tcp_info against the C compiler: each field from a value of its own, at every length
// that a kernel has given it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeTcpInfo, type TcpInfo } from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';
import { structBytes } from '../support/cprogram.ts';
import { requirePeer } from '../support/peer.ts';

// Linux 6.18's; the headers of a machine are often older than its kernel.
const declaration = `
  #include <stddef.h>
  #include <stdint.h>
  #include <linux/tcp.h>
  struct info {
    uint8_t state, ca_state, retransmits, probes, backoff, options;
    uint8_t snd_wscale : 4, rcv_wscale : 4;
    uint8_t delivery_rate_app_limited : 1, fastopen_client_fail : 2;
    uint32_t rto, ato, snd_mss, rcv_mss, unacked, sacked, lost, retrans, fackets;
    uint32_t last_data_sent, last_ack_sent, last_data_recv, last_ack_recv;
    uint32_t pmtu, rcv_ssthresh, rtt, rttvar, snd_ssthresh, snd_cwnd, advmss, reordering;
    uint32_t rcv_rtt, rcv_space, total_retrans;
    uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
    uint32_t segs_out, segs_in, notsent_bytes, min_rtt, data_segs_in, data_segs_out;
    uint64_t delivery_rate, busy_time, rwnd_limited, sndbuf_limited;
    uint32_t delivered, delivered_ce;
    uint64_t bytes_sent, bytes_retrans;
    uint32_t dsack_dups, reord_seen, rcv_ooopack, snd_wnd, rcv_wnd, rehash;
    uint16_t total_rto, total_rto_recoveries;
    uint32_t total_rto_time, received_ce;
    uint32_t delivered_e1_bytes, delivered_e0_bytes, delivered_ce_bytes;
    uint32_t received_e1_bytes, received_e0_bytes, received_ce_bytes, last;
  };
  #define SAME(field) _Static_assert(offsetof(struct info, field) == offsetof(struct tcp_info, tcpi_##field), #field)
  SAME(rto); SAME(rtt); SAME(snd_cwnd); SAME(total_retrans); SAME(pacing_rate); SAME(bytes_received);
  SAME(min_rtt); SAME(delivery_rate); SAME(sndbuf_limited); SAME(delivered_ce);
  SAME(bytes_retrans); SAME(reord_seen);
`;

const micros = new Set([
  'rto',
  'ato',
  'rtt',
  'rttvar',
  'rcv_rtt',
  'min_rtt',
  'busy_time',
  'rwnd_limited',
  'sndbuf_limited',
]);
const millis = new Set([
  'last_data_sent',
  'last_ack_sent',
  'last_data_recv',
  'last_ack_recv',
  'total_rto_time',
]);
const renamed: Record<string, string> = { snd_cwnd: 'cwnd', snd_ssthresh: 'ssthresh' };
const camel = (name: string): string =>
  renamed[name] ?? name.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase());

interface Field {
  name: string;
  bits: number;
}

/** The fields of the declaration above, in their order. */
const fields: Field[] = [];
for (const [, width, names] of declaration.matchAll(/^ {4}uint(\d+)_t ([\w,: ]+);/gm)) {
  for (const name of names!.split(',')) {
    const [field, bits] = name.split(':').map((part) => part.trim());
    if (field !== 'last') fields.push({ name: field!, bits: Number(bits ?? width) });
  }
}

/** A value of its own for each field, that its bits have room for. */
const sampleOf = ({ bits }: Field, at: number): number =>
  bits === 64
    ? 7_000_000_000_000 + at
    : bits === 32
      ? 3_000_000_000 + at
      : bits === 16
        ? 60_000 + at
        : bits === 8
          ? 200 + at
          : (1 << bits) - 1 - (at % 2);

const fill = fields.map((field, at) => `s.${field.name} = ${sampleOf(field, at)}ull;`).join(' ');

function expected(field: Field, at: number): number | boolean {
  const value = sampleOf(field, at);
  if (field.name === 'delivery_rate_app_limited') return value === 1;
  return micros.has(field.name) ? value / 1e6 : millis.has(field.name) ? value / 1e3 : value;
}

test('every field, in seconds and bytes', requirePeer('cc'), async (t) => {
  const [bytes] = await structBytes(t, declaration, [{ type: 'struct info', fill }]);
  assert.equal(bytes!.length, 280);
  const info = decodeTcpInfo(bytes!) as unknown as Record<string, unknown>;
  assert.deepEqual(
    Object.keys(info),
    fields.map(({ name }) => camel(name)),
  );
  for (const [at, field] of fields.entries())
    assert.equal(info[camel(field.name)], expected(field, at), field.name);
});

test('an older kernel gives less: what it does not have is undefined', requirePeer('cc'), async (t) => {
  const [bytes] = await structBytes(t, declaration, [{ type: 'struct info', fill }]);
  // Linux 4.18, 4.19, 5.4, 6.2, 6.7.
  const last: [length: number, there: keyof TcpInfo, missing: keyof TcpInfo][] = [
    [200, 'deliveredCe', 'bytesSent'],
    [224, 'reordSeen', 'rcvOoopack'],
    [232, 'sndWnd', 'rcvWnd'],
    [240, 'rehash', 'totalRto'],
    [248, 'totalRtoTime', 'receivedCe'],
  ];
  const whole = decodeTcpInfo(bytes!);
  for (const [length, there, missing] of last) {
    const info = decodeTcpInfo(bytes!.subarray(0, length));
    assert.equal(info[there], whole[there]);
    assert.equal(info[missing], undefined, missing);
  }
  for (let length = 0; length <= 280; length++) {
    const info = decodeTcpInfo(bytes!.subarray(0, length));
    for (const name of Object.keys(whole) as (keyof TcpInfo)[])
      assert.ok(info[name] === undefined || info[name] === whole[name], `${name} of ${length} bytes`);
  }
});

test('what has no bound, or no value yet, is Infinity', requirePeer('cc'), async (t) => {
  const [bytes] = await structBytes(t, declaration, [
    {
      type: 'struct info',
      fill: 's.pacing_rate = ~0ull; s.max_pacing_rate = ~0ull; s.snd_ssthresh = 0x7fffffff; s.min_rtt = ~0u;',
    },
  ]);
  const info = decodeTcpInfo(bytes!);
  for (const name of ['pacingRate', 'maxPacingRate', 'ssthresh', 'minRtt'] as const)
    assert.equal(info[name], Number.POSITIVE_INFINITY, name);
});

test('any bytes give numbers', () => {
  const chance = new Chance('tcp_info');
  for (let round = 0; round < 2000; round++) {
    const info = decodeTcpInfo(chance.bytes(chance.integer(0, 400)));
    for (const [name, value] of Object.entries(info))
      assert.ok(value === undefined || typeof value === 'boolean' || value >= 0, `${name}: ${value}`);
  }
  assert.throws(() => decodeTcpInfo(5 as never), { name: 'TypeError', message: /for bytes/ });
});
