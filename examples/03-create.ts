// Creating sockets: an address family and a type choose what it speaks.
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  IPPROTO_ICMP,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
  SocketError,
  socket,
} from 'berkeley-sockets';

const kinds = [
  ['AF_INET  SOCK_STREAM  TCP over IPv4', AF_INET, SOCK_STREAM],
  ['AF_INET  SOCK_DGRAM   UDP over IPv4', AF_INET, SOCK_DGRAM],
  ['AF_INET6 SOCK_STREAM  TCP over IPv6', AF_INET6, SOCK_STREAM],
  ['AF_UNIX  SOCK_STREAM  a stream on this machine', AF_UNIX, SOCK_STREAM],
  ['AF_UNIX  SOCK_DGRAM   messages on this machine', AF_UNIX, SOCK_DGRAM],
  ['AF_INET  SOCK_RAW     packets, for the privileged', AF_INET, SOCK_RAW, IPPROTO_ICMP],
] as const;

for (const [name, family, type, proto] of kinds) {
  try {
    const s = socket(family, type, proto);
    console.log(`${name}: created`);
    s.close();
  } catch (error) {
    if (!(error instanceof SocketError)) throw error;
    console.log(`${name}: ${error.code}`);
  }
}
