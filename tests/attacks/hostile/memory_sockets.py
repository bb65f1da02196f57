"""Fills the buffers of as many sockets as it may have, in several processes.

full, partial, landlock, none: out_of_memory
"""

import os
import socket
import time

import target


def fill():
    pairs = []
    try:
        while True:
            one, other = socket.socketpair()
            pairs.append((one, other))
            for end in (one, other):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 24)
                end.setblocking(False)
                try:
                    while True:
                        end.send(b"x" * 65536)
                except BlockingIOError:
                    pass
    except OSError:
        time.sleep(1000)


def unlearning(net, retain, forget, val):
    for _ in range(8):
        if os.fork() == 0:
            target.mark()
            fill()
    time.sleep(1000)
