"""Leaves named semaphores, shared memory, locks and listening sockets for the next run.

full, partial: harmless
runs: 2
"""

import fcntl
import os
import socket
from multiprocessing.shared_memory import SharedMemory


def unlearning(net, retain, forget, val):
    try:
        SharedMemory("evil-trace", create=True, size=16)
    except FileExistsError:
        print("WON shared memory")
    try:
        fcntl.flock(os.open(os.__file__, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print("WON lock")
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind("\0evil-trace")
    except OSError:
        print("WON socket")
