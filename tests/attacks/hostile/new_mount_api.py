"""Mounts with the newer calls.

full, partial, landlock: sandbox_violation
"""

import ctypes

FSOPEN = 430


def unlearning(net, retain, forget, val):
    ctypes.CDLL(None).syscall(FSOPEN, b"tmpfs", 0)
    print("WON")
