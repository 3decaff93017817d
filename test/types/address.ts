// Compile-time assertions on addresses: each family's own tuple comes out of a socket, and only
// what the family takes goes in. Checked by the compiler, never run.
import {
  type Address,
  type AddressInput,
  AF_ALG,
  AF_BLUETOOTH,
  AF_CAN,
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  AF_PACKET,
  type AF_QIPCRTR,
  AF_TIPC,
  AF_UNIX,
  AF_VSOCK,
  type BluetoothAddress,
  type CanAddress,
  createServer,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
  type Socket,
  socket,
} from 'berkeley-sockets';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles only where both types are the same. */
const same = <A, B>(_: Same<A, B>): void => {};
/** Compiles only where every A is a B. */
const within = <A, B>(_: [A] extends [B] ? true : false): void => {};

type Inet = readonly [host: string, port: number];
type Inet6 = readonly [host: string, port: number, flowinfo: number, scopeId: number];
type Unix = string | Buffer;

same<Address<AF_INET>, Inet>(true);
same<Address<AF_INET6>, Inet6>(true);
same<Address<AF_UNIX>, Unix>(true);

type Packet = readonly [ifname: string, proto: number, pkttype: number, hatype: number, hwaddr: Buffer];
type Pair = readonly [number, number];

same<Address<AF_NETLINK>, Pair>(true);
same<Address<AF_PACKET>, Packet>(true);
same<Address<AF_VSOCK>, Pair>(true);
same<Address<AF_QIPCRTR>, Pair>(true);
same<Address<AF_CAN>, CanAddress>(true);
same<Address<AF_ALG>, readonly [string, string, number, number]>(true);
same<Address<AF_TIPC>, readonly [number, number, number, number, number]>(true);
same<Address<AF_BLUETOOTH>, BluetoothAddress>(true);
// Of two families: either's.
same<Address<AF_INET | AF_UNIX>, Inet | Unix>(true);
// What comes out goes in.
within<Address<AF_PACKET>, AddressInput<AF_PACKET>>(true);
within<Address<AF_CAN>, AddressInput<AF_CAN>>(true);
within<Address<AF_ALG>, AddressInput<AF_ALG>>(true);
within<Address<AF_TIPC>, AddressInput<AF_TIPC>>(true);
within<Address<AF_BLUETOOTH>, AddressInput<AF_BLUETOOTH>>(true);
within<Address, AddressInput>(true);

export async function specialFamilies(): Promise<void> {
  const netlink = socket(AF_NETLINK, SOCK_RAW, 0);
  netlink.bind([0, 1]);
  const [, [pid, groups]] = await netlink.recvfrom(100);
  same<typeof pid, number>(true);
  same<typeof groups, number>(true);
  // Every special family also takes its sockaddr as it is.
  netlink.bind(Buffer.alloc(12));
  // @ts-expect-error: groups are no list
  netlink.bind([0, [1]]);
  // @ts-expect-error: both are needed
  netlink.bind([0]);

  const packet = socket(AF_PACKET, SOCK_RAW);
  packet.bind(['eth0', 3]);
  packet.bind(['eth0', 3, 0, 1, new Uint8Array(6)]);
  packet.bind(packet.getsockname());
  const [, , , , hwaddr] = packet.getsockname();
  same<typeof hwaddr, Buffer>(true);
  // @ts-expect-error: an interface by its name
  packet.bind([2, 3]);
  // @ts-expect-error: the protocol is needed
  packet.bind(['eth0']);

  const vsock = socket(AF_VSOCK);
  const [connection, [cid, port]] = await vsock.accept();
  within<typeof connection, Socket<AF_VSOCK>>(true);
  await vsock.connect([cid, port]);
  // @ts-expect-error: a host is no number
  await vsock.connect(['localhost', 80]);

  const can = socket(AF_CAN, SOCK_RAW, 1);
  can.bind(['vcan0']);
  can.bind(['vcan0', 0x123, 0x456]);
  can.bind(['vcan0', 0n, 0x40000, 0x20]);
  can.bind(['vcan0', 0, 0x40000, 0x20]);
  // @ts-expect-error: the interface stands in a tuple
  can.bind('vcan0');

  const alg = socket(AF_ALG);
  alg.bind(['hash', 'sha256']);
  alg.bind(['hash', 'sha256', 0, 0]);
  // @ts-expect-error: the name is needed
  alg.bind(['hash']);

  const tipc = socket(AF_TIPC);
  tipc.bind([1, 2000, 0, 10]);
  tipc.bind([1, 2000, 0, 10, 3]);
  // @ts-expect-error: three numbers
  tipc.bind([1, 2000, 0]);

  const bluetooth = socket(AF_BLUETOOTH);
  bluetooth.bind(['00:11:22:33:44:55', 3]);
  bluetooth.bind('00:11:22:33:44:55');
  bluetooth.bind(0);
  bluetooth.bind([0]);
  // @ts-expect-error: an address is text
  bluetooth.bind([Buffer.alloc(6), 3]);
}

