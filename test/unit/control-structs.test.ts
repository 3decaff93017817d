// Control messages by name: what the C compiler makes of the kernel's structs, both ways, and what
// becomes of them at any other length.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as api from 'berkeley-sockets';
import { type Control, type ControlInput, decodeControl, encodeControl } from 'berkeley-sockets';
import { type CStruct, structBytes } from '../support/cprogram.ts';
import { requirePeer } from '../support/peer.ts';

const {
  ALG_OP_ENCRYPT,
  ALG_SET_AEAD_ASSOCLEN,
  ALG_SET_IV,
  ALG_SET_OP,
  IP_ORIGDSTADDR,
  IP_PKTINFO,
  IP_RECVERR,
  IP_RECVFRAGSIZE,
  IP_TOS,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPV6_HOPLIMIT,
  IPV6_ORIGDSTADDR,
  IPV6_PKTINFO,
  IPV6_RECVERR,
  IPV6_TCLASS,
  PACKET_TX_TIMESTAMP,
  SCM_CREDENTIALS,
  SCM_PIDFD,
  SCM_RIGHTS,
  SCM_SECURITY,
  SCM_TIMESTAMP,
  SCM_TIMESTAMPING,
  SCM_TIMESTAMPNS,
  SCM_TXTIME,
  SO_MARK,
  SO_PRIORITY,
  SO_RXQ_OVFL,
  SO_TIMESTAMPING,
  SOL_ALG,
  SOL_PACKET,
  SOL_SOCKET,
  TCP_CM_INQ,
  UDP_GRO,
  UDP_SEGMENT,
} = api as unknown as Record<string, number>;

const headers = `
  #define _GNU_SOURCE
  #include <arpa/inet.h>
  #include <errno.h>
  #include <netinet/in.h>
  #include <stdint.h>
  #include <sys/socket.h>
  #include <sys/time.h>
  #include <time.h>
  #include <linux/errqueue.h>
  #include <linux/if_alg.h>
  struct error4 { struct sock_extended_err ee; struct sockaddr_in offender; };
  struct iv16 { struct af_alg_iv head; uint8_t iv[16]; };
  struct error6 { struct sock_extended_err ee; struct sockaddr_in6 offender; };
`;

interface Row extends CStruct {
  level: number | undefined;
  kind: number | undefined;
  /** What is decoded of the compiler's bytes; none where the message is only sent. */
  gives?: Partial<Control>;
  /** What is encoded to the compiler's bytes; none where the message is only received. */
  takes?: ControlInput;
}

