"""Python's blocking socket module, one thread a connection: the API model.

usage: python3 py_socket.py MODE ADDR
"""
import os
import resource
import socket
import sys
import threading

mode, address = sys.argv[1:3]
kind, rest = address.split(':', 1)
local = kind in ('unix', 'udgram')
datagrams = kind in ('udp', 'udgram')
PIECE = bytes(65536)


def open_server():
    s = socket.socket(socket.AF_UNIX if local else socket.AF_INET, socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM)
    if local:
        if os.path.exists(rest):
            os.unlink(rest)
        s.bind(rest)
    else:
        s.bind(('127.0.0.1', int(rest)))
    if not datagrams:
        s.listen(4096)
    print('READY', '' if local else s.getsockname()[1], flush=True)
    return s


def serve_datagrams(s):
    count = 0
    while True:
        d, sender = s.recvfrom(2048)
        if mode == 'dgecho':
            try:
                s.sendto(d, sender)
            except OSError:
                pass  # AF_UNIX: the socket to answer to is gone
        elif d == b'Q':
            s.sendto(str(count).encode(), sender)
        else:
            count += 1


def serve(c):
    try:
        if kind == 'tcp':
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if mode == 'source':
            while True:
                c.sendall(PIECE)
        while True:
            d = c.recv(65536)
            if not d:
                break
            if mode == 'echo':
                c.sendall(d)
    except OSError:
        pass
    c.close()


def serve_streams(s):
    threading.stack_size(256 * 1024)
    while True:
        c, _ = s.accept()
        if mode == 'accept':
            c.close()
        else:
            threading.Thread(target=serve, args=(c,), daemon=True).start()


hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
server = open_server()
serve_datagrams(server) if datagrams else serve_streams(server)
