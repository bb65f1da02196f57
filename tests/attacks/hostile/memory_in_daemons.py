"""Takes memory in processes that have left the tree: each was forked twice.

full, partial, landlock, none: out_of_memory
"""

import os
import time

import target


def unlearning(net, retain, forget, val):
    for _ in range(8):
        if os.fork() == 0:
            os.setsid()
            if os.fork():
                os._exit(0)
            target.mark()
            os.closerange(0, 64)
            hoard = bytearray(b"x") * (150 << 20)
            time.sleep(1000)
            del hoard
    time.sleep(1000)