const rows: Row[] = [
  {
    level: SOL_SOCKET,
    kind: SCM_RIGHTS,
    type: 'int[3]',
    fill: 's[0] = 5; s[1] = 2147483647;',
    gives: { fds: [5, 0x7fffffff, 0] },
    takes: { fds: [5, 0x7fffffff, 0] },
  },
  { level: SOL_SOCKET, kind: SCM_PIDFD, type: 'int', fill: 's = 9;', gives: { pidfd: 9 } },
  {
    level: SOL_SOCKET,
    kind: SCM_CREDENTIALS,
    type: 'struct ucred',
    fill: 's.pid = 4711; s.uid = 1000; s.gid = 4294967295u;',
    gives: { credentials: { pid: 4711, uid: 1000, gid: 0xffffffff } },
    takes: { credentials: { pid: 4711, uid: 1000, gid: 0xffffffff } },
  },
  {
    level: SOL_SOCKET,
    kind: SCM_SECURITY,
    type: 'char[12]',
    fill: 'memcpy(s, "unconfined", 11);',
    gives: { security: 'unconfined' },
  },
  {
    level: IPPROTO_IP,
    kind: IP_PKTINFO,
    type: 'struct in_pktinfo',
    fill: 's.ipi_ifindex = 3; inet_pton(AF_INET, "10.0.0.1", &s.ipi_spec_dst); inet_pton(AF_INET, "239.1.2.3", &s.ipi_addr);',
    gives: { packetInfo: { interface: 3, address: '239.1.2.3', source: '10.0.0.1' } },
  },
  {
    level: IPPROTO_IP,
    kind: IP_PKTINFO,
    type: 'struct in_pktinfo',
    fill: 's.ipi_ifindex = 3; inet_pton(AF_INET, "10.0.0.1", &s.ipi_spec_dst);',
    takes: { packetInfo: { interface: 3, source: '10.0.0.1' } },
  },
  {
    level: IPPROTO_IPV6,
    kind: IPV6_PKTINFO,
    type: 'struct in6_pktinfo',
    fill: 's.ipi6_ifindex = 3; inet_pton(AF_INET6, "2001:db8::1", &s.ipi6_addr);',
    gives: { packetInfo: { interface: 3, address: '2001:db8::1', source: '2001:db8::1' } },
    takes: { packetInfo: { interface: 3, source: '2001:db8::1' } },
  },
  {
    level: IPPROTO_IPV6,
    kind: IPV6_PKTINFO,
    type: 'struct in6_pktinfo',
    fill: 's.ipi6_ifindex = 3; inet_pton(AF_INET6, "ff15::1", &s.ipi6_addr);',
    gives: { packetInfo: { interface: 3, address: 'ff15::1', source: '::' } },
  },
  {
    level: IPPROTO_IP,
    kind: IP_TTL,
    type: 'int',
    fill: 's = 63;',
    gives: { ttl: 63 },
    takes: { ttl: 63 },
  },
  { level: IPPROTO_IP, kind: IP_TOS, type: 'uint8_t', fill: 's = 0xb8;', gives: { tos: 0xb8 } },
  {
    level: IPPROTO_IP,
    kind: IP_TOS,
    type: 'int',
    fill: 's = 0xb8;',
    gives: { tos: 0xb8 },
    takes: { tos: 0xb8 },
  },
  {
    level: IPPROTO_IPV6,
    kind: IPV6_HOPLIMIT,
    type: 'int',
    fill: 's = -1;',
    gives: { hopLimit: -1 },
    takes: { hopLimit: -1 },
  },
  {
    level: IPPROTO_IPV6,
    kind: IPV6_TCLASS,
    type: 'int',
    fill: 's = 255;',
    gives: { trafficClass: 255 },
    takes: { trafficClass: 255 },
  },
  {
    level: IPPROTO_IP,
    kind: IP_ORIGDSTADDR,
    type: 'struct sockaddr_in',
    fill: 's.sin_family = AF_INET; s.sin_port = htons(80); inet_pton(AF_INET, "192.0.2.1", &s.sin_addr);',
    gives: { originalDestination: ['192.0.2.1', 80] },
  },
  {
    level: IPPROTO_IPV6,
    kind: IPV6_ORIGDSTADDR,
    type: 'struct sockaddr_in6',
    fill: 's.sin6_family = AF_INET6; s.sin6_port = htons(80); s.sin6_scope_id = 2; inet_pton(AF_INET6, "fe80::1", &s.sin6_addr);',
    gives: { originalDestination: ['fe80::1', 80, 0, 2] },
  },
  { level: IPPROTO_IP, kind: IP_RECVFRAGSIZE, type: 'int', fill: 's = 1500;', gives: { fragmentSize: 1500 } },
  {
    level: SOL_SOCKET,
    kind: SCM_TIMESTAMP,
    type: 'struct timeval',
    fill: 's.tv_sec = 1700000000; s.tv_usec = 250000;',
    gives: { timestamp: { seconds: 1_700_000_000.25, nanoseconds: 1_700_000_000_250_000_000n } },
  },
  {
    level: SOL_SOCKET,
    kind: SCM_TIMESTAMPNS,
    type: 'struct timespec',
    fill: 's.tv_sec = 1700000000; s.tv_nsec = 123456789;',
    gives: { timestamp: { seconds: 1_700_000_000 + 0.123_456_789, nanoseconds: 1_700_000_000_123_456_789n } },
  },
  {
    level: SOL_SOCKET,
    kind: SCM_TIMESTAMPING,
    type: 'struct scm_timestamping',
    fill: 's.ts[0].tv_sec = 1; s.ts[0].tv_nsec = 5; s.ts[1].tv_sec = 99; s.ts[2].tv_sec = 2; s.ts[2].tv_nsec = 500000000;',
    gives: {
      timestamps: {
        software: { seconds: 1.000_000_005, nanoseconds: 1_000_000_005n },
        hardware: { seconds: 2.5, nanoseconds: 2_500_000_000n },
      },
    },
  },
  {
    level: SOL_SOCKET,
    kind: SCM_TIMESTAMPING,
    type: 'struct scm_timestamping',
    fill: 's.ts[0].tv_sec = 1;',
    gives: { timestamps: { software: { seconds: 1, nanoseconds: 1_000_000_000n } } },
  },
  {
    level: SOL_SOCKET,
    kind: SO_TIMESTAMPING,
    type: 'uint32_t',
    fill: 's = 0x80000010u;',
    takes: { timestamping: 0x80000010 },
  },
  { level: IPPROTO_UDP, kind: UDP_GRO, type: 'int', fill: 's = 1200;', gives: { segmentSize: 1200 } },
  {
    level: IPPROTO_UDP,
    kind: UDP_SEGMENT,
    type: 'uint16_t',
    fill: 's = 65535;',
    takes: { segmentSize: 65_535 },
  },
  {
    level: SOL_SOCKET,
    kind: SO_RXQ_OVFL,
    type: 'uint32_t',
    fill: 's = 4000000000u;',
    gives: { dropped: 4_000_000_000 },
  },
  {
    level: SOL_SOCKET,
    kind: SO_MARK,
    type: 'uint32_t',
    fill: 's = 0xfeedbeef;',
    gives: { mark: 0xfeedbeef },
    takes: { mark: 0xfeedbeef },
  },
  {
    level: SOL_SOCKET,
    kind: SO_PRIORITY,
    type: 'uint32_t',
    fill: 's = 6;',
    gives: { priority: 6 },
    takes: { priority: 6 },
  },
  {
    level: SOL_SOCKET,
    kind: SCM_TXTIME,
    type: 'uint64_t',
    fill: 's = 1700000000123456789ull;',
    takes: { transmitTime: 1_700_000_000_123_456_789n },
  },
  { level: IPPROTO_TCP, kind: TCP_CM_INQ, type: 'int', fill: 's = 100000;', gives: { inq: 100_000 } },
  {
    level: SOL_ALG,
    kind: ALG_SET_OP,
    type: 'uint32_t',
    fill: 's = ALG_OP_ENCRYPT;',
    takes: { alg: { op: ALG_OP_ENCRYPT! } },
  },
  {
    level: SOL_ALG,
    kind: ALG_SET_IV,
    type: 'struct iv16',
    fill: 's.head.ivlen = 16; memcpy(s.iv, "0123456789abcdef", 16);',
    takes: { alg: { iv: '0123456789abcdef' } },
  },
  {
    level: SOL_ALG,
    kind: ALG_SET_AEAD_ASSOCLEN,
    type: 'uint32_t',
    fill: 's = 8;',
    takes: { alg: { assoclen: 8 } },
  },
  {
    level: IPPROTO_IP,
    kind: IP_RECVERR,
    type: 'struct error4',
    fill: 's.ee.ee_errno = ECONNREFUSED; s.ee.ee_origin = SO_EE_ORIGIN_ICMP; s.ee.ee_type = 3; s.ee.ee_code = 3; s.offender.sin_family = AF_INET; inet_pton(AF_INET, "192.0.2.7", &s.offender.sin_addr);',
    gives: {
      error: {
        code: 'ECONNREFUSED',
        errno: -111,
        origin: api.SO_EE_ORIGIN_ICMP!,
        icmpType: 3,
        icmpCode: 3,
        info: 0,
        data: 0,
        offender: ['192.0.2.7', 0],
      },
    },
  },
  {
    level: IPPROTO_IPV6,
    kind: IPV6_RECVERR,
    type: 'struct error6',
    fill: 's.ee.ee_errno = EMSGSIZE; s.ee.ee_origin = SO_EE_ORIGIN_ICMP6; s.ee.ee_type = 2; s.ee.ee_info = 1280; s.offender.sin6_family = AF_INET6; s.offender.sin6_scope_id = 4; inet_pton(AF_INET6, "fe80::7", &s.offender.sin6_addr);',
    gives: {
      error: {
        code: 'EMSGSIZE',
        errno: -90,
        origin: api.SO_EE_ORIGIN_ICMP6!,
        icmpType: 2,
        icmpCode: 0,
        info: 1280,
        data: 0,
        offender: ['fe80::7', 0, 0, 4],
      },
    },
  },
  {
    level: IPPROTO_IP,
    kind: IP_RECVERR,
    type: 'struct error4',
    fill: 's.ee.ee_origin = SO_EE_ORIGIN_ZEROCOPY; s.ee.ee_code = SO_EE_CODE_ZEROCOPY_COPIED; s.ee.ee_info = 4; s.ee.ee_data = 4294967295u;',
    gives: {
      error: {
        code: '',
        errno: 0,
        origin: api.SO_EE_ORIGIN_ZEROCOPY!,
        icmpType: 0,
        icmpCode: 1,
        info: 4,
        data: 0xffffffff,
        zerocopy: { first: 4, last: 0xffffffff, copied: true },
      },
    },
  },
  {
    level: SOL_PACKET,
    kind: PACKET_TX_TIMESTAMP,
    type: 'struct sock_extended_err',
    fill: 's.ee_errno = ENOMSG; s.ee_origin = SO_EE_ORIGIN_TIMESTAMPING; s.ee_info = SCM_TSTAMP_ACK; s.ee_data = 17;',
    gives: {
      error: { code: 'ENOMSG', errno: -42, origin: 4, icmpType: 0, icmpCode: 0, info: 2, data: 17 },
    },
  },
];

