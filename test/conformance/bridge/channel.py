"""The way to the driver: requests and replies on AF_UNIX connections, one for each call in
progress.  Knows nothing of what the requests are."""
import _socket as real             # the C module: carries the wire, nothing else
import errno as _errno
import fcntl
import itertools
import os

import wire

DRIVER_GONE = 97                   # exit status: the driver closed its end
HIGH_FD = 400                      # the harness's own descriptors stay out of the way

ids = itertools.count(1)
path = driver_pid = session = control = None
forget = []           # ids of collected sockets, told with the next request
_pool = []            # idle channels
_channels = set()     # all channels of this process, for fork


class RangeError(OverflowError, ValueError):
    """The driver's RangeError; CPython says one or the other."""


class OSRangeError(OSError, OverflowError):
    """RangeError where CPython raises a plain OSError."""


class DriverError(Exception):
    """No answer: an exception of no documented class, or a fault (a function that
    the library lacks, a bug in library or driver)."""


def connect(is_control):
    s = high(real.socket(real.AF_UNIX, real.SOCK_STREAM, 0))
    try:
        s.connect(path)
        wire.write(s, {"o": "hello", "session": session, "pid": os.getpid(), "control": is_control})
        if is_control:
            wire.read(s)
    except (EOFError, OSError):
        os._exit(DRIVER_GONE)
    return s


def high(s):
    """The same socket, blocking, under a descriptor out of the tests' way."""
    fd = fcntl.fcntl(s.fileno(), fcntl.F_DUPFD_CLOEXEC, HIGH_FD)
    s.close()
    s = real.socket(real.AF_UNIX, real.SOCK_STREAM, 0, fd)
    s.settimeout(None)
    return s


class Channel:
    def __init__(self):
        self.sock = connect(False)
        _channels.add(self)

    def call(self, op, rid, args):
        n = next(ids)
        req = {"i": n, "o": op, "s": rid, "a": args}
        if forget:
            req["f"] = [forget.pop() for _ in range(len(forget))]
        try:
            wire.write(self.sock, req)
            while True:
                rep = wire.read(self.sock)
                if rep["i"] == n:
                    return rep
        except (EOFError, ConnectionError):
            os._exit(DRIVER_GONE)

    def close(self):
        _channels.discard(self)
        self.sock.close()


def request(op, rid, *args, lenient=None, range_class=RangeError):
    """One request, on a channel nobody else is using.  A signal handler or a
    finalizer that gets in between takes another channel; a call left by an
    exception drops its channel, which tells the driver to give the call up."""
    try:
        ch = _pool.pop()
    except IndexError:
        ch = Channel()
    try:
        rep = ch.call(op, rid, args)
    except BaseException:
        ch.close()
        raise
    _pool.append(ch)
    if "e" in rep:
        raise _exception(rep["e"], lenient, range_class)
    return rep["r"]


def _exception(e, lenient, range_class):
    kind, message = e["kind"], e["message"]
    if kind == "os":
        num = getattr(_errno, e["code"] or "", None) or e["errno"]
        return OSError(num, os.strerror(num)) if num else OSError(message)
    if kind == "gai":
        num = getattr(real, e["code"] or "", None)
        return real.gaierror(e["errno"] if num is None else num, message)
    if kind == "herror":
        return real.herror(e["errno"], message)
    if kind == "timeout":
        return TimeoutError("timed out")
    if lenient and kind != "fault":
        return lenient(message)
    if kind == "type":
        return TypeError(message)
    if kind == "value":
        return ValueError(message)
    if kind == "range":
        return range_class(message)
    return DriverError(message)


def begin(where, pid):
    global path, driver_pid, session, control
    path, driver_pid = where, pid
    session = "p%d" % os.getpid()
    control = connect(True)


def begin_in_child(name):
    """After fork(): the connections are the parent's, the session a new one."""
    global session, control
    for s in [c.sock for c in _channels] + [control]:
        try:
            s.close()
        except OSError:
            pass
    _pool.clear()
    _channels.clear()
    session = name
    control = connect(True)
