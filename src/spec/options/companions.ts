// Options of the socket itself that concern more than its data: who the peer is, what comes with
// a message (control messages), and filters: socket(7), unix(7).
import { group, kinds } from './row.ts';

const pointer = 'the value holds a pointer to memory, which bytes cannot carry';
const program = 'takes a BPF program';
const filter = 'takes a filter to end';

export const companionOptions = [
  group('Peers, and what comes with a message', 'SOL_SOCKET', kinds.any, {
    SO_RCVMARK: {
      type: 'bool',
      since: '5.19',
      needs: 'CAP_NET_ADMIN or CAP_NET_RAW',
      doc: "a packet's mark as a control message (SO_MARK)",
    },
    SO_RCVPRIORITY: {
      type: 'bool',
      since: '6.14',
      needs: 'CAP_NET_ADMIN or CAP_NET_RAW',
      doc: "a packet's priority as a control message (SO_PRIORITY)",
    },
    SO_PASSCRED: {
      type: 'bool',
      on: kinds.unix,
      doc: "the sender's process, user and group as SCM_CREDENTIALS",
    },
    SO_PASSSEC: { type: 'bool', on: kinds.unix, doc: "the sender's security label as SCM_SECURITY" },
    SO_PASSPIDFD: { type: 'bool', since: '6.5', on: kinds.unix, doc: 'a pidfd of the sender as SCM_PIDFD' },
    SO_PASSRIGHTS: {
      type: 'bool',
      since: '6.16',
      on: kinds.unix,
      doc: 'accept descriptors (SCM_RIGHTS); on by default',
    },
    SO_INQ: {
      type: 'bool',
      since: '6.17',
      access: 'set',
      on: ['unix'],
      doc: 'bytes left to receive as a control message (SCM_INQ)',
    },
    SO_PEERCRED: {
      type: 'bytes',
      struct: 'struct ucred',
      access: 'get',
      when: 'connected',
      on: kinds.unix,
      doc: 'process, user and group of the peer as of connect, listen or socketpair',
    },
    SO_PEERPIDFD: {
      type: 'int',
      access: 'get',
      when: 'connected',
      since: '6.5',
      on: kinds.unix,
      doc: 'a pidfd of the peer: a new descriptor, for the caller to close',
    },
    SO_PEERGROUPS: {
      type: 'bytes',
      struct: 'gid_t[]',
      access: 'get',
      when: 'connected',
      on: kinds.unix,
      doc: 'supplementary groups of the peer',
    },
    SO_PEERSEC: {
      type: 'string',
      access: 'get',
      when: 'connected',
      on: kinds.unix,
      doc: 'security label of the peer',
    },
    SO_PEERNAME: {
      type: 'bytes',
      struct: 'struct sockaddr',
      length: 2,
      kernel: 'refuses to be asked for more bytes than the address has',
      access: 'get',
      when: 'connected',
      on: [...kinds.tcp, ...kinds.udp, ...kinds.unix],
      doc: 'the address that getpeername gives',
    },
    SO_TIMESTAMP: { type: 'bool', doc: 'when a packet arrived as SCM_TIMESTAMP, in microseconds' },
    SO_TIMESTAMPNS: {
      type: 'bool',
      doc: 'when a packet arrived as SCM_TIMESTAMPNS, in nanoseconds; excludes SO_TIMESTAMP',
    },
    SO_TIMESTAMPING: {
      type: 'int',
      doc: 'SOF_TIMESTAMPING_ flags: timestamps of sent and received packets by software and hardware',
      tries: [0x18],
    },
    SO_TIMESTAMP_NEW: {
      type: 'bool',
      since: '5.1',
      doc: 'SO_TIMESTAMP with 64-bit seconds on 32-bit machines',
    },
    SO_TIMESTAMPNS_NEW: {
      type: 'bool',
      since: '5.1',
      doc: 'SO_TIMESTAMPNS with 64-bit seconds on 32-bit machines',
    },
    SO_TIMESTAMPING_NEW: {
      type: 'int',
      since: '5.1',
      doc: 'SO_TIMESTAMPING with 64-bit seconds on 32-bit machines',
      tries: [0x18],
    },
    SO_RXQ_OVFL: { type: 'bool', doc: 'count of datagrams dropped as a control message' },
    SO_WIFI_STATUS: { type: 'bool', doc: 'whether wireless stations acknowledged, by the error queue' },
    SO_SELECT_ERR_QUEUE: {
      type: 'bool',
      doc: 'the error queue counts as an exceptional condition in select and poll',
    },
  }),
  group('Filters', 'SOL_SOCKET', kinds.any, {
    SO_ATTACH_FILTER: {
      type: 'bytes',
      struct: 'struct sock_fprog',
      access: 'set',
      doc: 'a classic BPF filter: attachFilter sets it, as the value has a pointer',
      untried: pointer,
    },
    SO_GET_FILTER: {
      type: 'bytes',
      struct: 'struct sock_filter[]',
      access: 'get',
      doc: 'the classic BPF filter: decodeFilter reads it',
    },
    SO_ATTACH_BPF: {
      type: 'int',
      access: 'set',
      doc: 'a BPF program, by its descriptor, as the filter',
      untried: program,
    },
    SO_DETACH_FILTER: {
      type: 'int',
      access: 'set',
      doc: 'end of the filter; the value is ignored',
      untried: filter,
    },
    SO_DETACH_BPF: { type: 'int', access: 'set', doc: 'another name of SO_DETACH_FILTER', untried: filter },
    SO_LOCK_FILTER: { type: 'bool', doc: 'the filter cannot be changed any more; there is no way back' },
    SO_ATTACH_REUSEPORT_CBPF: {
      type: 'bytes',
      struct: 'struct sock_fprog',
      access: 'set',
      on: kinds.inet,
      doc: 'a classic BPF program that chooses among the sockets of one port: attachReusePortFilter sets it',
      untried: pointer,
    },
    SO_ATTACH_REUSEPORT_EBPF: {
      type: 'int',
      access: 'set',
      on: kinds.inet,
      doc: 'a BPF program, by its descriptor, that chooses among the sockets of one port',
      untried: program,
    },
    SO_DETACH_REUSEPORT_BPF: {
      type: 'int',
      access: 'set',
      since: '5.3',
      on: kinds.inet,
      doc: 'end of that choice; the value is ignored',
      untried: filter,
    },
    SO_BPF_EXTENSIONS: { type: 'int', access: 'get', doc: 'how many extensions the BPF filter knows' },
  }),
];
