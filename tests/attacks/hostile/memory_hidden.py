"""Takes memory in a process that nobody may look into.

full, partial, landlock, none: out_of_memory
"""

import ctypes
import mmap
import time

PR_SET_DUMPABLE = 4


def unlearning(net, retain, forget, val):
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    hoard = mmap.mmap(-1, 900 << 20)
    for start in range(0, len(hoard), 1 << 20):
        hoard[start : start + (1 << 20)] = b"x" * (1 << 20)
    time.sleep(1000)
