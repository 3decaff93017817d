"""Runs one of CPython's test modules: a driver, a test process, again after a hang or a crash."""
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time

from cpython import MODULES, NotHere

here = os.path.dirname(os.path.abspath(__file__))


class Driver:
    """A driver process that listens on an AF_UNIX path of its own."""

    def __init__(self, args, tmp, cwd=None):
        self.path = tempfile.mktemp(prefix="d", dir=tmp)
        self.log = self.path + ".log"
        if args.driver == "reference":
            cmd = [args.python, os.path.join(here, "reference.py"), "--listen", self.path]
        else:
            cmd = [args.node, *args.node_arg, os.path.join(here, "driver", "main.mjs"), "--listen", self.path,
                   "--library", os.path.abspath(args.library), "--flavour", args.flavour]
        with open(self.log, "wb") as log:
            self.proc = subprocess.Popen(cmd, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=log, cwd=cwd, start_new_session=True,
                                         env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"))
        ready, _, _ = select.select([self.proc.stdout], [], [], 30)
        if not ready or self.proc.stdout.readline().strip() != b"ready":
            self.stop()
            raise NotHere("the driver did not start:\n" + self.said())

    def said(self):
        with open(self.log, errors="replace") as f:
            return f.read()[-4000:]

    def env(self):
        return json.dumps({"path": self.path, "pid": self.proc.pid})

    def stop(self):
        try:
            os.killpg(self.proc.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.proc.wait()
        self.proc.stdin.close()
        self.proc.stdout.close()


def environment(driver, library=None):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "BERKELEY_"))}
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    if driver:
        env["BERKELEY_BRIDGE"] = driver.env()
    env["PYTHONPATH"] = os.pathsep.join(p for p in (os.path.join(here, "inject"), library) if p)
    return env


def taken_by_others(*ours):
    """Processor seconds, since the machine was started, that went to anything but these
    processes and what they waited for: to other programs, or to the hypervisor's other guests."""
    with open("/proc/stat") as f:
        user, nice, system, _, _, irq, softirq, steal = map(int, f.readline().split()[1:9])
    ticks = user + nice + system + irq + softirq + steal
    for pid in ours:
        try:
            with open("/proc/%d/stat" % pid) as f:
                ticks -= sum(map(int, f.read().rpartition(")")[2].split()[11:15]))
        except OSError:
            pass
    return ticks / os.sysconf("SC_CLK_TCK")


