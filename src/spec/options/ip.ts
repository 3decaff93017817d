// Options of IPv4, ip(7), and those of multicast groups that IPv4 and IPv6 share (RFC 3678).
import { groupRequest, networkInt } from './layout.ts';
import { group, kinds, type OptionRow } from './row.ts';

// 239.1.2.3, and 127.0.0.1 as interface and as source.
const GROUP = 'ef010203';
const HERE = '7f000001';

const mreq = (doc: string, after: readonly string[] = []): OptionRow => ({
  type: 'bytes',
  struct: 'struct ip_mreqn or struct ip_mreq',
  access: 'set',
  doc,
  tries: [GROUP + HERE],
  after,
});

const mreqSource = (doc: string, after: readonly string[] = []): OptionRow => ({
  type: 'bytes',
  struct: 'struct ip_mreq_source',
  access: 'set',
  doc,
  tries: [GROUP + HERE + HERE],
  after,
});

const policy = (struct: string): OptionRow => ({
  type: 'bytes',
  struct,
  access: 'set',
  needs: 'CAP_NET_ADMIN',
  doc: "this socket's IPsec policy",
  untried: 'takes the IPsec of the machine set up',
});

/** IPsec: the same structs at both levels. */
export const policies = {
  policy: policy('struct sadb_x_policy'),
  transform: policy('struct xfrm_userpolicy_info'),
};

/** The same numbers at both levels; the structs hold addresses of either family. */
export function multicastRows(groupAddress: string, source: string): Record<string, OptionRow> {
  const request = (doc: string, after: readonly string[] = []): OptionRow => ({
    type: 'bytes',
    struct: 'struct group_req',
    access: 'set',
    doc,
    tries: [groupRequest(1, groupAddress)],
    after,
  });
  const sourceRequest = (doc: string, after: readonly string[] = []): OptionRow => ({
    type: 'bytes',
    struct: 'struct group_source_req',
    access: 'set',
    doc,
    tries: [groupRequest(1, groupAddress, source)],
    after,
  });
  return {
    MCAST_JOIN_GROUP: request('join a group'),
    MCAST_LEAVE_GROUP: request('leave a group', ['MCAST_JOIN_GROUP']),
    MCAST_JOIN_SOURCE_GROUP: sourceRequest('join a group for one source'),
    MCAST_LEAVE_SOURCE_GROUP: sourceRequest('leave a group for one source', ['MCAST_JOIN_SOURCE_GROUP']),
    MCAST_BLOCK_SOURCE: sourceRequest('no more from one source of a group', ['MCAST_JOIN_GROUP']),
    MCAST_UNBLOCK_SOURCE: sourceRequest('again from one source of a group', [
      'MCAST_JOIN_GROUP',
      'MCAST_BLOCK_SOURCE',
    ]),
    MCAST_MSFILTER: {
      type: 'bytes',
      struct: 'struct group_filter',
      doc: 'all sources of a group at once',
      untried: 'the value to read names its group in the buffer to read into',
    },
  };
}

