"""Takes memory in many processes, each within the limit of one.

full, partial, landlock, none: out_of_memory
"""

import os
import time

import target


def unlearning(net, retain, forget, val):
    for _ in range(8):
        if os.fork() == 0:
            target.mark()
            hoard = bytearray(b"x") * (150 << 20)
            time.sleep(1000)
            del hoard
    time.sleep(1000)
