// The tuples of the special families against the C compiler's own idea of their structs: a program
// fills each struct by the names of its fields and prints the bytes. Needs headers, not the kernel's
// support of a family.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as api from 'berkeley-sockets';
import { decodeAddress, encodeAddress, MAX_ADDRESS_LENGTH } from '../../dist/address.js';
import { type CStruct, structBytes } from '../support/cprogram.ts';
import { requirePeer } from '../support/peer.ts';

/** The struct is filled by the names of its fields. */
interface Row extends CStruct {
  name: string;
  family: number;
  proto?: number;
  /** The address, and what comes back where that is not the same. */
  address: unknown;
  back?: unknown;
}

const J1939_NAME = 0xfedc_ba98_7654_3210n;

const rows: Row[] = [
  {
    name: 'netlink',
    family: api.AF_NETLINK,
    address: [4_000_000_001, 0x8000_0011],
    type: 'struct sockaddr_nl',
    fill: 's.nl_family = AF_NETLINK; s.nl_pid = 4000000001u; s.nl_groups = 0x80000011;',
  },
  {
    name: 'packet, all of it',
    family: api.AF_PACKET,
    address: ['lo', 0x0806, 4, 772, Buffer.from([1, 2, 3, 4, 5, 6])],
    type: 'struct sockaddr_ll',
    fill: `s.sll_family = AF_PACKET; s.sll_protocol = htons(0x0806); s.sll_ifindex = if_nametoindex("lo");
      s.sll_pkttype = PACKET_OUTGOING; s.sll_hatype = ARPHRD_LOOPBACK; s.sll_halen = 6;
      memcpy(s.sll_addr, "\\1\\2\\3\\4\\5\\6", 6);`,
  },
  {
    name: 'packet, the least',
    family: api.AF_PACKET,
    address: ['', 3],
    back: ['', 3, 0, 0, Buffer.alloc(0)],
    type: 'struct sockaddr_ll',
    fill: 's.sll_family = AF_PACKET; s.sll_protocol = htons(ETH_P_ALL);',
  },
  {
    name: 'vsock',
    family: api.AF_VSOCK,
    address: [0xffff_ffff, 5000],
    type: 'struct sockaddr_vm',
    fill: 's.svm_family = AF_VSOCK; s.svm_cid = VMADDR_CID_ANY; s.svm_port = 5000;',
  },
  {
    name: 'can, raw',
    family: api.AF_CAN,
    proto: api.CAN_RAW,
    address: ['lo'],
    type: 'struct sockaddr_can',
    fill: 's.can_family = AF_CAN; s.can_ifindex = if_nametoindex("lo");',
  },
  {
    name: 'can, the broadcast manager on every interface',
    family: api.AF_CAN,
    proto: api.CAN_BCM,
    address: [''],
    type: 'struct sockaddr_can',
    fill: 's.can_family = AF_CAN;',
  },
  {
    name: 'can, ISO-TP',
    family: api.AF_CAN,
    proto: api.CAN_ISOTP,
    address: ['lo', 0x9234_5678, 0x123],
    type: 'struct sockaddr_can',
    fill: `s.can_family = AF_CAN; s.can_ifindex = if_nametoindex("lo");
      s.can_addr.tp.rx_id = 0x12345678 | CAN_EFF_FLAG; s.can_addr.tp.tx_id = 0x123;`,
  },
  {
    name: 'can, J1939',
    family: api.AF_CAN,
    proto: api.CAN_J1939,
    address: ['lo', J1939_NAME, 0x40000, 0xff],
    type: 'struct sockaddr_can',
    fill: `s.can_family = AF_CAN; s.can_ifindex = if_nametoindex("lo");
      s.can_addr.j1939.name = 0x${J1939_NAME.toString(16)}ull; s.can_addr.j1939.pgn = 0x40000;
      s.can_addr.j1939.addr = 0xff;`,
  },
  {
    name: 'alg',
    family: api.AF_ALG,
    address: ['skcipher', 'cbc(aes)', 0x0102_0304, 0xf000_0001],
    type: 'struct sockaddr_alg',
    fill: `s.salg_family = AF_ALG; strcpy((char *)s.salg_type, "skcipher");
      strcpy((char *)s.salg_name, "cbc(aes)"); s.salg_feat = 0x01020304; s.salg_mask = 0xf0000001u;`,
  },
  {
    name: 'alg, the least and the longest',
    family: api.AF_ALG,
    address: ['t'.repeat(13), 'n'.repeat(63)],
    back: ['t'.repeat(13), 'n'.repeat(63), 0, 0],
    type: 'struct sockaddr_alg',
    fill: `s.salg_family = AF_ALG; memset(s.salg_type, 't', 13); memset(s.salg_name, 'n', 63);`,
  },
  {
    name: 'tipc, a range of names',
    family: api.AF_TIPC,
    address: [api.TIPC_ADDR_NAMESEQ, 1000, 5, 4_000_000_000, -3],
    type: 'struct sockaddr_tipc',
    fill: `s.family = AF_TIPC; s.addrtype = TIPC_SERVICE_RANGE; s.scope = -3; s.addr.nameseq.type = 1000;
      s.addr.nameseq.lower = 5; s.addr.nameseq.upper = 4000000000u;`,
  },
  {
    name: 'tipc, a name',
    family: api.AF_TIPC,
    address: [api.TIPC_ADDR_NAME, 1000, 7, 0],
    back: [api.TIPC_ADDR_NAME, 1000, 7, 7, api.TIPC_CLUSTER_SCOPE],
    type: 'struct sockaddr_tipc',
    fill: `s.family = AF_TIPC; s.addrtype = TIPC_SERVICE_ADDR; s.scope = TIPC_CLUSTER_SCOPE;
      s.addr.name.name.type = 1000; s.addr.name.name.instance = 7;`,
  },
  {
    name: 'tipc, a socket',
    family: api.AF_TIPC,
    address: [api.TIPC_ADDR_ID, 0x0100_1001, 77, 0, 0],
    type: 'struct sockaddr_tipc',
    fill: `s.family = AF_TIPC; s.addrtype = TIPC_SOCKET_ADDR; s.addr.id.node = 0x01001001; s.addr.id.ref = 77;`,
  },
  {
    name: 'qipcrtr',
    family: api.AF_QIPCRTR,
    address: [3, 0xffff_fffe],
    type: 'struct sockaddr_qrtr',
    fill: 's.sq_family = AF_QIPCRTR; s.sq_node = 3; s.sq_port = QRTR_PORT_CTRL;',
  },
  {
    name: 'bluetooth, L2CAP',
    family: api.AF_BLUETOOTH,
    proto: api.BTPROTO_L2CAP,
    address: ['00:1A:7D:DA:71:13', 0x1001],
    type: 'struct sockaddr_l2',
    fill: `s.l2_family = AF_BLUETOOTH; s.l2_psm = htole16(0x1001);
      memcpy(s.l2_bdaddr, "\\x13\\x71\\xda\\x7d\\x1a\\0", 6);`,
  },
  {
    name: 'bluetooth, L2CAP over a fixed channel of low energy',
    family: api.AF_BLUETOOTH,
    proto: api.BTPROTO_L2CAP,
    address: ['00:1A:7D:DA:71:13', 0, 4, api.BDADDR_LE_RANDOM],
    type: 'struct sockaddr_l2',
    fill: `s.l2_family = AF_BLUETOOTH; s.l2_cid = htole16(4); s.l2_bdaddr_type = 2;
      memcpy(s.l2_bdaddr, "\\x13\\x71\\xda\\x7d\\x1a\\0", 6);`,
  },
  {
    name: 'bluetooth, L2CAP with a channel',
    family: api.AF_BLUETOOTH,
    proto: api.BTPROTO_L2CAP,
    address: ['0:1a:7d:da:71:13', 1, 0x40],
    back: ['00:1A:7D:DA:71:13', 1, 0x40],
    type: 'struct sockaddr_l2',
    fill: `s.l2_family = AF_BLUETOOTH; s.l2_psm = htole16(1); s.l2_cid = htole16(0x40);
      memcpy(s.l2_bdaddr, "\\x13\\x71\\xda\\x7d\\x1a\\0", 6);`,
  },
  {
    name: 'bluetooth, RFCOMM',
    family: api.AF_BLUETOOTH,
    proto: api.BTPROTO_RFCOMM,
    address: ['FF:EE:DD:CC:BB:AA', 30],
    type: 'struct sockaddr_rc',
    fill: `s.rc_family = AF_BLUETOOTH; s.rc_channel = 30;
      memcpy(s.rc_bdaddr, "\\xaa\\xbb\\xcc\\xdd\\xee\\xff", 6);`,
  },
  {
    name: 'bluetooth, HCI',
    family: api.AF_BLUETOOTH,
    proto: api.BTPROTO_HCI,
    address: 2,
    type: 'struct sockaddr_hci',
    fill: 's.hci_family = AF_BLUETOOTH; s.hci_dev = 2;',
  },
  {
    name: 'bluetooth, HCI by a tuple of one',
    family: api.AF_BLUETOOTH,
    proto: api.BTPROTO_HCI,
    address: [0x1234],
    back: 0x1234,
    type: 'struct sockaddr_hci',
    fill: 's.hci_family = AF_BLUETOOTH; s.hci_dev = 0x1234;',
  },
  {
    name: "bluetooth, HCI's control channel",
    family: api.AF_BLUETOOTH,
    proto: api.BTPROTO_HCI,
    address: [api.HCI_DEV_NONE, api.HCI_CHANNEL_CONTROL],
    type: 'struct sockaddr_hci',
    fill: 's.hci_family = AF_BLUETOOTH; s.hci_dev = 0xffff; s.hci_channel = 3;',
  },
  {
    name: 'bluetooth, SCO',
    family: api.AF_BLUETOOTH,
    proto: api.BTPROTO_SCO,
    address: '00:11:22:AA:BB:CC',
    type: 'struct sockaddr_sco',
    fill: `s.sco_family = AF_BLUETOOTH; memcpy(s.sco_bdaddr, "\\xcc\\xbb\\xaa\\x22\\x11\\0", 6);`,
  },
  {
    name: 'bluetooth, any device',
    family: api.AF_BLUETOOTH,
    proto: api.BTPROTO_RFCOMM,
    address: ['', 1],
    back: ['00:00:00:00:00:00', 1],
    type: 'struct sockaddr_rc',
    fill: 's.rc_family = AF_BLUETOOTH; s.rc_channel = 1;',
  },
  {
    name: 'smc over IPv4',
    family: api.AF_SMC,
    address: ['127.0.0.1', 80],
    type: 'struct sockaddr_in',
    fill: 's.sin_family = AF_INET; s.sin_port = htons(80); s.sin_addr.s_addr = htonl(INADDR_LOOPBACK);',
  },
  {
    name: 'rds',
    family: api.AF_RDS,
    address: ['127.0.0.1', 80],
    type: 'struct sockaddr_in',
    fill: 's.sin_family = AF_INET; s.sin_port = htons(80); s.sin_addr.s_addr = htonl(INADDR_LOOPBACK);',
  },
];

