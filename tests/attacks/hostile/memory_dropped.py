"""Fills shared memory and drops its pages from its own tables, where they are counted.

full, partial, landlock, none: out_of_memory
"""

import mmap
import time

STEP = 32 << 20


def unlearning(net, retain, forget, val):
    hoard = mmap.mmap(-1, 2 << 30)
    for start in range(0, len(hoard), STEP):
        hoard[start : start + STEP] = b"x" * STEP
        hoard.madvise(mmap.MADV_DONTNEED, start, STEP)
    time.sleep(1000)
