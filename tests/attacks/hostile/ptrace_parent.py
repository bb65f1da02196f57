"""Attaches a debugger to the process that forked it.

full, partial, landlock: sandbox_violation
"""

import ctypes
import os

ATTACH = 16


def unlearning(net, retain, forget, val):
    if ctypes.CDLL(None).ptrace(ATTACH, os.getppid(), 0, 0) == 0:
        print("WON")