// Bluetooth's structs belong to BlueZ, whose headers few machines have: as the kernel's
// include/net/bluetooth/*.h have them.
const headers = `
  #include <endian.h>
  #include <net/if.h>
  #include <net/if_arp.h>
  #include <netinet/in.h>
  #include <sys/socket.h>
  #include <linux/can.h>
  #include <linux/if_alg.h>
  #include <linux/if_ether.h>
  #include <linux/if_packet.h>
  #include <linux/netlink.h>
  #include <linux/qrtr.h>
  #include <linux/tipc.h>
  #include <linux/vm_sockets.h>
  typedef unsigned char bdaddr_t[6];
  struct sockaddr_l2 {
    sa_family_t l2_family; unsigned short l2_psm; bdaddr_t l2_bdaddr; unsigned short l2_cid;
    unsigned char l2_bdaddr_type;
  };
  struct sockaddr_rc { sa_family_t rc_family; bdaddr_t rc_bdaddr; unsigned char rc_channel; };
  struct sockaddr_hci { sa_family_t hci_family; unsigned short hci_dev; unsigned short hci_channel; };
  struct sockaddr_sco { sa_family_t sco_family; bdaddr_t sco_bdaddr; };
`;

test('every tuple is what the C compiler makes of it, both ways', requirePeer('cc'), async (t) => {
  const structs = await structBytes(t, headers, rows);
  assert.equal(structs.length, rows.length);
  for (const [i, { name, family, proto = 0, address, back = address }] of rows.entries()) {
    const struct = structs[i]!;
    // Into memory that is not clean: what the codec leaves unwritten shows.
    const out = Buffer.alloc(MAX_ADDRESS_LENGTH, 0xee);
    const length = encodeAddress(family, address, out, 'address', proto);
    assert.equal(out.subarray(0, length).toString('hex'), struct.toString('hex'), name);
    assert.deepEqual(decodeAddress(struct, struct.length, proto), back, name);
  }
});
