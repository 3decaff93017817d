// The blocking flavour's calls that may wait: each in a worker thread, on a view of the socket made
// with fromHandle() and given up with detach(). A thread is kept for the next call.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { load } from './library.mjs';
import { blocking, lookups } from './operations.mjs';
import { asBuffer, describe } from './wire.mjs';

const idle = [];

export function inWorker(root, job) {
  const w = idle.pop() ?? new Worker(new URL(import.meta.url), { workerData: { root } });
  return new Promise((resolve, reject) => {
    const done = (f) => (v) => {
      for (const name of ['message', 'error', 'exit']) w.removeAllListeners(name);
      f(v);
    };
    w.once('message', (r) => {
      idle.push(w);
      done(() => ('e' in r ? reject(Object.assign(new Error(r.e.message), { $wire: r.e })) : resolve(r.r)))();
    });
    w.once('error', done(reject));
    w.once(
      'exit',
      done((code) => reject(new Error(`the worker thread exited (${code})`))),
    );
    w.postMessage(job);
  });
}

async function work() {
  const lib = await load(workerData.root, './sync');
  const revive = (v) => (v instanceof Uint8Array ? asBuffer(v) : Array.isArray(v) ? v.map(revive) : v);
  parentPort.on('message', ({ op, handle, timeout, args, pid }) => {
    let view;
    let reply;
    try {
      const give = (conn) => conn.detach();
      if (handle) {
        view = lib.fromHandle(handle);
        view.settimeout(timeout);
      }
      const c = { lib, s: view, give, pid, flavour: 'sync' };
      reply = { r: (blocking[op] ?? lookups[op])(c, ...revive(args)) ?? null };
    } catch (e) {
      reply = { e: describe(e, lib) };
    } finally {
      try {
        view?.detach();
      } catch {
        /* closed meanwhile */
      }
    }
    parentPort.postMessage(reply);
  });
}

if (!isMainThread) await work();
