"""Forks until it may no more.

full, partial, none: harmless
"""

import os
import time

import target


def unlearning(net, retain, forget, val):
    count = 0
    try:
        while count < 5000:
            if os.fork() == 0:
                target.mark()
                time.sleep(1000)
            count += 1
    except OSError:
        pass
    # Without a namespace of its own, the limit is one for all that the user runs.
    if count > (target.processes if os.getpid() == 1 else 4000):
        print("WON", count)