export const ipOptions = [
  group('IPv4', 'IPPROTO_IP', kinds.ip, {
    IP_TOS: {
      type: 'int',
      doc: 'type of service of sent packets: DSCP and ECN; see IPTOS_',
      kernel: 'keeps the two bits of ECN to itself on TCP',
      tries: [0x10, 0x08],
    },
    IP_TTL: {
      type: 'int',
      doc: 'time to live of sent packets, 1 to 255; -1 is the default',
      tries: [33, 34],
    },
    IP_MINTTL: { type: 'int', doc: 'drop packets whose time to live is lower', tries: [10, 11] },
    IP_HDRINCL: { type: 'bool', on: ['raw'], doc: 'the caller writes the IP header' },
    IP_OPTIONS: {
      type: 'bytes',
      struct: 'IP options (RFC 791)',
      doc: 'options of sent packets, at most 40 bytes',
      tries: ['94040000'],
    },
    IP_ROUTER_ALERT: {
      type: 'bool',
      on: ['raw'],
      doc: 'receive packets with the router alert option that this machine would forward',
    },
    IP_RECVOPTS: { type: 'bool', doc: 'IP options received as a control message (IP_OPTIONS)' },
    IP_RETOPTS: { type: 'bool', doc: 'the same in the form to send back' },
    IP_RECVTTL: { type: 'bool', doc: 'time to live of a packet as a control message (IP_TTL)' },
    IP_RECVTOS: { type: 'bool', doc: 'type of service of a packet as a control message (IP_TOS)' },
    IP_PKTINFO: {
      type: 'bool',
      doc: 'destination and interface of a packet as a control message (struct in_pktinfo)',
    },
    IP_RECVORIGDSTADDR: {
      type: 'bool',
      doc: 'destination before redirection as a control message (struct sockaddr_in)',
    },
    IP_RECVFRAGSIZE: {
      type: 'bool',
      on: kinds.ipDatagrams,
      doc: 'size of the largest fragment as a control message',
    },
    IP_CHECKSUM: {
      type: 'bool',
      doc: 'checksum of a packet as a control message, where the device gives it',
    },
    IP_PASSSEC: { type: 'bool', doc: "the sender's security label as a control message (SCM_SECURITY)" },
    IP_RECVERR: { type: 'bool', doc: 'errors of sent packets in the error queue (MSG_ERRQUEUE)' },
    IP_RECVERR_RFC4884: { type: 'bool', since: '5.9', doc: 'ICMP extensions (RFC 4884) there as well' },
    IP_PKTOPTIONS: {
      type: 'bytes',
      struct: 'control messages',
      access: 'get',
      on: ['tcp'],
      doc: 'the control messages of the last packet received',
    },
    IP_MTU_DISCOVER: { type: 'int', doc: 'path MTU discovery: IP_PMTUDISC_', tries: [2, 3] },
    IP_MTU: { type: 'int', unit: 'bytes', access: 'get', when: 'connected', doc: 'the known path MTU' },
    IP_NODEFRAG: { type: 'bool', on: ['raw'], doc: 'no reassembly of fragments by packet filters' },
    IP_FREEBIND: {
      type: 'bool',
      when: 'before bind',
      doc: 'bind to an address that this machine does not have (yet)',
    },
    IP_TRANSPARENT: {
      type: 'bool',
      when: 'before bind',
      needs: 'CAP_NET_ADMIN or CAP_NET_RAW',
      doc: 'transparent proxy: bind to addresses of others and accept what is redirected here',
    },
    IP_BIND_ADDRESS_NO_PORT: {
      type: 'bool',
      when: 'before bind',
      doc: 'with port 0 bind only the address: connect chooses the port, which several sockets may then share',
    },
    IP_LOCAL_PORT_RANGE: {
      type: 'int',
      when: 'before bind',
      since: '6.3',
      doc: "ports to choose from: the lowest, plus the highest shifted left by 16 (so 32768 and more read as a negative number); 0 is the system's",
      tries: [20_000 + 30_000 * 65_536, 21_000 + 31_000 * 65_536],
    },
    IP_PROTOCOL: {
      type: 'int',
      access: 'get',
      since: '6.4',
      on: ['raw'],
      doc: 'the protocol of a raw socket',
    },
    IP_UNICAST_IF: {
      type: 'int',
      doc: 'interface of sent packets: its index in network byte order',
      tries: [networkInt(1)],
    },
    IP_MULTICAST_IF: {
      type: 'bytes',
      struct: 'struct in_addr',
      on: kinds.ipDatagrams,
      doc: 'interface of sent multicast packets, by its address; also struct ip_mreqn, by its index',
      tries: [HERE],
    },
    IP_MULTICAST_TTL: {
      type: 'int',
      on: kinds.ipDatagrams,
      doc: 'time to live of multicast packets, 0 to 255; -1 is 1',
      tries: [5, 6],
    },
    IP_MULTICAST_LOOP: { type: 'bool', doc: 'multicast packets come back to sockets of this machine' },
    IP_MULTICAST_ALL: {
      type: 'bool',
      doc: 'receive groups that any socket of this machine joined, not only this one',
    },
    IP_ADD_MEMBERSHIP: { ...mreq('join a group'), on: kinds.ipDatagrams },
    IP_DROP_MEMBERSHIP: { ...mreq('leave a group', ['IP_ADD_MEMBERSHIP']), on: kinds.ipDatagrams },
    IP_ADD_SOURCE_MEMBERSHIP: { ...mreqSource('join a group for one source'), on: kinds.ipDatagrams },
    IP_DROP_SOURCE_MEMBERSHIP: {
      ...mreqSource('leave a group for one source', ['IP_ADD_SOURCE_MEMBERSHIP']),
      on: kinds.ipDatagrams,
    },
    IP_BLOCK_SOURCE: {
      ...mreqSource('no more from one source of a group', ['IP_ADD_MEMBERSHIP']),
      on: kinds.ipDatagrams,
    },
    IP_UNBLOCK_SOURCE: {
      ...mreqSource('again from one source of a group', ['IP_ADD_MEMBERSHIP', 'IP_BLOCK_SOURCE']),
      on: kinds.ipDatagrams,
    },
    IP_MSFILTER: {
      type: 'bytes',
      struct: 'struct ip_msfilter',
      doc: 'all sources of a group at once',
      untried: 'the value to read names its group in the buffer to read into',
    },
    IP_IPSEC_POLICY: policies.policy,
    IP_XFRM_POLICY: policies.transform,
    SO_ORIGINAL_DST: {
      type: 'bytes',
      struct: 'struct sockaddr_in',
      access: 'get',
      when: 'connected',
      on: ['tcp'],
      doc: 'the destination before netfilter redirected the connection',
      untried: 'takes a connection that netfilter redirected',
    },
  }),
  group('Multicast groups over IPv4', 'IPPROTO_IP', kinds.ipDatagrams, multicastRows(GROUP, HERE)),
];
