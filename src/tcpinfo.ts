// TCP_INFO: the struct tcp_info of a connection as an object. Pure function: the bytes come from
// getsockopt, or from whoever else asks the kernel.
import { type Memory, memoryOf } from './bytes.ts';
import { fieldsOf, littleEndian } from './layout.ts';

/**
 * What the kernel knows of a TCP connection: `struct tcp_info`, linux/tcp.h.
 *
 * Names are the kernel's without `tcpi_`, in camelCase; `cwnd` and `ssthresh` are those of the
 * sending side, `tcpi_snd_cwnd` and `tcpi_snd_ssthresh`. Times are in seconds, sizes in bytes
 * unless the field says segments, rates in bytes a second. Fields that are newer than Linux 4.18
 * are `undefined` where the kernel does not have them. Of a listening socket `unacked` is the
 * number of connections that wait to be accepted, and `sacked` its backlog.
 */
export interface TcpInfo {
  /** `TCP_ESTABLISHED` and so on. */
  state: number;
  /** State of the congestion control: 0 open, 1 disorder, 2 reduced by ECN, 3 recovery, 4 loss. */
  caState: number;
  /** Retransmission timeouts of the oldest segment so far, without an answer. */
  retransmits: number;
  /** Probes of the window or of keep-alive without an answer. */
  probes: number;
  /** How often the timeout was doubled. */
  backoff: number;
  /** `TCPI_OPT_` bits: what both ends agreed on. */
  options: number;
  /** Window scale of what comes in: a number of bits. */
  sndWscale: number;
  /** Window scale of what goes out: a number of bits. */
  rcvWscale: number;
  /** Whether `deliveryRate` was measured while the program, not the network, was the limit. */
  deliveryRateAppLimited: boolean;
  /** Why TCP Fast Open failed: `TFO_CLIENT_FAIL_` 0 to 3 (since Linux 5.5). */
  fastopenClientFail: number;
  /** Retransmission timeout. */
  rto: number;
  /** How long an acknowledgement may be delayed. */
  ato: number;
  sndMss: number;
  rcvMss: number;
  /** Segments sent and not acknowledged. */
  unacked: number;
  /** Segments of these that were acknowledged selectively. */
  sacked: number;
  /** Segments believed lost. */
  lost: number;
  /** Segments sent again and not acknowledged. */
  retrans: number;
  /** Always 0 since Linux 4.15. */
  fackets: number;
  /** Time since data were last sent. */
  lastDataSent: number;
  /** Always 0: not remembered by the kernel. */
  lastAckSent: number;
  /** Time since data last came. */
  lastDataRecv: number;
  /** Time since an acknowledgement last came. */
  lastAckRecv: number;
  /** Path MTU. */
  pmtu: number;
  /** Bound of the window that is advertised while it grows. */
  rcvSsthresh: number;
  /** Smoothed round trip time; 0 before the first sample. */
  rtt: number;
  /** Mean deviation of the round trip time. */
  rttvar: number;
  /** Segments of `cwnd` up to which it grows fast: Infinity before the first loss. */
  ssthresh: number;
  /** Congestion window, in segments of `sndMss`. */
  cwnd: number;
  /** The largest segment that the peer was told of. */
  advmss: number;
  /** Segments that may come out of order before they are believed lost. */
  reordering: number;
  /** Round trip time as the receiver sees it; 0 where not measured. */
  rcvRtt: number;
  /** Size that the receive buffer is adapted to. */
  rcvSpace: number;
  /** Segments sent again, in all. */
  totalRetrans: number;
  /** Rate at which data are paced out: Infinity where they are not. */
  pacingRate: number;
  /** `SO_MAX_PACING_RATE`: Infinity for none. */
  maxPacingRate: number;
  bytesAcked: number;
  bytesReceived: number;
  segsOut: number;
  segsIn: number;
  /** Bytes in the send buffer that were not sent yet. */
  notsentBytes: number;
  /** Least round trip time of late: Infinity before the first sample. */
  minRtt: number;
  /** Segments with data. */
  dataSegsIn: number;
  dataSegsOut: number;
  /** The most recent measure of what the network delivers; 0 before the first. */
  deliveryRate: number;
  /** Time with data to send or to be acknowledged. */
  busyTime: number;
  /** Time of this that the peer's window was the limit. */
  rwndLimited: number;
  /** Time of this that the send buffer was the limit. */
  sndbufLimited: number;
  /** Segments delivered, those sent again included. */
  delivered: number;
  /** The same with the mark of congestion (ECN). */
  deliveredCe: number;
  /** Bytes sent, those sent again included (Linux 4.19). */
  bytesSent: number | undefined;
  bytesRetrans: number | undefined;
  /** Segments that the peer had twice. */
  dsackDups: number | undefined;
  /** How often segments were seen out of order. */
  reordSeen: number | undefined;
  /** Segments received out of order (Linux 5.4). */
  rcvOoopack: number | undefined;
  /** The window that the peer advertised (Linux 5.4). */
  sndWnd: number | undefined;
  /** The window that is advertised to the peer (Linux 6.2). */
  rcvWnd: number | undefined;
  /** How often another path was tried (Linux 6.2). */
  rehash: number | undefined;
  /** Retransmission timeouts, in all (Linux 6.7). */
  totalRto: number | undefined;
  /** Recoveries from such timeouts. */
  totalRtoRecoveries: number | undefined;
  /** Time spent in them. */
  totalRtoTime: number | undefined;
  /** Segments received with the mark of congestion: accurate ECN (Linux 6.18). */
  receivedCe: number | undefined;
  deliveredE1Bytes: number | undefined;
  deliveredE0Bytes: number | undefined;
  deliveredCeBytes: number | undefined;
  receivedE1Bytes: number | undefined;
  receivedE0Bytes: number | undefined;
  receivedCeBytes: number | undefined;
}

