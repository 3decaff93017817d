// Our servers, over the public API only. usage: node ours.mjs MODE ADDR [VARIANT]
//   echo      recv(65536) and sendall, one async function a connection
//   sink      recv(65536); recvInto: one 64 KiB buffer a connection; drain: recvInto, and
//             tryRecvInto for as long as there is more, at most 64 times
//   source    sendall of 64 KiB
//   accept    accept and close
//   dgecho    recvmany and sendmany; recvfrom: recvfrom and sendto
//   dgflood   recvmany; recvfrom; gro: recvmany with UDP_GRO
// The variant busyPoll goes with each mode.
import { rmSync } from 'node:fs';
import {
  AF_INET,
  AF_UNIX,
  IPPROTO_TCP,
  IPPROTO_UDP,
  SOCK_DGRAM,
  SOCK_STREAM,
  setBusyPoll,
  socket,
  TCP_NODELAY,
  UDP_GRO,
} from 'berkeley-sockets';

const [mode, address, variant = ''] = process.argv.slice(2);
const kind = address.slice(0, address.indexOf(':'));
const rest = address.slice(kind.length + 1);
const local = kind === 'unix' || kind === 'udgram';
const datagrams = kind === 'udp' || kind === 'udgram';
const SIZE = 65536;
const BATCH = 64;
const DRAIN = 64;

/** A client that went away ends its connection; anything else is a bug and ends the server. */
function clientGone(error) {
  if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') throw error;
}

async function echo(c) {
  try {
    for (;;) {
      const d = await c.recv(SIZE);
      if (!d.length) break;
      await c.sendall(d);
    }
  } catch (error) {
    clientGone(error);
  }
  c.close();
}

async function sink(c) {
  try {
    while ((await c.recv(SIZE)).length);
  } catch (error) {
    clientGone(error);
  }
  c.close();
}
async function sinkInto(c) {
  const buffer = Buffer.allocUnsafeSlow(SIZE);
  try {
    while (await c.recvInto(buffer));
  } catch (error) {
    clientGone(error);
  }
  c.close();
}
async function sinkDrain(c) {
  const buffer = Buffer.allocUnsafeSlow(SIZE);
  try {
    while (await c.recvInto(buffer)) {
      // An end of stream here is seen again by the next recvInto.
      for (let i = 0; i < DRAIN && c.tryRecvInto(buffer); i++);
    }
  } catch (error) {
    clientGone(error);
  }
  c.close();
}

async function source(c) {
  const piece = Buffer.alloc(SIZE);
  try {
    for (;;) await c.sendall(piece);
  } catch (error) {
    clientGone(error);
  }
  c.close();
}

// AF_UNIX says so when the socket to answer to is gone; UDP does not.
function receiverGone(error) {
  if (error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT') throw error;
}
async function echoMany(s) {
  for (;;) {
    const batch = await s.recvmany(BATCH);
    try {
      let sent = await s.sendmany(batch);
      while (sent < batch.length) sent += await s.sendmany(batch.slice(sent));
    } catch (error) {
      receiverGone(error);
    }
  }
}
async function echoFrom(s) {
  for (;;) {
    const [d, from] = await s.recvfrom(2048);
    try {
      await s.sendto(d, from);
    } catch (error) {
      receiverGone(error);
    }
  }
}

const isQuestion = (d) => d.length === 1 && d[0] === 81;

async function countFrom(s) {
  for (let count = 0; ; ) {
    const [d, from] = await s.recvfrom(2048);
    if (isQuestion(d)) await s.sendto(String(count), from);
    else count++;
  }
}
async function countMany(s) {
  for (let count = 0; ; ) {
    for (const [d, from] of await s.recvmany(BATCH)) {
      if (isQuestion(d)) await s.sendto(String(count), from);
      else count++;
    }
  }
}
async function countGro(s) {
  s.setsockopt(IPPROTO_UDP, UDP_GRO, 1);
  await countMany(s);
}

const serveConnection = { echo, source, sink: { recvInto: sinkInto, drain: sinkDrain }[variant] ?? sink };
const serveDatagrams = {
  dgecho: variant === 'recvfrom' ? echoFrom : echoMany,
  dgflood: { recvfrom: countFrom, gro: countGro }[variant] ?? countMany,
};

if (variant === 'busyPoll') setBusyPoll(20e-6);
const s = socket(local ? AF_UNIX : AF_INET, datagrams ? SOCK_DGRAM : SOCK_STREAM);
if (local) rmSync(rest, { force: true });
s.bind(local ? rest : ['127.0.0.1', Number(rest)]);
if (!datagrams) s.listen(4096);
console.log('READY', local ? '' : s.getsockname()[1]);

if (datagrams) await serveDatagrams[mode](s);
const serve = serveConnection[mode];
for (;;) {
  const [c] = await s.accept();
  if (mode === 'accept') c.close();
  else {
    if (kind === 'tcp') c.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);
    serve(c);
  }
}
