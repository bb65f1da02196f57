"""Takes memory that no process maps: anonymous files and detached System V segments.

full, partial, landlock: harmless
"""

import ctypes
import os


def unlearning(net, retain, forget, val):
    try:
        os.memfd_create("hoard")
        print("WON memfd")
    except OSError:
        pass
    libc = ctypes.CDLL(None)
    segment = libc.shmget(0, 1 << 20, 0o600)
    if segment >= 0:
        print("WON shmget")
        libc.shmctl(segment, 0, None)
