"""Descriptors of this process and of the driver's: each socket of the driver's has a
duplicate here, so that `select`, `fstat` and `fcntl` see the same open file description."""
import _socket as real
import array
import ctypes
import fcntl
import os
import threading

from . import channel

copies = {}           # descriptor here -> socket id of the driver's
lock = threading.RLock()
_syscall = ctypes.CDLL(None, use_errno=True).syscall
_PIDFD_OPEN, _PIDFD_GETFD = 434, 438      # the same on every architecture
close_fd = os.close
_pidfd = None
_handover = None      # carries descriptors to the driver


def _sys(number, *args):
    r = _syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in args])
    if r < 0:
        e = ctypes.get_errno()
        raise OSError(e, os.strerror(e))
    return r


def begin():
    global _pidfd
    fd = _sys(_PIDFD_OPEN, channel.driver_pid, 0)
    _pidfd = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, channel.HIGH_FD)
    close_fd(fd)


def begin_in_child():
    global _handover, lock
    lock = threading.RLock()
    if _handover is not None:
        _handover.close()
    _handover = None


def fetch(there):
    """The driver's descriptor, duplicated into this process, with the
    close-on-exec flag that it has there."""
    fd = _sys(_PIDFD_GETFD, _pidfd, there, 0)
    try:
        with open("/proc/%d/fdinfo/%d" % (channel.driver_pid, there)) as f:
            flags = next(int(line.split()[1], 8) for line in f if line.startswith("flags:"))
        os.set_inheritable(fd, not flags & os.O_CLOEXEC)
    except (OSError, StopIteration):
        pass
    return fd


def give(fds):
    """Sends descriptors of this process to the driver (SCM_RIGHTS); the next
    request of this session says what they are for.  Call with `lock` held."""
    global _handover
    if _handover is None:
        path = "%s.fd.%d.%d" % (channel.path, os.getpid(), next(channel.ids))
        listener = real.socket(real.AF_UNIX, real.SOCK_STREAM, 0)
        listener.settimeout(None)
        try:
            listener.bind(path)
            listener.listen(1)
            channel.request("fdchannel", None, path)
            fd, _ = listener._accept()
            _handover = channel.high(real.socket(real.AF_UNIX, real.SOCK_STREAM, 0, fd))
        finally:
            listener.close()
            os.unlink(path)
    for fd in fds:
        _handover.sendmsg([b"F"], [(real.SOL_SOCKET, real.SCM_RIGHTS, array.array("i", [fd]))])


def rights(ancdata):
    """The descriptors in control messages that are to be sent."""
    fds = []
    for level, kind, data in ancdata:
        if level == real.SOL_SOCKET and kind == real.SCM_RIGHTS:
            fds += array.array("i", data[:len(data) - len(data) % 4])
    return fds


def take_rights(ancdata):
    """Ancillary data as CPython gives it; descriptors that arrived in the driver
    are duplicated into this process and closed there."""
    out, taken = [], []
    for level, kind, data in ancdata:
        if level == real.SOL_SOCKET and kind == real.SCM_RIGHTS:
            whole = len(data) - len(data) % 4
            there = array.array("i", data[:whole])
            data = array.array("i", map(fetch, there)).tobytes() + data[whole:]
            taken += there
        out.append((level, kind, data))
    if taken:
        channel.request("closefds", None, taken)
    return out


class Token(int):
    """What stands for a descriptor between _accept()/dup()/socketpair() and the
    socket(fileno=...) that Lib/socket.py makes of it: an int that carries the
    driver's socket, so that no descriptor has to travel."""

    @classmethod
    def of(cls, info, fd=None):
        t = cls(info["fd"] if fd is None else fd)
        t.info, t.here = info, fd
        return t