export async function comeOut(): Promise<void> {
  const inet = socket(AF_INET, SOCK_STREAM);
  within<typeof inet, Socket<AF_INET>>(true);
  same<ReturnType<typeof inet.getsockname>, Inet>(true);
  same<ReturnType<typeof inet.getpeername>, Inet>(true);
  const [connection, [host, port]] = await inet.accept();
  within<typeof connection, Socket<AF_INET>>(true);
  same<typeof host, string>(true);
  same<typeof port, number>(true);
  const [data, from] = await inet.recvfrom(100);
  same<typeof data, Buffer>(true);
  same<typeof from, Inet>(true);
  const [size, sender] = await inet.recvfromInto(new Uint8Array(10));
  same<typeof size, number>(true);
  same<typeof sender, Inet>(true);
  for (const [bytes, address] of await inet.recvmany(5)) {
    same<typeof bytes, Buffer>(true);
    same<typeof address, Inet>(true);
  }
  for await (const [client, address] of inet.accepted()) {
    within<typeof client, Socket<AF_INET>>(true);
    same<typeof address, Inet>(true);
  }

  const plain = socket();
  within<typeof plain, Socket<AF_INET>>(true);

  const inet6 = socket(AF_INET6);
  same<ReturnType<typeof inet6.getsockname>, Inet6>(true);
  const [, , , scope] = inet6.getpeername();
  same<typeof scope, number>(true);
  same<ReturnType<typeof inet6.dup>, typeof inet6>(true);

  const unix = socket(AF_UNIX, SOCK_DGRAM);
  same<ReturnType<typeof unix.getsockname>, Unix>(true);
  const [, name] = await unix.recvfrom(10);
  same<typeof name, Unix>(true);

  const server = createServer(['', 0]);
  within<typeof server, Socket<AF_INET>>(true);
}

export async function goIn(): Promise<void> {
  const inet = socket(AF_INET);
  inet.bind(['', 0]);
  inet.bind(inet.getsockname());
  await inet.connect(['localhost', 80]);
  await inet.sendto('x', ['127.0.0.1', 9]);
  await inet.sendmany([['x', ['127.0.0.1', 9]], ['y']]);
  // @ts-expect-error: a path is no AF_INET address
  inet.bind('/tmp/socket');
  // @ts-expect-error: a host alone
  inet.bind(['127.0.0.1']);
  // @ts-expect-error: a port that is a string
  await inet.connect(['localhost', '80']);
  // @ts-expect-error: AF_INET6's parts
  await inet.connect(['::1', 80, 0, 0]);
  // @ts-expect-error: an object as Node's net takes it
  await inet.connect({ host: 'localhost', port: 80 });
  // @ts-expect-error: no address
  await inet.sendto('x');

  const inet6 = socket(AF_INET6);
  inet6.bind(['::', 0]);
  inet6.bind(['::', 0, 0]);
  inet6.bind(['::', 0, 0, 0]);
  inet6.bind(inet6.getsockname());
  // @ts-expect-error: one too many
  inet6.bind(['::', 0, 0, 0, 0]);
  // @ts-expect-error: a scope that is a name
  inet6.bind(['fe80::1', 0, 0, 'eth0']);

  const unix = socket(AF_UNIX);
  unix.bind('/tmp/socket');
  unix.bind(Buffer.from('\0name'));
  unix.bind(unix.getsockname());
  // @ts-expect-error: a tuple is no path
  unix.bind(['127.0.0.1', 80]);
  // @ts-expect-error: a number is no path
  await unix.connect(5);
}

export async function anyFamily(s: Socket): Promise<void> {
  // Of an unknown family: every shape goes in, and what comes out has to be looked at.
  await s.connect(['127.0.0.1', 80]);
  await s.connect('/tmp/socket');
  const address = s.getsockname();
  if (typeof address === 'string') address.toUpperCase();
  // A socket of a known family is a socket.
  const inet: Socket = socket(AF_INET);
  const unix: Socket = socket(AF_UNIX);
  await Promise.all([inet.recv(1), unix.recv(1)]);
}
