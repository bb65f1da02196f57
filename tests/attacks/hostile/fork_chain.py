"""Leaves a chain of processes, each of which forks the next and ends.

full, partial, landlock, none: harmless
"""

import os
import time

import target


def unlearning(net, retain, forget, val):
    if os.fork() == 0:
        target.mark()
        os.setsid()
        os.closerange(0, 64)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if os.fork():
                os._exit(0)
        os._exit(0)
    time.sleep(0.2)
