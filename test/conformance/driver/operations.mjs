// The stand-in's operations carried out with berkeley-sockets, as its documentation says, once for
// both flavours.
//   c: { lib, sess, s, signal, pid, flavour, give }, give(socket) -> its description for Python
import fs from 'node:fs';
import net from 'node:net';

const then = (v, f) => (typeof v?.then === 'function' ? v.then(f) : f(v));

// c: {lib, sess, s, signal, give}   give(socket) -> its description for Python

const opt = (c, o) => (c.signal ? { ...o, signal: c.signal } : o);

// Python's SCM_RIGHTS descriptors arrive over the session's own channel.
export function placeFds(anc, fds, lib) {
  let at = 0;
  return anc.map(([level, type, data]) => {
    if (level === lib.SOL_SOCKET && type === lib.SCM_RIGHTS) {
      data = Buffer.from(data);
      for (let i = 0; i + 4 <= data.length; i += 4) data.writeInt32LE(fds[at++], i);
    }
    return [level, type, data];
  });
}

export const closeFds = (fds) => {
  for (const fd of fds) {
    try {
      fs.closeSync(fd);
    } catch {
      /* gone already */
    }
  }
};

export function takeFds(c, n, fds = []) {
  if (fds.length >= n) return fds;
  return then(c.lib.recvFds(c.sess.fdchan, 1, n - fds.length), (r) => {
    fds.push(...(Array.isArray(r) ? r[1] : r.fds));
    return takeFds(c, n, fds);
  });
}

// bind() takes names only where that cannot block (API.md): say what it says to do.
function bindAddress(c, addr) {
  const { lib, s } = c;
  const named =
    Array.isArray(addr) &&
    [lib.AF_INET, lib.AF_INET6].includes(s.family) &&
    typeof addr[0] === 'string' &&
    !['', 'localhost', '<broadcast>'].includes(addr[0]) &&
    net.isIP(addr[0].split('%')[0]) === 0;
  if (!named || c.flavour === 'sync') return addr;
  return lib
    .getaddrinfo(addr[0], 0, { family: s.family, type: s.type })
    .then((list) => [list[0][4][0], ...addr.slice(1)]);
}

const views = (sizes) => sizes.map((n) => Buffer.alloc(n));
const joined = (bufs, n) => Buffer.concat(bufs).subarray(0, n);

/** What may wait. */
export const blocking = {
  accept: (c) => then(c.s.accept(opt(c, {})), ([conn, addr]) => [c.give(conn), addr]),
  connect: (c, addr) => c.s.connect(addr, opt(c, {})),
  recv: (c, n, flags) => c.s.recv(n, opt(c, { flags })),
  recv_into: (c, n, flags) => {
    const b = Buffer.alloc(n);
    return then(c.s.recvInto(b, opt(c, { flags })), (k) => b.subarray(0, k));
  },
  recvfrom: (c, n, flags) => c.s.recvfrom(n, opt(c, { flags })),
  recvfrom_into: (c, n, flags) => {
    const b = Buffer.alloc(n);
    return then(c.s.recvfromInto(b, opt(c, { flags })), ([k, addr]) => [b.subarray(0, k), addr]);
  },
  recvmsg: (c, n, anc, flags) => c.s.recvmsg(n, anc, opt(c, { flags })),
  recvmsg_into: (c, sizes, anc, flags) => {
    const bufs = views(sizes);
    return then(c.s.recvmsgInto(bufs, anc, opt(c, { flags })), ([k, a, f, addr]) => [
      joined(bufs, k),
      a,
      f,
      addr,
    ]);
  },
  send: (c, data, flags) => c.s.send(data, opt(c, { flags })),
  sendall: (c, data, flags) => then(c.s.sendall(data, opt(c, { flags })), () => null),
  sendto: (c, data, flags, addr) => c.s.sendto(data, addr, opt(c, { flags })),
  sendmsg: (c, bufs, ancdata, flags, address) => {
    const o = { flags };
    if (ancdata.length) o.ancdata = ancdata;
    if (address !== null) o.address = address;
    return c.s.sendmsg(bufs, opt(c, o));
  },
  // os.sendfile() is the system call: it tells how much went out, and of what stopped it only
  // when nothing did.
  sendfile: (c, infd, offset, count) => {
    const fd = fs.openSync(`/proc/${c.pid}/fd/${infd}`, 'r');
    const partly = (e) => {
      if (e?.bytesSent > 0) return e.bytesSent;
      throw e;
    };
    try {
      const r = c.s.sendfile(fd, opt(c, { offset, count }));
      if (typeof r === 'number') fs.closeSync(fd);
      return typeof r === 'number' ? r : r.catch(partly).finally(() => fs.closeSync(fd));
    } catch (e) {
      fs.closeSync(fd);
      return partly(e);
    }
  },
};

