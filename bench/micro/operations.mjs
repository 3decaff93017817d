// What single operations cost inside one process, without a network peer: for work on the
// engine, where a change of 50 ns is lost in the noise of a server's rate. Compare two builds
// on a quiet machine; the numbers include the kernel's share (an AF_UNIX pair, 64 bytes).
// usage: node operations.mjs [PART OF A NAME] [SECONDS]
import { AF_INET, AF_UNIX, SOCK_DGRAM, SOCK_STREAM, socket, socketpair } from 'berkeley-sockets';

const [only = '', seconds = '0.5'] = process.argv.slice(2);
const message = Buffer.alloc(64, 'x');
const buffer = Buffer.alloc(65536);

/** A UDP socket that talks to itself, so that one loop both sends and receives. */
async function looped() {
  const s = socket(AF_INET, SOCK_DGRAM);
  s.bind(['127.0.0.1', 0]);
  await s.connect(s.getsockname());
  return s;
}

/** name → function that makes what the operation needs and returns it; one call, one operation. */
const operations = {
  'trySend + tryRecvInto, no promise': () => {
    const [a, b] = socketpair(AF_UNIX, SOCK_STREAM);
    return async () => {
      a.trySend(message);
      b.tryRecvInto(buffer);
    };
  },
  'trySend + recv, readable at once': () => {
    const [a, b] = socketpair(AF_UNIX, SOCK_STREAM);
    return async () => {
      a.trySend(message);
      await b.recv(65536);
    };
  },
  'trySend + recvInto, readable at once': () => {
    const [a, b] = socketpair(AF_UNIX, SOCK_STREAM);
    return async () => {
      a.trySend(message);
      await b.recvInto(buffer);
    };
  },
  'recv parked, trySend, one wake': () => {
    const [a, b] = socketpair(AF_UNIX, SOCK_STREAM);
    return async () => {
      const pending = b.recv(65536);
      a.trySend(message);
      await pending;
    };
  },
  'recv parked on 64 pairs, 64 trySend, one wake (all 64)': () => {
    const pairs = Array.from({ length: 64 }, () => socketpair(AF_UNIX, SOCK_STREAM));
    return async () => {
      const pending = pairs.map(([, b]) => b.recv(65536));
      for (const [a] of pairs) a.trySend(message);
      await Promise.all(pending);
    };
  },
  'sendall + tryRecvInto': () => {
    const [a, b] = socketpair(AF_UNIX, SOCK_STREAM);
    return async () => {
      await a.sendall(message);
      b.tryRecvInto(buffer);
    };
  },
  'recv parked with a timeout, trySend, one wake': () => {
    const [a, b] = socketpair(AF_UNIX, SOCK_STREAM);
    b.settimeout(5);
    return async () => {
      const pending = b.recv(65536);
      a.trySend(message);
      await pending;
    };
  },
  'UDP send + recvfrom to itself': async () => {
    const s = await looped();
    return async () => {
      s.trySend(message);
      await s.recvfrom(2048);
    };
  },
  'UDP 32 sends + recvmany(32) to itself (all 32)': async () => {
    const s = await looped();
    return async () => {
      for (let i = 0; i < 32; i++) s.trySend(message);
      for (let got = 0; got < 32; ) got += (await s.recvmany(32)).length;
    };
  },
};

async function cost(operation, span) {
  let rounds = 0;
  const began = process.hrtime.bigint();
  const end = began + BigInt(Math.round(span * 1e9));
  let now = began;
  while (now < end) {
    for (let i = 0; i < 200; i++) await operation();
    rounds += 200;
    now = process.hrtime.bigint();
  }
  return Number(now - began) / rounds;
}

for (const [name, make] of Object.entries(operations)) {
  if (!name.includes(only)) continue;
  const operation = await make();
  await cost(operation, 0.2);
  console.log(`${(await cost(operation, Number(seconds))).toFixed(0).padStart(8)} ns  ${name}`);
}
process.exit(0);
