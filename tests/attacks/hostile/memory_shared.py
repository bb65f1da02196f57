"""Takes shared memory, which the limit on the heap does not count.

full, partial, landlock, none: out_of_memory
"""

import mmap
import time


def unlearning(net, retain, forget, val):
    hoard = mmap.mmap(-1, 900 << 20)
    for start in range(0, len(hoard), 1 << 20):
        hoard[start : start + (1 << 20)] = b"x" * (1 << 20)
    time.sleep(1000)
