"""The stand-in's module functions."""
import _socket as real
import fcntl
import os

from . import descriptors
from .channel import request
from .conventions import address_in, floating, host, integer, readable, seconds, string
from .descriptors import Token
from .sockets import socket


def close(fd, /):
    fd = integer(fd)
    if fd in descriptors.copies:
        request("closefd", descriptors.copies[fd])
    descriptors.close_fd(fd)


def dup(fd, /):
    fd = integer(fd)
    if fd not in descriptors.copies:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 0)
    info = request("dup", descriptors.copies[fd])
    return Token.of(info, descriptors.fetch(info["fd"]))


def socketpair(family=real.AF_UNIX, type=real.SOCK_STREAM, proto=0, /):
    pair = []
    for info in request("socketpair", None, *map(integer, (family, type, proto))):
        s = socket.__new__(socket)
        s._take(info)
        pair.append(s)
    return tuple(pair)


def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
    if isinstance(host, str):
        host = host if host.isascii() else host.encode("idna").decode()
    elif isinstance(host, bytes):
        host = host.decode("latin-1")
    elif host is not None:
        raise TypeError("getaddrinfo() argument 1 must be string or None")
    if isinstance(port, bytes):
        port = port.decode("latin-1")
    elif isinstance(port, str):
        port.encode()
    elif port is not None:
        if not isinstance(port, int):
            raise OSError("Int or String expected")
        port = int(port)
        if not -2**63 <= port < 2**63:
            raise OverflowError("Python int too large to convert to C long")
    return [(f, t, p, c, address_in(f, a)) for f, t, p, c, a in
            request("getaddrinfo", None, host, port, integer(family), integer(type),
                    integer(proto), integer(flags))]


def getnameinfo(sockaddr, flags, /):
    if not isinstance(sockaddr, tuple):
        del sockaddr               # no reference from the traceback
        raise TypeError("getnameinfo() argument 1 must be a tuple")
    if not 2 <= len(sockaddr) <= 4 or not isinstance(sockaddr[0], str):
        raise TypeError("getnameinfo(): illegal sockaddr argument")
    return tuple(request("getnameinfo", None,
                          [sockaddr[0], *[integer(x) for x in sockaddr[1:]]], integer(flags)))


def gethostbyname(name, /):
    return request("gethostbyname", None, host(name))


def gethostbyname_ex(name, /):
    return tuple(request("gethostbyname_ex", None, host(name)))


def gethostbyaddr(name, /):
    return tuple(request("gethostbyaddr", None, host(name)))


def gethostname():
    return request("gethostname", None)


def getservbyname(name, proto=None, /):
    rest = () if proto is None else (string(proto),)
    return request("getservbyname", None, string(name), *rest, lenient=OSError)


def getservbyport(port, proto=None, /):
    port = integer(port)
    rest = () if proto is None else (string(proto),)
    return request("getservbyport", None, port, *rest,
                    lenient=None if not 0 <= port <= 0xffff else OSError)


def getprotobyname(name, /):
    return request("getprotobyname", None, string(name), lenient=OSError)


def if_nameindex():
    return [tuple(x) for x in request("if_nameindex", None)]


def if_nametoindex(name, /):
    return request("if_nametoindex", None, os.fsdecode(name), lenient=OSError)


def if_indextoname(index, /):
    index = integer(index)
    return request("if_indextoname", None, index, lenient=OSError if index >= 0 else None)


def inet_aton(s, /):
    return request("inet_aton", None, string(s), lenient=OSError)


def inet_ntoa(b, /):
    return request("inet_ntoa", None, readable(b), lenient=OSError)


def inet_pton(af, s, /):
    return request("inet_pton", None, integer(af), string(s), lenient=OSError)


def inet_ntop(af, b, /):
    return request("inet_ntop", None, integer(af), readable(b), lenient=ValueError)


def number(name):
    def f(x, /):
        return request(name, None, integer(x))
    f.__name__ = f.__qualname__ = name
    return f


htons, ntohs, htonl, ntohl, CMSG_LEN, CMSG_SPACE = map(
    number, ("htons", "ntohs", "htonl", "ntohl", "CMSG_LEN", "CMSG_SPACE"))


def getdefaulttimeout():
    return floating(request("getdefaulttimeout", None))


def setdefaulttimeout(timeout, /):
    request("setdefaulttimeout", None, seconds(timeout))


def table():
    """{name: function} of what CPython's module has too."""
    return {k: v for k, v in globals().items()
            if callable(v) and k != "socket" and getattr(v, "__module__", "") == __name__
            and hasattr(real, k)}
