"""Calls the kernel through the x32 table, whose numbers a careless filter does not know.

full, partial, landlock: sandbox_violation
"""

import ctypes
import os
import platform
import signal


def unlearning(net, retain, forget, val):
    if platform.machine() != "x86_64":
        os.kill(os.getpid(), signal.SIGSYS)  # there is no such table to attack
    ctypes.CDLL(None).syscall(0x40000000 | 272, 0x10000000)
    print("WON")
