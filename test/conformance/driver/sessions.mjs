// The sockets that the driver holds: a session for each Python process.

export const sessions = new Map();
let forks = 0;
let nextId = 0;

export class Session {
  constructor(name) {
    this.name = name;
    this.pid = 0;
    this.table = new Map();
    this.fdchan = null;
  }

  give(s) {
    const rid = ++nextId;
    this.table.set(rid, s);
    return { rid, fd: s.fileno(), family: s.family, type: s.type, proto: s.proto };
  }

  /** fork() duplicates every descriptor. */
  fork() {
    const child = new Session(`fork${++forks}`);
    for (const [rid, s] of this.table) {
      let d = s;
      try {
        d = s.dup();
        d.settimeout(s.gettimeout());
      } catch {
        /* closed: shared */
      }
      child.table.set(rid, d);
    }
    sessions.set(child.name, child);
    return child;
  }

  end() {
    sessions.delete(this.name);
    for (const s of [...this.table.values(), ...(this.fdchan ? [this.fdchan] : [])]) {
      try {
        s.close();
      } catch {
        /* best effort */
      }
    }
    this.table.clear();
  }
}
