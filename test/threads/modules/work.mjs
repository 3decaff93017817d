// What threads of the tests run: `startThread(module('work'), 'what', …)`.

import { parentPort } from 'node:worker_threads';
import { AF_INET, Socket as AwaitedSocket, socket as awaitedSocket } from 'berkeley-sockets';
import { moveSocket } from 'berkeley-sockets/server';
import { fromHandle, Socket, socket, socketpair } from 'berkeley-sockets/sync';

let runs = 0;

const listening = () => {
  const s = socket();
  s.bind(['127.0.0.1', 0]);
  s.listen();
  return s;
};

const works = {
  give: (value) => value,
  flavour: (s) => (s instanceof Socket ? 'blocking' : s instanceof AwaitedSocket ? 'awaited' : typeof s),
  timeout: (s) => s.gettimeout(),
  same: (a, { list: [b] }) => a === b,
  runs: () => ++runs,
  echo(s) {
    for (let data = s.recv(1000); data.length > 0; data = s.recv(1000)) s.sendall(data);
  },
  async echoAwaited(s) {
    for await (const data of s) await s.sendall(data);
  },
  answer(s, what) {
    s.sendall(what);
    return s;
  },
  answerDatagram(s) {
    const [data, from] = s.recvfrom(100);
    s.sendto(`thread got ${data}`, from);
  },
  acceptOne(listener) {
    const [s] = listener.accept();
    s.sendall('accepted');
    return { connection: s };
  },
  leaveOpen() {
    globalThis.kept = [socketpair(), awaitedSocket(AF_INET)];
  },
  leaveTimer: () => void setInterval(() => {}, 1000),
  blockInAccept(state) {
    const s = listening();
    Atomics.store(state, 0, 1);
    Atomics.notify(state, 0);
    s.accept();
  },
  blockInRecv(state, ...sockets) {
    Atomics.store(state, 0, 1);
    Atomics.notify(state, 0);
    sockets[0].recv(1);
  },
  timesOut() {
    const [a] = socketpair();
    a.settimeout(0.01);
    a.recv(1);
  },
  throwCause() {
    throw new RangeError('out of it', { cause: Object.assign(new Error('why'), { code: 'EWHY' }) });
  },
  throwText() {
    throw 'just text';
  },
  rejectLater: () =>
    new Promise(() => {
      setTimeout(() => Promise.reject(new Error('later')), 5);
    }),
  throwLater: () =>
    new Promise(() => {
      setTimeout(() => {
        throw new Error('in a timer');
      }, 5);
    }),
  exit: (code) => process.exit(code),
  unclonable: () => () => {},
  print(text) {
    console.log(text);
    console.error(text);
  },
  moveBack(handle) {
    parentPort.postMessage(moveSocket(fromHandle(handle)));
  },
};

export default (what, ...args) => works[what](...args);
