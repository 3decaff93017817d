"""Python's calling conventions for values: buffers, tuples, integers, and what of them
is refused with which exception before anything is asked of the driver."""
import _socket as real
import operator
import os

integer = operator.index


def readable(b):
    if isinstance(b, (bytes, bytearray)):
        return b
    try:
        m = memoryview(b)
    except TypeError:
        raise TypeError("a bytes-like object is required, not %r" % type(b).__name__) from None
    return m if m.format == "B" and m.ndim == 1 and m.contiguous else m.cast("B")


def writable(b):
    m = readable(b)
    m = m if isinstance(m, memoryview) else memoryview(m)
    if m.readonly:
        raise TypeError("read-write bytes-like object expected")
    return m


def buffers(function, convert, many):
    """The first argument of sendmsg() and recvmsg_into()."""
    try:
        return [convert(b) for b in iter(many)]
    except TypeError as e:
        raise TypeError("%s() argument 1 must be an iterable of buffers: %s" % (function, e)) from None


def size_of(view, nbytes, name):
    nbytes = integer(nbytes)
    if nbytes < 0:
        raise ValueError("negative buffersize in %s" % name)
    if nbytes > len(view):
        raise ValueError("buffer too small for requested bytes")
    return nbytes or len(view)


def host(h):
    if isinstance(h, str):
        h = h if h.isascii() else h.encode("idna").decode()
    elif isinstance(h, (bytes, bytearray)):
        h = bytes(h).decode("latin-1")
    else:
        raise TypeError("str, bytes or bytearray expected, not %s" % type(h).__name__)
    if "\0" in h:
        raise TypeError("host name must not contain null character")
    return h


def string(s):
    if not isinstance(s, str):
        raise TypeError("argument must be str, not %s" % type(s).__name__)
    if "\0" in s:
        raise ValueError("embedded null character")
    return s


def _path(a):
    b = os.fsencode(a) if isinstance(a, str) else bytes(readable(a))
    if b[:1] != b"\0":
        try:
            return b.decode()
        except UnicodeDecodeError:
            pass
    return b


def address_out(family, caller, a):
    """An address of the test's, as the driver takes it."""
    if family == real.AF_UNIX:
        return _path(a)
    if not isinstance(a, tuple):
        raise TypeError("%s(): address must be tuple, not %s" % (caller, type(a).__name__))
    if family in (real.AF_INET, real.AF_INET6):
        if len(a) < 2 or len(a) > (2 if family == real.AF_INET else 4):
            raise TypeError("%s(): wrong number of items in the address" % caller)
        return [host(a[0]), *[integer(x) for x in a[1:]]]
    return list(a)


def address_in(family, a):
    """An address of the driver's, as a test expects it."""
    if isinstance(a, (list, tuple)):
        return tuple(a)
    if isinstance(a, bytes):
        return a if a[:1] == b"\0" else os.fsdecode(a)
    return a


def seconds(t):
    return t if t is None or isinstance(t, float) else integer(t)


def floating(t):
    return None if t is None else float(t)