type Read = readonly [size: number, read: (fields: DataView, at: number) => number | boolean];

const u8: Read = [1, (fields, at) => fields.getUint8(at)];
const u16: Read = [2, (fields, at) => fields.getUint16(at, littleEndian)];
const u32: Read = [4, (fields, at) => fields.getUint32(at, littleEndian)];
const u64: Read = [8, (fields, at) => Number(fields.getBigUint64(at, littleEndian))];

const per = ([size, read]: Read, units: number): Read => [size, (f, at) => (read(f, at) as number) / units];
const micros = per(u32, 1e6);
const micros64 = per(u64, 1e6);
const millis = per(u32, 1e3);

/** The number that stands for "no bound" or "not known yet" is Infinity. */
const unbounded = ([size, read]: Read, none: number): Read => [
  size,
  (fields, at) => {
    const value = read(fields, at);
    return value === none ? Number.POSITIVE_INFINITY : value;
  },
];
const rate = unbounded(u64, 2 ** 64);

/** `width` bits of a byte, the first declared at `from` 0: C begins at the low end on little-endian machines. */
const bits = (from: number, width: number): Read => [
  1,
  (fields, at) => (fields.getUint8(at) >> (littleEndian ? from : 8 - from - width)) & ((1 << width) - 1),
];
const [, readFlag] = bits(0, 1);
const flag: Read = [1, (fields, at) => readFlag(fields, at) === 1];

/** Where each field begins. The struct only ever grows at its end. */
const layout: { readonly [K in keyof TcpInfo]: readonly [at: number, read: Read] } = {
  state: [0, u8],
  caState: [1, u8],
  retransmits: [2, u8],
  probes: [3, u8],
  backoff: [4, u8],
  options: [5, u8],
  sndWscale: [6, bits(0, 4)],
  rcvWscale: [6, bits(4, 4)],
  deliveryRateAppLimited: [7, flag],
  fastopenClientFail: [7, bits(1, 2)],
  rto: [8, micros],
  ato: [12, micros],
  sndMss: [16, u32],
  rcvMss: [20, u32],
  unacked: [24, u32],
  sacked: [28, u32],
  lost: [32, u32],
  retrans: [36, u32],
  fackets: [40, u32],
  lastDataSent: [44, millis],
  lastAckSent: [48, millis],
  lastDataRecv: [52, millis],
  lastAckRecv: [56, millis],
  pmtu: [60, u32],
  rcvSsthresh: [64, u32],
  rtt: [68, micros],
  rttvar: [72, micros],
  // TCP_INFINITE_SSTHRESH of the kernel's net/tcp.h.
  ssthresh: [76, unbounded(u32, 0x7fffffff)],
  cwnd: [80, u32],
  advmss: [84, u32],
  reordering: [88, u32],
  rcvRtt: [92, micros],
  rcvSpace: [96, u32],
  totalRetrans: [100, u32],
  pacingRate: [104, rate],
  maxPacingRate: [112, rate],
  bytesAcked: [120, u64],
  bytesReceived: [128, u64],
  segsOut: [136, u32],
  segsIn: [140, u32],
  notsentBytes: [144, u32],
  minRtt: [148, unbounded(micros, 0xffffffff / 1e6)],
  dataSegsIn: [152, u32],
  dataSegsOut: [156, u32],
  deliveryRate: [160, u64],
  busyTime: [168, micros64],
  rwndLimited: [176, micros64],
  sndbufLimited: [184, micros64],
  delivered: [192, u32],
  deliveredCe: [196, u32],
  bytesSent: [200, u64],
  bytesRetrans: [208, u64],
  dsackDups: [216, u32],
  reordSeen: [220, u32],
  rcvOoopack: [224, u32],
  sndWnd: [228, u32],
  rcvWnd: [232, u32],
  rehash: [236, u32],
  totalRto: [240, u16],
  totalRtoRecoveries: [242, u16],
  totalRtoTime: [244, millis],
  receivedCe: [248, u32],
  deliveredE1Bytes: [252, u32],
  deliveredE0Bytes: [256, u32],
  deliveredCeBytes: [260, u32],
  receivedE1Bytes: [264, u32],
  receivedE0Bytes: [268, u32],
  receivedCeBytes: [272, u32],
  // The next word is left out: Linux 6.18 has two 16-bit fields there, later kernels bit fields,
  // and the length is the same.
};

const entries = Object.entries(layout);

/** How many bytes to ask the kernel for: more than any has so far. */
export const TCP_INFO_SIZE = 512;

/**
 * The object of the bytes of a `struct tcp_info`, of whatever length: what is not there is
 * `undefined`. `s.tcpInfo()` is this of `s.getsockopt(IPPROTO_TCP, TCP_INFO, 512)`.
 */
export function decodeTcpInfo(bytes: Memory): TcpInfo {
  const fields = fieldsOf(memoryOf(bytes, 'bytes'));
  const info: Record<string, number | boolean | undefined> = {};
  for (const [name, [at, [size, read]]] of entries) {
    info[name] = at + size <= fields.byteLength ? read(fields, at) : undefined;
  }
  return info as unknown as TcpInfo;
}
