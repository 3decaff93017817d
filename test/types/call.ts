// Compile-time assertions on calls: what goes in and what comes out. Never run.
import {
  ClosedError,
  createConnection,
  fromHandle,
  type Socket,
  SocketError,
  type SocketHandle,
  socketpair,
  TimeoutError,
} from 'berkeley-sockets';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>): void => {};

export async function bytes(s: Socket): Promise<void> {
  await s.send('text');
  await s.send(new Uint8Array(4));
  await s.send(new DataView(new ArrayBuffer(4)));
  await s.sendall(new ArrayBuffer(4));
  await s.sendall(new SharedArrayBuffer(4));
  await s.sendall(new Float64Array(2));
  await s.sendall(Buffer.from('x'));
  s.trySend('x');
  await s.recvInto(new Uint16Array(4), { nbytes: 2, flags: 0 });
  s.tryRecvInto(Buffer.alloc(4), { flags: 0 });
  // @ts-expect-error: numbers are no bytes
  await s.send([1, 2, 3]);
  // @ts-expect-error: a string is no memory
  await s.recvInto('text');
  // @ts-expect-error: nothing to send
  await s.sendall();
  // @ts-expect-error: flags go into the options
  await s.recv(10, 2);
  // @ts-expect-error: a size is needed
  await s.recv();
}

export function results(s: Socket): void {
  same<ReturnType<typeof s.recv>, Promise<Buffer>>(true);
  same<ReturnType<typeof s.recvInto>, Promise<number>>(true);
  same<ReturnType<typeof s.send>, Promise<number>>(true);
  same<ReturnType<typeof s.sendall>, Promise<void>>(true);
  same<ReturnType<typeof s.sendmany>, Promise<number>>(true);
  same<ReturnType<typeof s.connect>, Promise<void>>(true);
  same<ReturnType<typeof s.tryRecvInto>, number | undefined>(true);
  same<ReturnType<typeof s.trySend>, number | undefined>(true);
  same<ReturnType<typeof s.gettimeout>, number | null>(true);
  same<ReturnType<typeof s.fileno>, number>(true);
  same<ReturnType<typeof s.detach>, SocketHandle>(true);
  same<typeof s.closed, boolean>(true);
  const value = s.getsockopt(1, 2);
  same<typeof value, number>(true);
  const raw = s.getsockopt(1, 2, 16);
  same<typeof raw, Buffer>(true);
  const [a, b] = socketpair();
  same<typeof a, typeof b>(true);
  const adopted: Socket = fromHandle(s.detach());
  adopted.close();
}

export async function options(s: Socket): Promise<void> {
  const { signal } = new AbortController();
  await s.recv(1, { signal });
  await s.recv(1, { flags: 2, signal });
  await s.accept({ signal });
  await s.wait({ read: true }, { signal });
  await createConnection(['localhost', 80], {
    timeout: 1,
    sourceAddress: ['', 0],
    happyEyeballsDelay: 0.1,
    signal,
  });
  // @ts-expect-error: not an option of this call
  await s.accept({ flags: 2 });
  // @ts-expect-error: milliseconds as Node has them are no option
  await createConnection(['localhost', 80], { timeoutMs: 500 });
}

export function failures(error: unknown): void {
  if (error instanceof TimeoutError || error instanceof ClosedError) {
    const parent: SocketError = error;
    same<typeof parent.code, string>(true);
  }
  if (error instanceof SocketError) {
    const { errno, syscall, address, port, path, bytesSent } = error;
    const all: (number | string | undefined)[] = [errno, syscall, address, port, path, bytesSent];
    all.slice();
  }
}

export async function disposal(): Promise<void> {
  using a = socketpair()[0];
  await using b = socketpair()[1];
  await Promise.all([a.recv(1), b.recv(1)]);
}
