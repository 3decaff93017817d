// A thread of ours_threads.mjs: echo, blocking.
import { AF_UNIX, IPPROTO_TCP, TCP_NODELAY } from 'berkeley-sockets/sync';

export default function echo(c) {
  if (c.family !== AF_UNIX) c.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);
  try {
    for (let d = c.recv(65536); d.length > 0; d = c.recv(65536)) c.sendall(d);
  } catch (error) {
    if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') throw error;
  }
}
