// The handler of ours_threads.mjs: echo.
import { AF_UNIX, IPPROTO_TCP, TCP_NODELAY } from 'berkeley-sockets';

export default async function echo(c) {
  if (c.family !== AF_UNIX) c.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);
  for (;;) {
    const d = await c.recv(65536);
    if (!d.length) return;
    await c.sendall(d);
  }
}
