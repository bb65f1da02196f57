"""Forks until it may no more.

full, partial, none: harmless
"""

import os
import time

import target


def unlearning(net, retain, forget, val):
    count = 0
    try:
        while count < 1000:
            if os.fork() == 0:
                target.mark()
                time.sleep(1000)
            count += 1
    except OSError:
        pass
    if count > target.processes:
        print("WON", count)
