// The Node.js driver: carries out the requests of the `_socket` stand-in with berkeley-sockets.
//
//   node main.mjs --listen PATH --library PACKAGE_ROOT [--flavour async|sync]
//
// async: everything on this thread's event loop, with the package's main export.
// sync:  the package's /sync export; what may wait is done in worker threads, the rest here.
import net from 'node:net';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { load } from './library.mjs';
import { blocking, closeFds, immediate, lookups, module, placeFds, takeFds } from './operations.mjs';
import { Session, sessions } from './sessions.mjs';
import { describe, FrameReader, pack } from './wire.mjs';
import { inWorker } from './workers.mjs';

const { values: args } = parseArgs({
  options: {
    listen: { type: 'string' },
    library: { type: 'string' },
    flavour: { type: 'string', default: 'async' },
  },
});
const root = path.resolve(args.library);
const sync = args.flavour === 'sync';
const lib = await load(root, sync ? './sync' : '.');

async function perform(sess, req, signal) {
  const c = { lib, sess, pid: sess.pid, signal, flavour: args.flavour, give: (s) => sess.give(s) };
  const { o: op, s: rid, a } = req;
  if (rid === null) {
    if (lookups[op]) return sync ? inWorker(root, { op, args: a }) : lookups[op](c, ...a);
    return module[op](c, ...a);
  }
  c.s = sess.table.get(rid);
  let fds = [];
  if (op === 'sendmsg') {
    const nfds = a.pop();
    if (nfds) {
      fds = await takeFds(c, nfds);
      a[1] = placeFds(a[1], fds, lib);
    }
  }
  try {
    if (!sync || !blocking[op] || c.s.closed) return await (blocking[op] ?? immediate[op])(c, ...a);
    const handle = { fd: c.s.fileno(), family: c.s.family, type: c.s.type, proto: c.s.proto };
    let r = await inWorker(root, { op, handle, timeout: c.s.gettimeout(), args: a, pid: sess.pid });
    if (op === 'accept') r = [sess.give(lib.fromHandle(r[0])), r[1]];
    return r;
  } finally {
    closeFds(fds);
  }
}

function serve(conn) {
  let sess = null;
  let control = false;
  const gone = new AbortController();

  async function handle(req) {
    for (const rid of req.f ?? []) sess.table.delete(rid);
    let reply;
    try {
      reply = pack({ i: req.i, r: await perform(sess, req, sync ? undefined : gone.signal) });
    } catch (e) {
      reply = pack({ i: req.i, e: describe(e, lib) });
    }
    if (!conn.destroyed) conn.write(reply);
  }

  function hello(h) {
    control = h.control;
    sess = sessions.get(h.session) ?? new Session(h.session);
    sessions.set(h.session, sess);
    sess.pid = h.pid;
    if (control) conn.write(pack({ i: 0, r: { pid: process.pid } }));
  }

  const frames = new FrameReader((message) => (sess ? handle(message) : hello(message)));
  conn.on('data', (chunk) => frames.add(chunk));
  // a channel that closes gives its calls up; the control channel ends the session
  conn.on('close', () => {
    gone.abort();
    if (control) sess?.end();
  });
  conn.on('error', () => {});
}

// a fault in the library must not end the run unseen, nor end it at all
process.on('uncaughtException', (e) => console.error('uncaught in the driver:', e));
process.on('unhandledRejection', (e) => console.error('unhandled rejection in the driver:', e));
process.stdin.on('end', () => process.exit(0)).resume();
net.createServer(serve).listen({ path: args.listen, backlog: 128 }, () => console.log('ready'));
