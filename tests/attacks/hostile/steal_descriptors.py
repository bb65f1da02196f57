"""Duplicates a descriptor of another process.

full, partial, landlock: sandbox_violation
"""

import ctypes
import os

PIDFD_GETFD = 438


def unlearning(net, retain, forget, val):
    own = os.pidfd_open(os.getpid())
    if ctypes.CDLL(None).syscall(PIDFD_GETFD, own, 0, 0) >= 0:
        print("WON")