class Module:
    """One test module: (re)starts child.py, with a fresh driver each time, until
    every test of the plan has an outcome."""

    def __init__(self, name, args, library, left_out, tmp):
        self.name, self.args, self.library, self.tmp = name, args, library, tmp
        self.left_out = left_out
        self.include = args.match or ["*"]
        self.resources = MODULES.get(name, [])
        self.plan, self.outcome, self.starts, self.noise = [], {}, 0, ""
        self.again = []

    def run(self):
        t0 = time.monotonic()
        self.complete()
        # A limit of milliseconds proves nothing while others have the processors.
        self.again = [id for id, o in self.outcome.items() if o[0] in ("failed", "errored")
                      and o[4] > self.args.busy * max(o[3], 0.1) * os.cpu_count()]
        for id in self.again:
            del self.outcome[id]
        if self.again:
            self.complete()
        self.seconds = round(time.monotonic() - t0, 1)
        return self

    def complete(self):
        limit = self.starts + 1 + self.args.restarts
        while self.starts < limit:
            self.starts += 1
            before = len(self.outcome)
            finished = self.once()
            if finished or (self.starts > 1 and len(self.outcome) == before):
                break
        for id in self.plan:
            self.outcome.setdefault(id, ["errored", "the run did not get to it", "", 0, 0])

    def once(self):
        work = tempfile.mkdtemp(prefix="w", dir=self.tmp)
        driver = None if self.args.driver == "native" else Driver(self.args, self.tmp, work)
        r, w = os.pipe()
        trace = os.path.join(self.tmp, "trace")
        env = environment(driver, self.library)
        env["CONFORMANCE_CHILD"] = json.dumps(dict(
            fd=w, bridge=driver is not None, module=self.name,
            include=self.include, exclude=self.args.exclude, resources=self.resources,
            deadline=self.args.deadline, done=list(self.outcome), left_out=self.left_out, trace=trace))
        log = open(os.path.join(self.tmp, "child.log"), "wb")
        # no terminal and no controlling group of ours: a stop kills the group
        child = subprocess.Popen([self.args.python, os.path.join(here, "child.py")],
                                 cwd=work, env=env, pass_fds=[w], stdin=subprocess.DEVNULL,
                                 stdout=log, stderr=log, start_new_session=True)
        os.close(w)
        buf, current, finished, why, eof = b"", None, False, None, False
        ours = [os.getpid(), child.pid] + ([driver.proc.pid] if driver else [])
        taken = taken_by_others(*ours)
        last = time.monotonic()
        while not finished and not eof:
            ready, _, _ = select.select([r], [], [], 0.5)
            if ready:
                chunk = os.read(r, 65536)
                eof = not chunk
                buf += chunk
                last = time.monotonic()
                *lines, buf = buf.split(b"\n")
                for line in lines:
                    ev = json.loads(line)
                    if ev["ev"] == "plan":
                        self.plan = self.plan or ev["ids"]
                    elif ev["ev"] == "start":
                        current = ev["id"]
                        taken = taken_by_others(*ours)
                    elif ev["ev"] == "end":
                        self.outcome[ev["id"]] = [ev["status"], ev["last"], ev["traceback"], ev["seconds"],
                                                  round(taken_by_others(*ours) - taken, 2)]
                        current = None
                    elif ev["ev"] == "fixture":
                        self.fixture(ev)
                        current = None
                    elif ev["ev"] == "done":
                        finished = True
            elif time.monotonic() - last > self.args.deadline + 2:
                why = "no end within %d s" % self.args.deadline
                break
            elif child.poll() is not None and not select.select([r], [], [], 0)[0]:
                break           # ended, though a process it left holds the pipe
        os.close(r)
        if not finished:
            why, text = self.explain(child, driver, why, trace, log.name)
            id = current or next((t for t in self.plan if t not in self.outcome), None)
            if id:
                self.outcome[id] = ["errored", why, text, self.args.deadline, 0]
            elif not self.plan:
                self.outcome[self.name] = ["errored", why, text, 0, 0]
                finished = True
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.wait()
        log.close()
        if driver:
            self.noise += driver.said()
            driver.stop()
        shutil.rmtree(work, ignore_errors=True)
        return finished

    def explain(self, child, driver, why, trace, log):
        """What a test process that did not get to its end has left to say."""
        try:
            rc = child.wait(timeout=1 if why is None else 0.01)
        except subprocess.TimeoutExpired:
            rc = None
        text = ""
        if why:
            with open(trace) as f:
                text = f.read()
        elif rc == 97:
            try:
                code = driver.proc.wait(timeout=1)
            except subprocess.TimeoutExpired:
                code = "still running"
            why = "the driver ended (%s)" % code
        else:
            why = "the test process ended (%s)" % rc
        with open(log, errors="replace") as f:
            text += "\n--- standard error of the test process\n" + f.read()[-4000:]
        if driver:
            text += "\n--- standard error of the driver\n" + driver.said()
        return why, text

    def fixture(self, ev):
        """setUpModule, setUpClass: the outcome of every test under it."""
        name = ev["id"]
        scope = name[name.find("(") + 1:-1] if "(" in name else name
        rest = [t for t in self.plan if t not in self.outcome
                and (t.startswith(scope + ".") or t.startswith("test." + scope + "."))]
        if name.startswith("tearDown") and ev["status"] in ("failed", "errored") or not rest:
            rest = [name]
        for t in rest:
            self.outcome[t] = [ev["status"], ev["last"], ev["traceback"], 0, 0]