const label = ({ level, kind, fill }: Row): string => `[${level}, ${kind}] ${fill}`;

test('every message is what the C compiler makes of it', requirePeer('cc'), async (t) => {
  const compiled = await structBytes(t, headers, rows);
  assert.equal(compiled.length, rows.length);
  for (const [i, row] of rows.entries()) {
    const { level, kind, gives, takes } = row;
    assert.ok(level !== undefined && kind !== undefined, `constants of ${label(row)}`);
    const bytes = compiled[i]!;
    if (gives) {
      const expected = { fds: [], rest: [], ...gives };
      assert.deepEqual(decodeControl([[level, kind, bytes]]), expected, label(row));
    }
    if (takes) {
      const [message, ...others] = encodeControl(takes);
      assert.deepEqual(others, []);
      const [gotLevel, gotKind, data] = message!;
      assert.deepEqual([gotLevel, gotKind], [level, kind], label(row));
      const view = data as Uint8Array;
      const got = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
      assert.equal(got.toString('hex'), bytes.toString('hex'), label(row));
    }
  }
});

test('a message of any other length stays as it is', requirePeer('cc'), async (t) => {
  const compiled = await structBytes(t, headers, rows);
  for (const [i, row] of rows.entries()) {
    const { level, kind, gives } = row;
    // A label is text of any length.
    if (!gives || 'security' in gives) continue;
    const bytes = compiled[i]!;
    for (let length = 0; length <= bytes.length + 40; length++) {
      const data = Buffer.concat([bytes, Buffer.alloc(40, 0xa5)]).subarray(0, length);
      const control = decodeControl([[level!, kind!, data]]);
      if (control.rest.length > 0) {
        assert.deepEqual(control, { fds: [], rest: [[level, kind, data]] }, label(row));
        continue;
      }
      // The lengths that the kernel has for it: descriptors by the int, a class as an int or a byte.
      const [name] = Object.keys(gives);
      const sizes: Record<string, number[]> = {
        fds: [4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52],
        tos: [1, 4],
        packetInfo: [level === IPPROTO_IP ? 12 : 20],
      };
      assert.ok((sizes[name!] ?? [bytes.length]).includes(length), `${label(row)}: ${length} bytes`);
    }
  }
});
