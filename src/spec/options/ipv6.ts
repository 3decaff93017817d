// Options of IPv6: ipv6(7), RFC 3493, RFC 3542.
import { multicastRows, policies } from './ip.ts';
import { int, networkInt } from './layout.ts';
import { group, kinds, type OptionRow } from './row.ts';

// ff02::1234 on the first interface, the loopback one; and ::1.
const anycast = 'takes a network to be in beyond loopback';
const GROUP = 'ff020000000000000000000000001234';
const HERE = '00000000000000000000000000000001';

const received = (what: string): OptionRow => ({ type: 'bool', doc: `${what} as a control message` });
const old = (what: string): OptionRow => ({ type: 'bool', doc: `${what} as RFC 2292 had it` });
const header = (what: string, tries: string, needs?: string): OptionRow => ({
  type: 'bytes',
  struct: 'extension header',
  doc: `${what} of sent packets; no bytes end it`,
  tries: [tries],
  ...(needs ? { needs } : {}),
});
const membership = (doc: string, after: readonly string[] = []): OptionRow => ({
  type: 'bytes',
  struct: 'struct ipv6_mreq',
  access: 'set',
  doc,
  on: kinds.ipv6Datagrams,
  tries: [GROUP + int(1)],
  after,
});

export const ipv6Options = [
  group('IPv6', 'IPPROTO_IPV6', kinds.ipv6, {
    IPV6_V6ONLY: {
      type: 'bool',
      when: 'before bind',
      on: ['tcp6', 'udp6'],
      doc: 'no IPv4 by way of mapped addresses; the initial value is net.ipv6.bindv6only',
    },
    IPV6_UNICAST_HOPS: {
      type: 'int',
      doc: 'hop limit of sent packets, 0 to 255; -1 is the default',
      tries: [33, 34],
    },
    IPV6_MINHOPCOUNT: { type: 'int', doc: 'drop packets whose hop limit is lower', tries: [10, 11] },
    IPV6_TCLASS: {
      type: 'int',
      doc: 'traffic class of sent packets: DSCP and ECN; see IPTOS_; -1 is the default',
      kernel: 'keeps the two bits of ECN to itself on TCP',
      tries: [0x10, 0x08],
    },
    IPV6_MTU_DISCOVER: { type: 'int', doc: 'path MTU discovery: IPV6_PMTUDISC_', tries: [2, 3] },
    IPV6_MTU: {
      type: 'int',
      unit: 'bytes',
      doc: 'set: the largest packet to send, at least 1280; get, once connected: the known path MTU',
      untried: 'what is set and what is read are two things',
    },
    IPV6_DONTFRAG: { type: 'bool', doc: 'never fragment: EMSGSIZE instead' },
    IPV6_AUTOFLOWLABEL: { type: 'bool', doc: 'flow labels by the kernel' },
    IPV6_FLOWINFO_SEND: { type: 'bool', doc: 'sent packets carry the flow information of the address' },
    IPV6_FLOWLABEL_MGR: {
      type: 'bytes',
      struct: 'struct in6_flowlabel_req',
      doc: 'lease flow labels',
      untried: 'requests, not a value',
    },
    IPV6_ADDR_PREFERENCES: {
      type: 'int',
      doc: 'which source addresses are preferred: IPV6_PREFER_SRC_ (RFC 5014)',
      tries: [2, 1],
      reads: [0x402, 0x401],
    },
    IPV6_FREEBIND: {
      type: 'bool',
      when: 'before bind',
      since: '4.15',
      doc: 'bind to an address that this machine does not have (yet)',
    },
    IPV6_TRANSPARENT: {
      type: 'bool',
      when: 'before bind',
      needs: 'CAP_NET_ADMIN or CAP_NET_RAW',
      doc: 'transparent proxy: bind to addresses of others and accept what is redirected here',
    },
    IPV6_UNICAST_IF: {
      type: 'int',
      doc: 'interface of sent packets: its index in network byte order',
      tries: [networkInt(1)],
    },
    IPV6_HDRINCL: { type: 'bool', on: ['raw6'], doc: 'the caller writes the IPv6 header' },
    IPV6_CHECKSUM: {
      type: 'int',
      on: ['rawheader6'],
      doc: 'offset of the checksum that the kernel computes, even; -1 for none; fixed for ICMPv6',
      tries: [4, 6],
    },
    IPV6_ROUTER_ALERT: {
      type: 'int',
      on: ['rawheader6'],
      access: 'set',
      doc: 'receive packets with this router alert option that this machine would forward; -1 ends it',
      tries: [0],
    },
    IPV6_ROUTER_ALERT_ISOLATE: {
      type: 'bool',
      on: ['raw6', 'rawheader6'],
      since: '5.1',
      doc: 'those of other network namespaces are left out',
    },
    IPV6_ADDRFORM: {
      type: 'int',
      access: 'set',
      when: 'connected',
      doc: 'turn a socket whose peer has a mapped address into one of AF_INET',
      untried: 'takes a connection by a mapped address, and turns it into another socket',
    },
    IPV6_RECVPKTINFO: received('destination and interface of a packet (IPV6_PKTINFO)'),
    IPV6_RECVHOPLIMIT: received('hop limit of a packet (IPV6_HOPLIMIT)'),
    IPV6_RECVTCLASS: received('traffic class of a packet (IPV6_TCLASS)'),
    IPV6_RECVRTHDR: received('routing header of a packet (IPV6_RTHDR)'),
    IPV6_RECVHOPOPTS: received('hop-by-hop options of a packet (IPV6_HOPOPTS)'),
    IPV6_RECVDSTOPTS: received('destination options of a packet (IPV6_DSTOPTS)'),
    IPV6_RECVPATHMTU: received('changes of the path MTU (IPV6_PATHMTU)'),
    IPV6_RECVORIGDSTADDR: received('destination before redirection (struct sockaddr_in6)'),
    IPV6_RECVFRAGSIZE: { ...received('size of the largest fragment'), on: kinds.ipv6Datagrams },
    IPV6_FLOWINFO: received('flow information of a packet'),
    IPV6_RECVERR: { type: 'bool', doc: 'errors of sent packets in the error queue (MSG_ERRQUEUE)' },
    IPV6_RECVERR_RFC4884: { type: 'bool', since: '5.9', doc: 'ICMPv6 extensions (RFC 4884) there as well' },
    IPV6_2292PKTINFO: old('IPV6_RECVPKTINFO'),
    IPV6_2292HOPLIMIT: old('IPV6_RECVHOPLIMIT'),
    IPV6_2292RTHDR: old('IPV6_RECVRTHDR'),
    IPV6_2292HOPOPTS: old('IPV6_RECVHOPOPTS'),
    IPV6_2292DSTOPTS: old('IPV6_RECVDSTOPTS'),
    IPV6_2292PKTOPTIONS: {
      type: 'bytes',
      struct: 'control messages',
      on: ['tcp6'],
      doc: 'get: the control messages of the last packet received; set: those of sent packets',
      untried: 'what is set and what is read are two things',
    },
    IPV6_PKTINFO: {
      type: 'bytes',
      struct: 'struct in6_pktinfo',
      access: 'set',
      doc: 'source address and interface of sent packets',
      tries: [HERE + int(1)],
    },
    IPV6_HOPOPTS: header('hop-by-hop options', '0000010400000000', 'CAP_NET_RAW'),
    IPV6_DSTOPTS: header('destination options', '0000010400000000', 'CAP_NET_RAW'),
    IPV6_RTHDRDSTOPTS: header(
      'destination options before a routing header',
      '0000010400000000',
      'CAP_NET_RAW',
    ),
    IPV6_RTHDR: {
      ...header('routing header', ''),
      untried: 'the types that the kernel takes need mobility or segment routing set up',
    },
    IPV6_PATHMTU: {
      type: 'bytes',
      struct: 'struct ip6_mtuinfo',
      access: 'get',
      when: 'connected',
      doc: 'the known path MTU and its destination',
    },
    IPV6_MULTICAST_IF: {
      type: 'int',
      on: kinds.ipv6Datagrams,
      doc: 'interface of sent multicast packets, by its index; 0 is the default',
      tries: [1],
    },
    IPV6_MULTICAST_HOPS: {
      type: 'int',
      on: kinds.ipv6Datagrams,
      doc: 'hop limit of multicast packets, 0 to 255; -1 is 1',
      tries: [5, 6],
    },
    IPV6_MULTICAST_LOOP: { type: 'bool', doc: 'multicast packets come back to sockets of this machine' },
    IPV6_MULTICAST_ALL: {
      type: 'bool',
      since: '4.20',
      doc: 'receive groups that any socket of this machine joined, not only this one',
    },
    IPV6_JOIN_GROUP: membership('join a group'),
    IPV6_LEAVE_GROUP: membership('leave a group', ['IPV6_JOIN_GROUP']),
    IPV6_ADD_MEMBERSHIP: membership('another name of IPV6_JOIN_GROUP'),
    IPV6_DROP_MEMBERSHIP: membership('another name of IPV6_LEAVE_GROUP', ['IPV6_ADD_MEMBERSHIP']),
    IPV6_JOIN_ANYCAST: { ...membership('answer to an anycast address'), untried: anycast },
    IPV6_LEAVE_ANYCAST: { ...membership('no longer answer to it'), untried: anycast },
    IPV6_IPSEC_POLICY: policies.policy,
    IPV6_XFRM_POLICY: policies.transform,
  }),
  group('Multicast groups over IPv6', 'IPPROTO_IPV6', kinds.ipv6Datagrams, multicastRows(GROUP, HERE)),
];
