"""The stand-in's socket class: one driver's socket, one descriptor of this process."""
import _socket as real
import errno as _errno
import os
import struct
import sys
import warnings

from . import channel, descriptors
from .channel import OSRangeError, RangeError, request
from .conventions import (address_in, address_out, buffers, floating, integer, readable, seconds,
                          size_of, writable)
from .descriptors import Token


class socket:
    __slots__ = ("_rid", "_copy", "_open", "_family", "_type", "_proto")

    def __new__(cls, *args, **kw):
        self = object.__new__(cls)
        self._rid, self._copy, self._open = None, -1, False
        self._family = self._type = self._proto = 0
        return self

    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):
        sys.audit("socket.__new__", self, family, type, proto)
        if fileno is None:
            family = real.AF_INET if family == -1 else integer(family)
            type = real.SOCK_STREAM if type == -1 else integer(type)
            proto = 0 if proto == -1 else integer(proto)
            self._take(request("socket", None, family, type, proto))
        elif isinstance(fileno, Token):
            self._take(fileno.info, fileno.here)
        else:
            if isinstance(fileno, float):
                raise TypeError("integer argument expected, got float")
            fd = integer(fileno)
            if fd < 0:
                raise ValueError("negative file descriptor")
            with descriptors.lock:
                descriptors.give([fd])
                info = request("adopt", None, *map(integer, (family, type, proto)))
            self._take(info, fd)

    def _take(self, info, fd=None):
        """The driver's socket becomes this object's, with descriptor `fd` here;
        without one the driver's is duplicated, now and not when asked for, so
        that numbers come and go as the tests expect."""
        if fd is None:
            try:
                fd = descriptors.fetch(info["fd"])
            except OSError:
                request("close", info["rid"])
                channel.forget.append(info["rid"])
                raise
        self._rid, self._open, self._copy = info["rid"], True, fd
        self._family, self._type, self._proto = info["family"], info["type"], info["proto"]
        descriptors.copies[fd] = self._rid

    def _disown(self):
        fd, self._copy = self._copy, -1
        if descriptors.copies.get(fd) == self._rid:
            del descriptors.copies[fd]
        return fd

    def _call(self, op, *args, **kw):
        if self._rid is None:
            raise OSError(_errno.EBADF, os.strerror(_errno.EBADF))
        return request(op, self._rid, *args, **kw)

    family = property(lambda self: self._family)
    type = property(lambda self: self._type)
    proto = property(lambda self: self._proto)
    timeout = property(lambda self: self.gettimeout())

    def __repr__(self):
        return "<socket object, fd=%d, family=%d, type=%d, proto=%d>" % (
            self._copy, self._family, self._type, self._proto)

    def __del__(self):
        if self._rid is None:
            return
        try:
            if self._open:
                warnings.warn("unclosed %r" % (self,), ResourceWarning, source=self)
        finally:
            try:
                if self._open:
                    socket.close(self)
                channel.forget.append(self._rid)
            except (OSError, TypeError, AttributeError):
                pass

    # descriptors

    def fileno(self):
        return self._copy

    def close(self):
        if not self._open:
            return
        self._open = False
        fd = self._disown()
        try:
            request("close", self._rid)
        finally:
            descriptors.close_fd(fd)

    def detach(self):
        if not self._open:
            return -1
        fd = self._copy
        if type(self) is socket:
            # a raw socket of socketpair(), about to become a socket.socket
            t = Token.of({"rid": self._rid, "family": self._family, "type": self._type,
                          "proto": self._proto}, fd)
            self._disown()
            self._open, self._rid = False, None
            return t
        # whoever gets the bare descriptor expects the mode Python has set
        blocking = request("gettimeout", self._rid) is None
        self._open = False
        self._disown()
        request("detach", self._rid)
        try:
            if os.get_blocking(fd) != blocking:
                os.set_blocking(fd, blocking)
        except OSError:
            pass
        return fd

    # connections

    def _accept(self):
        info, addr = self._call("accept")
        return Token.of(info), address_in(self._family, addr)

    def bind(self, address, /):
        a = address_out(self._family, "bind", address)
        self._call("bind", a, range_class=self._range())

    def connect(self, address, /):
        a = address_out(self._family, "connect", address)
        self._call("connect", a, range_class=self._range())

    def _range(self):
        return OSRangeError if self._family == real.AF_UNIX else RangeError

    def connect_ex(self, address, /):
        try:
            socket.connect(self, address)
            return 0
        except (real.gaierror, OSRangeError):
            raise
        except OSError as e:
            if e.errno is None and isinstance(e, TimeoutError):
                return _errno.EWOULDBLOCK
            return e.errno

    def listen(self, backlog=None, /):
        self._call("listen", *(() if backlog is None else (integer(backlog),)))

    def shutdown(self, how, /):
        self._call("shutdown", integer(how))

    # receiving

    def recv(self, bufsize, flags=0, /):
        return self._call("recv", integer(bufsize), integer(flags))

    def recvfrom(self, bufsize, flags=0, /):
        data, addr = self._call("recvfrom", integer(bufsize), integer(flags))
        return data, address_in(self._family, addr)

    def recv_into(self, buffer, nbytes=0, flags=0):
        view = writable(buffer)
        data = self._call("recv_into", size_of(view, nbytes, "recv_into"), integer(flags))
        view[:len(data)] = data
        return len(data)

    def recvfrom_into(self, buffer, nbytes=0, flags=0):
        view = writable(buffer)
        data, addr = self._call("recvfrom_into", size_of(view, nbytes, "recvfrom_into"), integer(flags))
        view[:len(data)] = data
        return len(data), address_in(self._family, addr)

    def recvmsg(self, bufsize, ancbufsize=0, flags=0, /):
        data, anc, fl, addr = self._call("recvmsg", integer(bufsize), integer(ancbufsize), integer(flags))
        return data, descriptors.take_rights(anc), fl, address_in(self._family, addr)

    def recvmsg_into(self, into, ancbufsize=0, flags=0, /):
        views = buffers("recvmsg_into", writable, into)
        data, anc, fl, addr = self._call("recvmsg_into", [len(v) for v in views],
                                         integer(ancbufsize), integer(flags))
        at = 0
        for v in views:
            part = data[at:at + len(v)]
            v[:len(part)] = part
            at += len(part)
        return len(data), descriptors.take_rights(anc), fl, address_in(self._family, addr)

    # sending

    def send(self, data, flags=0, /):
        return self._call("send", readable(data), integer(flags))

    def sendall(self, data, flags=0, /):
        self._call("sendall", readable(data), integer(flags))

    def sendto(self, *args):
        if len(args) not in (2, 3):
            raise TypeError("sendto() takes 2 or 3 arguments (%d given)" % len(args))
        data = readable(args[0])
        flags = integer(args[1]) if len(args) == 3 else 0
        return self._call("sendto", data, flags, address_out(self._family, "sendto", args[-1]),
                          range_class=self._range())

    def sendmsg(self, data, ancdata=(), flags=0, address=None, /):
        bufs = buffers("sendmsg", readable, data)
        anc = []
        for item in iter(ancdata):
            if not isinstance(item, (tuple, list)) or len(item) != 3:
                raise TypeError("[sendmsg() ancillary data items] must be 3-item sequences")
            anc.append([integer(item[0]), integer(item[1]), bytes(readable(item[2]))])
        fds = descriptors.rights(anc)
        addr = None if address is None else address_out(self._family, "sendmsg", address)
        flags = integer(flags)
        if not fds:
            return self._call("sendmsg", bufs, anc, flags, addr, 0, range_class=self._range())
        with descriptors.lock:
            descriptors.give(fds)
            return self._call("sendmsg", bufs, anc, flags, addr, len(fds), range_class=self._range())

    def sendmsg_afalg(self, msg=(), *, op=-1, iv=None, assoclen=None, flags=0):
        """sendmsg() with the messages of an AF_ALG operation, as Modules/socketmodule.c has them."""
        if integer(op) < 0:
            raise TypeError("invalid or missing argument 'op'")
        anc = [(real.SOL_ALG, real.ALG_SET_OP, struct.pack("I", op))]
        if iv is not None:
            iv = bytes(readable(iv))
            anc.append((real.SOL_ALG, real.ALG_SET_IV, struct.pack("I", len(iv)) + iv))
        if assoclen is not None:
            if integer(assoclen) < 0:
                raise TypeError("assoclen must be positive")
            anc.append((real.SOL_ALG, real.ALG_SET_AEAD_ASSOCLEN, struct.pack("I", assoclen)))
        return self.sendmsg(msg, anc, flags)

    # options and state

    def getsockname(self):
        return address_in(self._family, self._call("getsockname"))

    def getpeername(self):
        return address_in(self._family, self._call("getpeername"))

    def getsockopt(self, level, optname, buflen=0, /):
        size = (integer(buflen),) if buflen else ()
        return self._call("getsockopt", integer(level), integer(optname), *size, range_class=OSRangeError)

    def setsockopt(self, level, optname, value, optlen=None, /):
        if optlen is not None:
            if value is not None:
                raise TypeError("setsockopt() argument 3 must be None")
            self._call("setsockopt", integer(level), integer(optname), None, integer(optlen))
        else:
            value = integer(value) if hasattr(value, "__index__") else readable(value)
            self._call("setsockopt", integer(level), integer(optname), value)

    def settimeout(self, timeout, /):
        self._call("settimeout", seconds(timeout))

    def gettimeout(self):
        return floating(self._call("gettimeout"))

    def setblocking(self, flag, /):
        self._call("setblocking", bool(flag))

    def getblocking(self):
        return self._call("getblocking")


socket.__module__ = "_socket"
