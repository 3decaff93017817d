"""A stand-in for CPython's C extension `_socket` that does no networking: every
operation is a request to a driver process (wire.py).  `install()` puts it into
sys.modules before `import socket`; Lib/socket.py and all above it run unedited.

What lives here: Python's calling conventions (arity, buffers, tuples, keyword
arguments, which exception class), and the descriptors of this process.  What
does not: blocking, time-outs, name resolution, address and range checks,
options, state.  Those are the driver's, so that the tests prove something.
"""
import _socket as real
import json
import os
import sys
import types

from . import channel, descriptors, functions
from .channel import request
from .sockets import socket

ENV = "BERKELEY_BRIDGE"
_sendfile = os.sendfile
_next_session = None


def constants():
    """The platform's constants as the C module has them."""
    return {k: v for k, v in vars(real).items() if k.isupper() and isinstance(v, int)}


def driver_constants():
    return request("constants", None)


def _before_fork():
    global _next_session
    _next_session = request("fork", None)


def _after_fork_child():
    """fork() duplicates every descriptor; so did the driver, into a session of
    the child's own, which ends with the child."""
    descriptors.begin_in_child()
    channel.begin_in_child(_next_session)


def _os_sendfile(out_fd, in_fd, *args, **kw):
    """os.sendfile() to one of the driver's sockets is the driver's sendfile()."""
    rid = descriptors.copies.get(out_fd) if isinstance(out_fd, int) else None
    if rid is None or kw or len(args) != 2 or args[0] is None:
        return _sendfile(out_fd, in_fd, *args, **kw)
    if request("gettimeout", rid) == 0:
        return _sendfile(out_fd, in_fd, *args)
    return request("sendfile", rid, int(in_fd), *args)


def installed():
    return channel.path is not None


def install():
    if "socket" in sys.modules:
        raise RuntimeError("socket is already imported")
    conf = json.loads(os.environ[ENV])
    channel.begin(conf["path"], conf["pid"])
    descriptors.begin()

    m = types.ModuleType("_socket", "stand-in: see bridge/__init__.py")
    m.__dict__.update({k: v for k, v in vars(real).items() if isinstance(v, (int, str)) and k[0] != "_"})
    m.__dict__.update(functions.table())
    for f in vars(m).values():
        if callable(f):
            f.__module__ = "_socket"
    m.socket = m.SocketType = socket
    m.error, m.timeout = OSError, TimeoutError
    m.gaierror, m.herror = real.gaierror, real.herror
    sys.modules["_socket"] = m
    sys.modules["_ssl"] = None         # needs the C module's own sockets
    os.sendfile = _os_sendfile
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork_child)
