// Control messages, structured options and groups in the blocking flavour: the same functions, and
// its own sockets.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AF_INET,
  attachFilter,
  createConnection,
  createServer,
  decodeControl,
  encodeControl,
  IP_RECVTTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  joinGroup,
  leaveGroup,
  SOCK_DGRAM,
  setMulticastInterface,
  socket,
  socketpair,
  TCP_ESTABLISHED,
} from 'berkeley-sockets/sync';

test('control messages', () => {
  using s = socket(AF_INET, SOCK_DGRAM);
  s.settimeout(5);
  s.bind(['127.0.0.1', 0]);
  s.setsockopt(IPPROTO_IP, IP_RECVTTL!, true);
  s.sendmsg(['hello'], { ancdata: encodeControl({ ttl: 9 }), address: s.getsockname() });
  const [data, ancdata] = s.recvmsg(100, 100);
  assert.deepEqual([data.toString(), decodeControl(ancdata).ttl], ['hello', 9]);
  const other = encodeControl({ hopLimit: 9 });
  assert.equal(other[0]![0], IPPROTO_IPV6);
});

test('tcpInfo and peercred', () => {
  using server = createServer(['127.0.0.1', 0]);
  using s = createConnection(server.getsockname());
  const info = s.tcpInfo();
  assert.equal(info.state, TCP_ESTABLISHED);
  assert.ok(info.rtt > 0 && info.rtt < 1);
  const [a, b] = socketpair();
  assert.equal(a.peercred().pid, process.pid);
  a.close();
  b.close();
});

test('groups and filters', () => {
  using s = socket(AF_INET, SOCK_DGRAM);
  s.settimeout(5);
  s.bind(['', 0]);
  joinGroup(s, '239.4.5.6', { interface: 'lo' });
  setMulticastInterface(s, 'lo');
  attachFilter(s, [
    [0x30, 0, 0, 8],
    [0x15, 0, 1, 0x79],
    [0x06, 0, 0, 0xffffffff],
    [0x06, 0, 0, 0],
  ]);
  for (const text of ['no', 'yes']) s.sendto(text, ['239.4.5.6', s.getsockname()[1]]);
  assert.equal(s.recv(100).toString(), 'yes');
  leaveGroup(s, '239.4.5.6', { interface: 'lo' });
});