// `sockaddr` results and the like need no treatment: arrays are tuples on the other side.
/** Names: may wait too, and need no socket. */
export const lookups = {
  getaddrinfo: (c, host, port, family, type, proto, flags) =>
    c.lib.getaddrinfo(host, port, { family, type, proto, flags }),
  getnameinfo: (c, addr, flags) => c.lib.getnameinfo(addr, flags),
  gethostbyname: (c, name) => c.lib.gethostbyname(name),
  gethostbyname_ex: (c, name) => c.lib.gethostbyname_ex(name),
  gethostbyaddr: (c, ip) => c.lib.gethostbyaddr(ip),
};

/** What never waits. */
export const immediate = {
  bind: (c, addr) => then(bindAddress(c, addr), (a) => c.s.bind(a)),
  listen: (c, ...backlog) => c.s.listen(...backlog),
  shutdown: (c, how) => c.s.shutdown(how),
  close: (c) => c.s.close(),
  closefd: (c) => fs.closeSync(c.s.fileno()),
  detach: (c) => then(c.s.detach(), (h) => fs.closeSync(h.fd)),
  dup: (c) => c.give(c.s.dup()),
  getsockname: (c) => c.s.getsockname(),
  getpeername: (c) => c.s.getpeername(),
  getsockopt: (c, level, name, ...buflen) => c.s.getsockopt(level, name, ...buflen),
  setsockopt: (c, level, name, ...value) => c.s.setsockopt(level, name, ...value),
  settimeout: (c, t) => c.s.settimeout(t),
  gettimeout: (c) => c.s.gettimeout(),
  setblocking: (c, flag) => c.s.setblocking(flag),
  getblocking: (c) => c.s.getblocking(),
};

/** The functions of the module, and the harness's own requests. */
export const module = {
  socket: (c, family, type, proto) => c.give(c.lib.socket(family, type, proto)),
  adopt: (c, family, type, proto) =>
    then(takeFds(c, 1), ([fd]) => {
      const known = (v) => (v === -1 ? undefined : v);
      try {
        return c.give(c.lib.fromfd(fd, known(family), known(type), known(proto)));
      } finally {
        closeFds([fd]);
      }
    }),
  socketpair: (c, family, type, proto) =>
    then(c.lib.socketpair(family, type, proto), (pair) => [...pair].map(c.give)),
  fdchannel: (c, where) => {
    const s = c.lib.socket(c.lib.AF_UNIX, c.lib.SOCK_STREAM);
    c.sess.fdchan = s;
    return then(s.connect(where), () => null);
  },
  closefds: (_c, fds) => closeFds(fds),
  fork: (c) => c.sess.fork().name,
  constants: (c) =>
    Object.fromEntries(
      Object.entries({ ...c.lib.constants, ...c.lib }).filter(
        ([k, v]) => typeof v === 'number' && k === k.toUpperCase(),
      ),
    ),
  if_nameindex: (c) => c.lib.if_nameindex(),
};
for (const name of [
  'gethostname',
  'getservbyname',
  'getservbyport',
  'getprotobyname',
  'if_nametoindex',
  'if_indextoname',
  'inet_pton',
  'inet_ntop',
  'inet_aton',
  'inet_ntoa',
  'htons',
  'ntohs',
  'htonl',
  'ntohl',
  'CMSG_LEN',
  'CMSG_SPACE',
  'getdefaulttimeout',
  'setdefaulttimeout',
]) {
  module[name] = (c, ...a) => {
    if (typeof c.lib[name] !== 'function') throw new ReferenceError(`${name} is not defined by the library`);
    return c.lib[name](...a);
  };
}
