// Compile-time assertions on messages, ancillary data and descriptors, in both flavours. Never run.
import {
  type Address,
  type AF_INET,
  type AF_UNIX,
  type Ancillary,
  type AncillaryInput,
  CMSG_LEN,
  recvFds,
  type Socket,
  type SocketHandle,
  sendFds,
  socketpair,
} from 'berkeley-sockets';
import type * as blocking from 'berkeley-sockets/sync';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>): void => {};

type Passed<F extends number> = [data: Buffer, fds: number[], msgFlags: number, address: Address<F>];

export async function messages(s: Socket<AF_INET>, b: blocking.Socket<AF_INET>): Promise<void> {
  const message = await s.recvmsg(100, CMSG_LEN(4), { flags: 0, signal: AbortSignal.timeout(1) });
  same<typeof message, [data: Buffer, ancdata: Ancillary[], msgFlags: number, address: Address<AF_INET>]>(
    true,
  );
  const [nbytes, , , [host]] = await s.recvmsgInto([Buffer.alloc(1), new Uint16Array(1)]);
  same<[typeof nbytes, typeof host], [number, string]>(true);
  const ancdata: AncillaryInput[] = [[1, 2, 'text'], [3, 4, Int32Array.of(1)], message[1][0]!];
  same<Promise<number>, ReturnType<typeof s.sendmsg>>(true);
  await s.sendmsg(['text', Buffer.alloc(1)], { ancdata, flags: 0, address: ['127.0.0.1', 1] });
  await s.sendmsg(new Set(['a']), { address: message[3] });
  // @ts-expect-error: an AF_UNIX address
  await s.sendmsg(['x'], { address: '/path' });
  // @ts-expect-error: one buffer is no list of buffers
  await s.sendmsg(Buffer.alloc(1));
  // @ts-expect-error: text is no memory
  await s.recvmsgInto(['text']);
  // @ts-expect-error: a row has three parts
  await s.sendmsg(['x'], { ancdata: [[1, 2]] });
  // @ts-expect-error: a size is needed
  await s.recvmsg();

  same<typeof message, ReturnType<typeof b.recvmsg>>(true);
  same<number, ReturnType<typeof b.sendmsg>>(true);
  b.sendmsg(['x'], { ancdata, address: ['127.0.0.1', 1] });
  // @ts-expect-error: nothing can abort a call that blocks
  b.recvmsg(1, 0, { signal: AbortSignal.timeout(1) });
}

export async function descriptors(
  b: blocking.Socket<AF_UNIX>,
  any: Socket,
  handle: SocketHandle,
): Promise<void> {
  const [one, two] = socketpair();
  same<number, Awaited<ReturnType<typeof one.sendmsg>>>(true);
  const sent: Promise<number> = sendFds(one, ['x'], [1, two, handle, b]);
  const received: Promise<Passed<AF_UNIX>> = recvFds(two, 1, 2, { signal: AbortSignal.timeout(1) });
  const there: number = sendFds(b, ['x'], new Set([1]), { address: '/path' });
  const here: Passed<AF_UNIX> = recvFds(b, 1, 2, { flags: 1 });
  const of: Promise<Passed<number>> = recvFds(any, 1, 1);
  await Promise.all([sent, received, there, here, of]);
  // @ts-expect-error: no descriptor
  await sendFds(one, ['x'], ['1']);
  // @ts-expect-error: an AF_INET address
  await sendFds(one, ['x'], [1], { address: ['127.0.0.1', 1] });
  // @ts-expect-error: nothing can abort a call that blocks
  recvFds(b, 1, 2, { signal: AbortSignal.timeout(1) });
  // @ts-expect-error: how many is needed
  await recvFds(one, 1);
}
